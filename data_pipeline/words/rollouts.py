"""A rollout: what the policy did on one task, call by call, and the ledger of tokens it was made of."""

from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np

from data_pipeline.words.calls import Resolved


class StopReason(StrEnum):
    ANSWER = "answer"  # the policy closed its turn without a call
    MAX_TURNS = "max_turns"
    MAX_TOKENS = "max_tokens"  # budget of sampled tokens
    CONTEXT_FULL = "context_full"  # the prompt or a result did not fit
    UNKNOWN = "unknown"  # a stored rollout that does not say


class Ledger(NamedTuple):
    """Every token of a rollout, written once when it was made and never made again from text.

    ids: int32 [T], prompt included.
    sampled: bool [T], True where the policy drew the token, False where it was fed (prompt, results, template).
    logprobs: float32 [T], untruncated log-prob at the sampling temperature when the token was drawn; 0 where fed.
    turn: int32 [T], assistant turn that a sampled token belongs to; -1 where fed.
    weights_version: of the weights that drew the tokens (the optimiser step they come from).
    """

    ids: np.ndarray
    sampled: np.ndarray
    logprobs: np.ndarray
    turn: np.ndarray
    weights_version: int


class Turn(NamedTuple):
    """One message of the assistant: text and the calls found in it, in order, each with its result."""

    text: str
    """The whole raw text of the message, call marks included."""
    steps: tuple[Resolved, ...] = ()
    parses: bool = True
    """False if the text holds a call that is malformed or was never closed."""
    form: Literal["hermes", "parameters", "json", "xml", "direct"] = "hermes"
    """How calls are spelled in the text; json, xml and direct are the plan forms of `data_pipeline.parsing`."""


class Rollout(NamedTuple):
    task_id: str
    turns: tuple[Turn, ...]
    group_index: int = 0
    """Which of the task's rollouts this is: row of the input file, or position in its group."""
    stop: StopReason = StopReason.UNKNOWN
    seed: int | None = None
    ledger: Ledger | None = None

    @property
    def steps(self) -> tuple[Resolved, ...]:
        """Every attempt at a call, in the order made, whatever turn it stood in."""
        return tuple([step for turn in self.turns for step in turn.steps])  # this list is faster than its generator

    @property
    def final_text(self) -> str:
        """Text of the last message if it holds no attempt at a call, else ""."""
        return self.turns[-1].text if self.closed else ""

    @property
    def closed(self) -> bool:
        """Whether there is a last message and it holds no attempt at a call."""
        return bool(self.turns) and not self.turns[-1].steps
