"""Ledgers and demonstrations -> padded micro-batches of a few fixed shapes.

A position of a micro-batch holds an input token and the token that follows it; the loss weight of a position is that of the
following token, so it is 0 wherever that token was fed:

    ids       <user> find a <assistant> call(1) <tool> 7 <assistant> done <end>
    sampled      0    0  0       0         1      0   0       0        1    1
    input     <user> find a <assistant> call(1) <tool> 7 <assistant> done
    target     find    a <assistant> call(1) <tool> 7 <assistant> done <end>
    weight       0     0      0         w       0    0     0        w     w

Weights hold the step's normaliser (`normalisers`), advantages and supervised weights lie side by side, so one update serves
reinforcement learning, supervised fine-tuning, and both at once. Rows may hold several sequences, told apart by segments,
and one copy of a prompt that several of them share.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from data_pipeline.errors import InputError
from data_pipeline.words import Ledger
from models.attention import SHARED
from tpu_orch.training.packing import Unit, rows_of, shared_units, single_units

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
    reference: Float[np.ndarray, "L"] | None = None
    """The reference policy's log-probs, where they are known already."""


class MicroBatch(NamedTuple):
    """What one forward and backward pass reads. Padding has segment 0 and weight 0."""

    ids: Int[Array, "B T"]
    targets: Int[Array, "B T"]
    positions: Int[Array, "B T"]
    """Place of the token in its own sequence."""
    segments: Int[Array, "B T"]
    """What a token sees: earlier ones of its own segment, and of the shared prompt that the segment belongs to."""
    sequences: Int[Array, "B T"]
    """Which sequence of the row, counted from 1; 0 also in a shared prompt."""
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
    scored: Int[Array, "S M"] | None = None
    """The places that carry loss, numbered through the rows of each of S shards; rows * T / S where there are no more.
    Logits are made for these alone. None: every place."""


class Shape(NamedTuple):
    """Rows and tokens of a micro-batch: one compiled program each."""

    rows: int
    tokens: int
    scored: int = 0
    """Places of each shard that may carry loss, at least `tokens`; 0: every place."""
    shards: int = 1
    """Devices that share the rows."""


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


def rollout_example(
    ledger: Ledger,
    advantages: Real | Float[np.ndarray, "L"],
    weight: Real,
    reference: Float[np.ndarray, "L"] | None = None,
) -> Example:
    """A rollout's ledger as an example of the policy-gradient loss.

    Args:
      ledger: of L tokens, used as it stands.
      advantages: one for the rollout, or one for each token.
      weight: of each sampled token (see `normalisers.token_weights`).
      reference: log-probs of the reference policy.
    Raises:
      InputError: the ledger's arrays differ in length, or its first token was sampled (nothing to predict it from).
    """
    length = len(ledger.ids)
    if not len(ledger.sampled) == len(ledger.logprobs) == length:
        raise InputError(f"ledger: {length} ids, {len(ledger.sampled)} marks, {len(ledger.logprobs)} log-probs")
    made = _example(ledger.ids, ledger.sampled, ledger.logprobs, advantages, policy=weight, likelihood=0.0)
    return made._replace(reference=reference)


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
    examples: Sequence[Example],
    allowed: Sequence[Shape],
    *,
    temperature: float = 1.0,
    pack: bool = False,
    share_prompts: bool = False,
) -> list[MicroBatch]:
    """Lays the examples out in micro-batches of the allowed shapes, longest first, by their lengths and prompts alone.

    Args:
      temperature: of sampling. Demonstrations are trained at 1: lay them out in a call of their own.
      pack: several sequences share a row where they fit; otherwise each has its own.
      share_prompts: sequences of the same prompt share a row that holds the prompt once (see `packing`).
    Raises:
      InputError: an example longer than the longest shape.
    """
    return lay_out(examples, allowed, temperature=temperature, pack=pack, share_prompts=share_prompts)[0]


class Place(NamedTuple):
    """Where an example's tokens stand: its targets from number `first` on."""

    batch: int
    row: int
    start: int
    first: int


def lay_out(
    examples: Sequence[Example],
    allowed: Sequence[Shape],
    *,
    temperature: float = 1.0,
    pack: bool = False,
    share_prompts: bool = False,
) -> tuple[list[MicroBatch], list[Place]]:
    """`micro_batches`, and where each example went."""
    widths = [len(example.ids) - 1 for example in examples]
    ordered = sorted(allowed, key=lambda shape: shape.tokens)
    room = ordered[-1].tokens
    for number, width in enumerate(widths):
        if width > room:
            raise InputError(
                f"sequence {number} has {width + 1} tokens, the longest bucket takes {room + 1}: "
                "add a longer bucket or shorten the context"
            )
    if share_prompts:
        fed = [int(example.sampled.argmax()) if example.sampled.any() else len(example.ids) for example in examples]
        prompts = [example.ids[:length].tobytes() for example, length in zip(examples, fed, strict=True)]
        units = shared_units(widths, prompts, [length - 1 for length in fed], room)
    else:
        units = single_units(widths)
    rows = rows_of(units, room, pack=pack)
    losses = [sum(int(examples[n].sampled.sum()) for unit in row for n in unit.members) for row in rows]
    batches: list[MicroBatch] = []
    places = [Place(0, 0, 0, 0)] * len(examples)
    start = 0
    while start < len(rows):
        shape = _shape_for(ordered, sum(unit.width for unit in rows[start]), len(rows) - start)
        batch = empty_batch(shape, temperature)
        taken = seats(losses[start:], shape)
        for r, row in zip(taken, rows[start:], strict=False):
            for number, at in _fill(batch, r, row, examples):
                places[number] = at._replace(batch=len(batches))
        batch.old_logprobs[...] = batch.sampler_logprobs
        _mark_scored(batch, shape)
        batches.append(batch)
        start += len(taken)
    return batches, places


