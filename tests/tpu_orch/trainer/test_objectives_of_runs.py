"""What the options make of an objective; experience joined and cut; credits of turns; pass@k; which optimisers there are."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from data_pipeline.errors import InputError
from data_pipeline.words import Rollout, StopReason, Task
from data_pipeline.words.calls import Resolved, ToolCall
from data_pipeline.words.rollouts import Turn
from rewards.scoring import Score, find_reward
from rewards.verdicts import CallVerdict, Verdict
from tpu_orch.config import TrainerOptions, WarmupOptions, WorldOptions
from tpu_orch.engine import EngineOptions
from tpu_orch.evaluation.passing import advice, pass_at
from tpu_orch.presets.sandbox import sandbox
from tpu_orch.runs.loggers import scalars
from tpu_orch.trainer.experience import Experience, joined, learnt_from, only
from tpu_orch.trainer.learning import turn_credits
from tpu_orch.trainer.policies import check_verdicts, objective_of
from tpu_orch.trainer.run import metric_of
from tpu_orch.trainer.sampling import warn_of_truncation
from tpu_orch.training.objective import OBJECTIVES
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer


def test_the_defaults_are_the_objective_of_the_presets() -> None:
    assert objective_of(TrainerOptions(), 200) == OBJECTIVES["centred"]


def test_a_name_and_what_is_changed_of_it() -> None:
    made = objective_of(TrainerOptions(objective="dr-grpo", kl=0.1, kl_kind="k1", kl_in="reward", entropy=0.01), 200)
    assert (made.constant_length, made.kl_weight, made.kl, made.kl_in, made.entropy_weight) == (
        200,
        0.1,
        "k1",
        "reward",
        0.01,
    )
    assert objective_of(TrainerOptions(objective="grpo", divide_by_std=False, clip_high=0.5), 9).clip_high == 0.5
    assert not objective_of(TrainerOptions(objective="grpo", divide_by_std=False), 9).deviation
    assert objective_of(TrainerOptions(overlap=True), 9).importance_cap == 2.0
    assert objective_of(TrainerOptions(overlap=True, importance_cap=1.5), 9).importance_cap == 1.5
    with pytest.raises(InputError, match="k1 has no gradient"):
        objective_of(TrainerOptions(kl=0.1, kl_kind="k1"), 9)


def rollout(name: str, turns: tuple[Turn, ...] = ()) -> Rollout:
    return Rollout(name, turns, 0, StopReason.ANSWER)


def experience(rewards: list[float], groups: list[int]) -> Experience:
    scores = [Score(f"t{g}", 0, reward, {}, Verdict(None, tuple)) for reward, g in zip(rewards, groups, strict=True)]
    tasks = [Task(f"t{g}", "", (), ()) for g in groups]
    counts = {"rounds": 1, "groups_sampled": len(set(groups)), "sampled": 5, "fed": 2}
    rollouts = [rollout(f"t{g}") for g in groups]
    return Experience(tasks, rollouts, scores, np.array(groups), {1: rewards}, counts, {"sampling": 1.0})


def test_groups_are_left_out_and_joined_and_numbered_on() -> None:
    first = only(experience([0, 0, 1, 0], [0, 0, 1, 1]), np.array([False, False, True, True]))
    both = joined(first, experience([0.5, 1], [0, 0]))
    assert both.groups.tolist() == [1, 1, 2, 2]
    assert both.rewards.tolist() == [1, 0, 0.5, 1]
    assert both.earned == {1: [0, 0, 1, 0, 0.5, 1]}  # what was left out was earned as well
    assert both.counts == {"rounds": 2, "groups_sampled": 3, "sampled": 10, "fed": 4}
    assert [task.id for task in both.tasks] == ["t1", "t1", "t0", "t0"]


def test_an_update_looks_at_the_most_unlike_rollouts_of_each_group() -> None:
    made = experience([0.1, 0.9, 0.5, 1.0, 0.2, 0.2, 0.7], [0, 0, 0, 0, 1, 1, 1])
    objective = objective_of(TrainerOptions(kept_of_group=2), 9)
    some = learnt_from(made, objective.kept_of_group)
    assert some.rewards.tolist() == pytest.approx([0.1, 1.0, 0.2, 0.7])
    assert some.groups.tolist() == [0, 0, 1, 1]
    assert some.earned == made.earned  # all of it was earned
    assert learnt_from(made, objective_of(TrainerOptions(), 9).kept_of_group) is made
    with pytest.raises(InputError, match="kept_of_group is 1"):
        objective_of(TrainerOptions(kept_of_group=1), 9)


def test_credit_of_a_turn_is_what_was_judged_of_its_calls() -> None:
    call = Resolved(ToolCall("f", {}), None)
    made = rollout("t", (Turn("", (call, call)), Turn("", ()), Turn("", (call,))))
    calls = [CallVerdict("f", 0, "ok", {"name": 1.0, "value": share}) for share in (1.0, 0.0, 0.5)]
    judged = Score("t", 0, 1.0, {}, Verdict(None, lambda: tuple(calls)))
    np.testing.assert_array_equal(turn_credits(made, judged), [0.75, np.nan, 0.75])


def test_verdicts_give_credit_only_where_a_reward_makes_them() -> None:
    verdicts = TrainerOptions(credit="verdicts")
    for name in ("tier", "graduated", "outcome=1+tier=1"):
        check_verdicts(verdicts, find_reward(name))
    check_verdicts(TrainerOptions(), find_reward("outcome"))
    with pytest.raises(InputError, match="reward outcome says nothing of single calls"):
        check_verdicts(verdicts, find_reward("outcome"))


@pytest.mark.parametrize(("k", "right"), [(1, 2), (2, 1), (3, 2), (4, 0), (2, 5)])
def test_pass_at_k_is_the_share_of_all_choices(k: int, right: int) -> None:
    tries = [True] * right + [False] * (5 - right)
    chosen = list(combinations(tries, k))
    assert pass_at(k, 5, right) == pytest.approx(sum(map(any, chosen)) / len(chosen))


def test_whether_reinforcement_can_start() -> None:
    assert advice(0.5, 0.1, 0.4) == "reinforcement learning has something to start from"
    assert advice(0.5, 0.0, 0.0).endswith("though no sample solves its task yet")
    assert "harder tasks" in advice(0.1, 0.95, 1.0) and "demonstrate first" in advice(0.1, 0.0, 0.0)


def test_numbers_that_make_no_step_are_refused() -> None:
    for make, says in (
        (lambda: TrainerOptions(prompts=0), "trainer.prompts is 0, and must be at least 1"),
        (lambda: TrainerOptions(steps=-1), "trainer.steps is -1, and must be at least 0"),
        (lambda: TrainerOptions(replay=-3), "trainer.replay is -3, and must be at least 0"),
        (lambda: WarmupOptions(steps=-1), "warmup.steps is -1, and must be at least 0"),
        (lambda: replace(sandbox(), micro_tokens=0), "micro_tokens is 0, and must be at least 1"),
        (lambda: replace(sandbox(), engine=EngineOptions(rows=0)), "engine.rows is 0, and must be at least 1"),
        (
            lambda: replace(sandbox(), engine=EngineOptions(temperature=0.0)),
            "engine.temperature is 0, and must be above 0",
        ),
        (
            lambda: replace(sandbox(), world=WorldOptions(trained_per_depth=0)),
            "world.trained_per_depth is 0, and must be",
        ),
    ):
        with pytest.raises(InputError, match=re.escape(says)):
            make()


def test_draws_from_a_part_of_the_distribution_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_truncation(EngineOptions(temperature=0.7))
    assert capsys.readouterr().err == ""
    for options in (EngineOptions(top_k=5), EngineOptions(top_p=0.9), EngineOptions(min_p=0.1)):
        warn_of_truncation(options)
        (told,) = capsys.readouterr().err.splitlines()
        assert told.startswith("warning: engine.top_k") and told.endswith("biased")


@pytest.mark.parametrize("name", ["muon", "yogi", "prodigy", "lion"])
def test_optimisers_by_name(name: str) -> None:
    params = {"layers": {"q": np.ones((2, 4, 2, 3), np.float32), "norm": np.ones(3, np.float32)}}
    transform = make_optimizer(OptimizerConfig(name=name), 3).transform
    changes, _ = transform.update(params, transform.init(params), params)
    assert np.isfinite(changes["layers"]["q"]).all() and np.any(changes["layers"]["q"])


@pytest.mark.parametrize("name", ["nothing", "lbfgs", "polyak_sgd", "scale_by_adam", "apply_updates"])
def test_what_is_no_optimiser_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="optimizer"):
        make_optimizer(OptimizerConfig(name=name), 3)


def test_metrics_by_path() -> None:
    assert metric_of({"by_depth": {"3": 0.5}, "reward": 1}, "by_depth.3") == 0.5
    with pytest.raises(InputError, match="no such number"):
        metric_of({"reward": 1}, "by_depth.3")
    assert dict(scalars({"a": 1, "b": {"c": 2.0, "d": "text"}, "e": True})) == {"a": 1.0, "b/c": 2.0}
