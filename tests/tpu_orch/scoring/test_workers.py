"""Worker processes: the order of the file, errors in their turn, and a clean end whoever is killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.scoring import workers
from tpu_orch.scoring.job import Spec, open_job
from tpu_orch.scoring.pieces import read_pieces
from tpu_orch.scoring.runners import run_local, run_processes
from tpu_orch.scoring.workers import Worker, run_in, started_workers

NUMBER = 2
MANY = NUMBER * workers.SPREAD + 9
"""More pieces than are ever under way."""


def spec_of(suite: Path) -> Spec:
    return Spec(*(str(suite / name) for name in ("tools.json", "tasks.jsonl", "responses.jsonl")), ("tier",))


def grown(suite: Path) -> str:
    """The suite's rollouts so often that there are more lines than `MANY`."""
    path = suite / "rollouts.jsonl"
    path.write_text(path.read_text() * (MANY // 6 + 1))
    return str(path)


@pytest.fixture
def started(suite: Path) -> Iterator[list[Worker]]:
    with started_workers(spec_of(suite), grown(suite), NUMBER) as running:
        yield running


def test_pieces_come_in_order_and_again(suite: Path, started: list[Worker]) -> None:
    path = str(suite / "rollouts.jsonl")
    alone = [part.text for part in run_local(open_job(spec_of(suite)), path, read_pieces(path, size=1))]
    assert len(alone) > MANY
    for worker in started:
        os.kill(worker.process.pid or 0, signal.SIGINT)  # a terminal sends Ctrl-C to all of them: the parent stops them
    for _ in range(2):
        assert [part.text for part in run_in(started, read_pieces(path, size=1))] == alone
    assert not any(worker.places for worker in started)


def test_a_killed_worker_is_said_in_one_line(suite: Path, started: list[Worker]) -> None:
    parts = run_in(started, read_pieces(suite / "rollouts.jsonl", size=1))
    next(parts)
    os.kill(started[1].process.pid or 0, signal.SIGKILL)
    with pytest.raises(WorkFailed, match=r"was ended by signal 9 .* the same command goes on"):
        list(parts)


def test_wrong_input_is_said_when_its_turn_comes(suite: Path) -> None:
    path = suite / "rollouts.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:4], '{"task_id": "t9", "generation": ""}\n', *lines]))
    parts = run_processes(spec_of(suite), str(path), read_pieces(path, size=1), NUMBER)
    assert [next(parts).tally.rollouts for _ in range(4)] == [1] * 4
    with pytest.raises(InputError, match=r"rollouts.jsonl:5: unknown task 't9'"):
        next(parts)


def test_no_more_processes_than_pieces(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(spec: Spec, path: str, number: int):
        asked.append(number)
        return started_workers(spec, path, number)

    monkeypatch.setattr("tpu_orch.scoring.runners.started_workers", counted)
    path = suite / "rollouts.jsonl"
    (part,) = run_processes(spec_of(suite), str(path), read_pieces(path), 5)
    assert part.tally.rollouts == 6
    path.write_text("\n\n")
    assert not list(run_processes(spec_of(suite), str(path), read_pieces(path), 5))
    assert asked == [1, 0]


def test_nobody_is_left_behind(suite: Path) -> None:
    with started_workers(spec_of(suite), grown(suite), NUMBER) as idle:
        pass
    with pytest.raises(KeyboardInterrupt), started_workers(spec_of(suite), grown(suite), NUMBER) as busy:
        next(run_in(busy, read_pieces(suite / "rollouts.jsonl", size=1)))
        raise KeyboardInterrupt
    assert not any(worker.process.is_alive() for worker in [*idle, *busy])
