"""The response cache of ToolOrchestrationReward as its project publishes it: {tool: [{"arguments", "response"}, ...]}.

It comes as a pickle. Unpickling can run code, so this reader takes plain containers and scalars only: whatever asks for
a class or a function, by whatever opcode, is refused.
"""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.responses import Recorded
from data_pipeline.formats.rows import read_document
from data_pipeline.jsontext import JsonError, fresh_copy

SUFFIXES = (".pkl", ".pickle")


class _PlainUnpickler(pickle.Unpickler):
    """Refuses every class, function and persistent object."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"asks for {module}.{name}; only plain data are read")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("asks for an object from elsewhere; only plain data are read")


def read_plain_pickle(file: BinaryIO) -> Any:
    """The value of a pickle made of plain data. Raises `pickle.UnpicklingError` for anything else."""
    try:
        return _PlainUnpickler(file).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise pickle.UnpicklingError(f"not a whole pickle ({type(error).__name__})") from None


def iter_released_cache(path: str | Path) -> Iterator[Recorded]:
    """The records of a cache, pickle or JSON. Raises `FormatError`.

    Later entries of the same call overrule earlier ones there: build the store with conflicts "last". A response with
    `error` counts as an error of the tool's.
    """
    cache = _read(Path(path))
    if type(cache) is not dict:
        raise FormatError("expected a map of tools to lists of entries", path)
    for tool, entries in cache.items():
        if type(tool) is not str or type(entries) is not list:
            raise FormatError("expected a map of tools to lists of entries", path, field=str(tool)[:80])
        for place, entry in enumerate(entries):
            yield _record(tool, entry, path, f"{tool}[{place}]")


def _read(path: Path) -> Any:
    if path.suffix not in SUFFIXES:
        return read_document(path)
    try:
        with path.open("rb") as file:
            return read_plain_pickle(file)
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror})", path) from None
    except pickle.UnpicklingError as error:
        raise FormatError(f"refused: {error!s:.200}", path) from None


def _record(tool: str, entry: Any, path: str | Path, place: str) -> Recorded:
    if type(entry) is not dict or type(entry.get("arguments")) is not dict or "response" not in entry:
        raise FormatError('expected {"arguments": {...}, "response": ...}', path, field=place)
    try:
        arguments, content = fresh_copy(entry["arguments"]), fresh_copy(entry["response"])
    except JsonError as error:
        raise FormatError(str(error), path, field=place) from None
    fails = type(content) is dict and "error" in content
    return Recorded(tool, arguments, content, not fails, None, f"{Path(path).name}:{place}")
