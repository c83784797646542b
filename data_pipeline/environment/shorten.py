"""Shortens a tool's result to a limit, structurally: what is left is valid JSON and reads like the whole.

Long strings are cut, then long lists (with their true length told), then fields are dropped (their number told). What a
known workflow reads is never touched: fields, list positions and whole values on `keep`'s paths stay as they are, so a
policy that has learnt a workflow finds its values where they were. The task at hand plays no part in it.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from data_pipeline.environment.references import KEY, UnresolvedReference, parse_reference
from data_pipeline.jsontext import spaced_json
from data_pipeline.paths import Path, PathError, parse_path
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tasks import Task


class Cut(NamedTuple):
    """How much stays."""

    letters: int
    """Of a string."""
    items: int
    """Of a list."""
    fields: int
    """Of an object."""


ALL = 1 << 30
CUTS = (
    *(Cut(letters, ALL, ALL) for letters in (2000, 1000, 500, 300, 200)),
    *(Cut(200, items, ALL) for items in (50, 30, 20, 15, 10, 7, 5)),
    *(Cut(100, items, ALL) for items in (5, 4, 3, 2, 1)),
    *(Cut(100, 1, fields) for fields in (40, 30, 20, 15)),
    *(Cut(50, 1, fields) for fields in (15, 12, 10, 8, 6, 5, 4, 3)),
    Cut(30, 1, 2),
    Cut(20, 0, 1),
    Cut(0, 0, 0),
)
"""From gentle to harsh: each keeps no more of anything than the one before."""

GAP = "..."
"""Stands for list items that were left out before a kept one, so that the kept one keeps its position."""


class Keep(NamedTuple):
    """The kept paths as a tree."""

    whole: bool
    """The value here stays as it is."""
    parts: dict[str | int, "Keep"]


NOTHING = Keep(False, {})


def shorten(content: Json, limit: int, measure: Callable[[str], int], keep: frozenset[Path] = frozenset()) -> Json:
    """The content, shortened by the gentlest cut after which the measure of its JSON text as it is fed is within the limit.

    measure: of a text, such as its number of tokens; it should not grow when the text gets shorter. If not even the
    harshest cut fits (`keep` alone is longer), the harshest is returned, for the caller to measure again.
    """
    if measured(content, measure) <= limit:
        return content
    tree = keep_tree(keep)
    low, high = 0, len(CUTS) - 1
    while low < high:  # the first cut that fits
        middle = (low + high) // 2
        if measured(cut_value(content, CUTS[middle], tree), measure) <= limit:
            high = middle
        else:
            low = middle + 1
    return cut_value(content, CUTS[low], tree)


def measured(content: Json, measure: Callable[[str], int]) -> int:
    """Of the text that a policy reads: with a space after comma and colon (`Chat.result_text`)."""
    return measure(spaced_json(content))


def keep_tree(keep: Iterable[Path]) -> Keep:
    """Paths with common beginnings, joined."""
    root = Keep(False, {})
    for path in sorted(keep, key=lambda path: [(type(part) is int, str(part)) for part in path]):
        root = _with_path(root, path)
    return root


def _with_path(tree: Keep, path: Path) -> Keep:
    if not path:
        return Keep(True, tree.parts)
    part = path[0]
    return Keep(tree.whole, {**tree.parts, part: _with_path(tree.parts.get(part, NOTHING), path[1:])})


def cut_value(value: Json, cut: Cut, keep: Keep = NOTHING) -> Json:
    """The value after one cut."""
    if keep.whole:
        return value
    if type(value) is str:
        return _cut_string(value, cut.letters)
    if type(value) is list:
        return _cut_list(value, cut, keep)
    if type(value) is dict:
        return _cut_object(value, cut, keep)
    return value


def _cut_string(value: str, letters: int) -> str:
    note = f"... ({len(value)} characters)"
    return value[:letters] + note if len(value) > letters + len(note) else value


def _cut_list(value: list[Json], cut: Cut, keep: Keep) -> list[Json]:
    kept = {place for place in keep.parts if type(place) is int and place < len(value)}
    last = max([cut.items - 1, *kept]) if kept else cut.items - 1
    shown = [
        cut_value(item, cut, keep.parts.get(place, NOTHING)) if place < cut.items or place in kept else GAP
        for place, item in enumerate(value[: last + 1])
    ]
    if len(value) > len(shown):
        shown.append(f"... ({len(value)} items in all)")
    return shown


def _cut_object(value: JsonObject, cut: Cut, keep: Keep) -> JsonObject:
    shown: JsonObject = {}
    for key, item in value.items():
        if key in keep.parts or len(shown) < cut.fields:
            shown[key] = cut_value(item, cut, keep.parts.get(key, NOTHING))
    if len(shown) < len(value):
        shown["..."] = f"({len(value)} fields in all)"
    return shown


def kept_paths(tasks: Iterable[Task]) -> dict[str, frozenset[Path]]:
    """For each tool, the paths into its result that any task's workflow reads, by bindings or by references.

    A binding's path counts with and without the leading `data` that released bindings leave out.
    """
    found: dict[str, set[Path]] = {}
    for task in tasks:
        for step in task.reference:
            for binding in step.bindings:
                try:
                    path = parse_path(binding.path)
                except PathError:
                    continue
                found.setdefault(task.reference[binding.step].name, set()).update((path, ("data", *path)))
            if task.mode == "plan":
                for target, path in _referred(step.arguments):
                    if target < len(task.reference):
                        found.setdefault(task.reference[target].name, set()).add(path)
    return {name: frozenset(paths) for name, paths in found.items()}


def _referred(value: Json) -> list[tuple[int, Path]]:
    """(attempt, path) of every reference inside an argument."""
    if type(value) is list:
        return [pair for item in value for pair in _referred(item)]
    if type(value) is not dict:
        return []
    if len(value) == 1 and KEY in value:
        try:
            return [parse_reference(value[KEY])]
        except UnresolvedReference:
            return []
    return [pair for item in value.values() for pair in _referred(item)]
