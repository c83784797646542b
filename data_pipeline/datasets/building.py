"""TFDS builders for tasks and demonstrations: ArrayRecord files, the rows in the order given, the same bytes each time.

Importing this module needs the extra `data`.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

from data_pipeline.datasets.examples import demonstration_example, task_example
from data_pipeline.datasets.folder import put_in_place, quiet, seal
from data_pipeline.demonstrations import Demonstration
from data_pipeline.errors import InputError
from data_pipeline.words import Task

DEFAULT_SPLIT = "train"
"""Where tasks that name no split go."""

Rows = Mapping[str, Sequence[dict[str, Any]]]
"""Split -> rows."""


def build_tasks(folder: Path | str, tasks: Iterable[Task]) -> str:
    """Writes the tasks as a dataset, by their splits, and returns its identity.

    Raises InputError where there is no task, a split has no usable name, or the folder holds something else.
    """
    return _build(Tasks, Path(folder), {split: [*map(task_example, found)] for split, found in by_split(tasks).items()})


def build_demonstrations(folder: Path | str, demonstrations: Mapping[str, Sequence[Demonstration]]) -> str:
    """Writes demonstrations by split as a dataset and returns its identity. Raises as `build_tasks`."""
    return _build(
        Demonstrations,
        Path(folder),
        {split: [*map(demonstration_example, found)] for split, found in demonstrations.items()},
    )


def by_split(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """Tasks by split, each in order."""
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.split or DEFAULT_SPLIT, []).append(task)
    return found


class _SameBytes(tfds.core.ExampleWriter):
    """Protocol buffers do not fix the order of a map's entries; here it is sorted, so equal rows are equal bytes."""

    def write(self, path: Any, examples: Iterable[tuple[Any, bytes]]) -> Any:
        return super().write(path, ((key, _sorted_bytes(serialised)) for key, serialised in examples))


def _sorted_bytes(serialised: bytes) -> bytes:
    return tf_example_pb2.Example.FromString(serialised).SerializeToString(deterministic=True)


class _Builder(tfds.core.GeneratorBasedBuilder):
    """A dataset of rows that are at hand."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None  # nothing is downloaded, so there are no checksums beside the code to look for
    TEXT: str
    FEATURES: Mapping[str, Any]

    def __init__(self, rows: Rows, **options: Any) -> None:
        self._rows = rows
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(dict(self.FEATURES))
        return tfds.core.DatasetInfo(
            builder=self, description=self.TEXT, features=features, disable_shuffling=True, supervised_keys=None
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self._rows}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        yield from enumerate(self._rows[split])

    def _example_writer(self) -> tfds.core.ExampleWriter:
        return _SameBytes(file_format=self.info.file_format)


class Tasks(_Builder):
    """Queries with their references; `task` is the whole of it as JSON."""

    TEXT = "Tool-use tasks: a query, the tools offered, a reference that answers it."
    FEATURES: Mapping[str, Any] = {
        "id": tfds.features.Text(),
        "query": tfds.features.Text(),
        "tools": tfds.features.Sequence(tfds.features.Text(doc="tool that the reference calls")),
        "calls": np.int32,
        "chain_depth": np.int32,
        "task": tfds.features.Text(doc="the task in its interchange form, JSON"),
    }


class Demonstrations(_Builder):
    """References as a policy would have played them."""

    TEXT = "Replayed references as token ids; `sampled` marks where a policy would have drawn the token."
    FEATURES: Mapping[str, Any] = {
        "id": tfds.features.Text(doc="id of the task"),
        "tools": tfds.features.Sequence(tfds.features.Text()),
        "ids": tfds.features.Tensor(shape=(None,), dtype=np.int32),
        "sampled": tfds.features.Tensor(shape=(None,), dtype=np.bool_),
    }


def _build(kind: type[_Builder], folder: Path, rows: Rows) -> str:
    if not rows or not all(rows.values()):
        raise InputError(f"{folder}: nothing to write{''.join(f', split {s} is empty' for s in rows if not rows[s])}")
    for split in rows:
        if not split.isidentifier():
            raise InputError(f"split '{split:.60}': a dataset's splits are named with letters, digits and _")
    folder.parent.mkdir(parents=True, exist_ok=True)
    tfds.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch, quiet():
        builder = kind(rows, data_dir=scratch, file_format="array_record")
        builder.download_and_prepare()
        made = Path(builder.data_dir)
        identity = seal(made)
        put_in_place(made, folder)
    return identity
