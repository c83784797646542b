"""`tpu-orch rollout`: what is refused, what a cut-off run goes on with, and what `eval` says of fewer rollouts than tasks."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import jax
import pytest
from untrained_run import untrained_run

from data_pipeline.formats import write_responses, write_tasks, write_tools
from data_pipeline.formats.responses import Recorded
from data_pipeline.words import ReferenceStep, Task, Tool
from tpu_orch.checkpoints import Checkpoints
from tpu_orch.cli import rollout
from tpu_orch.cli.main import main
from tpu_orch.cli.rollout import replayer, weights_of
from tpu_orch.config import ModelOptions
from tpu_orch.runs.parts import alone

SMALL = ModelOptions(layers=1, d_model=16, heads=2, kv_heads=1, head_dim=8, d_ff=24)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """The words of a command over three tasks of one call, but for who acts."""
    step = ReferenceStep("f", {}, (), ())
    write_tools(tmp_path / "tools.json", [Tool("f", "", {"type": "object", "properties": {}})])
    write_responses(tmp_path / "responses.jsonl", [Recorded("f", {}, {"x": 1})])
    write_tasks(tmp_path / "tasks.jsonl", [Task(f"t{number}", "q", ("f",), (step,)) for number in range(3)])
    files = (("tools", "tools.json"), ("store", "responses.jsonl"), ("tasks", "tasks.jsonl"))
    return ["rollout", *(f"--{name}={tmp_path / file}" for name, file in files), "--out", str(tmp_path / "out.jsonl")]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--limit", "0"], "--limit must be 1 or more, found 0"),
        (["--limit", "-1"], "--limit must be 1 or more, found -1"),
        (["--samples", "0"], "--samples must be at least 1"),
        (["--temperature", "0"], "--temperature is of no use with --policy replay"),
    ],
)
def test_what_would_not_be_done_as_asked_is_refused(
    command: list[str], capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    assert main([*command, "--policy", "replay", *more]) == 2
    assert told in capsys.readouterr().err
    assert not Path(command[-1]).exists()


def test_a_second_run_on_one_file_is_refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with alone(Path(command[-1])):
        assert main([*command, "--policy", "replay"]) == 2
    assert "another command is writing" in capsys.readouterr().err and not Path(command[-1]).exists()


def test_tasks_without_a_rollout_are_told(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    *files, out = (word for word in command[1:] if word != "--out")
    assert main([*command, "--policy", "replay", "--limit", "1"]) == 0
    stored = ["eval", *files, "--reward", "graduated", "--rollouts", out, "--out", f"{out}.json"]
    assert main(stored) == 0
    assert "2 of 3 tasks have no attempt and are not counted" in capsys.readouterr().out
    assert json.loads(Path(f"{out}.json").read_text())["without_attempt"] == 2
    assert main([*stored, "--limit", "1"]) == 0
    assert "no attempt" not in capsys.readouterr().out


def test_other_weights_start_over_and_the_same_go_on(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, played = tmp_path / "run", []
    params = untrained_run(run, 1, SMALL).params

    def acting(stops_at: int | None) -> Callable:
        def actor(args, model, environment, tasks):
            make = replayer(environment, 0)

            def made(piece, tick):
                if len(played) == stops_at:
                    raise KeyboardInterrupt
                played.append(piece[0][0].id)
                return make(piece, tick)

            return made, 1

        return actor

    for stops_at, learns in ((2, False), (2, True), (None, False)):
        played.clear()
        if learns:
            with Checkpoints(run / "checkpoints") as checkpoints:
                checkpoints.save(2, {"params": jax.tree.map(lambda leaf: leaf + 1, params)}, {})
        monkeypatch.setattr(rollout, "actor", acting(stops_at))
        assert main([*command, "--model", str(run)]) == (0 if stops_at is None else 130)
        assert played == (["t2"] if stops_at is None else ["t0", "t1"])
    assert "going on after 2 rollouts" in capsys.readouterr().err
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 3


def test_published_weights_under_adapters_are_known_by_their_files(tmp_path: Path) -> None:
    run, base = tmp_path / "run", tmp_path / "base"
    untrained_run(run, 1, SMALL)
    base.mkdir()
    (base / "config.json").write_text("{}")
    weights = base / "model.safetensors"
    weights.write_bytes(b"one")
    (run / "base.json").write_text(json.dumps({"folder": str(base), "weights": []}))
    before = weights_of(run)
    assert weights_of(run) == before
    found = weights.stat()
    weights.write_bytes(b"two")
    os.utime(weights, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert weights_of(run) != before
