"""A lane: a group of slots with a cache of their own, and the plan of what the device does with them next.

The host plans, the device plays: a plan holds everything that a visit needs as plain arrays, so that it can be played by a
thread of its own while the host resolves the calls of another lane. Lanes know nothing of each other, and a rollout's tokens do
not depend on the lane that it is in.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tpu_orch.engine.running import Running
from tpu_orch.engine.slots import DRAWING, IDLE, Drawn, Rows, Slots


class FeedShape(NamedTuple):
    """Of one call that feeds rows."""

    tokens: int
    """T: at most, of each row"""
    rows: int
    """F"""


class Feed(NamedTuple):
    """One chunk for some rows."""

    lengths: np.ndarray
    """int32 [B], of every row before it"""
    ids: np.ndarray
    """int32 [F, T]"""
    counts: np.ndarray
    """int32 [F]"""
    rows: np.ndarray
    """int32 [F]; B stands for none"""


class Read(NamedTuple):
    """One chunk of a prompt that several rows share."""

    lengths: np.ndarray
    """int32 [P], of every prompt before it"""
    ids: np.ndarray
    """int32 [1, T]"""
    counts: np.ndarray
    """int32 [1]"""
    prompt: np.ndarray
    """int32 [1], its place"""


class Beginning(NamedTuple):
    """How new rows come by their prompts."""

    before: np.ndarray | None = None
    """int32 [B], row that each row is copied from before the feeding; None: nothing to copy."""
    after: np.ndarray | None = None
    """The same after the feeding."""
    reads: tuple[Read, ...] = ()
    fresh: np.ndarray | None = None
    """bool [B], rows that begin after a shared prompt."""


class Plan(NamedTuple):
    """One visit of the device: prompts read, rows copied, chunks fed, rows copied, tokens drawn."""

    room: int
    """Tokens of a row that the cache must have room for."""
    beginning: Beginning
    feeds: list[Feed]
    rows: Rows
    patience: int
    """Steps of rows that may be lost by waiting before the device comes back."""


class Lane:
    """The host's side of a lane.

    slots: what lies on the device, None before the first visit. room: tokens that a row of its cache has room for.

    Args:
      shapes: in which rows are fed, longest chunk first. A row takes the shortest chunk that holds all that it waits for, else
        the longest one: its chunks depend on the rollout alone.
    """

    def __init__(self, rows: int, shapes: Sequence[FeedShape]) -> None:
        self.rows: list[Running | None] = [None] * rows
        self.shapes, self.chunk = tuple(shapes), shapes[0].tokens
        self.slots: Slots | None = None
        self.room = 0
        self.lengths = np.zeros(rows, np.int32)
        self.keys = np.zeros((rows, 2), np.uint32)
        self.stop_state = np.zeros(rows, np.int32)
        self.holds: list[np.ndarray | None] = [None] * rows  # the prompt that each row's cache begins with
        self.news: list[int] = []

    @property
    def free(self) -> list[int]:
        return [row for row, running in enumerate(self.rows) if running is None]

    @property
    def live(self) -> list[tuple[int, Running]]:
        return [(row, running) for row, running in enumerate(self.rows) if running is not None]

    def row_for(self, prompt: np.ndarray) -> int | None:
        """A free row that may take a rollout with this prompt."""
        return next(iter(self.free), None)

    def admit(self, row: int, running: Running) -> None:
        """Gives a free row to a rollout; its random key follows."""
        self.rows[row], self.lengths[row] = running, 0
        self.news.append(row)

    def filled(self, row: int) -> int:
        """Tokens of the row that lie in its own part of the cache."""
        return int(self.lengths[row])

    def cache_tokens(self, capacity: int) -> int:
        """Tokens that its caches have room for; `capacity`: of a prompt that rows share."""
        return self.room * len(self.rows)

    def forget(self) -> None:
        """Nothing lies on the device any more."""
        self.slots, self.room = None, 0
        self.holds = [None] * len(self.rows)

    def plan(self, start_state: dict[str, int], capacity: int, visit_steps: int, patience: int) -> Plan:
        """What the device does next. Everything that waits to be fed is fed, and every live row goes on drawing.

        Args:
          patience: steps that each of the live rows may lose on average.
        """
        begins, self.news = self.news, []
        beginning = self._begin(begins)
        for row, running in self.live:
            if running.pending.size or row in begins:
                self.stop_state[row] = start_state[running.mode]
        feeds = list(self._feeds())
        live = self.live
        status = np.full(len(self.rows), IDLE, np.int32)
        budget = np.zeros(len(self.rows), np.int32)
        for row, running in live:
            status[row], budget[row] = DRAWING, running.budget
        longest = max((self.filled(row) for row, _ in live), default=0)
        rows = Rows(self.lengths.copy(), self.keys.copy(), budget, status, self.stop_state.copy())
        return Plan(min(longest + visit_steps, capacity), beginning, feeds, rows, len(live) * patience)

    def _begin(self, begins: Sequence[int]) -> Beginning:
        """Of new rows with one prompt only the first reads it; and that one takes whole chunks from a row that holds them."""
        source, after = np.arange(len(self.rows), dtype=np.int32), np.arange(len(self.rows), dtype=np.int32)
        old = list(self.holds)
        leaders: list[int] = []
        for row in begins:
            running = self.rows[row]
            assert running is not None
            prompt = running.pending
            leader = next((one for one in leaders if same(self.holds[one], prompt)), None)
            self.holds[row] = prompt
            if leader is not None:
                after[row], self.lengths[row], running.pending = leader, prompt.size, prompt[:0]
                continue
            leaders.append(row)
            donor = next((one for one, held in enumerate(old) if same(held, prompt)), None)
            known = (prompt.size - 1) // self.chunk * self.chunk  # chunk borders depend on the rollout alone
            if donor is not None and 0 < known <= self.room:
                source[row], self.lengths[row], running.pending = donor, known, prompt[known:]
        unmoved = np.arange(len(self.rows))
        before, later = (None if (rows == unmoved).all() else rows for rows in (source, after))
        return Beginning(before, later)

    def _feeds(self) -> Sequence[Feed]:
        """Chunks until nothing is pending; the rows with most to read first, beside those that take chunks of the same shape."""
        feeds = []
        while waiting := [(row, running) for row, running in self.live if running.pending.size]:
            waiting.sort(key=lambda pair: -pair[1].pending.size)
            shape = shape_for(self.shapes, waiting[0][1].pending.size)
            alike = [pair for pair in waiting if shape_for(self.shapes, pair[1].pending.size) is shape]
            ids = np.zeros((shape.rows, shape.tokens), np.int32)
            counts = np.zeros(shape.rows, np.int32)
            rows = np.full(shape.rows, len(self.rows), np.int32)
            lengths = self.lengths.copy()
            for number, (row, running) in enumerate(alike[: shape.rows]):
                place = row if shape.rows == len(self.rows) else number
                piece = running.take(shape.tokens)
                ids[place, : piece.size], counts[place], rows[place] = piece, piece.size, row
                self.lengths[row] += piece.size
            feeds.append(Feed(lengths, ids, counts, rows))
        return feeds

    def settle(self, drawn: Drawn) -> list[Running]:
        """Writes drawn tokens into the ledgers and resolves the calls of rows that stopped; gives the rollouts that ended."""
        ended = []
        for row, running in self.live:
            n = int(drawn.counts[row])
            self.lengths[row] += n
            self.stop_state[row] = drawn.stop_state[row]
            running.record(np.array(drawn.ids[row, :n]), np.array(drawn.logprobs[row, :n]))
            if drawn.status[row] != DRAWING:
                running.end_turn(int(drawn.status[row]))
            if running.stop is not None:
                ended.append(running)
                self.rows[row] = None
        return ended


def shape_for(shapes: Sequence[FeedShape], size: int) -> FeedShape:
    """In which a row is fed that waits for so many tokens: the shortest that holds them all, else the longest, which is first."""
    return next((shape for shape in reversed(shapes) if shape.tokens >= size), shapes[0])


def same(one: np.ndarray | None, other: np.ndarray) -> bool:
    return one is other or (one is not None and one.size == other.size and bool((one == other).all()))
