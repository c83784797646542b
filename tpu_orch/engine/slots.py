"""The device side of the engine: the programs that act on the slots of one lane.

    feed    appends a chunk of ids that the policy did not draw (prompt, tool results)
    copied  gives rows what other rows have read: how a group shares the reading of its prompt
    read    appends a chunk to a prompt that lies there once for several rows; begun: those rows start after it
    decode  draws tokens until a row completes a marker, spends its budget or fills its slot

The device keeps what is large (cache, logits). What is small (lengths, budgets, states of the stops) belongs to the host and
comes with every call, as values: no program depends on it. A row's numbers never depend on what other rows hold.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tpu_orch.engine.policy import Cache, Params, Policy
from tpu_orch.engine.sampling import Draw, draw

# Why a row stopped drawing; values from MARKER on say which marker was completed.
IDLE, DRAWING, BUDGET, FULL, MARKER = 0, 1, 2, 3, 4


class Slots(NamedTuple):
    """What stays on the device."""

    cache: Cache
    logits: Any
    """float32 [B, V], after each row's last token: what the next one is drawn from"""
    prompt_logits: Any = None
    """float32 [P, V], after the last token of each prompt that rows share; None: they share none"""


class Rows(NamedTuple):
    """What the host says of each row before a visit; arrays of the host or of the device."""

    lengths: Any
    """int32 [B]"""
    keys: Any
    """uint32 [B, 2]"""
    budget: Any
    """int32 [B], tokens that the row may still draw"""
    status: Any
    """int32 [B]"""
    stop_state: Any
    """int32 [B]"""


class Drawn(NamedTuple):
    """What a visit of `decode` drew: row b's tokens are the first counts[b] of its row."""

    ids: Any
    """int32 [B, N]"""
    logprobs: Any
    """float32 [B, N]"""
    counts: Any
    """int32 [B]"""
    status: Any
    """int32 [B]"""
    stop_state: Any
    """int32 [B]"""


class Stops(NamedTuple):
    """A StopTable on the device."""

    next_state: Int[Array, "Q V"]
    marker: Int[Array, " Q"]


def init_slots(policy: Policy, rows: int, prompts: int, capacity: int, room: int) -> Slots:
    """Empty slots: `room` tokens a row, and `prompts` shared prompts of at most `capacity` tokens."""
    slots = Slots(policy.init_cache(rows, room), jnp.zeros((rows, policy.vocab_size), jnp.float32))
    if not prompts:
        return slots
    assert policy.sharing is not None
    cache = policy.sharing.joined(slots.cache, policy.init_cache(prompts, capacity))
    return slots._replace(cache=cache, prompt_logits=jnp.zeros((prompts, policy.vocab_size), jnp.float32))


def slot_shardings(policy: Policy) -> Slots | None:
    """Slots of shardings, one for every leaf; None on one device."""
    layout = policy.layout
    return None if layout is None else Slots(layout.cache, layout.rows)


def feed(
    policy: Policy,
    params: Params,
    slots: Slots,
    lengths: Int[Array, " B"],
    ids: Int[Array, "B T"],
    counts: Int[Array, " B"],
) -> Slots:
    """Appends a chunk to the rows with counts > 0."""
    logits, cache = policy.extend(params, slots.cache._replace(lengths=lengths), ids, counts)
    logits = jnp.where((counts > 0)[:, None], logits.astype(jnp.float32), slots.logits)
    return slots._replace(cache=cache, logits=logits)


def feed_some(
    policy: Policy,
    params: Params,
    slots: Slots,
    lengths: Int[Array, " B"],
    ids: Int[Array, "F T"],
    counts: Int[Array, " F"],
    rows: Int[Array, " F"],
) -> Slots:
    """The same for some rows of the lane; numbers past the last row stand for none."""
    assert policy.lanes is not None
    logits, cache = policy.lanes.extend_some(params, slots.cache._replace(lengths=lengths), ids, counts, rows)
    return slots._replace(cache=cache, logits=slots.logits.at[rows].set(logits.astype(jnp.float32), mode="drop"))


