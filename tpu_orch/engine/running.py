"""One rollout in the making: its ledger, its turns, and what it waits for. The engine's only mutable record."""

import numpy as np

from data_pipeline.chat import Chat
from data_pipeline.environment import Session
from data_pipeline.tokenizers.marks import THOUGHT_OPEN
from data_pipeline.words import Ledger, Rollout, StopReason, Turn
from tpu_orch.engine.episodes import EngineOptions, Episode, History
from tpu_orch.engine.slots import BUDGET, FULL, MARKER

CALL_MARKER, END_MARKER = 1, 2  # numbers of the two markers in the stop table

NOTHING = np.zeros(0, np.int32)


class Running:
    """A rollout that holds a slot.

    pending: int32 [P], ids that wait to be fed. stop: why the rollout ended, None while it goes on.
    """

    def __init__(self, place: int, episode: Episode, session: Session, chat: Chat, options: EngineOptions) -> None:
        self.place, self.episode, self.session, self.chat, self.options = place, episode, session, chat, options
        self.ids: list[np.ndarray] = []
        self.logprobs: list[np.ndarray] = []
        self.turn_of: list[np.ndarray] = []
        self.turns: list[Turn] = []
        self.drawn: list[np.ndarray] = []  # ids of the turn that is being drawn
        self.length = 0
        self.tokens_drawn = 0
        self.pending = NOTHING
        self.other_ends = chat.other_ends
        self.thought_limit = chat.thought_limit
        self.thought_over = self.thought_limit is None
        self.stop: StopReason | None = None
        self._feed_or_stop(np.asarray(episode.prompt, np.int32))
        if episode.history is not None and self.stop is None:
            self._go_on_from(episode.history)

    def _go_on_from(self, history: History) -> None:
        """The prompt is an earlier part of the rollout: its draws, turns and results are the rollout's own."""
        self.logprobs, self.turn_of = [history.logprobs], [history.turn]
        self.turns = list(history.turns)
        self.tokens_drawn = int((history.turn >= 0).sum())
        self.session.go_on_after(history.steps)
        if self.tokens_drawn >= self.options.max_new_tokens:
            self.stop = StopReason.MAX_TOKENS
        elif len(self.turns) >= self.options.max_turns:
            self.stop = StopReason.MAX_TURNS

    def _feed_or_stop(self, ids: np.ndarray) -> None:
        """Queues ids to be fed if room is left to draw after them, else ends the rollout."""
        if self.length + ids.size >= self.options.capacity:
            self.stop = StopReason.CONTEXT_FULL
        else:
            self.pending = ids
            self._write(ids, np.zeros(ids.size, np.float32), turn=-1)

    def _write(self, ids: np.ndarray, logprobs: np.ndarray, turn: int) -> None:
        self.ids.append(ids)
        self.logprobs.append(logprobs)
        self.turn_of.append(np.full(ids.size, turn, np.int32))
        self.length += ids.size

    @property
    def mode(self) -> str:
        """Which marks stop a turn."""
        return self.options.stops_of(self.episode.task.mode)

    @property
    def budget(self) -> int:
        """Tokens that may still be drawn, before the host looks whether a thought is too long."""
        left = self.options.max_new_tokens - self.tokens_drawn
        if self.thought_over or self.thought_limit is None:
            return left
        return min(left, max(self.thought_limit.tokens, 1) - sum(piece.size for piece in self.drawn))

    def take(self, size: int) -> np.ndarray:
        """The next ids to be fed, at most `size` of them."""
        piece, self.pending = self.pending[:size], self.pending[size:]
        return piece

    def record(self, ids: np.ndarray, logprobs: np.ndarray) -> None:
        """Writes drawn tokens into the ledger."""
        self.drawn.append(ids)
        self.tokens_drawn += ids.size
        self._write(ids, logprobs, turn=len(self.turns))

    def end_turn(self, status: int) -> None:
        """Reads the turn that was drawn, resolves its calls, and queues their results or ends the rollout.

        Where only its thought has used up its tokens the turn goes on.
        """
        if status == BUDGET and self.tokens_drawn < self.options.max_new_tokens:
            self._close_thought()
            if self.stop is None and self.length < self.options.capacity:
                return
            status = FULL
        said, last = self._said(), int(self.drawn[-1][-1]) if status >= MARKER else None
        self.drawn, self.thought_over = [], self.thought_limit is None
        end = self.chat.stops[1].decode()
        turn = self.session.respond(said.split(end)[0], self.chat.form)
        self.turns.append(turn)
        if status == BUDGET:
            self.stop = StopReason.MAX_TOKENS
        elif status == FULL:
            self.stop = StopReason.CONTEXT_FULL
        elif not turn.steps or self.episode.task.mode == "plan":
            self.stop = StopReason.ANSWER
        elif len(self.turns) >= self.options.max_turns:
            self.stop = StopReason.MAX_TURNS
        elif self.tokens_drawn >= self.options.max_new_tokens:
            self.stop = StopReason.MAX_TOKENS
        else:
            closed = status == MARKER + END_MARKER - 1 and last not in self.other_ends
            self._feed_or_stop(np.asarray(self.chat.results(turn.steps, closed=closed), np.int32))

    def _said(self) -> str:
        """The text of the turn that is being drawn.

        A model's table may have rows beyond the tokenizer's vocabulary: such ids stay in the ledger and spell nothing. Nor do the
        family's other ends.
        """
        known = self.chat.tokenizer.vocab_size
        ids = [int(token) for piece in self.drawn for token in piece if token < known]
        return self.chat.tokenizer.decode([token for token in ids if token not in self.other_ends])

    def _close_thought(self) -> None:
        """Feeds what ends the turn's thought, unless it has ended itself or the turn has none; its text is part of the turn's."""
        assert self.thought_limit is not None
        self.thought_over = True
        said = self._said()
        if said.lstrip().startswith(THOUGHT_OPEN) and self.thought_limit.closed.decode() not in said:
            closing = np.asarray(self.thought_limit.closing, np.int32)
            self._feed_or_stop(closing)
            self.drawn.append(closing[: closing.size if self.stop is None else 0])

    def rollout(self, weights_version: int) -> Rollout:
        """The finished rollout."""
        turn = np.concatenate(self.turn_of) if self.turn_of else NOTHING
        ledger = Ledger(
            ids=np.concatenate(self.ids) if self.ids else NOTHING,
            sampled=turn >= 0,
            logprobs=np.concatenate(self.logprobs) if self.logprobs else NOTHING.astype(np.float32),
            turn=turn,
            weights_version=weights_version,
        )
        return Rollout(
            task_id=self.episode.task.id,
            turns=tuple(self.turns),
            group_index=self.episode.group_index,
            stop=self.stop or StopReason.UNKNOWN,
            seed=self.episode.seed,
            ledger=ledger,
        )
