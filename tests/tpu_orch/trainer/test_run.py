"""A whole run, tiny, as a user starts it: what it leaves behind, and that any interruption changes nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
import tyro
from orbax.checkpoint import v1 as ocp
from other_processes import QUICK

from data_pipeline.formats import read_tasks, read_tools, write_tasks, write_tools
from data_pipeline.formats.rollouts import read_rollout_rows, rollout_from_row
from data_pipeline.sandbox import make_world, sandbox_tasks
from tpu_orch.checkpoints import manifest, newest_step
from tpu_orch.cli import rollout
from tpu_orch.cli.main import main
from tpu_orch.cli.rollout import job_of
from tpu_orch.runs.ordeal import timeless
from tpu_orch.runs.parts import part_of, whole_lines

ROOT = Path(__file__).resolve().parents[3]
TINY = [
    *("--tokens", "1024", "--world.shown-per-depth", "12", "--world.trained-per-depth", "6"),
    *(
        "--model.layers",
        "2",
        "--model.d-model",
        "32",
        "--model.heads",
        "2",
        "--model.kv-heads",
        "1",
        "--model.head-dim",
        "16",
    ),
    *("--model.d-ff", "48", "--engine.rows", "32", "--engine.capacity", "256", "--engine.max-new-tokens", "24"),
    *(
        "--warmup.steps",
        "4",
        "--warmup.batch",
        "8",
        "--warmup.optimizer",
        "muon",
        "--trainer.optimizer",
        "adamw",
        "--trainer.rise",
        "2",
        "--trainer.steps",
        "3",
        "--trainer.prompts",
        "2",
        "--trainer.group",
        "4",
    ),
    *(
        "--trainer.replay",
        "4",
        "--trainer.kl",
        "0.05",
        "--eval.per-depth",
        "1",
        "--checkpoint.every",
        "2",
        "--samples.every",
        "1",
    ),
]


def of_a_user(run: Path, devices: int = 1) -> dict[str, str]:
    """One device, compiled in half the time, and what an earlier test's run has compiled is not compiled again."""
    flags = f"--xla_force_host_platform_device_count={devices} {QUICK}"
    return {**os.environ, "XLA_FLAGS": flags, "JAX_COMPILATION_CACHE_DIR": str(run.parent.parent / "xla-of-runs")}


def start(out: Path, *more: str, devices: int = 1) -> subprocess.Popen:
    command = [sys.executable, "-m", "tpu_orch.cli.main", "train", "sandbox", "--out", str(out), *TINY, *more]
    return subprocess.Popen(
        command, cwd=ROOT, env=of_a_user(out, devices), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def commanded(run: Path, *words: str) -> subprocess.CompletedProcess:
    """A command on the devices that the run had."""
    command = [sys.executable, "-m", "tpu_orch.cli.main", *words]
    return subprocess.run(command, cwd=ROOT, env=of_a_user(run), capture_output=True, text=True, check=False)


def finished(process: subprocess.Popen) -> tuple[str, str]:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out, err


def outcome(run: Path) -> tuple[list[dict], dict[str, bytes], dict]:
    """Metrics without times, bytes of every array of the last checkpoint, evaluations: what an interruption must not change."""
    rows = [timeless(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = newest_step(run / "checkpoints")
    assert last.name == "7"
    manifest.verify(last)
    arrays, _ = jax.tree_util.tree_flatten_with_path(ocp.load_checkpointables(last.absolute()))
    named = {jax.tree_util.keystr(path): np.asarray(leaf).tobytes() for path, leaf in arrays}
    assert len(named) > 30
    return rows, named, json.loads((run / "summary.json").read_text())["eval"]


def with_material_of(other: Path, run: Path) -> Path:
    """The folder of a run to be, with another run's store and tokenizer in it: these are not made again."""
    run.mkdir()
    for name in ("store.sqlite", "tokenizer.model"):
        shutil.copy(other / name, run / name)
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    finished(start(out))
    return out


def test_a_run_leaves_what_it_promises(whole: Path) -> None:
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 8))
    assert [row["phase"] for row in rows] == ["warmup"] * 4 + ["rl"] * 3
    for row in rows[4:]:
        assert 0 <= row["reward"] <= 1
        assert row["mismatch"] < 1e-4
        assert row["components"].keys() >= {"format", "name", "param", "dtype", "exec", "answer"}
        assert row["seconds"].keys() == {"sampling", "tools", "rewards", "update"}
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["preset"] == "sandbox"
    assert summary["seconds"].keys() >= {"setup", "sft", "rl", "eval", "total"}
    assert summary["eval"].keys() == {"before", "after_sft", "after"}
    assert summary["eval"]["after"]["by_depth"].keys() == set("0123456")
    assert summary["eval"]["after"]["tasks"] == 7
    assert json.loads((whole / "config.json").read_text())["trainer"]["group"] == 4
    assert (whole / "figure.svg").stat().st_size > 1000
    assert (whole / "figure.png").stat().st_size > 1000
    report = (whole / "report.html").read_text(encoding="utf-8")
    assert "finished" in report and len(report) < 5_000_000
    rollouts = [rollout_from_row(row) for row in read_rollout_rows(whole / "rollouts" / "step-000006.jsonl")]
    assert len(rollouts) == 8  # both tasks of the step, with their groups
    assert {rollout.task_id for rollout in rollouts} <= {task.id for task in read_tasks(whole / "tasks.jsonl")}
    assert read_tools(whole / "tools.json")
    assert all(rollout.ledger is not None and rollout.ledger.weights_version == 5 for rollout in rollouts)


def progress_of(run: Path) -> int:
    """Lines of metrics written so far."""
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def killed(run: Path, come_so_far: Callable[[], bool], *more: str) -> None:
    """A run that got SIGKILL when it had come so far."""
    process = start(run, *more)
    while process.poll() is None and not come_so_far():
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert come_so_far()
    assert not (run / "summary.json").exists(), "the run was over before the kill: nothing was tested"


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(1, marks=pytest.mark.slow),
        3,
        pytest.param(5, marks=pytest.mark.slow),
        pytest.param(6, marks=pytest.mark.slow),
    ],
)
def test_sigkill_changes_no_bit(whole: Path, tmp_path: Path, after: int) -> None:
    run = with_material_of(whole, tmp_path / "run") if after == 3 else tmp_path / "run"
    killed(run, lambda: progress_of(run) >= after)
    finished(start(run, "--watch.no-report"))
    rows, arrays, evaluations = outcome(run)
    expected_rows, expected_arrays, expected_evaluations = outcome(whole)
    assert rows == expected_rows
    assert arrays == expected_arrays
    assert evaluations == expected_evaluations