def read(
    policy: Policy,
    params: Params,
    prompts: Cache,
    logits: Float[Array, "P V"],
    lengths: Int[Array, " P"],
    ids: Int[Array, "1 T"],
    counts: Int[Array, "1"],
    row: Int[Array, "1"],
) -> tuple[Cache, Float[Array, "P V"]]:
    """Appends a chunk to one prompt."""
    assert policy.sharing is not None
    scores, prompts = policy.sharing.read(params, prompts._replace(lengths=lengths), ids, counts, row)
    return prompts, logits.at[row].set(scores.astype(jnp.float32))


def begun(
    logits: Float[Array, "B V"], prompt_logits: Float[Array, "P V"], fresh: Bool[Array, " B"]
) -> Float[Array, "B V"]:
    """The rows' logits, those of their prompts in rows that begin."""
    of_prompt = jnp.repeat(prompt_logits, logits.shape[0] // prompt_logits.shape[0], axis=0)
    return jnp.where(fresh[:, None], of_prompt, logits)


def copied(policy: Policy, slots: Slots, source: Int[Array, " B"]) -> Slots:
    """Row b gets the cache and the logits of row source[b]."""

    def moved(leaf: Array) -> Array:
        return jnp.take(leaf, source, axis=policy.row_axis if leaf.ndim > 1 else 0)

    return Slots(jax.tree.map(moved, slots.cache), slots.logits[source])


def decode(
    policy: Policy,
    visit_steps: int,
    capacity: int,
    params: Params,
    slots: Slots,
    rows: Rows,
    stops: Stops,
    how: Draw,
    patience: Int[Array, ""],
) -> tuple[Slots, Drawn]:
    """Draws up to visit_steps tokens a row; comes back early when rows that stopped have waited `patience` steps together."""
    number = rows.status.shape[0]
    slots = slots._replace(cache=slots.cache._replace(lengths=rows.lengths))
    drawn = Drawn(
        ids=jnp.zeros((number, visit_steps), jnp.int32),
        logprobs=jnp.zeros((number, visit_steps), jnp.float32),
        counts=jnp.zeros(number, jnp.int32),
        status=rows.status,
        stop_state=rows.stop_state,
    )

    live = (rows.status == DRAWING).sum()

    def goes_on(carry: tuple[Int[Array, ""], Int[Array, ""], Slots, Drawn]) -> Bool[Array, ""]:
        step, lost, _, drawn = carry
        return (step < visit_steps) & (drawn.status == DRAWING).any() & (lost < patience)

    def one_token(
        carry: tuple[Int[Array, ""], Int[Array, ""], Slots, Drawn],
    ) -> tuple[Int[Array, ""], Int[Array, ""], Slots, Drawn]:
        step, lost, slots, drawn = carry
        active = drawn.status == DRAWING
        lost = lost + live - active.sum()
        tokens, logprobs = draw(slots.logits, rows.keys, slots.cache.lengths, how)
        logits, cache = policy.extend(params, slots.cache, tokens[:, None], active.astype(jnp.int32))
        stop_state = jnp.where(active, stops.next_state[drawn.stop_state, tokens].astype(jnp.int32), drawn.stop_state)
        counts = drawn.counts + active
        marker = stops.marker[stop_state]
        reason = jnp.where(counts >= rows.budget, BUDGET, jnp.where(cache.lengths >= capacity, FULL, DRAWING))
        reason = jnp.where(marker > 0, MARKER + marker - 1, reason)
        # A row that stopped early keeps its count, so later columns of its row stay as they were.
        drawn = Drawn(
            ids=drawn.ids.at[:, step].set(jnp.where(active, tokens, 0)),
            logprobs=drawn.logprobs.at[:, step].set(jnp.where(active, logprobs, 0.0)),
            counts=counts,
            status=jnp.where(active, reason, drawn.status),
            stop_state=stop_state,
        )
        logits = jnp.where(active[:, None], logits.astype(jnp.float32), slots.logits)
        return step + 1, lost, slots._replace(cache=cache, logits=logits), drawn

    _, _, slots, drawn = jax.lax.while_loop(goes_on, one_token, (jnp.int32(0), jnp.int32(0), slots, drawn))
    return slots, drawn


def sharded(policy: Policy, outputs: int) -> dict[str, Any]:
    """Arguments of `jax.jit` for a program that gives Slots first and `outputs` other things."""
    shardings = slot_shardings(policy)
    if shardings is None:
        return {}
    return {"out_shardings": (shardings, *[None] * outputs) if outputs else shardings}
