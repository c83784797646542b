"""The engine played without a model: which rows draw, wait and are refilled, and what it all takes, from lengths and unit costs.

It follows `tpu_orch.engine`: new rows with one prompt share its reading, everything that waits is fed in chunks, rows draw until
those that wait have lost what a visit costs or the visit ends, the host resolves calls, free slots are refilled. What a device
does costs linearly in the slots that all rows read: as far as the longest one is filled, or where caches grow (CPUs), all of it.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from tpu_orch.engine.engine import PATIENCE
from tpu_orch.engine.episodes import EngineOptions
from tpu_orch.engine.lanes import FeedShape, shape_for
from tpu_orch.planning.workload import Lengths


class Costs(NamedTuple):
    """Seconds."""

    feed: float
    """of one call that feeds the longest chunk, with empty caches; a shorter one's goes by the places that it has for tokens"""
    feed_token: float
    """more, for each slot that rows read"""
    step: float
    """of one token for all rows of a lane, with empty caches"""
    step_token: float
    visit: float
    """of each time that the host has the word"""
    tool: float
    """of the host, a call"""
    wait: float = 0.0
    """until tools have answered, a visit with calls"""


class Places(NamedTuple):
    """How the engine splits its rows."""

    lanes: int
    rows: int
    """of a lane"""
    shapes: tuple[FeedShape, ...]
    """of the calls that feed rows, longest chunk first"""
    threads: int = 1
    """lanes that are worked on at one time"""
    rooms: tuple[int, ...] = ()
    """sizes of a lane's cache, smallest first, of which all slots are read; none: one size, read as far as it is filled"""


class Simulated(NamedTuple):
    seconds: float
    feeds: int
    """calls that fed a chunk"""
    chunks: float
    """the same, each counted as the share of the longest chunk's places that it has"""
    steps: int
    """decoding steps"""
    visits: int
    sampled: int
    fed: int
    """tokens of prompts and results, a shared prompt once for each rollout"""
    longest: int
    """tokens of the longest rollout"""
    pairs: float
    """of a token and one before it in its rollout, over all rollouts: what causal attention multiplies"""
    chunk_context: float
    """mean slots that rows read while such a chunk was fed"""
    step_context: float
    """mean slots that rows read while drawing"""
    occupancy: float
    """share of a lane's rows that draw in a step, on average: what stragglers and waits leave of it"""
    device_seconds: float
    tool_seconds: float


class _Row:
    """A rollout in a slot."""

    def __init__(self, lengths: Lengths, options: EngineOptions) -> None:
        self.lengths, self.options = lengths, options
        self.turn, self.length, self.drawn = 0, 0, 0
        self.pending = lengths.prompt_tokens
        self.new = True
        self.left = self._turn_tokens(lengths.prompt_tokens)

    def _turn_tokens(self, length: int) -> int:
        own = self.lengths.turns[self.turn][0]
        return max(min(own, self.options.max_new_tokens - self.drawn, self.options.capacity - length), 1)

    def draw(self, steps: int) -> None:
        taken = min(steps, self.left)
        self.left, self.length, self.drawn = self.left - taken, self.length + taken, self.drawn + taken

    def go_on(self) -> bool:
        """After a finished turn: whether there is another; its result then waits to be fed."""
        result = self.lengths.turns[self.turn][1]
        self.turn += 1
        spent = self.drawn >= self.options.max_new_tokens or self.turn >= self.options.max_turns
        if spent or self.turn >= len(self.lengths.turns) or self.length + result >= self.options.capacity:
            return False
        self.pending = result
        self.left = self._turn_tokens(self.length + result)
        return True


class _Lane:
    def __init__(self, rows: int) -> None:
        self.rows: list[_Row | None] = [None] * rows
        self.holds: list[int | None] = [None] * rows

    @property
    def live(self) -> list[_Row]:
        return [row for row in self.rows if row is not None]


class _Tally:
    def __init__(self) -> None:
        self.feeds = self.steps = self.visits = self.sampled = self.fed = self.longest = 0
        self.pairs = self.chunks = self.chunk_context = self.context = self.busy = self.device = self.tools = 0.0