def test_sigkill_beside_rollouts_sampled_ahead_changes_no_bit(whole: Path, tmp_path: Path) -> None:
    """With overlap a checkpoint holds the batch that waits; the run learns from it after the kill as it would have before."""
    alone, run = (with_material_of(whole, tmp_path / name) for name in ("alone", "run"))
    ahead = ["--trainer.overlap", "--checkpoint.every", "1", "--watch.no-report"]
    finished(start(alone, *ahead))
    saved = run / "checkpoints"
    killed(run, lambda: any((saved / step / manifest.NAME).exists() for step in "56"), *ahead)
    assert len(manifest.read(newest_step(saved)).extra["pending"]["rollouts"]) == 8
    finished(start(run, *ahead))
    assert outcome(run) == outcome(alone)


def test_sigterm_saves_and_leaves_with_0(whole: Path, tmp_path: Path) -> None:
    run = with_material_of(whole, tmp_path / "run")
    process = start(run, "--watch.no-report")
    while process.poll() is None and progress_of(run) < 5:
        time.sleep(0.02)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "goes on from there" in err
    assert time.monotonic() - asked < 60  # the promise is 20 s on a quiet machine
    assert max(int(path.name) for path in (run / "checkpoints").iterdir() if path.name.isdecimal()) >= 5
    finished(start(run, "--watch.no-report"))
    assert outcome(run)[0] == outcome(whole)[0]


def test_another_configuration_is_refused_by_name(whole: Path) -> None:
    process = start(whole, "--trainer.learning-rate", "0.5")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "trainer.learning_rate was 0.001 and is 0.5" in err
    assert "Traceback" not in err


def test_a_finished_run_only_says_so_again_on_another_mesh_too(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    saved = newest_step(run / "checkpoints")
    arrays = [saved / name for name in manifest.read(saved).files]
    written = [path.stat().st_mtime_ns for path in arrays]
    out, err = finished(start(run, "--mesh.fsdp", "2", devices=2))
    assert "configuration: mesh.fsdp was 1 and is 2" in err
    assert "going on from the checkpoint of step 7" in err
    assert "mean of 1+" in out
    assert outcome(run) == outcome(whole)
    assert [path.stat().st_mtime_ns for path in arrays] == written  # what is saved already is not written again


def test_a_step_that_is_not_finite_stops_the_run_and_is_run_again(whole: Path, tmp_path: Path) -> None:
    run = with_material_of(whole, tmp_path / "run")
    process = start(run, "--warmup.learning-rate", "1e18")
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1 and "Traceback" not in err
    assert "step 2: loss is not finite" in err and f"`tpu-orch failed {run}`" in err
    assert [row["step"] for row in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())] == [1]
    again = commanded(run, "failed", str(run))
    assert again.returncode == 0, again.stderr
    lines = again.stdout.splitlines()
    assert lines[0] == "step 2; the weights it met are finite"
    ill = [line for line in lines[1:] if "loss nan, gradient norm nan; not finite: log-probs of " in line]
    assert ill and all(line.startswith("micro-batch ") and "not finite: gradients of " in line for line in ill)
    assert "no step of this run failed" in commanded(run, "failed", str(whole)).stderr


