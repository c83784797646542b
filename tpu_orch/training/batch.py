"""Ledgers and demonstrations -> padded micro-batches of a few fixed shapes.

A position of a micro-batch holds an input token and the token that follows it; the loss weight of a position is that of the
following token, so it is 0 wherever that token was fed:

    ids       <user> find a <assistant> call(1) <tool> 7 <assistant> done <end>
    sampled      0    0  0       0         1      0   0       0        1    1
    input     <user> find a <assistant> call(1) <tool> 7 <assistant> done
    target     find    a <assistant> call(1) <tool> 7 <assistant> done <end>
    weight       0     0      0         w       0    0     0        w     w

Weights hold the step's normaliser (`normalisers`), advantages and supervised weights lie side by side, so one update serves
reinforcement learning, supervised fine-tuning, and both at once. Rows may hold several sequences, told apart by segments.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from data_pipeline.errors import InputError
from data_pipeline.words import Ledger

Real: TypeAlias = float | np.floating


class Example(NamedTuple):
    """One sequence of the step, before padding. L tokens."""

    ids: Int[np.ndarray, "L"]
    sampled: Bool[np.ndarray, "L"]
    """The tokens that carry loss."""
    logprobs: Float[np.ndarray, "L"]
    """The sampler's log-probs; 0 where fed, and everywhere in a demonstration."""
    advantages: Float[np.ndarray, "L"]
    """Of each token; 0 in a demonstration."""
    policy_weight: float
    """Weight of each sampled token in the policy-gradient loss."""
    likelihood_weight: float
    """Weight of each sampled token in the supervised loss."""


class MicroBatch(NamedTuple):
    """What one forward and backward pass reads. Padding has segment 0 and weight 0."""

    ids: Int[Array, "B T"]
    targets: Int[Array, "B T"]
    positions: Int[Array, "B T"]
    """Place of the token in its own sequence."""
    segments: Int[Array, "B T"]
    """Which sequence of the row, counted from 1."""
    policy_weight: Float[Array, "B T"]
    likelihood_weight: Float[Array, "B T"]
    advantages: Float[Array, "B T"]
    sampler_logprobs: Float[Array, "B T"]
    old_logprobs: Float[Array, "B T"]
    """Of the targets, under the weights that the clip is centred on; the sampler's own unless made anew."""
    reference_logprobs: Float[Array, "B T"]
    """Of the targets, under the reference policy; 0 unless made."""
    temperature: Float[Array, ""]
    """Of sampling; log-probs are those of logits / temperature."""


class Shape(NamedTuple):
    """Rows and tokens of a micro-batch: one compiled program each."""

    rows: int
    tokens: int


