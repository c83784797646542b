"""The watcher of large scoring runs: what it sees, and that it refuses any wrong line."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from data_pipeline.errors import WorkFailed
from tpu_orch.cli.main import main
from tpu_orch.scoring import scale
from tpu_orch.scoring.samples import write_repeated

ORIGINALS = [{"task_id": "a", "index": 0, "reward": 1.0}, {"task_id": "b", "index": 1, "reward": 0.5}]


def scores(path: Path, count: int) -> Path:
    rows = [{**ORIGINALS[place % 2], "index": place} for place in range(count)]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def test_lines_are_repeated_to_the_exact_number(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_repeated(out, [b"a\n", b"b\n", b"c\n"], 7)
    assert out.read_text().split() == list("abcabca")


def test_every_line_is_looked_at(tmp_path: Path) -> None:
    out = scores(tmp_path / "scores", 5)
    scale.check_lines(out, ORIGINALS, 5)
    with pytest.raises(WorkFailed, match="5 lines for 6"):
        scale.check_lines(out, ORIGINALS, 6)
    with pytest.raises(WorkFailed, match="line 5 "):
        scale.check_lines(out, ORIGINALS, 4)
    out.write_bytes(out.read_bytes().replace(b'"index":3,"reward":0.5', b'"index":3,"reward":0.4'))
    with pytest.raises(WorkFailed, match="line 4 "):
        scale.check_lines(out, ORIGINALS, 5)


def test_a_sitting_is_killed_once_enough_is_written(tmp_path: Path) -> None:
    code = "import sys, time, pathlib\npathlib.Path(sys.argv[1]).write_text('x' * 50)\ntime.sleep(600)"
    grown = tmp_path / "grown"
    sitting = scale.sit(
        [sys.executable, "-c", code, str(grown)],
        tmp_path / "log",
        lambda: grown.stat().st_size if grown.exists() else 0,
        50.0,
    )
    assert sitting.code == -9 and sitting.memory[-1] > 1_000_000


def test_memory_counts_what_is_under_a_process() -> None:
    assert scale.resident(os.getpid()) > 10_000_000
    assert scale.resident(2**22 + 1) == 0


def test_memory_counts_what_a_thread_has_started() -> None:
    before = scale.resident(os.getpid())
    told, waits = os.pipe()
    code = f"import os; held = bytearray(100_000_000); os.write({waits}, b'x'); os.read(0, 1)"

    def start() -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, pass_fds=[waits])

    with ThreadPoolExecutor(1) as other:  # the thread lives on while we look
        process = other.submit(start).result()
        os.read(told, 1)
        assert scale.resident(os.getpid()) - before > 90_000_000
        process.communicate()
    os.close(told)
    os.close(waits)


def test_growth_leaves_the_beginning_out() -> None:
    assert scale.growth([10, 50, *[100] * 8]) == 1.0
    assert scale.growth(list(range(100, 200))) == pytest.approx(199 / 144)
    assert scale.growth([]) == 1.0


@pytest.mark.slow
def test_a_large_run_killed_once(tmp_path: Path) -> None:
    found = tmp_path / "scale.json"
    assert main(["bench", "scale", "--rollouts", "12000", "--reward", "tier", "--json", str(found)]) == 0
    for row in json.loads(found.read_text())["rows"]:
        assert row["lines as expected"] == 12_000 and 0 < row["written when killed"] < 12_000


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--runner", "spark"], "--runner spark"),
        (["--kill-at", "1"], "--kill-at"),
        (["--reward", "best"], "--reward best"),
    ],
)
def test_what_cannot_be_measured_is_refused(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    assert main(["bench", "scale", *words]) == 2
    assert told in capsys.readouterr().err