def parsed(arguments: list[str]) -> rollout.Args:
    return tyro.cli(rollout.Args, args=arguments)


def test_its_policy_acts_and_is_evaluated_by_command(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(whole.parent / "xla"))
    world = make_world(0)
    write_tools(tmp_path / "tools.json", world.tools.values())
    write_tasks(tmp_path / "tasks.jsonl", sandbox_tasks(world, "test", (0, 2), 3, seed=2))
    inputs = [*("--tools", str(tmp_path / "tools.json")), *("--tasks", str(tmp_path / "tasks.jsonl"))]
    inputs += ["--store", str(whole / "store.sqlite")]
    model = ["--model", str(whole)]

    out = tmp_path / "rollouts.jsonl"
    arguments = ["rollout", *inputs, *model, "--samples", "2", "--seed", "3", "--out", str(out)]
    assert main(arguments) == 0
    first = out.read_bytes()
    rollouts = [rollout_from_row(row) for row in read_rollout_rows(out)]
    assert [(r.task_id[-3:], r.group_index) for r in rollouts[:3]] == [("0/0", 0), ("0/0", 1), ("0/1", 0)]
    assert len(rollouts) == 12

    # What a cut-off run has written is gone on with, a torn line made again, and the whole is the same to the byte.
    assert list(whole_lines(out, job_of(parsed(arguments[1:])))) == []
    part_of(out).write_bytes(first[: len(first) // 2])
    out.unlink()
    capsys.readouterr()
    assert main(arguments) == 0
    assert "going on after" in capsys.readouterr().err
    assert out.read_bytes() == first

    result = tmp_path / "result.json"
    assert main(["eval", *inputs, *model, "--reward", "tier", "--out", str(result)]) == 0
    assert json.loads(result.read_text())["tasks"] == 6
    assert "95 % interval" in capsys.readouterr().out
    assert main(["eval", *inputs, "--model", str(tmp_path)]) == 2
    assert "no run folder" in capsys.readouterr().err

    # A public benchmark's own file, asked of the same policy.
    tool = {"name": "add", "output_parameters": {"result": {}}}
    chain = [{"name": "add", "label": "$var_1", "arguments": {"arg_0": 1}}]
    rows = [{"sample_id": f"s{n}", "input": f"q{n}", "output": chain, "tools": [tool]} for n in range(3)]
    rows[2]["input"] = "long " * 5000
    (tmp_path / "nestful.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ["eval", "--suite", "nestful", "--data", str(tmp_path / "nestful.jsonl"), *model, "--max-tokens", "8"]
    assert main([*asked, "--context", "1500", "--out", str(result)]) == 0
    told = json.loads(result.read_text())
    assert (told["suite"], told["replies"], told["unanswered"]) == ("nestful", 3, 1)
    assert "1 of 3 conversations left no room in 1504 tokens" in capsys.readouterr().err


def test_a_rollout_is_made_again_to_the_bit(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = rollout_from_row(list(read_rollout_rows(whole / "rollouts" / "step-000007.jsonl"))[5])
    assert one.ledger is not None and one.ledger.weights_version == 6
    out = tmp_path / "again.jsonl"
    made = commanded(whole, "replay", str(whole), "6", one.task_id, str(one.group_index), "--out", str(out))
    assert made.returncode == 0, made.stderr
    assert "the same to the bit as in" in made.stdout and "step-000007.jsonl" in made.stdout
    (again,) = (rollout_from_row(row) for row in read_rollout_rows(out))
    assert again.ledger is not None
    np.testing.assert_array_equal(again.ledger.logprobs, one.ledger.logprobs)
    assert main(["replay", str(whole), "1", one.task_id, "0"]) == 2
    assert "keeps no weights of step 1" in capsys.readouterr().err


@pytest.mark.slow
def test_an_evaluations_rollout_is_made_again_to_the_bit(whole: Path) -> None:
    last = rollout_from_row(next(iter(read_rollout_rows(whole / "rollouts" / "eval-after.jsonl"))))
    made = commanded(whole, "replay", str(whole), "7", last.task_id, "--greedy")
    assert made.returncode == 0, made.stderr
    assert "the same to the bit as in" in made.stdout and "eval-after.jsonl" in made.stdout
