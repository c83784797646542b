"""A group's prompt run once: same loss and gradient as a copy of it before every continuation, for far fewer tokens."""

import jax
import numpy as np
import optax
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.words import Ledger
from models.config import tiny
from tpu_orch.training.batch import Shape, lay_out, micro_batches, of_examples, rollout_example, shapes
from tpu_orch.training.learner import decoder_learner
from tpu_orch.training.objective import Objective
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.packing import rows_of, shared_units, single_units
from tpu_orch.training.update import make_update


def group(seed: int, prompt: int, lengths: list[int]) -> list:
    random = np.random.default_rng(seed)
    start = random.integers(0, 48, prompt)
    made = []
    for length in lengths:
        ids = np.concatenate([start, random.integers(0, 48, length)]).astype(np.int32)
        sampled = np.concatenate([np.zeros(prompt, bool), [True], random.random(length - 1) < 0.6])
        logprobs = np.where(sampled, -3.9 + 0.2 * random.normal(size=len(ids)), 0).astype(np.float32)
        ledger = Ledger(ids, sampled, logprobs, np.where(sampled, 0, -1), 0)
        made.append(rollout_example(ledger, float(random.normal()), 0.02))
    return made


def test_a_shared_row_by_hand() -> None:
    first = Ledger(
        np.array([1, 2, 3, 4, 5], np.int32),
        np.array([0, 0, 0, 1, 1], bool),
        -np.arange(5.0, dtype=np.float32),
        np.zeros(5),
        0,
    )
    second = first._replace(ids=np.array([1, 2, 3, 6, 7], np.int32))
    (batch,), places = lay_out(
        [rollout_example(first, 1.0, 0.5), rollout_example(second, -1.0, 0.5)], [Shape(1, 8)], share_prompts=True
    )
    root = 1 << 16
    assert batch.ids[0].tolist() == [1, 2, 3, 4, 3, 6, 0, 0]
    assert batch.targets[0].tolist() == [2, 3, 4, 5, 6, 7, 0, 0]
    assert batch.positions[0].tolist() == [0, 1, 2, 3, 2, 3, 0, 0]
    assert batch.segments[0].tolist() == [root, root, root + 1, root + 1, root + 2, root + 2, 0, 0]
    assert batch.sequences[0].tolist() == [0, 0, 1, 1, 2, 2, 0, 0]
    assert batch.advantages[0].tolist() == [0, 0, 1, 1, -1, -1, 0, 0]
    assert batch.policy_weight[0].tolist() == [0, 0, 0.5, 0.5, 0.5, 0.5, 0, 0]
    assert [place[:] for place in places] == [(0, 0, 2, 2), (0, 0, 4, 2)]


def test_loss_and_gradient_equal_those_with_a_copy_of_the_prompt_each() -> None:
    learner = decoder_learner(tiny(vocab_size=48))
    objective = Objective(ratio="sequence", average="sequences", entropy_weight=0.01)
    update = make_update(learner, make_optimizer(OptimizerConfig(), 1), objective)
    params = jax.jit(learner.init)(jax.random.key(0))
    examples = group(1, 9, [4, 7, 2, 5]) + group(2, 5, [3, 6]) + group(3, 12, [4])
    apart = micro_batches(examples, [Shape(7, 18)])
    shared = micro_batches(examples, [Shape(2, 44)], pack=True, share_prompts=True)
    assert len(apart) == len(shared) == 1 and (shared[0].segments > 0).sum() < 0.7 * (apart[0].segments > 0).sum()
    sums = [update.accumulate(params, update.zeros(params), batch) for (batch,) in (apart, shared)]
    np.testing.assert_allclose(sums[1].totals, sums[0].totals, rtol=1e-5, atol=1e-5)
    gap = optax.global_norm(jax.tree.map(lambda a, b: a - b, sums[1].gradients, sums[0].gradients))
    assert float(gap) < 1e-5 * float(optax.global_norm(sums[0].gradients))


drawn = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 12)), min_size=1, max_size=20)


@given(drawn, st.booleans(), st.booleans())
def test_every_sequence_is_laid_out_once_and_found_again(pairs: list, pack: bool, share: bool) -> None:
    examples = [group(prompt, 3 * prompt + 1, [length])[0] for prompt, length in pairs]
    batches, places = lay_out(examples, shapes([16, 40], tokens=80), pack=pack, share_prompts=share)
    assert sum(int((batch.policy_weight > 0).sum()) for batch in batches) == sum(e.sampled.sum() for e in examples)
    back = of_examples([batch.sampler_logprobs for batch in batches], places, examples)
    for example, values in zip(examples, back, strict=True):
        np.testing.assert_array_equal(values, example.logprobs)


@given(drawn)
def test_units_hold_every_sequence_once_and_fit(pairs: list) -> None:
    widths = [3 * prompt + length for prompt, length in pairs]
    prompts, shared = [bytes([prompt]) for prompt, _ in pairs], [3 * prompt for prompt, _ in pairs]
    units = shared_units(widths, prompts, shared, room=30)
    assert sorted(n for unit in units for n in unit.members) == list(range(len(pairs)))
    for unit in units:
        assert unit.width == unit.shared + sum(widths[n] - unit.shared for n in unit.members) <= 30
        assert len({prompts[n] for n in unit.members}) == 1
        assert unit.shared == (shared[unit.members[0]] if len(unit.members) > 1 else 0)
    for row in rows_of(units, 30, pack=True):
        assert sum(unit.width for unit in row) <= 30
    assert sum(unit.width for unit in units) <= sum(unit.width for unit in single_units(widths))
