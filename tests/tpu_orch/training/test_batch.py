"""Micro-batches: nothing lost, nothing added, and no loss on a token that was fed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.errors import InputError
from data_pipeline.words import Ledger
from tpu_orch.training.batch import (
    Example,
    Shape,
    demonstration_example,
    micro_batches,
    rollout_example,
    seats,
    shapes,
)
from tpu_orch.training.normalisers import token_weights


def ledger(length: int, seed: int = 0) -> Ledger:
    random = np.random.default_rng(seed)
    sampled = random.random(length) < 0.5
    sampled[0] = False
    logprobs = np.where(sampled, -random.random(length) - 0.1, 0.0)
    ids = random.integers(1, 1000, length)
    return Ledger(ids.astype(np.int32), sampled, logprobs.astype(np.float32), np.where(sampled, 0, -1), 3)


def test_one_sequence_by_hand() -> None:
    given = Ledger(
        ids=np.array([11, 12, 13, 14, 15], np.int32),
        sampled=np.array([0, 0, 1, 0, 1], bool),
        logprobs=np.array([0, 0, -0.5, 0, -0.25], np.float32),
        turn=np.array([-1, -1, 0, -1, 1], np.int32),
        weights_version=0,
    )
    (batch,) = micro_batches([rollout_example(given, 2.0, 0.5)], [Shape(2, 6)], temperature=0.7)
    assert batch.ids.tolist() == [[11, 12, 13, 14, 0, 0], [0] * 6]
    assert batch.targets.tolist() == [[12, 13, 14, 15, 0, 0], [0] * 6]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 0, 0], [0] * 6]
    assert batch.segments.tolist() == [[1, 1, 1, 1, 0, 0], [0] * 6]
    assert batch.policy_weight.tolist() == [[0, 0.5, 0, 0.5, 0, 0], [0] * 6]
    assert batch.advantages.tolist() == [[0, 2, 0, 2, 0, 0], [0] * 6]
    assert batch.sampler_logprobs.tolist() == [[0, -0.5, 0, -0.25, 0, 0], [0] * 6]
    assert batch.old_logprobs.tolist() == batch.sampler_logprobs.tolist()
    assert not batch.likelihood_weight.any() and not batch.reference_logprobs.any()
    assert float(batch.temperature) == pytest.approx(0.7)
    known = rollout_example(given, 2.0, 0.5, np.array([9, 9, -0.75, 9, -1.0], np.float32))
    (batch,) = micro_batches([known], [Shape(2, 6)])
    assert batch.reference_logprobs.tolist() == [[0, -0.75, 0, -1.0, 0, 0], [0] * 6]


sequences = st.lists(st.tuples(st.integers(2, 33), st.integers(0, 10**6)), min_size=1, max_size=25)


@given(sequences, st.booleans())
def test_every_sampled_token_once_and_no_fed_token_ever(drawn: list, pack: bool) -> None:
    ledgers = [ledger(length, seed) for length, seed in drawn]
    weights = token_weights(np.array([item.sampled.sum() for item in ledgers]), "sequences")
    examples = [rollout_example(item, n + 1.0, weights[n]) for n, item in enumerate(ledgers)]
    batches = micro_batches(examples, shapes([8, 16, 32], tokens=64), pack=pack)
    assert {(batch.ids.shape) for batch in batches} <= {(8, 8), (4, 16), (2, 32)}
    seen = []
    for batch in batches:
        for row in range(batch.ids.shape[0]):
            for segment in range(1, batch.segments[row].max() + 1):
                own = np.flatnonzero(batch.segments[row] == segment)
                assert (np.diff(own) == 1).all() and batch.positions[row, own].tolist() == list(range(len(own)))
                number = int(batch.advantages[row, own].max()) - 1
                ids = np.append(batch.ids[row, own], batch.targets[row, own[-1]])
                seen.append((number, ids.tolist(), batch.policy_weight[row, own], batch.sampler_logprobs[row, own]))
        assert not batch.policy_weight[batch.segments == 0].any()
    assert len(seen) == len(ledgers)
    for number, ids, weight, logprobs in seen:
        if number < 0:
            assert not weight.any()  # nothing was sampled in it, so it carries no advantage to tell it by
            continue
        source = ledgers[number]
        assert ids == source.ids.tolist()
        np.testing.assert_array_equal(weight > 0, source.sampled[1:])
        np.testing.assert_array_equal(logprobs, source.logprobs[1:])


@given(sequences)
def test_packing_uses_no_more_rows_and_keeps_within_the_longest_bucket(drawn: list) -> None:
    examples = [rollout_example(ledger(length, seed), 1.0, 1.0) for length, seed in drawn]
    allowed = shapes([8, 16, 32], tokens=64)
    plain, packed = micro_batches(examples, allowed), micro_batches(examples, allowed, pack=True)
    cells = [sum(batch.ids.size for batch in batches) for batches in (plain, packed)]
    assert sum((batch.segments > 0).sum() for batch in plain) == sum((batch.segments > 0).sum() for batch in packed)
    assert cells[1] <= cells[0] + 64


def test_packing_fills_rows() -> None:
    examples = [demonstration_example(np.arange(9), np.arange(9) > 4, 1.0) for _ in range(16)]
    batches = micro_batches(examples, [Shape(2, 32)], pack=True)
    assert len(batches) == 2 and all((batch.segments > 0).all() for batch in batches)
    assert batches[0].segments[0].tolist() == [1] * 8 + [2] * 8 + [3] * 8 + [4] * 8


def test_a_demonstration_carries_likelihood_only() -> None:
    example = demonstration_example(np.array([5, 6, 7]), np.array([False, False, True]), 0.25)
    (batch,) = micro_batches([example], [Shape(1, 4)])
    assert batch.likelihood_weight.tolist() == [[0, 0.25, 0, 0]]
    assert not batch.policy_weight.any() and not batch.advantages.any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: micro_batches([rollout_example(ledger(34), 1.0, 1.0)], shapes([8, 32], tokens=64)),
            "34 tokens, the longest",
        ),
        (lambda: rollout_example(ledger(9)._replace(sampled=np.ones(9, bool)), 1.0, 1.0), "nothing comes before"),
        (lambda: rollout_example(ledger(9)._replace(sampled=np.zeros(8, bool)), 1.0, 1.0), "9 ids, 8 marks"),
        (lambda: demonstration_example(np.array([1]), np.array([False]), 1.0), "at least 2"),
        (lambda: shapes([], tokens=64), "bucket lengths"),
        (lambda: token_weights(np.array([1]), "constant"), "constant_length"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(make, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()


def test_shapes_hold_a_token_budget_and_a_multiple_of_the_devices() -> None:
    assert shapes([64, 16, 16], tokens=128, multiple=2) == (Shape(8, 16), Shape(2, 64))
    assert shapes([512], tokens=128, multiple=4) == (Shape(4, 512),)


def test_normalisers_by_hand() -> None:
    lengths = np.array([4, 0, 1, 3])
    np.testing.assert_allclose(token_weights(lengths, "tokens"), [1 / 8, 0, 1 / 8, 1 / 8])
    np.testing.assert_allclose(token_weights(lengths, "sequences"), [1 / 12, 0, 1 / 3, 1 / 9])
    np.testing.assert_allclose(token_weights(lengths, "constant", constant_length=10), [1 / 30, 0, 1 / 30, 1 / 30])
    assert not token_weights(np.zeros(3, int), "tokens").any()


def test_layout_is_the_same_for_the_same_lengths() -> None:
    first = [Example(*rollout_example(ledger(n, n), 1.0, 1.0)) for n in (9, 5, 9, 12)]
    again = micro_batches(first, shapes([16], tokens=32))
    for one, other in zip(micro_batches(first, shapes([16], tokens=32)), again, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_scored_places_are_those_with_loss_and_no_shard_has_more_than_it_may() -> None:
    ledgers = [ledger(length, seed) for seed, length in enumerate([31, 9, 22, 17, 5, 33, 12, 28, 8, 19])]
    made = [rollout_example(item, 1.0, 0.25) for item in ledgers]
    shape = Shape(4, 40, scored=44, shards=2)
    batches = micro_batches(made, [shape, Shape(2, 40, scored=40, shards=2)], pack=True)
    assert {batch.ids.shape for batch in batches} == {(4, 40), (2, 40)}  # the last one has few rows
    total = 0
    for batch in batches:
        shards = batch.policy_weight.reshape(2, -1)
        for weights, scored in zip(shards, batch.scored, strict=True):
            listed = scored[scored < weights.size]
            assert listed.tolist() == np.flatnonzero(weights).tolist()
            total += len(listed)
    assert total == sum(item.sampled.sum() for item in ledgers)


def test_seats_leave_a_shard_when_its_places_are_taken() -> None:
    assert seats([30, 20, 10, 5, 5], Shape(6, 40, scored=40, shards=2)) == [0, 3, 4, 5]
    assert seats([40, 40, 1], Shape(2, 40, scored=40, shards=2)) == [0, 1]
    assert seats([7] * 9, Shape(4, 40)) == [0, 1, 2, 3]
