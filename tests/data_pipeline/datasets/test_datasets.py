"""Datasets in ArrayRecord: round trip, same bytes, damage named, batches by host, positions restored exactly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_pipeline.backends import PythonBackend
from data_pipeline.chat import Chat
from data_pipeline.datasets.building import build_demonstrations, build_tasks
from data_pipeline.datasets.examples import demonstration_of_example, task_of_example
from data_pipeline.datasets.folder import MANIFEST, Dataset, open_dataset
from data_pipeline.datasets.loading import Loader, Order, demonstration_batches, task_batches
from data_pipeline.demonstrations import Demonstration, demonstrations
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.sandbox import make_world, sandbox_tasks
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.words import Task

WORLD = make_world(seed=2, entities=60)
TASKS = [
    *sandbox_tasks(WORLD, "train", (0, 1, 2), 15),
    *sandbox_tasks(WORLD, "test", (3,), 6),
    Task("odd/ø", "“Ünïcode” — 語", ("f",), (), answer=None, has_answer=True, context={"at": [1, 2.0]}, split="dev"),
]
CHAT = Chat(ByteTokenizer())
SHOWN = demonstrations(TASKS[:45], Environment(WORLD.tools, PythonBackend(WORLD.functions)), CHAT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    build_tasks(path / "tasks", TASKS)
    build_demonstrations(path / "demonstrations", {"train": SHOWN})
    return path


@pytest.fixture(scope="module")
def shown(folder: Path) -> Dataset:
    return open_dataset(folder / "demonstrations")


def same(a: Demonstration, b: Demonstration) -> bool:
    return a[:2] == b[:2] and all(np.array_equal(x, y) and x.dtype == y.dtype for x, y in zip(a[2], b[2], strict=True))


def test_what_is_written_is_read_in_order(folder: Path, shown: Dataset) -> None:
    tasks = open_dataset(folder / "tasks")
    assert (tasks.name, shown.name) == ("tasks", "demonstrations")
    assert {split: len(rows) for split, rows in tasks.splits.items()} == {"train": 45, "test": 6, "dev": 1}
    for split, rows in tasks.splits.items():
        assert [task_of_example(row) for row in rows] == [task for task in TASKS if task.split == split]
    assert all(same(demonstration_of_example(r), s) for r, s in zip(shown.splits["train"], SHOWN, strict=True))
    assert len({len(item.tokens.ids) for item in SHOWN}) > 10


def test_others_read_it_with_tfds_alone(folder: Path) -> None:
    builder = tfds.builder_from_directory(folder / "tasks")
    row = builder.as_data_source("train")[20]
    assert row["id"].decode() == TASKS[20].id
    assert (row["calls"], row["chain_depth"]) == (TASKS[20].calls, TASKS[20].chain_depth)
    assert [name.decode() for name in row["tools"]] == list(dict.fromkeys(TASKS[20].workflow))
    assert builder.info.splits["train"].num_examples == 45


def test_the_same_bytes_in_every_process_and_no_tensorflow(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from test_datasets import *; from pathlib import Path\n"
        "build_tasks(sys.argv[1], TASKS)\n"
        "loader = task_batches(open_dataset(sys.argv[1]), 'train', Order(4, 1))\n"
        "print([task.id for task in next(loader)]); assert 'tensorflow' not in sys.modules, 'TensorFlow was imported'"
    )
    for seed in ("1", "2"):
        made = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, "-c", code, str(made)]
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        loader = task_batches(open_dataset(folder / "tasks"), "train", Order(4, 1))
        assert run.stdout == f"{[task.id for task in next(loader)]}\n"
        for path in sorted((folder / "tasks").iterdir()):
            if path.name not in (MANIFEST, "dataset_info.json"):
                assert (made / path.name).read_bytes() == path.read_bytes(), path.name
        assert open_dataset(made).identity == open_dataset(folder / "tasks").identity


def ids_of(loader: Loader, batches: int) -> list[list[str]]:
    return [[task.id for task in next(loader)] for _ in range(batches)]


def flat(batches: list[list[str]]) -> list[str]:
    return [name for batch in batches for name in batch]


@pytest.mark.parametrize("hosts", [2, 4])
def test_hosts_share_the_batches_of_one(folder: Path, hosts: int) -> None:
    tasks = open_dataset(folder / "tasks")
    whole = ids_of(task_batches(tasks, "train", Order(8, seed=3, epochs=2)), 10)
    parts = [ids_of(task_batches(tasks, "train", Order(8, 3, True, 2, host, hosts)), 10) for host in range(hosts)]
    for number, batch in enumerate(whole):
        shares = [part[number] for part in parts]
        assert [batch[place::hosts] for place in range(hosts)] == shares


def test_an_epoch_is_a_permutation_and_each_has_its_own(folder: Path) -> None:
    tasks = open_dataset(folder / "tasks")
    loader = task_batches(tasks, "train", Order(9, seed=1, epochs=2))
    assert loader.batches_per_epoch == 5
    first, second = (flat(ids_of(loader, 5)) for _ in range(2))
    everything = [task.id for task in TASKS[:45]]
    assert sorted(first) == sorted(second) == sorted(everything)
    assert first != second
    assert first != everything
    with pytest.raises(StopIteration):
        next(loader)
    assert ids_of(task_batches(tasks, "train", Order(9, seed=2)), 5) != ids_of(
        task_batches(tasks, "train", Order(9, seed=1)), 5
    )
    assert flat(ids_of(task_batches(tasks, "train", Order(9, shuffle=False)), 5)) == everything


@pytest.mark.parametrize("taken", [0, 1, 4, 7])
def test_a_position_is_restored_exactly(shown: Dataset, taken: int) -> None:
    def loader(host: int = 0, hosts: int = 1) -> Loader:
        return demonstration_batches(shown, "train", Order(8, 5, host=host, hosts=hosts), length=600, pad_id=0)

    going = loader()
    for _ in range(taken):
        next(going)
    position = json.loads(json.dumps(going.position))
    rest = [next(going) for _ in range(9)]
    again = loader()
    next(again)  # what it did before does not matter
    again.restore(position)
    for a, b in zip(rest, (next(again) for _ in range(9)), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    half = loader(1, 2)  # a position is the same for every number of hosts
    half.restore(position)
    assert np.array_equal(next(half).ids, rest[0].ids[1::2])


def test_batches_are_padded(shown: Dataset) -> None:
    batch = next(demonstration_batches(shown, "train", Order(6, shuffle=False), length=600, pad_id=7))
    assert batch.ids.shape == batch.sampled.shape == (6, 600)
    for row, item in enumerate(SHOWN[:6]):
        size = batch.lengths[row]
        assert np.array_equal(batch.ids[row, :size], item.tokens.ids)
        assert np.array_equal(batch.sampled[row, :size], item.tokens.sampled)
        assert (batch.ids[row, size:] == 7).all()
        assert not batch.sampled[row, size:].any()
    with pytest.raises(InputError, match=rf"demonstration {SHOWN[0].task_id} has {len(SHOWN[0].tokens.ids)} tokens"):
        next(demonstration_batches(shown, "train", Order(6, shuffle=False), length=20, pad_id=7))


def test_a_position_of_something_else_is_refused(folder: Path, shown: Dataset) -> None:
    tasks = open_dataset(folder / "tasks")
    position = task_batches(tasks, "train", Order(8, 5)).position
    for other, what in ((Order(4, 5), "batch"), (Order(8, 6), "seed"), (Order(8, 5, shuffle=False), "shuffle")):
        with pytest.raises(InputError, match=f"position: its {what} is"):
            task_batches(tasks, "train", other).restore(position)
    with pytest.raises(InputError, match="position: its dataset is"):
        demonstration_batches(shown, "train", Order(8, 5), length=600, pad_id=0).restore(position)


@pytest.mark.parametrize(
    ("order", "what"), [(Order(0), "batch 0"), (Order(3, hosts=2), "hosts must share"), (Order(46), "fewer than")]
)
def test_orders_that_cannot_be(shown: Dataset, order: Order, what: str) -> None:
    with pytest.raises(InputError, match=what):
        task_batches(shown, "train", order)
    with pytest.raises(InputError, match="split 'test': the dataset has train"):
        task_batches(shown, "test", Order(1))


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "no manifest"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    build_tasks(tmp_path / "d", TASKS)
    (path,) = (tmp_path / "d").glob("*train*")
    if damage == "flip":
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "remove":
        path.unlink()
    else:
        (tmp_path / "d" / MANIFEST).unlink()
    with pytest.raises(InputError, match="no whole dataset" if damage == "no manifest" else path.name):
        open_dataset(tmp_path / "d")


def test_building_replaces_a_dataset_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "d"
    build_tasks(target, TASKS)
    before = open_dataset(target).identity
    assert build_tasks(target, TASKS[:20]) != before
    assert len(open_dataset(target).splits["train"]) == 20
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    with pytest.raises(InputError, match="something else here"):
        build_tasks(tmp_path / "mine", TASKS)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "precious"
    with pytest.raises(InputError, match="nothing to write"):
        build_tasks(tmp_path / "none", [])
    with pytest.raises(InputError, match="split 'a/b'"):
        build_tasks(tmp_path / "none", [TASKS[0]._replace(split="a/b")])
    assert not (tmp_path / "none").exists()