def _shape_for(ordered: Sequence[Shape], width: int, rows: int) -> Shape:
    """The shape of the next micro-batch: the shortest rows that take `width`, and of those no more than `rows` ask for."""
    length = next(shape.tokens for shape in ordered if shape.tokens >= width)
    fitting = sorted((shape for shape in ordered if shape.tokens == length), key=lambda shape: shape.rows)
    return next((shape for shape in fitting if shape.rows >= rows), fitting[-1])


def seats(losses: Sequence[int], shape: Shape) -> list[int]:
    """Which rows of a micro-batch the next rows of the step take, in order, so that no shard scores more places than it may.

    Args:
      losses: places that carry loss, of each row that is left.
    """
    per_shard = shape.rows // shape.shards
    limit = shape.scored or per_shard * shape.tokens
    taken: list[int] = []
    row, used = 0, 0
    for loss in losses:
        if row % per_shard and used + loss > limit:  # a shard's first row always fits
            row = -(-row // per_shard) * per_shard
        if row >= shape.rows:
            break
        used = loss if row % per_shard == 0 else used + loss
        taken.append(row)
        row += 1
    return taken


def _mark_scored(batch: MicroBatch, shape: Shape) -> None:
    """Writes down, shard by shard, which places carry loss."""
    if batch.scored is None:
        return
    weighs = ((batch.policy_weight != 0) | (batch.likelihood_weight != 0)).reshape(shape.shards, -1)
    for shard, marks in enumerate(weighs):
        found = np.flatnonzero(marks)
        batch.scored[shard, : len(found)] = found


def of_examples(
    values: Sequence[np.ndarray], places: Sequence[Place], examples: Sequence[Example]
) -> list[Float[np.ndarray, "_"]]:
    """Values [B T] of the micro-batches' targets -> values of each example's tokens; 0 where it was not sampled."""
    arrays = [np.asarray(each, np.float32) for each in values]
    made = []
    for place_, example in zip(places, examples, strict=True):
        out = np.zeros(len(example.ids), np.float32)
        width = len(example.ids) - 1 - place_.first
        out[place_.first + 1 :] = arrays[place_.batch][place_.row, place_.start : place_.start + width]
        made.append(np.where(example.sampled, out, 0.0).astype(np.float32))
    return made


def empty_batch(shape: Shape, temperature: float) -> MicroBatch:
    """A micro-batch of the shape in which nothing is learnt from."""
    whole, real = (
        [np.zeros((shape.rows, shape.tokens), dtype) for _ in range(number)]
        for dtype, number in ((np.int32, 5), (np.float32, 6))
    )
    scored = None
    if shape.scored:
        beyond = shape.rows // shape.shards * shape.tokens
        scored = np.full((shape.shards, min(shape.scored, beyond)), beyond, np.int32)
    return MicroBatch._make([*whole, *real, np.asarray(temperature, np.float32), scored])


def _fill(
    batch: MicroBatch, row: int, units: Sequence[Unit], examples: Sequence[Example]
) -> Iterator[tuple[int, Place]]:
    """Writes the units of a row into the batch's arrays, and says where each example went."""
    start = sequence = 0
    for number, unit in enumerate(units, start=1):
        segment = number
        if unit.shared:
            segment = number * SHARED
            _write(batch, (row, slice(start, start + unit.shared)), examples[unit.members[0]], 0, segment, 0)
            start += unit.shared
        for member in unit.members:
            sequence += 1
            segment += bool(unit.shared)
            width = len(examples[member].ids) - 1 - unit.shared
            here = (row, slice(start, start + width))
            _write(batch, here, examples[member], unit.shared, segment, sequence)
            yield member, Place(0, row, start, unit.shared)
            start += width


def _write(
    batch: MicroBatch, here: tuple[int, slice], example: Example, first: int, segment: int, sequence: int
) -> None:
    """Writes an example's tokens from number `first` on. Sequence 0 is a shared prompt: nothing of it was sampled."""
    width = here[1].stop - here[1].start
    inputs, targets = slice(first, first + width), slice(first + 1, first + 1 + width)
    marks = example.sampled[targets].astype(np.float32)
    batch.ids[here] = example.ids[inputs]
    batch.targets[here] = example.ids[targets]
    batch.positions[here] = np.arange(first, first + width)
    batch.segments[here] = segment
    batch.sequences[here] = sequence
    batch.policy_weight[here] = marks * example.policy_weight
    batch.likelihood_weight[here] = marks * example.likelihood_weight
    batch.advantages[here] = marks * example.advantages[targets]
    batch.sampler_logprobs[here] = marks * example.logprobs[targets]
    if example.reference is not None:
        batch.reference_logprobs[here] = marks * example.reference[targets]


def place(batch: MicroBatch, sharding: jax.sharding.NamedSharding | None) -> MicroBatch:
    """The micro-batch on its devices: arrays [B T] in `sharding`, the temperature everywhere.

    With several processes each must give the whole micro-batch; it keeps what its own devices hold.
    """
    if sharding is None:
        return jax.device_put(batch)
    everywhere = jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec())
    scored = None if batch.scored is None else sharding
    shardings = MicroBatch._make([*[sharding] * (len(batch) - 2), everywhere, scored])
    if sharding.is_fully_addressable:
        return jax.device_put(batch, shardings)

    def part(array: np.ndarray | jax.Array, own: jax.sharding.Sharding) -> jax.Array:
        if isinstance(array, jax.Array):
            return array
        return jax.make_array_from_callback(array.shape, own, lambda index: array[index])

    return jax.tree.map(part, batch, shardings)
