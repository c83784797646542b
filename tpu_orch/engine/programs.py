"""The engine's compiled programs: a short list, one of each for every size of cache, whatever prompts and budgets come.

Sizes double (with one step between), so that a rollout's cache follows its length and the list stays short.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from data_pipeline.errors import InputError
from tpu_orch.engine.banks import SharingLane
from tpu_orch.engine.episodes import EngineOptions
from tpu_orch.engine.lanes import Beginning, Feed, FeedShape, Lane, Plan, Read
from tpu_orch.engine.policy import ONE_THREAD, Params, Policy
from tpu_orch.engine.sampling import Draw
from tpu_orch.engine.slots import (
    IDLE,
    Drawn,
    Rows,
    Slots,
    Stops,
    begun,
    copied,
    decode,
    feed,
    feed_some,
    init_slots,
    read,
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


SHORTER, SHORTEST = 4, 8
"""how many times shorter the second chunk is in which rows are fed, and the least that it may be"""


def feed_shapes(policy: Policy, chunk: int, rows: int) -> list[FeedShape]:
    """Shapes of the calls that feed rows of a lane, longest chunk first.

    Where a call feeds some rows only there is a shorter chunk too: most results of tools are far shorter than a prompt.
    """
    if policy.lanes is None:
        return [FeedShape(chunk, rows)]
    shapes, short = [FeedShape(chunk, policy.lanes.feed_rows(chunk))], chunk // SHORTER
    if short >= SHORTEST:
        shapes.append(FeedShape(short, max(shapes[0].rows, rows // 2)))
    return shapes


READ_TOKENS = 128
"""tokens of a shared prompt that are read in one call: a CPU's core is busy with them"""


def sharing_of(policy: Policy, options: EngineOptions, rows: int) -> int:
    """Rows that share a prompt, 0 where each has its own. Raises InputError where they cannot."""
    sharing = options.prompt_rows
    if sharing < 0 or (sharing and rows % sharing):
        raise InputError(f"engine.prompt_rows {sharing} does not divide the {rows} rows of a lane")
    return sharing


class Programs:
    """What the device does, compiled at its first use or all at once by `warm_up`."""

    def __init__(self, policy: Policy, options: EngineOptions, rows: int) -> None:
        self.policy, self.rows = policy, rows
        lanes = policy.lanes
        self.sizes = [options.capacity] if lanes is None else cache_sizes(options.capacity, lanes.block)
        self.shapes = feed_shapes(policy, options.chunk, rows)
        compiler = ONE_THREAD if lanes is not None else None
        jit = partial(jax.jit, compiler_options=compiler)
        self._prepare = policy.prepare
        self.sharing = sharing_of(policy, options, rows)
        prompts = rows // self.sharing if self.sharing else 0
        init = partial(init_slots, policy, rows, prompts, options.capacity)
        self._init = jit(init, static_argnums=0, out_shardings=slot_shardings(policy))
        self._read = jit(partial(read, policy), donate_argnums=(1, 2))
        self._begun = jit(begun, donate_argnums=0)
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
        before, after, reads, fresh = plan.beginning
        for chunk in reads:
            slots = self._with_read(params, slots, chunk)
        if fresh is not None:
            slots = slots._replace(logits=self._call("begun", 0, self._begun, slots.logits, slots.prompt_logits, fresh))
        if before is not None:
            slots = self._call("copied", size, self._copied, slots, before)
        for piece in plan.feeds:
            name = f"feed {piece.ids.shape[1]}"
            slots = self._call(name, size, self._feed, params, slots, *self._feed_arguments(piece))
        if after is not None:
            slots = self._call("copied", size, self._copied, slots, after)
        slots, drawn = self._call(
            "decode", size, self._decode, params, slots, plan.rows, stops, how, np.int32(plan.patience)
        )
        lane.slots = slots
        return jax.device_get(drawn)

    def _with_read(self, params: Params, slots: Slots, chunk: Read) -> Slots:
        """The slots after a chunk of a shared prompt."""
        sharing = self.policy.sharing
        assert sharing is not None
        prompts, logits = self._call(
            "read", 0, self._read, params, sharing.prompts(slots.cache), slots.prompt_logits, *chunk
        )
        return slots._replace(cache=sharing.joined(slots.cache, prompts), prompt_logits=logits)

    def lane(self) -> Lane:
        """A new one, empty."""
        if not self.sharing:
            return Lane(self.rows, self.shapes)
        return SharingLane(self.rows, self.shapes, self.sharing, READ_TOKENS)

    def _feed_of_nobody(self, shape: FeedShape) -> Feed:
        ids, counts = np.zeros((shape.rows, shape.tokens), np.int32), np.zeros(shape.rows, np.int32)
        return Feed(np.zeros(self.rows, np.int32), ids, counts, np.full(shape.rows, self.rows, np.int32))

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
        lane = self.lane()
        none, same = np.zeros(self.rows, np.int32), np.arange(self.rows, dtype=np.int32)
        feeds = [self._feed_of_nobody(shape) for shape in self.shapes]
        rows = Rows(none, np.zeros((self.rows, 2), np.uint32), none, np.full(self.rows, IDLE, np.int32), none)
        beginning = Beginning(before=same)
        if self.sharing:
            one = np.zeros(1, np.int32)
            chunk = Read(none[:: self.sharing], np.zeros((1, READ_TOKENS), np.int32), one, one)
            beginning = Beginning(reads=(chunk,), fresh=none > 0)
        for room in [*self.sizes, *self.sizes[::-1]]:
            self.play(params, lane, Plan(room, beginning, feeds, rows, 0), stops, how)
