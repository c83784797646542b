"""Marks: the strings that only trusted scaffolding may turn into a piece of their own."""

import re
from collections.abc import Iterator, Sequence

# The marks of ChatML, of Hermes/Qwen tool calls, and of the final answer.
MARKS: tuple[str, ...] = (
    "<|im_start|>",
    "<|im_end|>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<answer>",
    "</answer>",
)
THOUGHT_OPEN, THOUGHT_CLOSE = "<think>", "</think>"
_SPOKEN = frozenset({*MARKS, THOUGHT_OPEN, THOUGHT_CLOSE})
_CONTROL = re.compile(r"<\|[^|]+\|>|</?s>|<(bos|eos|pad|unk|mask)>|<(start|end)_of_(turn|image)>|<unused\d+>")


def is_mark(piece: str) -> bool:
    """Whether a piece that a released tokenizer matches as a whole steers the model, so that data must not spell it.

    The others (runs of newlines, HTML tags of Gemma) are ordinary text that happens to be one piece.
    """
    return piece in _SPOKEN or _CONTROL.fullmatch(piece) is not None


class MarkSplitter:
    """Cuts trusted text into marks and the ordinary text between them; where marks overlap, the leftmost and then the
    longest wins.
    """

    def __init__(self, marks: Sequence[str]) -> None:
        longest_first = sorted(marks, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if marks else None

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """Yields (part, is it a mark) in order; the parts join to the text."""
        start = 0
        for found in self._pattern.finditer(text) if self._pattern else ():
            if found.start() > start:
                yield text[start : found.start()], False
            yield found.group(), True
            start = found.end()
        if start < len(text):
            yield text[start:], False

    def broken(self, text: str) -> Iterator[str]:
        """Yields parts that join to the text, none of which holds a mark: each is cut behind its first character."""
        start = 0
        while self._pattern and (found := self._pattern.search(text, start)):
            yield text[start : found.start() + 1]
            start = found.start() + 1
        if start < len(text):
            yield text[start:]