def simulate(episodes: Sequence[Lengths], options: EngineOptions, places: Places, costs: Costs) -> Simulated:
    """One run of the engine over the episodes, in order."""
    waiting, tally = deque(episodes), _Tally()
    lanes = [_Lane(places.rows) for _ in range(places.lanes)]
    workers = [0.0] * places.threads
    playing: list[tuple[float, int]] = []
    host = 0.0

    def launch(number: int) -> None:
        lane = lanes[number]
        _refill(lane, waiting, options)
        if lane.live:
            began = max(host, heapq.heappop(workers))
            spent = _play(lane, options, places, costs, tally)
            heapq.heappush(workers, began + spent)
            heapq.heappush(playing, (began + spent, number))

    for number in range(places.lanes):
        launch(number)
    while playing:
        done, number = heapq.heappop(playing)
        host = max(host, done) + costs.visit
        calls = _settle(lanes[number], tally)
        host += calls * costs.tool + (costs.wait if calls else 0.0)
        tally.tools += calls * costs.tool + (costs.wait if calls else 0.0)
        tally.visits += 1
        launch(number)
    steps = max(tally.steps, 1)
    return Simulated(
        host,
        tally.feeds,
        tally.chunks,
        tally.steps,
        tally.visits,
        tally.sampled,
        tally.fed,
        tally.longest,
        tally.pairs,
        tally.chunk_context / max(tally.chunks, 1e-9),
        tally.context / steps,
        tally.busy / steps / places.rows,
        tally.device,
        tally.tools,
    )


def _refill(lane: _Lane, waiting: deque[Lengths], options: EngineOptions) -> None:
    for number, row in enumerate(lane.rows):
        if row is None and waiting:
            lane.rows[number] = _Row(waiting.popleft(), options)


def _play(lane: _Lane, options: EngineOptions, places: Places, costs: Costs, tally: _Tally) -> float:
    """A visit of the device; its seconds."""
    followers = _share(lane, options.chunk, tally)
    fed = _feed(lane, places.shapes, tally)
    for row in followers:
        row.length = row.lengths.prompt_tokens
    live = lane.live
    longest = max(row.length for row in live)
    room = next((size for size in places.rooms if size >= min(longest + options.visit_steps, options.capacity)), None)
    seconds = 0.0
    for share, held in fed:
        tally.chunks += share
        tally.chunk_context += share * (room or held)
        seconds += share * (costs.feed + costs.feed_token * (room or held))
    steps = _steps([row.left for row in live], options.visit_steps)
    context = room or longest + steps / 2
    seconds += steps * (costs.step + costs.step_token * context)
    before = sum(row.drawn for row in live)
    for row in live:
        row.draw(steps)
    drawn = sum(row.drawn for row in live) - before
    tally.steps += steps
    tally.sampled += drawn
    tally.busy += drawn
    tally.context += steps * context
    tally.device += seconds
    return seconds


def _feed(lane: _Lane, shapes: Sequence[FeedShape], tally: _Tally) -> list[tuple[float, int]]:
    """Feeds all that waits; of each call its share of the longest chunk's places, and the tokens of the longest row after it."""
    calls = []
    while pending := sorted((row for row in lane.live if row.pending), key=lambda row: -row.pending):
        shape = shape_for(shapes, pending[0].pending)
        alike = [row for row in pending if shape_for(shapes, row.pending) is shape]
        for row in alike[: shape.rows]:
            piece = min(shape.tokens, row.pending)
            row.pending, row.length = row.pending - piece, row.length + piece
            tally.fed += piece
        tally.feeds += 1
        share = shape.tokens * shape.rows / shapes[0].tokens / shapes[0].rows
        calls.append((share, max(row.length for row in lane.live)))
    return calls


def _steps(ends: Sequence[int], most: int) -> int:
    """Steps of a visit whose rows stop after so many: until the last, or until those that wait have lost enough."""
    steps, lost = 0, 0
    while steps < min(most, max(ends)) and lost < len(ends) * PATIENCE:
        lost += sum(end <= steps for end in ends)
        steps += 1
    return steps


def _share(lane: _Lane, chunk: int, tally: _Tally) -> list[_Row]:
    """Rows that read nothing of their prompt because another of the lane reads it, or has read whole chunks of it."""
    leaders: set[int] = set()
    held = {prompt for prompt in lane.holds if prompt is not None}
    followers = []
    for number, row in enumerate(lane.rows):
        if row is None or not row.new:
            continue
        row.new, prompt = False, row.lengths.prompt
        lane.holds[number] = prompt
        if prompt in leaders:
            tally.fed += row.pending
            row.pending = 0
            followers.append(row)
            continue
        leaders.add(prompt)
        if prompt in held:
            known = (row.pending - 1) // chunk * chunk
            tally.fed += known
            row.pending, row.length = row.pending - known, known
    return followers


def _settle(lane: _Lane, tally: _Tally) -> int:
    """Ends turns that are drawn; how many calls the host resolved."""
    calls = 0
    for number, row in enumerate(lane.rows):
        if row is None or row.left:
            continue
        calls += row.lengths.turns[row.turn][1] > 0
        if not row.go_on():
            tally.longest = max(tally.longest, row.length)
            tally.pairs += row.length**2 / 2
            lane.rows[number] = None
    return calls
