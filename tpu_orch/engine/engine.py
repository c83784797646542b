"""The host side of the engine: gives slots to episodes, feeds what the policy did not draw, resolves the calls it made.

Differs from samplers that render the chat to text each turn: ids are written once, when they are made, and the cache stays over
tool results, so a turn after a result feeds only the new ids. Where the policy has lanes, each is played by a thread: while the
host resolves the calls of one, the device works on the others.
"""

import copy
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline.backends.faults import rollout_seed
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.words import Rollout
from tpu_orch.engine.episodes import EngineOptions, Episode, identity_words
from tpu_orch.engine.lanes import Lane, Plan
from tpu_orch.engine.memory import require_memory
from tpu_orch.engine.policy import Params, Policy
from tpu_orch.engine.programs import Programs
from tpu_orch.engine.running import CALL_MARKER, END_MARKER, Running
from tpu_orch.engine.sampling import Draw, how_to_draw, row_keys
from tpu_orch.engine.slots import Drawn, Stops
from tpu_orch.engine.stops import StopTable, also_completed, stop_table
from tpu_orch.runs.machine import core_count

T = TypeVar("T")
PATIENCE = 4
"""Steps that a visit of the host costs about. The device comes back when its waiting rows have lost as many: the best time where
turns may end at any step."""


class RunStatistics(NamedTuple):
    """What one call of `Engine.run` did."""

    seconds: float
    tool_seconds: float
    """On the host, with calls: parsing, validating, answering, rendering results. Other lanes go on meanwhile."""
    visits: int
    """Times that the device came back to the host."""
    sampled: int
    """Tokens drawn."""
    fed: int
    """Tokens of prompts and results."""
    busy: float = 0.0
    """Share of the time that the device's threads were playing plans."""
    cache_tokens: int = 0
    """Tokens that the caches of all lanes had room for at most at one time; one takes `Policy.token_bytes`."""


