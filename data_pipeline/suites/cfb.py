"""ComplexFuncBench's file: one query a row, {id, functions, conversations}."""

from pathlib import Path
from typing import NamedTuple

from data_pipeline.formats.rows import Fields
from data_pipeline.suites.files import benchmark_rows, files_under
from data_pipeline.words.json import JsonObject


class CfbEntry(NamedTuple):
    id: str
    query: str
    functions: tuple[JsonObject, ...]
    conversation: tuple[JsonObject, ...]
    """The published one: query, calls and observations in turn, answer."""

    @property
    def domain(self) -> str:
        return self.id.rsplit("-", 1)[0]

    @property
    def depth(self) -> int:
        return sum(len(turn.get("function_call") or ()) for turn in self.conversation)


def read_cfb(path: Path) -> list[CfbEntry]:
    """The queries of a file or folder. Raises `FormatError`."""
    found = [_entry(row) for file in files_under(path, "*.jsonl", "*.json") for row in benchmark_rows(file)]
    if not found:
        raise Fields({}, str(path), None).error("holds no query of ComplexFuncBench")
    return found


def _entry(row: Fields) -> CfbEntry:
    conversation = tuple(one.values for one in row.objects("conversations"))
    if not conversation or type(conversation[0].get("content")) is not str:
        raise row.error("does not begin with the user's query", "conversations")
    functions = tuple(one.values for one in row.objects("functions"))
    return CfbEntry(row.take("id", str), conversation[0]["content"], functions, conversation)
