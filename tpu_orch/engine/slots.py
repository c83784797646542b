"""The device side of the engine: slots that hold one sequence each, and the three programs that act on them.

    admit   empties slots and gives them a new rollout's identity and budget
    feed    appends a chunk of ids that the policy did not draw (prompt, tool results)
    decode  draws tokens until a row completes a marker, spends its budget or fills its slot

Shapes are fixed by the options, so each program is compiled once. A row's numbers never depend on what other rows hold.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from tpu_orch.engine.policy import Cache, Layout, Params, Policy
from tpu_orch.engine.sampling import draw, row_keys

# Why a row stopped drawing; values from MARKER on say which marker was completed.
IDLE, DRAWING, BUDGET, FULL, MARKER = 0, 1, 2, 3, 4


class Slots(NamedTuple):
    cache: Cache
    logits: Float[Array, "B V"]
    """After each row's last token: what the next one is drawn from."""
    keys: UInt32[Array, "B 2"]
    budget: Int[Array, " B"]
    """Tokens that the row may still draw."""
    status: Int[Array, " B"]
    stop_state: Int[Array, " B"]


class Drawn(NamedTuple):
    """What a visit of `decode` drew: row b's tokens are the first counts[b] of its row."""

    ids: Int[Array, "B N"]
    logprobs: Float[Array, "B N"]
    counts: Int[Array, " B"]
    status: Int[Array, " B"]


class Stops(NamedTuple):
    """A StopTable on the device."""

    next_state: Int[Array, "Q V"]
    marker: Int[Array, " Q"]


def init_slots(policy: Policy, rows: int, capacity: int) -> Slots:
    zeros = jnp.zeros(rows, jnp.int32)
    return Slots(
        cache=policy.init_cache(rows, capacity),
        logits=jnp.zeros((rows, policy.vocab_size), jnp.float32),
        keys=jnp.zeros((rows, 2), jnp.uint32),
        budget=zeros,
        status=zeros,
        stop_state=zeros,
    )


def slot_shardings(layout: Layout | None) -> Any:
    """Slots of shardings, one for every leaf; None on one device."""
    if layout is None:
        return None
    shardings: dict[str, Any] = dict.fromkeys(Slots._fields, layout.rows)
    return Slots(**{**shardings, "cache": layout.cache})


def admit(slots: Slots, new: Bool[Array, " B"], identity: UInt32[Array, "B 3"], budget: Int[Array, ""]) -> Slots:
    """Empties the rows marked `new` and sets their random key and budget."""
    return slots._replace(
        cache=slots.cache._replace(lengths=jnp.where(new, 0, slots.cache.lengths)),
        keys=jnp.where(new[:, None], row_keys(identity), slots.keys),
        budget=jnp.where(new, budget, slots.budget),
        status=jnp.where(new, IDLE, slots.status),
    )


def feed(
    policy: Policy,
    params: Params,
    slots: Slots,
    ids: Int[Array, "B T"],
    counts: Int[Array, " B"],
    start: Int[Array, " B"],
) -> Slots:
    """Appends a chunk to the rows with counts > 0. Rows with start >= 0 go on to draw a turn, from that state of the stops."""
    logits, cache = policy.extend(params, slots.cache, ids, counts)
    return slots._replace(
        cache=cache,
        logits=jnp.where((counts > 0)[:, None], logits.astype(jnp.float32), slots.logits),
        status=jnp.where(start >= 0, DRAWING, slots.status),
        stop_state=jnp.where(start >= 0, start, slots.stop_state),
    )


def decode(
    policy: Policy,
    visit_steps: int,
    capacity: int,
    params: Params,
    slots: Slots,
    stops: Stops,
    temperature: Float[Array, ""],
    leave: Int[Array, ""],
) -> tuple[Slots, Drawn]:
    """Draws up to visit_steps tokens a row; comes back early when no more than `leave` rows are still drawing."""
    rows = slots.status.shape[0]
    drawn = Drawn(
        ids=jnp.zeros((rows, visit_steps), jnp.int32),
        logprobs=jnp.zeros((rows, visit_steps), jnp.float32),
        counts=jnp.zeros(rows, jnp.int32),
        status=slots.status,
    )

    def goes_on(carry: tuple[Int[Array, ""], Slots, Drawn]) -> Bool[Array, ""]:
        step, slots, _ = carry
        return (step < visit_steps) & ((slots.status == DRAWING).sum() > leave)

    def one_token(carry: tuple[Int[Array, ""], Slots, Drawn]) -> tuple[Int[Array, ""], Slots, Drawn]:
        step, slots, drawn = carry
        active = slots.status == DRAWING
        tokens, logprobs = draw(slots.logits, slots.keys, slots.cache.lengths, temperature)
        logits, cache = policy.extend(params, slots.cache, tokens[:, None], active.astype(jnp.int32))
        stop_state = jnp.where(active, stops.next_state[slots.stop_state, tokens].astype(jnp.int32), slots.stop_state)
        budget = slots.budget - active
        marker = stops.marker[stop_state]
        reason = jnp.where(budget <= 0, BUDGET, jnp.where(cache.lengths >= capacity, FULL, DRAWING))
        reason = jnp.where(marker > 0, MARKER + marker - 1, reason)
        slots = slots._replace(
            cache=cache,
            logits=jnp.where(active[:, None], logits.astype(jnp.float32), slots.logits),
            budget=budget,
            status=jnp.where(active, reason, slots.status),
            stop_state=stop_state,
        )
        # A row that stopped early keeps its count, so later columns of its row stay as they were.
        drawn = Drawn(
            ids=drawn.ids.at[:, step].set(jnp.where(active, tokens, 0)),
            logprobs=drawn.logprobs.at[:, step].set(jnp.where(active, logprobs, 0.0)),
            counts=drawn.counts + active,
            status=slots.status,
        )
        return step + 1, slots, drawn

    _, slots, drawn = jax.lax.while_loop(goes_on, one_token, (jnp.int32(0), slots, drawn))
    return slots, drawn
