"""Prompts, fed results and demonstrations as ids.

Every id is made from one of two kinds of text: scaffolding (trusted, marks become pieces) or data (queries, schemas,
results: marks stay plain text). So nothing that a tool returns can close a message or look like another one. A
demonstration is made by the very functions that an engine uses, piece by piece, so its ids and loss mask are those of
the ledger of a policy that sampled the same turns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from data_pipeline.chat.families import CHATML, Family, in_form
from data_pipeline.chat.messages import DEFAULT, Manner, Message, Part, Tokens
from data_pipeline.chat.offers import Schemas, offered, system_text
from data_pipeline.chat.qwen import CLOSED_THOUGHT
from data_pipeline.errors import InputError
from data_pipeline.jsontext import spaced_json
from data_pipeline.parsing.messages import Form
from data_pipeline.tokenizers import Tokenizer, encode_parts
from data_pipeline.tokenizers.marks import THOUGHT_CLOSE
from data_pipeline.words import Json, Resolved, Task, Tool, Turn


class ThoughtLimit(NamedTuple):
    """How long a turn may think, and what is fed to end its thought then."""

    tokens: int
    closing: tuple[int, ...]
    closed: bytes
    """The mark that says that the thought has ended by itself."""


@dataclass(frozen=True)
class Chat:
    """A family's template over one tokenizer.

    tokenizer: anything behind the protocol.
    schemas: how the prompt offers the tools ("none": not at all; "full": as the family's template does).
    shorten: what to feed of a resolved call's content (long results are cut structurally); None: the content as it is.
    family: how conversations are written; the default is that of policies trained here.
    manner: thinking, its budget, the date.
    system: what the system message says first.
    """

    tokenizer: Tokenizer
    schemas: Schemas = "none"
    shorten: Callable[[Resolved], Json] | None = None
    family: Family = CHATML
    manner: Manner = DEFAULT
    system: str = ""

    @property
    def stops(self) -> tuple[bytes, bytes]:
        """(mark that completes a call, mark that ends a turn): in `multi_turn` a policy pauses at either, in `plan`
        at the second.
        """
        call, end = self.family.stops
        return call.encode(), end.encode()

    @property
    def other_ends(self) -> frozenset[int]:
        """Ids that end a turn as its mark does, and spell nothing of it."""
        found = {self.tokenizer.piece_id(text) for text in self.family.other_ends}
        return frozenset(token for token in found if token is not None)

    @property
    def form(self) -> Form:
        """How this policy spells calls: what `Session.respond` must be told."""
        return self.family.form

    @property
    def thought_limit(self) -> ThoughtLimit | None:
        """Of each turn; None where the family does not think, may not, or may as long as it likes."""
        budget = self.manner.thinking_budget
        if budget is None or not self.family.thinks or not self.manner.thinking:
            return None
        return ThoughtLimit(budget, tuple(self.turn(CLOSED_THOUGHT)), THOUGHT_CLOSE.encode())

    def prompt(self, task: Task, tools: Mapping[str, Tool]) -> list[int]:
        """Ids up to where the assistant begins. Raises InputError if the task offers a tool that `tools` lacks."""
        shown = [] if self.schemas == "none" else offered(task.tools, tools)
        said = [text for text in (self.system, system_text(shown, self.schemas, task.mode)) if text]
        messages = [Message("system", "\n\n".join(said))] if said else []
        messages.append(Message("user", task.query))
        return self.conversation(messages, shown if self.schemas == "full" else ())

    def conversation(self, messages: Sequence[Message], tools: Sequence[Tool]) -> list[int]:
        """Ids of any conversation up to where the assistant goes on, the tools offered as the family's template does."""
        return self._ids(self.family.render(messages, tools, self.manner))

    def results(self, steps: Sequence[Resolved], *, closed: bool) -> list[int]:
        """Ids fed after a turn that made calls, up to where the assistant goes on.

        steps: the turn's attempts with their results, in order. closed: whether the turn itself ended with
        `<|im_end|>` (or its family's mark).
        Raises InputError if there is no step or a step has no result: then there is nothing to feed.
        """
        if not steps or any(step.result is None for step in steps):
            raise InputError("a turn without results cannot be followed by another one")
        return self._ids(self.family.results([self.result_text(step) for step in steps], closed, self.manner))

    def result_text(self, step: Resolved) -> str:
        """The JSON text of one result as the policy reads it."""
        content = None if step.result is None else step.result.content
        return spaced_json(self.shorten(step) if self.shorten else content)

    def turn(self, text: str) -> list[int]:
        """Ids of what an assistant wrote: marks are pieces here, as they are when a policy samples them."""
        return self.tokenizer.encode(text, marks=True)

    def demonstration(
        self, task: Task, tools: Mapping[str, Tool], turns: Sequence[Turn], right: Sequence[bool] | None = None
    ) -> Tokens:
        """Ids and loss mask of a rollout that made these turns, as an engine's ledger would hold them.

        In `multi_turn` a turn ends with its call's mark, or with the mark of a turn's end (added here where the text
        lacks it). Calls spelled in another form are spelled in the family's. What follows the last turn is not part of
        it. Raises InputError naming the task where the text holds a mark that no policy could have sampled there.

        right: which turns are to be learnt; the others carry no loss. None: all are.
        """
        ids = self.prompt(task, tools)
        sampled = [False] * len(ids)
        for place, turn in enumerate(turns):
            text = stopped_text(turn, task, self.family)
            turn_ids = self.turn(text)
            ids += turn_ids
            sampled += [right is None or right[place]] * len(turn_ids)
            if place + 1 < len(turns):
                fed = self.results(turn.steps, closed=text.endswith(self.family.stops[1]))
                ids += fed
                sampled += [False] * len(fed)
        return Tokens(np.asarray(ids, np.int32), np.asarray(sampled, bool))

    def _ids(self, parts: Sequence[Part]) -> list[int]:
        return encode_parts(self.tokenizer, [(part.text, part.trusted) for part in parts])


def stopped_text(turn: Turn, task: Task, family: Family = CHATML) -> str:
    """The turn's text up to and with the mark that a policy stops at. Raises InputError if it holds a mark earlier."""
    call_end, end = family.stops
    text = in_form(turn, family)
    pauses = task.mode == "multi_turn" and bool(turn.steps) and text.endswith(call_end)
    if not pauses and not text.endswith(end):
        text += end
    body = text[: -len(call_end if pauses else end)]
    early = [mark for mark in (*family.foreign, *family.other_ends, end) if mark in body]
    if task.mode == "multi_turn" and call_end in body:
        early.append(call_end)
    if early:
        raise InputError(
            f"task {task.id}: a turn to demonstrate holds {early[0]!r} before its end, where a policy would have stopped"
        )
    return text
