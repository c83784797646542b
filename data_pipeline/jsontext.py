"""JSON text in and out, strictly: what one side writes, every other side reads as the very same value.

Stricter than the standard library, since texts come from models and from foreign servers: NaN and Infinity, duplicate
keys, lone surrogates and nesting beyond `MAX_DEPTH` are refused with a reason. ints of any size survive (a fast parser
alone would turn 2**64 into a float). Reading is linear in the length of the text.

The hot path of scoring: most texts are what their value is written as, white space apart, and need no second look; only
the others are walked through value by value, or read again by the standard library.
"""

import json
import math
import re
from typing import Any, NoReturn

import orjson

from data_pipeline.words.json import Json, JsonObject

MAX_DEPTH = 64
"""Nested lists and objects; recursion over any value that passed `read_json` is safe."""

_WIDE = float(2**63)
_GAPS = b" \t\r\n"
_SURROGATE = re.compile("[\ud800-\udfff]")
_DEEP = b"\n" + b"  " * MAX_DEPTH
"""The start of a line that only a value within `MAX_DEPTH` others has: a line break inside a string is escaped."""


class JsonError(ValueError):
    """The text is no JSON, or JSON that this project refuses; the message is one line and does not quote the text."""


def read_json(text: str | bytes) -> Json:
    """The value of a JSON text. Raises `JsonError`."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise JsonError(_reason(error)) from None
    raw = text.encode() if isinstance(text, str) else text
    if _comes_back(value, raw):
        return value
    keys, doubtful = _survey(value)
    # Every key has its mark, so as many keys as marks means that none was swallowed as a duplicate.
    return _read_slowly(raw.decode()) if doubtful or keys != _key_marks(raw.translate(None, _GAPS)) else value


def _comes_back(value: Json, raw: bytes) -> bool:
    """Whether the text is written anew from its value, white space apart, and nests no deeper than it may.

    Then no key was swallowed, and no integer became a float: those are written with an exponent.
    """
    deep = raw.count(b"{") + raw.count(b"[") > MAX_DEPTH
    try:
        again = orjson.dumps(value, option=orjson.OPT_INDENT_2 if deep else None)
    except TypeError:  # it nests even deeper than the writer follows
        return False
    if deep and _DEEP in again:
        return False
    return again == raw or again.translate(None, _GAPS) == raw.translate(None, _GAPS)


def write_json(value: Json) -> bytes:
    """Compact UTF-8 JSON, keys in the order they have. Raises `JsonError` for what JSON cannot hold."""
    return _write(value, sort_keys=False)


def write_json_sorted(value: Json) -> bytes:
    """Compact UTF-8 JSON with sorted keys: equal values, equal bytes."""
    return _write(value, sort_keys=True)


def spaced_json(value: Json) -> str:
    """JSON text with a space after comma and colon, letters not escaped: the form that chat models write.

    Raises `JsonError`.
    """
    _refuse_unwritable(value, 0)
    return _standard(value, sort_keys=False, separators=(", ", ": "))


def fresh_copy(value: Json) -> Json:
    """A deep copy made of plain JSON types only (tuples become lists). Raises `JsonError` for what JSON cannot hold."""
    return read_json(write_json(value))


def without_surrogates(text: str) -> str:
    """The text with lone surrogates (JSON can spell them, UTF-8 cannot) replaced by U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def _write(value: Json, *, sort_keys: bool) -> bytes:
    _refuse_unwritable(value, 0)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:  # an integer of more than 64 bits, or a lone surrogate
        return _standard(value, sort_keys=sort_keys, separators=(",", ":")).encode("utf-8")


def _standard(value: Json, *, sort_keys: bool, separators: tuple[str, str]) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys, separators=separators)
        if not text.isascii():
            text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        raise JsonError("holds a lone surrogate, which UTF-8 cannot write") from None
    except ValueError:  # an integer of more digits than Python converts
        raise JsonError("holds a number too long to write") from None


def _refuse_unwritable(value: Json, depth: int) -> None:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return
    if kind is float:
        if not math.isfinite(value):
            raise JsonError("holds NaN or Infinity, which JSON has no word for")
    elif kind is dict:
        if depth >= MAX_DEPTH:
            raise JsonError(f"nests deeper than {MAX_DEPTH} levels")
        for key, item in value.items():
            if type(key) is not str:
                raise JsonError(f"has a key of type {type(key).__name__}; JSON keys are strings")
            _refuse_unwritable(item, depth + 1)
    elif kind is list or kind is tuple:
        if depth >= MAX_DEPTH:
            raise JsonError(f"nests deeper than {MAX_DEPTH} levels")
        for item in value:
            _refuse_unwritable(item, depth + 1)
    else:
        raise JsonError(f"holds a {kind.__name__}, which is no JSON type")


def _survey(value: Json) -> tuple[int, bool]:
    """(number of object keys, whether some float may be a swallowed big integer). Raises beyond `MAX_DEPTH`."""
    keys, doubtful, depth = 0, False, 0
    level = [value]
    while level:
        below: list[Json] = []
        nests = False
        for item in level:
            kind = type(item)
            if kind is dict:
                nests = True
                keys += len(item)
                below.extend(item.values())
            elif kind is list:
                nests = True
                below.extend(item)
            elif kind is float and (item >= _WIDE or item <= -_WIDE):
                doubtful = True
        depth += nests
        if depth > MAX_DEPTH:
            raise JsonError(f"nests deeper than {MAX_DEPTH} levels")
        level = below
    return keys, doubtful


def _key_marks(bare: bytes) -> int:
    """How many quotes stand before a colon: one for every key, more where strings hold such quotes themselves.

    A quote after a single backslash is escaped, so it ends no key: JSON inside strings is full of these.

    Args:
      bare: a valid JSON text without white space, that of its strings included (a backslash never stands before it).
    """
    escaped = bare.count(b'\\":')
    marks = bare.count(b'":') - escaped
    return marks + bare.count(b'\\\\":') if escaped else marks


def _read_slowly(text: str) -> Json:
    """The same value with exact big integers; refuses duplicate keys. The text is known to be valid and shallow."""
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant)
    except JsonError:
        raise
    except ValueError:  # an integer of more digits than Python converts
        raise JsonError("holds a number too long to read") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise JsonError("has a key twice in one object")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON")


def _reason(error: orjson.JSONDecodeError) -> str:
    """The parser's reason without its position, which means nothing to a reader who sees a part of the text."""
    return f"not valid JSON: {error.msg.split(': line ')[0]}"
