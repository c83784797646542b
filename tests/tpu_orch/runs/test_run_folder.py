"""A run folder: locked, of one configuration; metrics cut back to a position; SIGTERM as a flag."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data_pipeline.errors import InputError
from tpu_orch.config import RunConfig, to_json
from tpu_orch.runs.files import write_json, write_whole
from tpu_orch.runs.folder import differences, open_run, run_config
from tpu_orch.runs.metrics import MetricsFile, read_metrics
from tpu_orch.runs.processes import any_process, barrier, first_process, from_first
from tpu_orch.runs.stop import StopFlag

CONFIG = {"preset": "sandbox", "trainer": {"steps": 12, "group": 16}, "seed": 0}


def test_a_second_process_is_refused_and_told_who_runs(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tpu_orch.runs.folder import open_run\n"
        "with open_run(Path(sys.argv[1]), {}): pass"
    )
    with open_run(tmp_path, {}):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
        assert f"process {os.getpid()} is running in it" in done.stderr
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0


def test_the_configuration_of_a_run_is_read_back(tmp_path: Path) -> None:
    config = RunConfig(preset="sandbox", out=tmp_path, seed=3)
    with open_run(tmp_path / "run", to_json(config)) as folder:
        assert run_config(folder) == config
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(InputError, match="no run folder"):
            run_config(folder)
    for text in ("{", '{"preset": "sandbox"}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(InputError, match=r"config\.json: no configuration of a run"):
            run_config(tmp_path)


def test_the_lock_goes_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), open_run(tmp_path, CONFIG):
        raise KeyError
    with open_run(tmp_path, CONFIG) as folder:
        assert json.loads((folder / "config.json").read_text()) == CONFIG


def test_another_configuration_is_refused_unless_told(tmp_path: Path) -> None:
    other = {**CONFIG, "trainer": {"steps": 50, "group": 8}}
    with open_run(tmp_path, other):
        (tmp_path / "checkpoints").mkdir()
    with open_run(tmp_path, CONFIG):  # nothing was made of the other one
        (tmp_path / "metrics.jsonl").write_text("{}")
    with (
        pytest.raises(InputError, match=r"trainer\.group was 16 and is 8; trainer\.steps was 12 and is 50"),
        open_run(tmp_path, other),
    ):
        pass
    with (
        pytest.raises(InputError, match=r"configuration: trainer\.group was 16 and is 8 \(choose another --out; --ch"),
        open_run(tmp_path, other, may_differ=["trainer.steps"]),
    ):
        pass
    with open_run(tmp_path, other, may_differ=["trainer"]):
        pass
    with open_run(tmp_path, {"seed": 1}, adopt=True):
        pass
    assert json.loads((tmp_path / "config.json").read_text()) == {"seed": 1}


def test_what_an_older_version_did_not_write_counts_as_its_default(tmp_path: Path) -> None:
    now = to_json(RunConfig("sandbox", tmp_path))
    older = {name: value for name, value in now.items() if name not in ("faults", "watch")}
    older["trainer"] = {name: value for name, value in now["trainer"].items() if name != "overlap"}
    (tmp_path / "metrics.jsonl").write_text("{}")
    write_json(tmp_path / "config.json", older)
    with open_run(tmp_path, now, defaults=now):
        pass
    assert json.loads((tmp_path / "config.json").read_text()) == now
    write_json(tmp_path / "config.json", older)
    other = {**now, "faults": "error=0.1", "trainer": {**now["trainer"], "overlap": True}}
    expected = r'faults was "" and is "error=0.1"; trainer.overlap was false and is true'
    with pytest.raises(InputError, match=expected), open_run(tmp_path, other, defaults=now):
        pass
    write_json(tmp_path / "config.json", {**older, "of_a_newer_version": 3})
    with pytest.raises(InputError, match="of_a_newer_version was 3"), open_run(tmp_path, now, defaults=now):
        pass


def test_differences_tell_types_and_absence_apart() -> None:
    found = differences({"a": 1, "b": {"c": [1, 2]}, "d": True}, {"a": 1.0, "b": {"c": [1, 2]}, "d": 1, "e": None})
    assert [name for name, _ in found] == ["a", "d"]
    assert differences({"b": {"c": 1}}, {"b": 3}) == [("b", 'b was {"c": 1} and is 3')]


def test_metrics_are_cut_back_and_go_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsFile(path) as metrics:
        metrics.append({"step": 1, "loss": 0.1})
        kept = metrics.sync()
        metrics.append({"step": 2, "loss": 0.2})
    with path.open("ab") as stream:
        stream.write(b'{"step": 3, "lo')  # a kill in the middle of a row
    assert [row["step"] for row in read_metrics(path)] == [1, 2]
    with MetricsFile(path, kept) as metrics:
        metrics.append({"step": 2, "loss": float("nan"), "by": {"depth": float("inf")}})
        assert metrics.position == path.stat().st_size
    assert read_metrics(path) == [{"step": 1, "loss": 0.1}, {"step": 2, "loss": None, "by": {"depth": None}}]


def test_lost_metrics_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 bytes, but the checkpoint counts 7"):
        MetricsFile(tmp_path / "metrics.jsonl", 7)
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\nnonsense\n')
    with pytest.raises(InputError, match=r"bad.jsonl:2: not JSON"):
        read_metrics(tmp_path / "bad.jsonl")
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n[2]\n')
    with pytest.raises(InputError, match=r"bad.jsonl:2: expected a JSON object"):
        read_metrics(tmp_path / "bad.jsonl")


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    with MetricsFile(tmp_path / "metrics.jsonl", 5, writes=False) as metrics:
        metrics.append({"step": 1})
        assert metrics.sync() == 5
    assert not list(tmp_path.iterdir())


def test_files_are_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "summary.json", {"a": "é"})
    write_whole(tmp_path / "summary.json", b"new")
    assert (tmp_path / "summary.json").read_bytes() == b"new" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "summary.json", float("nan"))
    assert (tmp_path / "summary.json").read_bytes() == b"new"


def test_two_writers_of_one_file_leave_one_of_their_contents(tmp_path: Path) -> None:
    contents = [bytes([65 + number]) * 100_000 for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: write_whole(tmp_path / "x", contents[number % 4]), range(40)))
    assert (tmp_path / "x").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_sigterm_sets_the_flag_and_the_old_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopFlag() as stop:
        assert not stop.requested and not stop.agreed()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested and stop.agreed()
    assert signal.getsignal(signal.SIGTERM) is before


def test_one_process_agrees_with_itself() -> None:
    assert first_process() and from_first(7) == 7 and from_first(None) is None
    assert any_process(True) and not any_process(False)
    barrier("alone")