def shapes(lengths: Sequence[int], *, tokens: int, multiple: int = 1) -> tuple[Shape, ...]:
    """One shape for each bucket length, each of at most `tokens` tokens but at least `multiple` rows.

    Args:
      lengths: bucket lengths in tokens.
      tokens: how many tokens a micro-batch may hold (what bounds its memory).
      multiple: rows come in multiples of this: the number of devices that share the rows.
    Raises:
      InputError: no lengths, or one that is not positive.
    """
    if not lengths or min(lengths) < 1:
        raise InputError(f"bucket lengths {list(lengths)}: give at least one, each 1 or more")
    return tuple(Shape(max(tokens // length // multiple, 1) * multiple, length) for length in sorted(set(lengths)))


def rollout_example(ledger: Ledger, advantages: Real | Float[np.ndarray, "L"], weight: Real) -> Example:
    """A rollout's ledger as an example of the policy-gradient loss.

    Args:
      ledger: of L tokens, used as it stands.
      advantages: one for the rollout, or one for each token.
      weight: of each sampled token (see `normalisers.token_weights`).
    Raises:
      InputError: the ledger's arrays differ in length, or its first token was sampled (nothing to predict it from).
    """
    length = len(ledger.ids)
    if not len(ledger.sampled) == len(ledger.logprobs) == length:
        raise InputError(f"ledger: {length} ids, {len(ledger.sampled)} marks, {len(ledger.logprobs)} log-probs")
    return _example(ledger.ids, ledger.sampled, ledger.logprobs, advantages, policy=weight, likelihood=0.0)


def demonstration_example(ids: Int[np.ndarray, "L"], sampled: Bool[np.ndarray, "L"], weight: Real) -> Example:
    """A demonstration as an example of the supervised loss; `sampled` marks what a policy would have sampled."""
    if len(sampled) != len(ids):
        raise InputError(f"demonstration: {len(ids)} ids, {len(sampled)} marks")
    zeros = np.zeros(len(ids), np.float32)
    return _example(ids, sampled, zeros, 0.0, policy=0.0, likelihood=weight)


def _example(
    ids: np.ndarray,
    sampled: np.ndarray,
    logprobs: np.ndarray,
    advantages: Real | np.ndarray,
    *,
    policy: Real,
    likelihood: Real,
) -> Example:
    if len(ids) < 2:
        raise InputError(f"a sequence of {len(ids)} tokens has nothing to predict: at least 2 are needed")
    if sampled[0]:
        raise InputError("the first token of a sequence is marked as sampled: nothing comes before it")
    return Example(
        np.asarray(ids, np.int32),
        np.asarray(sampled, bool),
        np.asarray(logprobs, np.float32),
        np.broadcast_to(np.asarray(advantages, np.float32), (len(ids),)),
        float(policy),
        float(likelihood),
    )


def micro_batches(
    examples: Sequence[Example], allowed: Sequence[Shape], *, temperature: float = 1.0, pack: bool = False
) -> list[MicroBatch]:
    """Lays the examples out in micro-batches of the allowed shapes, longest first; the layout depends on lengths alone.

    Args:
      temperature: of sampling. Demonstrations are trained at 1: lay them out in a call of their own.
      pack: several sequences share a row where they fit; otherwise each has its own.
    Raises:
      InputError: an example longer than the longest shape.
    """
    widths = [len(example.ids) - 1 for example in examples]
    ordered = sorted(allowed, key=lambda shape: shape.tokens)
    for number, width in enumerate(widths):
        if width > ordered[-1].tokens:
            raise InputError(
                f"sequence {number} has {width + 1} tokens, the longest bucket takes {ordered[-1].tokens + 1}: "
                "add a longer bucket or shorten the context"
            )
    rows = _packed(widths, ordered[-1].tokens) if pack else [[n] for n in _longest_first(widths)]
    batches, start = [], 0
    while start < len(rows):
        needed = sum(widths[n] for n in rows[start])
        shape = next(shape for shape in ordered if shape.tokens >= needed)
        chosen = [[examples[n] for n in row] for row in rows[start : start + shape.rows]]
        batches.append(_lay_out(chosen, shape, temperature))
        start += shape.rows
    return batches


def _longest_first(widths: Sequence[int]) -> list[int]:
    return sorted(range(len(widths)), key=lambda n: (-widths[n], n))


def _packed(widths: Sequence[int], room: int) -> list[list[int]]:
    """First fit of the longest first; rows come back with the fullest first, so that they share buckets."""
    rows: list[list[int]] = []
    left: list[int] = []
    for n in _longest_first(widths):
        row = next((r for r, free in enumerate(left) if free >= widths[n]), None)
        if row is None:
            row = len(rows)
            rows.append([])
            left.append(room)
        rows[row].append(n)
        left[row] -= widths[n]
    return [rows[r] for r in sorted(range(len(rows)), key=lambda r: (left[r], r))]


def _lay_out(rows: Sequence[Sequence[Example]], shape: Shape, temperature: float) -> MicroBatch:
    def empty(dtype: type) -> np.ndarray:
        return np.zeros(shape, dtype)

    whole, real = [empty(np.int32) for _ in range(4)], [empty(np.float32) for _ in range(6)]
    batch = MicroBatch._make([*whole, *real, np.asarray(temperature, np.float32)])
    for r, row in enumerate(rows):
        start = 0
        for segment, example in enumerate(row, start=1):
            width = len(example.ids) - 1
            here = (r, slice(start, start + width))
            marks = example.sampled[1:].astype(np.float32)
            batch.ids[here] = example.ids[:-1]
            batch.targets[here] = example.ids[1:]
            batch.positions[here] = np.arange(width)
            batch.segments[here] = segment
            batch.policy_weight[here] = marks * example.policy_weight
            batch.likelihood_weight[here] = marks * example.likelihood_weight
            batch.advantages[here] = marks * example.advantages[1:]
            batch.sampler_logprobs[here] = marks * example.logprobs[1:]
            start += width
    batch.old_logprobs[...] = batch.sampler_logprobs
    return batch


def place(batch: MicroBatch, sharding: jax.sharding.NamedSharding | None) -> MicroBatch:
    """The micro-batch on its devices: arrays [B T] in `sharding`, the temperature everywhere."""
    if sharding is None:
        return jax.device_put(batch)
    everywhere = jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec())
    return jax.device_put(batch, MicroBatch._make([*[sharding] * (len(batch) - 1), everywhere]))