class Engine:
    """Makes rollouts. Programs are compiled at their first use, or all by `warm_up`, and serve every later run.

        policy = decoder_policy(model_config)
        engine = Engine(policy, chat, EngineOptions(rows=64, capacity=1024))
        episodes = [Episode(task, np.asarray(chat.prompt(task, environment.tools), np.int32), index) for index in range(8)]
        rollouts = engine.run(params, episodes, environment)

    Args:
      policy: the language model.
      chat: the template and its tokenizer.
      options: slots, budgets and how tokens are drawn.
    Raises InputError if the cache would take more memory than the options allow.
    """

    def __init__(self, policy: Policy, chat: Chat, options: EngineOptions) -> None:
        if policy.sharing is None:  # over a mesh every row holds its own prompt
            options = replace(options, prompt_rows=0)
        self.policy, self.chat, self.options = policy, chat, options
        self.statistics = RunStatistics(0.0, 0.0, 0, 0, 0)
        self.rows = -(-options.rows // policy.row_multiple) * policy.row_multiple
        require_memory(options, self.rows, policy.token_bytes)
        self.stops, self.start_state = turn_stops(chat, policy.vocab_size)
        self._lane_rows = self.rows if policy.lanes is None else policy.lanes.rows
        self._programs = Programs(policy, options, self._lane_rows)
        self._keys = jax.jit(row_keys)

    def of_turns(self, max_turns: int) -> "Engine":
        """The same programs with another budget of turns: nothing is compiled again."""
        other = copy.copy(self)
        other.options = replace(self.options, max_turns=max_turns)
        other.__dict__.pop("unshared", None)
        return other

    @cached_property
    def unshared(self) -> "Engine":
        """Itself, or where rows share prompts one like it in which they do not: for episodes that come one of each prompt."""
        if not self.options.prompt_rows:
            return self
        other = copy.copy(self)
        other.options = replace(self.options, prompt_rows=0)
        other._programs = Programs(self.policy, other.options, self._lane_rows)
        return other

    def warm_up(self, params: Params) -> None:
        """Compiles every program that any run may need, for weights of this kind."""
        self._start_keys([])
        with self._threads() as threads:
            threads.submit(self._programs.warm_up, params, self.stops, self._how(None)).result()

    def run(
        self,
        params: Params,
        episodes: Sequence[Episode],
        environment: Environment,
        *,
        weights_version: int = 0,
        temperature: float | None = None,
        on_rollout: Callable[[int, Rollout], None] | None = None,
        on_visit: Callable[[], None] | None = None,
    ) -> list[Rollout]:
        """Plays every episode to its end; rollouts come back in the order of the episodes.

        Args:
          params: the policy's weights.
          episodes: what to play. Those with the same prompt share its reading if they follow each other.
          environment: answers the tool calls.
          weights_version: written into each ledger: the optimiser step that the weights come from.
          temperature: instead of the options' one.
          on_rollout: called with the episode's place and its rollout as each one ends, in no fixed order.
          on_visit: called whenever the host has the word; what it raises ends the run and drops what was in flight.
        """
        sitting = Sitting(self, params, episodes, environment, self._how(temperature))
        began = time.perf_counter()
        rollouts: list[Rollout | None] = [None] * len(episodes)

        def ended(ones: list[Running]) -> None:
            for running in ones:
                rollout = running.rollout(weights_version)
                rollouts[running.place] = rollout
                if on_rollout:
                    on_rollout(running.place, rollout)

        with self._threads() as threads:
            ended(sitting.launch(threads, sitting.lanes))
            while sitting.playing:
                if on_visit:
                    on_visit()
                ready = sitting.settle(ended)
                ended(sitting.launch(threads, ready))
        done = [rollout for rollout in rollouts if rollout is not None]
        sampled = sum(int(rollout.ledger.sampled.sum()) for rollout in done if rollout.ledger)
        total = sum(rollout.ledger.ids.size for rollout in done if rollout.ledger)
        seconds = time.perf_counter() - began
        busy = sitting.played / max(seconds * min(sitting.threads, max(sitting.used, 1)), 1e-9)
        self.statistics = RunStatistics(
            seconds,
            sitting.tool_seconds,
            sitting.visits,
            sampled,
            total - sampled,
            min(busy, 1.0),
            sitting.cache_tokens,
        )
        return done

    def _threads(self) -> "ThreadPoolExecutor | Inline":
        """One for each core that may play a lane; the caller's own thread where there is only one lane of all rows."""
        if self.policy.lanes is None:
            return Inline()
        return ThreadPoolExecutor(core_count(), thread_name_prefix="lane")

    def _how(self, temperature: float | None) -> Draw:
        options = self.options
        heat = options.temperature if temperature is None else temperature
        return how_to_draw(heat, options.top_k, options.top_p, options.min_p)

    def _start_keys(self, episodes: Sequence[Episode]) -> np.ndarray:
        """Random keys uint32 [B, 2] of a lane's new rollouts, the first of its rows."""
        identity = np.zeros((self._lane_rows, 3), np.uint32)
        for number, episode in enumerate(episodes):
            identity[number] = identity_words(episode)
        return np.asarray(self._keys(identity))


class Inline:
    """A pool without threads: work is done when it is submitted."""

    def __enter__(self) -> "Inline":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., T], *args: Any) -> "Future[T]":
        future: Future[T] = Future()
        future.set_result(work(*args))
        return future


