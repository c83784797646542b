"""Whether a task can be solved from what its policy gets to see: where each argument of the reference can come from.

An argument is recoverable from the query (spelled out, a date or a small number in words included), from the tool's
schema (a default or an enum), from the parameter's description (a value that it names, as catalogues without enums do),
or from an earlier result by a binding. What is in none of these the policy could only guess.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from data_pipeline.environment.references import is_reference
from data_pipeline.paths import Path, PathError, find_bound, get_path, leaves, parse_path, path_text
from data_pipeline.schemas.normal import equal_values
from data_pipeline.words.calls import ToolResult
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tasks import ReferenceStep, Task
from data_pipeline.words.tools import Tool

Source: TypeAlias = Literal["query", "schema", "description", "result", "nowhere"]

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_TIME = re.compile(r"(\d{2}):(\d{2})")


class ArgumentSource(NamedTuple):
    step: int
    argument: str
    """Dotted path of the argument, down to the value inside it."""
    source: Source


def recoverability(task: Task, results: Sequence[ToolResult | None], tools: Mapping[str, Tool]) -> list[ArgumentSource]:
    """Where each value of each reference argument can come from, in order; `nowhere` makes the task unrecoverable.

    results: of the reference steps, as a replay gave them (None where there is none).
    """
    query = _folded(task.query)
    found = []
    for place, step in enumerate(task.reference):
        bound = _bound_arguments(task, step, results, tools[step.name].parameters)
        for argument, value in step.arguments.items():
            schema = tools[step.name].parameters.get("properties", {}).get(argument, {})
            for path, leaf in _values(value):
                whole = (argument, *path)
                is_bound = any(whole[: len(start)] == start for start in bound)
                found.append(ArgumentSource(place, path_text(whole), _source(leaf, schema, path, query, is_bound)))
    return found


def is_recoverable(sources: Sequence[ArgumentSource]) -> bool:
    return all(argument.source != "nowhere" for argument in sources)


def _values(value: Json) -> list[tuple[Path, Json]]:
    """The scalars of an argument; a reference of plan mode counts as one."""
    if is_reference(value):
        return [((), value)]
    if type(value) is list and value:
        return [((at, *path), leaf) for at, item in enumerate(value) for path, leaf in _values(item)]
    if type(value) is dict and value:
        return [((key, *path), leaf) for key, item in value.items() for path, leaf in _values(item)]
    return list(leaves(value))


def _source(leaf: Json, schema: JsonObject, path: Path, query: str, bound: bool) -> Source:
    if bound or is_reference(leaf):
        return "result"
    if any(_contains(query, form) for form in spellings(leaf)):
        return "query"
    return _source_in_schema(leaf, schema, path)


def _source_in_schema(leaf: Json, schema: JsonObject, path: Path) -> Source:
    inner = schema
    described = ""
    for part in (None, *path):
        if part is not None:
            inner = inner.get("items", {}) if type(part) is int else inner.get("properties", {}).get(part, {})
        if type(inner) is not dict:
            return "nowhere"
        described += " " + str(inner.get("description", ""))
    stated = [inner[word] for word in ("default", "const") if word in inner] + list(inner.get("enum", ()))
    if any(equal_values(leaf, value, inner) for value in stated):
        return "schema"
    named = type(leaf) is str and len(leaf) >= 3 and _contains(_folded(described), _folded(leaf))
    return "description" if named else "nowhere"


def _bound_arguments(
    task: Task, step: ReferenceStep, results: Sequence[ToolResult | None], schema: JsonObject
) -> set[Path]:
    """Paths into the arguments whose value stands at the bound path of an earlier result."""
    bound: set[Path] = set()
    for binding in step.bindings:
        result = results[binding.step] if binding.step < len(results) else None
        if result is None or not result.ok:
            continue
        try:
            argument: Path = (binding.argument,) if binding.argument in step.arguments else parse_path(binding.argument)
            value = find_bound(result.content, parse_path(binding.path))
            if equal_values(value, get_path(step.arguments, argument), _schema_at(schema, argument)):
                bound.add(argument)
        except PathError:
            continue
    return bound


def _schema_at(schema: JsonObject, path: Path) -> JsonObject | None:
    """The schema of what stands at a path into the arguments; None where it says nothing."""
    found: Json = schema
    for part in path:
        found = found.get("items") if type(part) is int else found.get("properties", {}).get(part)
        if type(found) is not dict:
            return None
    return found


def spellings(value: Json) -> list[str]:
    """Ways in which a query may spell a value, folded: as it is, a date or a small number also in words."""
    if value is None or type(value) in (list, dict):
        return []
    if type(value) is bool:
        return [str(value).lower()]
    text = _folded(str(value))
    forms = [text]
    if type(value) is float and value.is_integer():
        forms.append(str(int(value)))
    number = value if type(value) is int else int(text) if text.isdecimal() and len(text) < 3 else -1
    if 0 <= number < len(_NUMBERS):
        forms.append(_NUMBERS[number])
    date = _ISO_DATE.fullmatch(text)
    if date and 1 <= int(date[2]) <= 12:
        month, day = _MONTHS[int(date[2]) - 1], int(date[3])
        for word in (month, month[:3]):
            forms += [f"{word} {day}", f"{day} {word}", f"{word} {day}th", f"{day}th {word}"]
    return [form for form in forms if form]


def said_loosely(query: str, value: Json) -> bool:
    """Whether a reader finds a text in a query that does not spell it: its words in any order, accents apart, or a time
    of day on the clock of twelve hours ("15:00": 3:00 PM, 3 pm).
    """
    if type(value) is not str:
        return False
    asked, wanted = _words(query), _words(value)
    if wanted and set(wanted) <= set(asked):
        return True
    time = _TIME.fullmatch(value)
    if not time or int(time[1]) > 23:
        return False
    hour, minutes = int(time[1]), time[2]
    half, shown = ("am", "pm")[hour // 12], str(hour % 12 or 12)
    clocks = [[shown, minutes], *([[shown]] if minutes == "00" else [])]
    spoken = [[*clock, *ending] for clock in clocks for ending in ([half], [half[0], "m"])]
    spoken += [[*clock[:-1], clock[-1] + half] for clock in clocks]
    return any(asked[at : at + len(form)] == form for form in spoken for at in range(len(asked)))


def _words(text: str) -> list[str]:
    """Letters without accents and case, and digits; what is neither parts words."""
    return re.findall(r"[a-z0-9]+", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower())


def _contains(text: str, form: str) -> bool:
    """Whether the form stands in the text with no letter or digit right before or after it."""
    start = text.find(form)
    while start >= 0:
        end = start + len(form)
        before, after = text[start - 1 : start], text[end : end + 1]
        if not (before.isalnum() and form[0].isalnum()) and not (after.isalnum() and form[-1].isalnum()):
            return True
        start = text.find(form, start + 1)
    return False


def _folded(text: str) -> str:
    """Letters without case, typographic quotes and dashes as plain ones."""
    plain = unicodedata.normalize("NFC", text).casefold()
    return plain.translate(_PLAIN)


_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‑": "-", "\xa0": " "})
