"""The engine's compiled programs: a short list, one of each for every size of cache, whatever prompts and budgets come.

Sizes double (with one step between), so that a rollout's cache follows its length and the list stays short.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from tpu_orch.engine.episodes import EngineOptions
from tpu_orch.engine.lanes import Feed, Lane, Plan
from tpu_orch.engine.policy import ONE_THREAD, Params, Policy
from tpu_orch.engine.sampling import Draw
from tpu_orch.engine.slots import (
    IDLE,
    Drawn,
    Rows,
    Slots,
    Stops,
    copied,
    decode,
    feed,
    feed_some,
    init_slots,
    sharded,
    slot_shardings,
)


def cache_sizes(capacity: int, block: int) -> list[int]:
    """Rooms for tokens, smallest first: block, 2, 3, 4, 6, 8, 12, ... blocks, and the capacity in whole blocks."""
    most = -(-capacity // block)
    sizes = {1, most}
    power = 2
    while power < most:
        sizes |= {power, power * 3 // 2}
        power *= 2
    return [size * block for size in sorted(sizes) if size <= most]


class Programs:
    """What the device does, compiled at its first use or all at once by `warm_up`."""

    def __init__(self, policy: Policy, options: EngineOptions, rows: int) -> None:
        self.policy, self.rows = policy, rows
        lanes = policy.lanes
        self.sizes = [options.capacity] if lanes is None else cache_sizes(options.capacity, lanes.block)
        self.chunk = options.chunk
        self.feed_rows = rows if lanes is None else lanes.feed_rows(options.chunk)
        compiler = ONE_THREAD if lanes is not None else None
        jit = partial(jax.jit, compiler_options=compiler)
        self._prepare = policy.prepare
        self._init = jit(partial(init_slots, policy, rows), static_argnums=0, out_shardings=slot_shardings(policy))
        feeding = feed if lanes is None else feed_some
        self._feed = jit(partial(feeding, policy), donate_argnums=1, **sharded(policy, 0))
        self._copied = jit(partial(copied, policy), donate_argnums=0, **sharded(policy, 0))
        drawing = partial(decode, policy, options.visit_steps, options.capacity)
        self._decode = jit(drawing, donate_argnums=1, **sharded(policy, 1))
        self._resized = jit(self._resize, static_argnums=1)
        self._known: set[tuple[str, int]] = set()
        self._compiling = threading.Lock()

    def _resize(self, slots: Slots, room: int) -> Slots:
        assert self.policy.lanes is not None
        return slots._replace(cache=self.policy.lanes.resized(slots.cache, room))

    def prepare(self, params: Params) -> Params:
        """The weights as the programs take them."""
        return params if self._prepare is None else self._prepare(params)

    def _call(self, name: str, size: int, program: Callable[..., Any], *args: Any) -> Any:
        """Calls a program; the first time under a lock, so that two threads do not compile the same one."""
        if (name, size) in self._known:
            return program(*args)
        with self._compiling:
            made = program(*args)
        self._known.add((name, size))
        return made

    def play(self, params: Params, lane: Lane, plan: Plan, stops: Stops, how: Draw) -> Drawn:
        """Plays a plan on a lane and waits for it; what was drawn, on the host."""
        slots = self._with_room(lane, plan.room)
        size = lane.room
        if plan.before is not None:
            slots = self._call("copied", size, self._copied, slots, plan.before)
        for piece in plan.feeds:
            slots = self._call("feed", size, self._feed, params, slots, *self._feed_arguments(piece))
        if plan.after is not None:
            slots = self._call("copied", size, self._copied, slots, plan.after)
        slots, drawn = self._call(
            "decode", size, self._decode, params, slots, plan.rows, stops, how, np.int32(plan.leave)
        )
        lane.slots = slots
        return jax.device_get(drawn)

    def _feed_arguments(self, piece: Feed) -> tuple[np.ndarray, ...]:
        return piece[:3] if self.policy.lanes is None else tuple(piece)

    def _with_room(self, lane: Lane, room: int) -> Slots:
        """The lane's slots with the smallest cache that has the room, one size after the other."""
        wanted = next(number for number, size in enumerate(self.sizes) if size >= room)
        if lane.slots is None:
            lane.slots = self._call("init", self.sizes[0], self._init, self.sizes[0])
            lane.room = self.sizes[0]
        slots = lane.slots
        while lane.room != self.sizes[wanted]:
            now = self.sizes.index(lane.room)
            lane.room = self.sizes[now + (1 if now < wanted else -1)]
            slots = self._call(f"resized from {now}", lane.room, self._resized, slots, lane.room)
        return slots

    def warm_up(self, params: Params, stops: Stops, how: Draw) -> None:
        """Compiles every program for every size of cache: later runs compile nothing."""
        params = self.prepare(params)
        lane = Lane(self.rows, self.chunk, self.feed_rows)
        none, same = np.zeros(self.rows, np.int32), np.arange(self.rows, dtype=np.int32)
        nobody = np.full(self.feed_rows, self.rows, np.int32)
        ids, counts = np.zeros((self.feed_rows, self.chunk), np.int32), np.zeros(self.feed_rows, np.int32)
        rows = Rows(none, np.zeros((self.rows, 2), np.uint32), none, np.full(self.rows, IDLE, np.int32), none)
        for room in [*self.sizes, *self.sizes[::-1]]:
            self.play(params, lane, Plan(room, same, [Feed(none, ids, counts, nobody)], None, rows, 0), stops, how)
