"""Opens an original file and finds out, by its shape, whose it is."""

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.responses import Recorded
from data_pipeline.formats.rows import read_document
from data_pipeline.jsontext import JsonError, fresh_copy
from data_pipeline.released.depthbench import answered_by, depthbench_records, depthbench_tasks, is_depthbench
from data_pipeline.released.orchestration import (
    cache_records,
    is_cache,
    is_samples,
    sample_records,
    sample_tasks,
)
from data_pipeline.released.plain_pickle import read_plain_pickle
from data_pipeline.words.tasks import Task
from data_pipeline.words.tools import Tool

PICKLES = (".pkl", ".pickle")
SUFFIXES = (*PICKLES, ".json")


class Released(NamedTuple):
    records: Iterable[Recorded]
    tasks: list[Task]


def read_released(path: str | Path, tools: Mapping[str, Tool]) -> Released:
    """The records and tasks of a file whose name ends in one of `SUFFIXES`. Raises `FormatError`.

    tools: the catalogue; DepthBench's references say only which call they mean, its schemas say which field.
    """
    document = _document(Path(path))
    if is_samples(document):
        return Released(sample_records(document, path), sample_tasks(document, path))
    if is_depthbench(document):
        tasks = depthbench_tasks(document, path, tools)
        records = depthbench_records(tasks, Path(path).name)
        return Released(records, answered_by(tasks, records))
    if is_cache(document):
        return Released(cache_records(document, path), [])
    raise FormatError(
        "is no file of a known project: expected ToolOrchestrationReward's samples or its cache, or DepthBench's tasks",
        path,
    )


def _document(path: Path) -> Any:
    """The file's value as plain JSON."""
    if path.suffix not in PICKLES:
        return read_document(path)
    try:
        with path.open("rb") as file:
            return fresh_copy(read_plain_pickle(file))
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror})", path) from None
    except pickle.UnpicklingError as error:
        raise FormatError(f"refused: {error!s:.200}", path) from None
    except JsonError as error:
        raise FormatError(str(error), path) from None
