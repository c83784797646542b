"""The host side of the engine: gives slots to episodes, feeds what the policy did not draw, resolves the calls it made.

Differs from samplers that render the chat to text each turn: ids are written once, when they are made, and the cache stays over
tool results, so a turn after a result feeds only the new ids.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline.backends.faults import rollout_seed
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.words import Rollout
from tpu_orch.engine.episodes import EngineOptions, Episode, identity_words
from tpu_orch.engine.policy import Params, Policy
from tpu_orch.engine.running import CALL_MARKER, END_MARKER, Running
from tpu_orch.engine.slots import DRAWING, Drawn, Slots, Stops, admit, decode, feed, init_slots, slot_shardings
from tpu_orch.engine.stops import StopTable, stop_table


class RunStatistics(NamedTuple):
    """What one call of `Engine.run` did."""

    seconds: float
    tool_seconds: float
    """On the host, with calls: parsing, validating, answering, rendering results."""
    visits: int
    """Times that the device came back to the host."""
    sampled: int
    """Tokens drawn."""
    fed: int
    """Tokens of prompts and results."""


class Engine:
    """Makes rollouts. The programs are compiled at the first run and serve every later one.

    Args:
      policy: the language model.
      chat: the template and its tokenizer.
      options: slots, budgets and temperature.
    """

    def __init__(self, policy: Policy, chat: Chat, options: EngineOptions) -> None:
        self.policy, self.chat, self.options = policy, chat, options
        self.statistics = RunStatistics(0.0, 0.0, 0, 0, 0)
        self.rows = -(-options.rows // policy.row_multiple) * policy.row_multiple
        self.stops, self.start_state = turn_stops(chat, policy.vocab_size)
        shardings = slot_shardings(policy.layout)
        self._init = jax.jit(partial(init_slots, policy, self.rows, options.capacity), out_shardings=shardings)
        self._admit = jax.jit(admit, donate_argnums=0, out_shardings=shardings)
        self._feed = jax.jit(partial(feed, policy), donate_argnums=1, out_shardings=shardings)
        self._decode = jax.jit(
            partial(decode, policy, options.visit_steps, options.capacity),
            donate_argnums=1,
            out_shardings=None if shardings is None else (shardings, None),
        )

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
          episodes: what to play.
          environment: answers the tool calls.
          weights_version: written into each ledger: the optimiser step that the weights come from.
          temperature: instead of the options' one.
          on_rollout: called with the episode's place and its rollout as each one ends, in no fixed order.
          on_visit: called whenever the host has the word; what it raises ends the run and drops what was in flight.
        """
        options = self.options
        heat = jnp.float32(options.temperature if temperature is None else temperature)
        waiting = deque(enumerate(episodes))
        rows: list[Running | None] = [None] * self.rows
        rollouts: list[Rollout | None] = [None] * len(episodes)
        began, tool_seconds, visits = time.perf_counter(), 0.0, 0
        slots = self._init()
        while waiting or any(rows):
            if on_visit:
                on_visit()
            slots = self._fill(slots, rows, waiting, environment)
            slots = self._feed_pending(params, slots, rows)
            slots, drawn = self._decode(params, slots, self.stops, heat, jnp.int32(self._leave(rows, waiting)))
            drawn = jax.device_get(drawn)
            settling = time.perf_counter()
            self._settle(drawn, rows)
            tool_seconds += time.perf_counter() - settling
            visits += 1
            for row, running in enumerate(rows):
                if running is not None and running.stop is not None:
                    rollout = running.rollout(weights_version)
                    rollouts[running.place], rows[row] = rollout, None
                    if on_rollout:
                        on_rollout(running.place, rollout)
        done = [rollout for rollout in rollouts if rollout is not None]
        sampled = sum(int(rollout.ledger.sampled.sum()) for rollout in done if rollout.ledger)
        total = sum(rollout.ledger.ids.size for rollout in done if rollout.ledger)
        self.statistics = RunStatistics(time.perf_counter() - began, tool_seconds, visits, sampled, total - sampled)
        return done

    def _leave(self, rows: list[Running | None], waiting: deque) -> int:
        """Rows that may still be drawing when decode comes back: a quarter of the busy ones, so that the host is not called
        for each single pause."""
        return sum(running is not None for running in rows) * 3 // 4

    def _fill(
        self, slots: Slots, rows: list[Running | None], waiting: deque[tuple[int, Episode]], environment: Environment
    ) -> Slots:
        """Gives free slots to waiting episodes."""
        new = np.zeros(len(rows), bool)
        identity = np.zeros((len(rows), 3), np.uint32)
        for row in range(len(rows)):
            if rows[row] is None and waiting:
                place, episode = waiting.popleft()
                seed = rollout_seed(episode.seed, episode.task.id, episode.group_index)
                session = environment.session(episode.task, seed)
                rows[row] = Running(place, episode, session, self.chat, self.options)
                new[row], identity[row] = True, identity_words(episode)
        if not new.any():
            return slots
        return self._admit(slots, jnp.asarray(new), jnp.asarray(identity), jnp.int32(self.options.max_new_tokens))

    def _feed_pending(self, params: Params, slots: Slots, rows: list[Running | None]) -> Slots:
        """Feeds prompts and results, a chunk of each row at a time, until every live row may draw."""
        shape = (len(rows), self.options.chunk)
        while any(running is not None and running.pending.size for running in rows):
            ids, counts, start = (
                np.zeros(shape, np.int32),
                np.zeros(shape[0], np.int32),
                np.full(shape[0], -1, np.int32),
            )
            for row, running in enumerate(rows):
                if running is not None and running.pending.size:
                    piece = running.take(self.options.chunk)
                    ids[row, : piece.size], counts[row] = piece, piece.size
                    if not running.pending.size:
                        start[row] = self.start_state[running.episode.task.mode]
            slots = self._feed(params, slots, jnp.asarray(ids), jnp.asarray(counts), jnp.asarray(start))
        return slots

    def _settle(self, drawn: Drawn, rows: list[Running | None]) -> None:
        """Writes drawn tokens into the ledgers and resolves the calls of rows that stopped drawing."""
        for row, running in enumerate(rows):
            if running is None or running.stop is not None:
                continue
            n = int(drawn.counts[row])
            running.record(np.asarray(drawn.ids[row, :n]), np.asarray(drawn.logprobs[row, :n]))
            if drawn.status[row] != DRAWING:
                running.end_turn(int(drawn.status[row]))


def turn_stops(chat: Chat, vocab_size: int) -> tuple[Stops, dict[str, int]]:
    """The stops of every mode in one table, and the state in which a turn of each mode starts.

    In `multi_turn` a finished call pauses the turn, and so does its end; in `plan` only the end does.
    """
    pieces = [chat.tokenizer.token_bytes(token) for token in range(chat.tokenizer.vocab_size)]
    pieces += [b""] * (vocab_size - len(pieces))
    call, end = chat.stops
    by_mode: dict[str, StopTable] = {
        "multi_turn": number_markers(stop_table(pieces, [call, end]), {1: CALL_MARKER, 2: END_MARKER}),
        "plan": number_markers(stop_table(pieces, [end]), {1: END_MARKER}),
    }
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
