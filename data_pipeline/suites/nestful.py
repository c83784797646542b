"""NESTFUL's files: v2 rows {sample_id, input, output, tools, gold_answer}, v1 rows {id?, input, output} with a spec beside them.

Fields of v2 are published as JSON texts or as JSON itself; both are read.
"""

from pathlib import Path
from typing import NamedTuple

from data_pipeline.formats.rows import Fields
from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.suites.files import benchmark_rows, files_under
from data_pipeline.words.json import Json, JsonObject


class NestfulEntry(NamedTuple):
    id: str
    query: str
    calls: tuple[JsonObject, ...]
    """The reference, with `var_result` where it has one."""
    tools: tuple[JsonObject, ...]
    answer: Json
    executable: bool
    """Of v2, whose answer is known."""

    @property
    def depth(self) -> int:
        return sum(call.get("name") != "var_result" for call in self.calls)


def read_nestful(path: Path) -> list[NestfulEntry]:
    """The entries of a file or of the files of a folder. Raises `FormatError`."""
    found: list[NestfulEntry] = []
    for file in files_under(path, "*.jsonl", "*.json"):
        if file.stem.endswith(("spec", "map")):
            continue
        spec = _spec(file)
        for place, row in enumerate(benchmark_rows(file)):
            if row.has("input") and row.has("output"):
                found.append(_entry(row, f"{file.stem}_{place}", spec))
    if not found:
        raise Fields({}, str(path), None).error("holds no entry of NESTFUL (input, output)")
    return found


def _entry(row: Fields, otherwise: str, spec: tuple[JsonObject, ...]) -> NestfulEntry:
    name = row.values.get("sample_id") or row.values.get("id") or otherwise
    calls = tuple(_json(row, "output"))
    tools = tuple(_json(row, "tools")) if row.has("tools") else spec
    tools = tuple(_with_outputs(tool) for tool in tools)
    executable = row.has("gold_answer")
    return NestfulEntry(
        str(name), row.take("input", str), calls, tools, _json(row, "gold_answer") if executable else None, executable
    )


def _with_outputs(tool: JsonObject) -> JsonObject:
    """Some published tools spell the key in the singular."""
    if "output_parameters" in tool or "output_parameter" not in tool:
        return tool
    return {**tool, "output_parameters": tool["output_parameter"]}


def _json(row: Fields, field: str) -> Json:
    value = row.values[field]
    if type(value) is not str:
        return value
    try:
        return read_json(value)
    except JsonError as error:
        raise row.error(str(error), field) from None


def _spec(file: Path) -> tuple[JsonObject, ...]:
    for name in (f"{file.stem}_spec{file.suffix}", f"{file.stem.replace('-data', '-spec')}{file.suffix}"):
        path = file.with_name(name)
        if path != file and path.is_file():
            return tuple(row.values for row in benchmark_rows(path))
    return ()
