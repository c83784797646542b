"""`tpu-orch tokenizer train`: files that load, the same bytes twice, clear errors."""

from pathlib import Path

import pytest

from data_pipeline.formats import write_responses, write_tasks, write_tools
from data_pipeline.sandbox import make_world, record_world, sandbox_tasks, train_sandbox_tokenizer
from data_pipeline.store import Store
from data_pipeline.tokenizers import load_tokenizer
from tpu_orch.cli.main import main


def test_the_built_in_world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.model", "b.model"):
        assert main(["tokenizer", "train", "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.model").read_bytes() == (tmp_path / "b.model").read_bytes()
    identity = train_sandbox_tokenizer(make_world(0)).identity
    assert load_tokenizer(tmp_path / "a.model").identity == identity
    assert identity in capsys.readouterr().out


def test_a_catalogue_of_ones_own(tmp_path: Path) -> None:
    world = make_world(1, entities=50)
    write_tools(tmp_path / "tools.json", world.tools)
    write_tasks(tmp_path / "tasks.jsonl", sandbox_tasks(world, "train", (1, 2), 100))
    argv = ["tokenizer", "train", "--tools", str(tmp_path / "tools.json"), "--tasks", str(tmp_path / "tasks.jsonl")]
    assert main([*argv, "--vocab-size", "900", "--out", str(tmp_path / "own.model")]) == 0
    tokenizer = load_tokenizer(tmp_path / "own.model")
    assert tokenizer.vocab_size <= 900
    for name in world.tools:
        assert len(tokenizer.encode(name)) == 1


def test_a_store_teaches_what_its_responses_do(tmp_path: Path) -> None:
    world = make_world(1, entities=20)
    write_tools(tmp_path / "tools.json", world.tools)
    write_tasks(tmp_path / "tasks.jsonl", sandbox_tasks(world, "train", (1, 2), 100))
    record_world(world, tmp_path / "world.store")
    write_responses(tmp_path / "responses.jsonl", Store.open(tmp_path / "world.store").records())
    for source in ("world.store", "responses.jsonl"):
        option = "--store" if source.endswith("store") else "--responses"
        argv = ["tokenizer", "train", "--tools", str(tmp_path / "tools.json"), "--tasks", str(tmp_path / "tasks.jsonl")]
        argv += [option, str(tmp_path / source)]
        assert main([*argv, "--vocab-size", "900", "--out", str(tmp_path / f"{source}.model")]) == 0
    made = [(tmp_path / f"{source}.model").read_bytes() for source in ("world.store", "responses.jsonl")]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--tasks", "tasks.jsonl"], "need --tools"),
        (["--store", "any.store"], "need --tools"),
        (["--tools", "tools.json"], "nothing to learn from"),
        (["--vocab-size", "300"], "no room"),
        (["--tools", "absent.json", "--tasks", "absent.jsonl"], "absent"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(
    options: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tokenizer", "train", "--out", str(tmp_path / "t.model"), *options]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("tpu-orch tokenizer train:")
    assert what in message
    assert not (tmp_path / "t.model").exists()
