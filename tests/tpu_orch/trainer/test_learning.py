"""From experience to an update: what the metric `kl` measures wherever it is charged; experience without rollouts."""

import warnings
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from test_forking import TASKS, game_run

from data_pipeline.words import Ledger, Rollout, StopReason
from models.config import tiny
from rewards.scoring import Score
from rewards.verdicts import Verdict
from tpu_orch.config import TrainerOptions
from tpu_orch.trainer.experience import Experience
from tpu_orch.trainer.learning import divergences, rollout_batches
from tpu_orch.trainer.parts import Run
from tpu_orch.trainer.policies import objective_of
from tpu_orch.training.batch import Shape
from tpu_orch.training.learner import decoder_learner
from tpu_orch.training.objective import OBJECTIVES, ObjectiveName
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.state import create_state
from tpu_orch.training.update import make_update, train_step

LEARNER = decoder_learner(tiny(vocab_size=48))
OPTIMIZER = make_optimizer(OptimizerConfig(learning_rate=1e-2, schedule="constant"), steps=10)


def learning_run(**options: Any) -> Run:
    trainer = TrainerOptions(group=2, prompts=2, replay=0, **options)
    objective, run = objective_of(trainer, 100), game_run()
    return run._replace(
        config=replace(run.config, trainer=trainer),
        objective=objective,
        reinforce=make_update(LEARNER, OPTIMIZER, objective),
        rollout_shapes=[Shape(4, 16)],
    )


def experience(params: Any) -> Experience:
    """Four rollouts, sampled by these weights as far as their log-probs say."""
    random, places = np.random.default_rng(2), range(4)
    sampled = np.array([0] * 4 + [1] * 3 + [0] * 2 + [1] * 3, bool)
    turn, nothing = np.where(sampled, 0, -1), np.zeros(12, np.float32)
    ledgers = [Ledger(random.integers(0, 48, 12).astype(np.int32), sampled, nothing, turn, 0) for _ in places]
    made = [Rollout(TASKS[n // 2].id, (), n % 2, StopReason.ANSWER, 0, ledger) for n, ledger in enumerate(ledgers)]
    apart = divergences(learning_run(), params, made, np.ones(4))
    rollouts = [
        one._replace(ledger=ledger._replace(logprobs=-logprobs))
        for one, ledger, logprobs in zip(made, ledgers, apart, strict=True)
    ]
    scores = [Score(one.task_id, one.group_index, one.group_index, {}, Verdict(None, tuple)) for one in rollouts]
    return Experience([TASKS[n // 2] for n in places], rollouts, scores, np.array([0, 0, 1, 1]), {}, {}, {})


def kl_of(kl_in: str, reference: Any) -> float:
    """The metric of one update on rollouts of the fresh policy."""
    run, state = learning_run(kl=0.1, kl_in=kl_in, kl_kind="k3"), create_state(LEARNER.init, OPTIMIZER.transform, 5)
    batches = rollout_batches(run, state.params, reference, experience(state.params))
    return train_step(run.reinforce, state, batches)[1]["kl"]


def test_the_divergence_is_measured_alike_wherever_it_is_charged() -> None:
    same = create_state(LEARNER.init, OPTIMIZER.transform, 5).params
    other = jax.tree.map(lambda leaf: 1.5 * leaf, same)
    expected = kl_of("loss", other)
    assert expected > 1e-3
    for kl_in in ("reward", "tokens"):
        assert kl_of(kl_in, same) == pytest.approx(0, abs=1e-6)
        assert kl_of(kl_in, other) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_step_without_rollouts_has_no_batches(name: ObjectiveName) -> None:
    run = learning_run(objective=name, kl=0.1, kl_in="tokens", kl_kind="k1")
    nothing = Experience([], [], [], np.zeros(0, np.int64), {}, {}, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rollout_batches(run, None, None, nothing) == []
