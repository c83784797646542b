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
_SURROGATE = re.compile("[\ud800-\udfff]")


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


def without_surrogates(text: str) -> str:
    """The text with lone surrogates (JSON can spell them, UTF-8 cannot) replaced by U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text
