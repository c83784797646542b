"""What results have said so far: every scalar with where it stood."""

from collections.abc import Iterator
from typing import NamedTuple

from data_pipeline.paths import Path
from data_pipeline.words.json import Json

ITEMS = 4
"""Items of a list that are looked at: its first ones and its last."""
LEAVES = 400
"""Scalars of one result."""
LONGEST = 4000
"""Characters of a string that may still be an argument elsewhere."""


class Fact(NamedTuple):
    value: Json
    """A string, an int or a float."""
    tool: str
    call: int
    """Number of the call in whose result it stood."""
    path: Path
    generation: int
    """1 for results of calls that needed no earlier result, then one more each step."""

    @property
    def field(self) -> str:
        """The nearest name: items of a list have the list's."""
        return next((part for part in reversed(self.path) if type(part) is str), "")

    @property
    def owners(self) -> tuple[str, ...]:
        """Names above the field, nearest first, then the tool's."""
        names = [part for part in reversed(self.path) if type(part) is str][1:]
        return (*names, self.tool)

    @property
    def place(self) -> tuple[int, Path]:
        """The object that holds it: values of one object belong together."""
        return self.call, self.path[:-1]

    @property
    def kind_of_path(self) -> Path:
        """Its path with every index as 0."""
        return tuple(0 if type(part) is int else part for part in self.path)


def facts_of(content: Json, tool: str, call: int, generation: int) -> list[Fact]:
    """The scalars of a result that may be arguments elsewhere, in document order."""
    found: list[Fact] = []
    for path, value in _scalars(content, ()):
        if type(value) is str and not 0 < len(value) <= LONGEST:
            continue
        found.append(Fact(value, tool, call, path, generation))
        if len(found) == LEAVES:
            break
    return found


def _scalars(value: Json, path: Path) -> Iterator[tuple[Path, Json]]:
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            yield from _scalars(item, (*path, key))
    elif kind is list:
        chosen = range(len(value)) if len(value) <= ITEMS else [*range(ITEMS - 1), len(value) - 1]
        for place in chosen:
            yield from _scalars(value[place], (*path, place))
    elif kind is str or kind is int or kind is float:
        yield path, value