class Sitting:
    """One call of `Engine.run`: the lanes, what waits for a slot, and what is being played."""

    def __init__(
        self, engine: Engine, params: Params, episodes: Sequence[Episode], environment: Environment, how: Draw
    ) -> None:
        self.engine, self.environment, self.how = engine, environment, how
        self.params = engine._programs.prepare(params)
        self.waiting = deque(enumerate(episodes))
        self.lanes = [engine._programs.lane() for _ in range(engine.rows // engine._lane_rows)]
        self.playing: dict[Future[Drawn], Lane] = {}
        self.threads, self.used = (1 if engine.policy.lanes is None else core_count()), 0
        self.tool_seconds, self.played, self.visits, self.cache_tokens = 0.0, 0.0, 0, 0

    def launch(self, threads: "ThreadPoolExecutor | Inline", lanes: Sequence[Lane]) -> list[Running]:
        """Refills lanes and has them played; gives the rollouts that ended before they began."""
        ended: list[Running] = []
        for lane in lanes:
            ended += self._refill(lane)
            if lane.live:
                options = self.engine.options
                plan = lane.plan(self.engine.start_state, options.capacity, options.visit_steps, PATIENCE)
                self.playing[threads.submit(self._timed, lane, plan)] = lane
            elif lane.slots is not None:
                lane.forget()
        self.used = max(self.used, len(self.playing))
        return ended

    def _timed(self, lane: Lane, plan: Plan) -> Drawn:
        began = time.perf_counter()
        drawn = self.engine._programs.play(self.params, lane, plan, self.engine.stops, self.how)
        self.played += time.perf_counter() - began
        return drawn

    def _refill(self, lane: Lane) -> list[Running]:
        """Gives the lane's free slots to waiting episodes; a prompt that does not fit ends its rollout at once."""
        engine = self.engine
        ended: list[Running] = []
        admitted: list[tuple[int, Episode]] = []
        while self.waiting and (row := lane.row_for(self.waiting[0][1].prompt)) is not None:
            place, episode = self.waiting.popleft()
            seed = rollout_seed(episode.seed, episode.task.id, episode.group_index)
            session = self.environment.session(episode.task, seed)
            running = Running(place, episode, session, engine.chat, engine.options)
            if running.stop is not None:
                ended.append(running)
                continue
            lane.admit(row, running)
            admitted.append((row, episode))
        if admitted:
            keys = engine._start_keys([episode for _, episode in admitted])
            for (row, _), key in zip(admitted, keys, strict=False):
                lane.keys[row] = key
        return ended

    def settle(self, ended: Callable[[list[Running]], None]) -> list[Lane]:
        """Waits for lanes and resolves what their rows drew; gives the lanes that have come back."""
        done, _ = wait(self.playing, return_when=FIRST_COMPLETED)
        ready = []
        for future in done:
            lane = self.playing.pop(future)
            began = time.perf_counter()
            ended(lane.settle(future.result()))
            self.tool_seconds += time.perf_counter() - began
            self.visits += 1
            ready.append(lane)
        held = sum(lane.cache_tokens(self.engine.options.capacity) for lane in self.lanes)
        self.cache_tokens = max(self.cache_tokens, held)
        return ready


def turn_stops(chat: Chat, vocab_size: int) -> tuple[Stops, dict[str, int]]:
    """The stops of every mode in one table, and the state in which a turn of each mode starts.

    In `multi_turn` a finished call pauses the turn, and so does its end; in `plan` only the end does. The family's other ends
    count as its end.
    """
    pieces = [chat.tokenizer.token_bytes(token) for token in range(chat.tokenizer.vocab_size)]
    pieces += [b""] * (vocab_size - len(pieces))
    call, end = chat.stops
    by_mode: dict[str, StopTable] = {
        "multi_turn": number_markers(stop_table(pieces, [call, end]), {1: CALL_MARKER, 2: END_MARKER}),
        "plan": number_markers(stop_table(pieces, [end]), {1: END_MARKER}),
    }
    by_mode = {mode: also_completed(table, END_MARKER, sorted(chat.other_ends)) for mode, table in by_mode.items()}
    start: dict[str, int] = {}
    states = 0
    for mode, table in by_mode.items():
        start[mode] = states
        states += len(table.marker)
    next_state = np.concatenate([table.next_state + start[mode] for mode, table in by_mode.items()])
    marker = np.concatenate([table.marker for table in by_mode.values()])
    return Stops(jnp.asarray(next_state.astype(np.int16)), jnp.asarray(marker)), start


def number_markers(table: StopTable, numbers: dict[int, int]) -> StopTable:
    """The table with its markers given other numbers."""
    renumbered = np.zeros_like(table.marker)
    for old, new in numbers.items():
        renumbered[table.marker == old] = new
    return table._replace(marker=renumbered)
