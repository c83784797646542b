"""Paths into JSON values: `data.hotels[0].id`, for bindings, references and mined edges.

A path is names joined by dots and indices in brackets. A name that itself holds a dot, a bracket or a quote, or is
empty, is written in brackets as a JSON string: `["a.b"].c`. The empty path is the whole value.
"""

import json
import re
from collections.abc import Iterator
from typing import TypeAlias

from data_pipeline.words.json import Json

Path: TypeAlias = tuple[str | int, ...]

_PART = re.compile(r'(?P<dot>\.?)(?P<name>[^.\[\]"]+)|\[(?P<place>\d{1,9})\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]')
_PLAIN = re.compile(r'[^.\[\]"]+')


class PathError(ValueError):
    """The text is no path, or the value has nothing there; one line."""


def parse_path(text: str) -> Path:
    """The parts of a path: str for a field, int for an index. Raises `PathError`."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or (match["name"] is not None and bool(match["dot"]) != bool(parts)):
            raise PathError(f"not a path: {text!r:.80} (names joined by dots, indices in brackets: a.b[0].c)")
        if match["name"] is not None:
            parts.append(match["name"])
        elif match["place"] is not None:
            parts.append(int(match["place"]))
        else:
            try:
                parts.append(json.loads(match["quoted"]))
            except ValueError:
                raise PathError(f"not a path: {text!r:.80} (a quoted name is a JSON string)") from None
        at = match.end()
    return tuple(parts)


def path_text(path: Path) -> str:
    """The text of a path; `parse_path` gives the path back."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def get_path(value: Json, path: Path) -> Json:
    """What stands at the path. Raises `PathError`."""
    found = value
    for depth, part in enumerate(path):
        if type(part) is int:
            if type(found) is not list or part >= len(found):
                raise PathError(f"nothing at {path_text(path[: depth + 1])!r:.80}")
            found = found[part]
        else:
            if type(found) is not dict or part not in found:
                raise PathError(f"nothing at {path_text(path[: depth + 1])!r:.80}")
            found = found[part]
    return found


def find_bound(content: Json, path: Path) -> Json:
    """What a binding's path reads: as written, else inside the leading `data` that released bindings leave out.

    Raises `PathError`.
    """
    try:
        return get_path(content, path)
    except PathError:
        if type(content) is dict and "data" in content:
            return get_path(content["data"], path)
        raise


def leaves(value: Json, prefix: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every (path, scalar) of a value, in document order; an empty list or object is a leaf."""
    if type(value) is dict and value:
        for key, item in value.items():
            yield from leaves(item, (*prefix, key))
    elif type(value) is list and value:
        for place, item in enumerate(value):
            yield from leaves(item, (*prefix, place))
    else:
        yield prefix, value
