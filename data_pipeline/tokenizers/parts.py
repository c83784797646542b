"""Texts made of trusted scaffolding and data, as the ids that the joined text has."""

from collections.abc import Iterable
from functools import lru_cache

from data_pipeline.tokenizers.marks import MarkSplitter
from data_pipeline.tokenizers.protocol import Tokenizer


def encode_parts(tokenizer: Tokenizer, parts: Iterable[tuple[str, bool]]) -> list[int]:
    """Ids of (text, trusted) parts: what stands between two marks is encoded as one text, whatever parts it came in.

    So the ids are those of the whole text wherever data spells no mark; where it does, it stays text.
    """
    splitter = _splitter(tokenizer.marks)
    ids: list[int] = []
    plain: list[str] = []
    for text, trusted in _joined(parts):
        for part, is_mark in splitter.split(text) if trusted else ((text, False),):
            if not is_mark:
                plain.append(part)
                continue
            ids += tokenizer.encode("".join(plain))
            plain.clear()
            ids += tokenizer.encode(part, marks=True)
    return ids + tokenizer.encode("".join(plain))


@lru_cache(maxsize=16)
def _splitter(marks: tuple[str, ...]) -> MarkSplitter:
    """One for all texts of a tokenizer: making it costs as much as encoding a short result."""
    return MarkSplitter(marks)


def _joined(parts: Iterable[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Neighbours of one kind as one part: a mark may reach over the border of two trusted parts."""
    joined: list[tuple[str, bool]] = []
    for text, trusted in parts:
        if joined and joined[-1][1] == trusted:
            joined[-1] = (joined[-1][0] + text, trusted)
        else:
            joined.append((text, trusted))
    return joined
