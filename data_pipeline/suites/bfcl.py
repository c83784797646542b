"""BFCL's files: `BFCL_v4_<category>.json` with `possible_answer/` beside them, or `<category>.jsonl` with a table of functions.

Published: {id, question, function} and {id, ground_truth}; multi-turn entries have classes instead of functions, whose
descriptions stand in `multi_turn_func_doc/`. In the other form an entry names its functions by id and holds its answer.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.formats.rows import Fields
from data_pipeline.suites.files import benchmark_rows, files_under
from data_pipeline.words.json import Json, JsonObject

_PREFIXES = ("BFCL_v4_", "BFCL_v3_")
_NOT_HERE = ("memory", "web_search", "format_sensitivity", "java", "rest", "sql", "exec_", "chatable", "composite")
_CLASS_FILES = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}


class BfclEntry(NamedTuple):
    id: str
    category: str
    turns: tuple[tuple[JsonObject, ...], ...]
    """Messages of each turn."""
    functions: tuple[JsonObject, ...]
    answer: list[Json]
    """[{name: {argument: accepted values}}], or of multi-turn entries the reference's calls turn by turn; [] if none."""
    classes: tuple[str, ...]
    config: JsonObject
    missed: Mapping[int, tuple[str, ...]]
    """Turn -> functions that are offered from then on only."""

    @property
    def multi_turn(self) -> bool:
        return bool(self.classes)


def read_bfcl(path: Path, categories: Sequence[str] = ()) -> list[BfclEntry]:
    """The entries of a file or folder, of these categories (all that are judged here, if none is named).

    Raises `FormatError`; InputError where nothing is found or functions are missing.
    """
    found: list[BfclEntry] = []
    for file in files_under(path, "BFCL_v*.json", "*.jsonl"):
        category = _category(file)
        if any(word in category for word in _NOT_HERE) or category.endswith("functions"):
            continue
        if not categories or category in categories:
            found += _read_category(file, category)
    if not found:
        raise InputError(f"{path}: no entry of {', '.join(categories) or 'a category that is judged here'}")
    return found


def _category(file: Path) -> str:
    name = file.stem
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _read_category(file: Path, category: str) -> list[BfclEntry]:
    rows = list(benchmark_rows(file))
    answers: dict[str, list[Json]] = {}
    beside = file.parent / "possible_answer" / file.name
    if beside.is_file():
        answers = {row.take("id", str): row.take("ground_truth", list) for row in benchmark_rows(beside)}
    table = _table(file) if any(row.has("functions") for row in rows) else {}
    documents = _documents(file) if any(row.has("involved_classes") for row in rows) else {}
    return [_entry(row, category, answers, table, documents) for row in rows]


def _entry(
    row: Fields,
    category: str,
    answers: Mapping[str, list[Json]],
    table: Mapping[str, JsonObject],
    documents: Mapping[str, list[JsonObject]],
) -> BfclEntry:
    name = row.take("id", str)
    turns = tuple(tuple(turn) for turn in row.take("question", list))
    classes = row.strings("involved_classes", ())
    hidden = set(row.values.get("excluded_function") or ())
    if classes:
        functions = [one for kind in classes for one in documents.get(kind, []) if one["name"] not in hidden]
    elif row.has("functions"):
        functions = [_looked_up(row, one, table) for one in row.strings("functions")]
    else:
        functions = row.take("function", list)
    answer = answers.get(name, row.take("ground_truth", list, []))
    missed = {int(turn): tuple(names) for turn, names in (row.values.get("missed_function") or {}).items()}
    config = row.take("initial_config", dict, {})
    return BfclEntry(name, category, turns, tuple(functions), answer, classes, config, missed)


def _looked_up(row: Fields, name: str, table: Mapping[str, JsonObject]) -> JsonObject:
    if name not in table:
        raise row.error(f"names the function {name!r:.40}, which functions.jsonl does not have", "functions")
    return table[name]


def _table(file: Path) -> dict[str, JsonObject]:
    path = file.with_name("functions.jsonl")
    if not path.is_file():
        raise InputError(f"{file}: its functions should stand in {path.name} beside it")
    return {row.take("fid", str): row.take("function", dict) for row in benchmark_rows(path)}


def _documents(file: Path) -> dict[str, list[JsonObject]]:
    """Class -> its functions. Raises InputError where neither form is beside the file."""
    folder, table = file.parent / "multi_turn_func_doc", file.with_name("multi_turn_functions.jsonl")
    if table.is_file():
        rows = [(row.take("api", str), row.take("function", dict)) for row in benchmark_rows(table)]
        return {kind: [one for api, one in rows if api == name] for kind, name in _CLASS_FILES.items()}
    if not folder.is_dir():
        raise InputError(f"{file}: the functions of its classes should stand in {folder.name}/ or {table.name}")
    return {
        kind: [row.values for row in benchmark_rows(folder / f"{name}.json")]
        for kind, name in _CLASS_FILES.items()
        if (folder / f"{name}.json").is_file()
    }
