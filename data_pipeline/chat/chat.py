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

from data_pipeline.chat import template
from data_pipeline.chat.offers import Schemas, offered, system_parts
from data_pipeline.errors import InputError
from data_pipeline.jsontext import spaced_json
from data_pipeline.tokenizers import Tokenizer
from data_pipeline.words import Json, Resolved, Task, Tool, Turn

# Never inside what an assistant writes: a demonstration that held one would teach the policy to forge messages.
_FORBIDDEN = ("<|im_start|>", "<tool_response>", "</tool_response>")


class Tokens(NamedTuple):
    """A demonstration, as a ledger without log-probs.

    ids: int32 [T]. sampled: bool [T], True where a policy would have drawn the token: the loss falls there and
    nowhere else.
    """

    ids: np.ndarray
    sampled: np.ndarray


@dataclass(frozen=True)
class Chat:
    """The template over one tokenizer.

    tokenizer: anything behind the protocol.
    schemas: how the system message offers the tools ("none": no system message at all).
    shorten: what to feed of a resolved call's content (long results are cut structurally); None: the content as it is.
    """

    tokenizer: Tokenizer
    schemas: Schemas = "none"
    shorten: Callable[[Resolved], Json] | None = None

    @property
    def stops(self) -> tuple[bytes, bytes]:
        """(mark that completes a call, mark that ends a turn): in `multi_turn` a policy pauses at either, in `plan`
        at the second.
        """
        return template.CALL_END.encode(), template.END.encode()

    def prompt(self, task: Task, tools: Mapping[str, Tool]) -> list[int]:
        """Ids up to where the assistant begins. Raises InputError if the task offers a tool that `tools` lacks."""
        system = [] if self.schemas == "none" else system_parts(offered(task.tools, tools), self.schemas, task.mode)
        parts = [(template.USER_OPEN, True), (task.query, False), (template.QUERY_END, True)]
        if system:
            parts = [(template.SYSTEM_OPEN, True), *system, (template.MESSAGE_END, True), *parts]
        return self._ids(parts)

    def results(self, steps: Sequence[Resolved], *, closed: bool) -> list[int]:
        """Ids fed after a turn that made calls, up to where the assistant goes on.

        steps: the turn's attempts with their results, in order. closed: whether the turn itself ended with
        `<|im_end|>`.
        Raises InputError if there is no step or a step has no result: then there is nothing to feed.
        """
        if not steps or any(step.result is None for step in steps):
            raise InputError("a turn without results cannot be followed by another one")
        parts: list[tuple[str, bool]] = []
        for place, step in enumerate(steps):
            opening = template.RESULTS_OPEN if closed else template.CLOSED_RESULTS_OPEN
            parts += [(template.RESULTS_BETWEEN if place else opening, True), (self.result_text(step), False)]
        return self._ids([*parts, (template.RESULTS_END, True)])

    def result_text(self, step: Resolved) -> str:
        """The JSON text of one result as the policy reads it."""
        content = None if step.result is None else step.result.content
        return spaced_json(self.shorten(step) if self.shorten else content)

    def turn(self, text: str) -> list[int]:
        """Ids of what an assistant wrote: marks are pieces here, as they are when a policy samples them."""
        return self.tokenizer.encode(text, marks=True)

    def demonstration(self, task: Task, tools: Mapping[str, Tool], turns: Sequence[Turn]) -> Tokens:
        """Ids and loss mask of a rollout that made these turns, as an engine's ledger would hold them.

        In `multi_turn` a turn ends with its call's `</tool_call>`, or with `<|im_end|>` (added here where the text
        lacks it). What follows the last turn is not part of it. Raises InputError naming the task where the text
        holds a mark that no policy could have sampled there.
        """
        ids = self.prompt(task, tools)
        sampled = [False] * len(ids)
        for place, turn in enumerate(turns):
            text = stopped_text(turn, task)
            turn_ids = self.turn(text)
            ids += turn_ids
            sampled += [True] * len(turn_ids)
            if place + 1 < len(turns):
                fed = self.results(turn.steps, closed=text.endswith(template.END))
                ids += fed
                sampled += [False] * len(fed)
        return Tokens(np.asarray(ids, np.int32), np.asarray(sampled, bool))

    def _ids(self, parts: Sequence[tuple[str, bool]]) -> list[int]:
        return [token_id for text, trusted in parts for token_id in self.tokenizer.encode(text, marks=trusted)]


def stopped_text(turn: Turn, task: Task) -> str:
    """The turn's text up to and with the mark that a policy stops at. Raises InputError if it holds a mark earlier."""
    text = turn.text
    pauses = task.mode == "multi_turn" and bool(turn.steps) and text.endswith(template.CALL_END)
    if not pauses and not text.endswith(template.END):
        text += template.END
    stop = template.CALL_END if pauses else template.END
    body = text[: -len(stop)]
    early = [mark for mark in (*_FORBIDDEN, template.END) if mark in body]
    if task.mode == "multi_turn" and template.CALL_END in body:
        early.append(template.CALL_END)
    if early:
        raise InputError(
            f"task {task.id}: a turn to demonstrate holds {early[0]!r} before its end, where a policy would have stopped"
        )
    return text
