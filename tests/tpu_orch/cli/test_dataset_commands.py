"""`dataset build` and `dataset show`: from tasks and a store to datasets, with counts that people can check."""

import importlib.util
import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from data_pipeline.backends import StoreBackend
from data_pipeline.chat import Chat
from data_pipeline.datasets.examples import demonstration_of_example, task_of_example
from data_pipeline.datasets.folder import open_dataset
from data_pipeline.demonstrations import demonstration
from data_pipeline.environment import Environment
from data_pipeline.formats import read_tasks, write_tasks, write_tools
from data_pipeline.sandbox import make_world, record_world, sandbox_tasks
from data_pipeline.store import Store
from data_pipeline.tokenizers import ByteTokenizer
from tpu_orch.cli.main import main

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_datasets") is None, reason="needs the extra `data`"
)
WORLD = make_world(4, entities=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    tasks = [*sandbox_tasks(WORLD, "train", (0, 1, 2), 12), *sandbox_tasks(WORLD, "test", (1,), 5)]
    write_tools(path / "tools.json", WORLD.tools)
    write_tasks(path / "tasks.jsonl", tasks)
    record_world(WORLD, path / "world.store", tasks)
    ByteTokenizer().save(path / "bytes.json")
    return path


def build(folder: Path, out: Path, *options: str) -> int:
    files = (
        "--tools",
        f"{folder}/tools.json",
        "--store",
        f"{folder}/world.store",
        "--tokenizer",
        f"{folder}/bytes.json",
    )
    return main(["dataset", "build", "--tasks", f"{folder}/tasks.jsonl", "--out", str(out), *files, *options])


def test_build_and_show(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(folder, tmp_path / "d", "--schemas", "signatures") == 0
    tasks = read_tasks(folder / "tasks.jsonl")
    made = open_dataset(tmp_path / "d" / "tasks")
    assert [task_of_example(row) for split in ("train", "test") for row in made.splits[split]] == tasks
    shown = open_dataset(tmp_path / "d" / "demonstrations")
    environment = Environment(WORLD.tools, StoreBackend(Store.open(folder / "world.store")))
    chat = Chat(ByteTokenizer(), schemas="signatures")
    for row, task in zip(shown.splits["train"], tasks, strict=False):
        expected, found = demonstration(task, environment, chat), demonstration_of_example(row)
        assert (found.task_id, found.tools) == (task.id, expected.tools)
        assert found.tokens.ids.tolist() == expected.tokens.ids.tolist()
        assert found.tokens.sampled.tolist() == expected.tokens.sampled.tolist()
    capsys.readouterr()
    assert main(["dataset", "show", f"{tmp_path}/d/tasks", "--rows", "1"]) == 0
    head, train, first, test, *_ = capsys.readouterr().out.splitlines()
    assert head.endswith(f"tasks, {made.identity}")
    assert train.startswith("train: 36 rows")
    assert json.loads(first)["id"] == tasks[0].id
    assert test.startswith("test: 5 rows")
    options = ["--rows", "1", "--tokenizer", f"{folder}/bytes.json"]
    assert main(["dataset", "show", f"{tmp_path}/d/demonstrations", *options]) == 0
    text = capsys.readouterr().out
    assert tasks[0].query in text
    assert "«<answer>" in text


def test_balanced_and_short_ones_only(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(folder, tmp_path / "d", "--count", "200", "--most-tokens", "300") == 0
    assert "demonstrations are longer than 300" in capsys.readouterr().err
    rows = open_dataset(tmp_path / "d" / "demonstrations").splits["train"]
    assert len(rows) == 200
    assert max(len(row["ids"]) for row in rows) <= 300
    tools = Counter(name for row in rows for name in row["tools"])
    assert min(tools.values()) >= 0.4 * sum(tools.values()) / len(tools)


def test_errors_are_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = f"{folder}/tasks.jsonl"
    assert main(["dataset", "build", "--tasks", tasks, "--out", f"{tmp_path}/d", "--tokenizer", "t"]) == 2
    assert "--tokenizer needs --tools and --store" in capsys.readouterr().err
    assert main(["dataset", "build", "--tasks", f"{tmp_path}/d/tasks/t.jsonl", "--out", f"{tmp_path}/d"]) == 2
    assert "d/tasks/t.jsonl, which is read, would go with the older" in capsys.readouterr().err
    assert main(["dataset", "show", str(tmp_path)]) == 2
    assert "no whole dataset here" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert main(["dataset", "build", "--tasks", tasks, "--out", f"{tmp_path}/e"]) == 2
    assert capsys.readouterr().err.strip().endswith("pip install 'tpu-orch[data]'")
