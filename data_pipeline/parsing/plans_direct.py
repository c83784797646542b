"""DepthBench's direct plans: a Python list of call texts, `["Search(city='Rome')", "Book(id=API_RESPONSE_0.id, nights=2)"]`.

Python's own parser is never asked (it recurses without bound on such text): this is a small reader of literals, linear
in the text, that knows strings, numbers, `True`, `False`, `None` and their JSON spellings, lists, tuples, dicts, and
references.
"""

import re

from data_pipeline.parsing.plan import CLOSE, OPEN, Block, Plan, find_block, malformed, numbered
from data_pipeline.words.calls import Attempt, Malformed, ToolCall
from data_pipeline.words.json import Json, JsonObject

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[+-]?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:[eE][+-]?\d{1,3})?")
_REFERENCE = re.compile(r"API_RESPONSE_[A-Za-z0-9_-]{1,40}(?:\.[A-Za-z0-9_]+|\[\d{1,9}\])*")
_STRING = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}
_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_DEEPEST = 32


class _Wrong(ValueError):
    """What is wrong with the text; one line."""


class _Reader:
    """A cursor over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def take(self, mark: str) -> bool:
        """Skips space, and the mark if it comes next."""
        self.match(_SPACE)
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def need(self, mark: str) -> None:
        if not self.take(mark):
            raise _Wrong(f"expected {mark} after {self.text[max(0, self.at - 12) : self.at]!r}")

    def end(self) -> None:
        self.match(_SPACE)
        if self.at < len(self.text):
            raise _Wrong("text follows after the end")


def parse_plan(text: str) -> Plan:
    """The calls of a direct plan; it returns all of its results.

    The list may stand in a marked block or alone. What is no plan becomes a `Malformed`, never an exception.
    """
    found = find_block(text)
    if not isinstance(found, Block):
        if OPEN in text or CLOSE in text or not text.lstrip().startswith("["):
            return found
        found = Block(text, None, text)
    try:
        spelled = _read_texts(found.body)
    except _Wrong as error:
        return malformed(found.whole, str(error))
    calls = [(str(place), _read_call(one)) for place, one in enumerate(spelled)]
    return numbered(calls, found)._replace(returns="all")


def _read_texts(body: str) -> list[str]:
    reader = _Reader(body)
    reader.need("[")
    texts = _read_list(reader, "]", 0)
    reader.end()
    if any(type(text) is not str for text in texts):
        raise _Wrong("a plan is a list of call texts")
    return texts


def _read_call(text: str) -> Attempt:
    reader = _Reader(text)
    try:
        reader.match(_SPACE)
        name = reader.match(_NAME)
        if name is None:
            raise _Wrong("a call is a tool's name and its arguments in parentheses")
        reader.need("(")
        arguments = _read_arguments(reader)
        reader.end()
    except _Wrong as error:
        return Malformed(text, str(error))
    return ToolCall(name, arguments)


def _read_arguments(reader: _Reader) -> JsonObject:
    arguments: JsonObject = {}
    while not reader.take(")"):
        start = reader.at
        name = reader.match(_NAME)
        if name is None or not reader.take("="):
            reader.at, name = start, f"arg_{len(arguments)}"  # positional
        if name in arguments:
            raise _Wrong(f"{name:.60} is given twice")
        arguments[name] = _read_value(reader, 0)
        if not reader.take(","):
            reader.need(")")
            break
    return arguments


def _read_value(reader: _Reader, depth: int) -> Json:
    if depth > _DEEPEST:
        raise _Wrong("values nest too deep")
    reader.match(_SPACE)
    if (string := reader.match(_STRING)) is not None:
        return _ESCAPE.sub(_unescaped, string[1:-1])
    if (number := reader.match(_NUMBER)) is not None:
        return _number(number)
    if (reference := reader.match(_REFERENCE)) is not None:
        return reference
    if reader.take("["):
        return _read_list(reader, "]", depth)
    if reader.take("("):
        return _read_list(reader, ")", depth)
    if reader.take("{"):
        return _read_dict(reader, depth)
    word = reader.match(_NAME)
    if word not in _WORDS:
        raise _Wrong(f"{word!r:.40} is no literal" if word else "a value is missing")
    return _WORDS[word]


def _read_list(reader: _Reader, close: str, depth: int) -> list[Json]:
    items: list[Json] = []
    while not reader.take(close):
        items.append(_read_value(reader, depth + 1))
        if not reader.take(","):
            reader.need(close)
            break
    return items


def _read_dict(reader: _Reader, depth: int) -> JsonObject:
    items: JsonObject = {}
    while not reader.take("}"):
        key = _read_value(reader, depth + 1)
        if type(key) is not str or key in items:
            raise _Wrong("keys are strings, each once")
        reader.need(":")
        items[key] = _read_value(reader, depth + 1)
        if not reader.take(","):
            reader.need("}")
            break
    return items


def _number(text: str) -> int | float:
    if text.lstrip("+-").isdecimal():
        return int(text)
    number = float(text)
    if abs(number) == float("inf"):
        raise _Wrong("a number is too large")
    return number


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        letter = chr(int(code, 16))
        return "\ufffd" if "\ud800" <= letter <= "\udfff" else letter
    return _PLAIN.get(match[3], match[3])
