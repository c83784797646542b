"""What a conversation is made of before a family of models writes it down, and after: messages, and parts of text."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from data_pipeline.tokenizers import Tokenizer, encode_parts
from data_pipeline.words import ToolCall


class Message(NamedTuple):
    """One message. All of its strings are data: no mark comes out of them."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    """Of a tool: the JSON text of the result."""
    calls: tuple[ToolCall, ...] = ()
    thinking: str = ""
    """What an assistant thought before it spoke, without its marks."""


class Manner(NamedTuple):
    """Settings of a template."""

    thinking: bool = True
    """Whether the model may think first, where its family can (Qwen3)."""
    thinking_budget: int | None = None
    """Tokens of one thought at most; then the thought is closed for it (`Chat.thought_limit`)."""
    date: str = "26 Jul 2024"
    """Today, as Llama 3's template writes it; this one is the template's own default."""


DEFAULT = Manner()


class Part(NamedTuple):
    """A stretch of a conversation's text."""

    text: str
    trusted: bool
    """Scaffolding, in which marks become pieces."""
    sampled: bool = False
    """What the model itself writes: the loss falls there and nowhere else."""


class Tokens(NamedTuple):
    """A conversation as a ledger without log-probs.

    ids: int32 [T]. sampled: bool [T], True where a policy would have drawn the token: the loss falls there and
    nowhere else.
    """

    ids: np.ndarray
    sampled: np.ndarray


def joined_text(parts: Iterable[Part]) -> str:
    """The text of a conversation."""
    return "".join(part.text for part in parts)


def tokens_of(tokenizer: Tokenizer, parts: Sequence[Part]) -> Tokens:
    """Ids and loss mask. What is fed and what is sampled are never encoded as one text, since a ledger holds them apart."""
    ids: list[int] = []
    sampled: list[bool] = []
    start = 0
    for place in range(1, len(parts) + 1):
        if place == len(parts) or parts[place].sampled != parts[start].sampled:
            made = encode_parts(tokenizer, [(part.text, part.trusted) for part in parts[start:place]])
            ids += made
            sampled += [parts[start].sampled] * len(made)
            start = place
    return Tokens(np.asarray(ids, np.int32), np.asarray(sampled, bool))
