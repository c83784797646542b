"""Who runs the scoring of pieces of a file: this process, or several, in the order of the file either way."""

import io
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path
from typing import NamedTuple

from data_pipeline.errors import InputError
from tpu_orch.scoring.collector import collector_paused
from tpu_orch.scoring.job import Job, Line, Spec, Tally, open_job, score_lines

CHUNK = 256
"""Rollouts that are judged, padded and totalled together."""


class Piece(NamedTuple):
    """A stretch of a rollouts file by where it stands, so that its lines need not travel between processes."""

    number: int
    """Of its first line, from 1."""
    place: int
    """Of its first rollout, from 0."""
    start: int
    """Byte at which it begins."""
    size: int
    """Bytes, whole lines."""


class Scored(NamedTuple):
    """A piece's scores."""

    text: bytes
    """Lines of scores, one a rollout, each with its line break: as it is written, and as it travels fastest."""
    tally: Tally
    read: int
    """Bytes of the rollouts file that the piece is made of."""

    @property
    def lines(self) -> list[bytes]:
        return self.text.splitlines()


def read_pieces(path: str | Path, skip: int = 0, size: int = CHUNK) -> Iterator[Piece]:
    """A file in pieces of `size` rollouts; blank lines are none, and `skip` rollouts from the start are left out."""
    number, place, start, end, held = 1, 0, 0, 0, 0
    with Path(path).open("rb") as file:
        for line, text in enumerate(file, 1):
            end += len(text)
            if text.isspace():
                continue
            if place + held < skip:
                number, place, start = line + 1, place + 1, end
                continue
            held += 1
            if held == size:
                yield Piece(number, place, start, end - start)
                number, place, start, held = line + 1, place + held, end, 0
    if held:
        yield Piece(number, place, start, end - start)


def read_lines(path: str | Path, piece: Piece) -> list[Line]:
    """The rollouts of a piece."""
    with Path(path).open("rb") as file:
        file.seek(piece.start)
        texts = io.BytesIO(file.read(piece.size))
    rows = [(number, text) for number, text in enumerate(texts, piece.number) if not text.isspace()]
    return [Line(number, place, text) for place, (number, text) in enumerate(rows, piece.place)]


def score_piece(job: Job, path: str, piece: Piece) -> Scored:
    with collector_paused():
        lines, tally = score_lines(job, read_lines(path, piece), path)
    return Scored(b"\n".join([*lines, b""]), tally, piece.size)


def run_local(job: Job, path: str, pieces: Iterable[Piece]) -> Iterator[Scored]:
    """In this process."""
    for piece in pieces:
        yield score_piece(job, path, piece)


def run_processes(spec: Spec, path: str, pieces: Iterable[Piece], workers: int) -> Iterator[Scored]:
    """In several processes, each with the tools, tasks and store open."""
    with started_workers(spec, workers) as pool:
        yield from run_in(pool, path, pieces, workers)


def started_workers(spec: Spec, workers: int) -> ProcessPoolExecutor:
    """Processes that have opened the job, or do so when the first piece comes."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _open_in_worker, (spec,))


def run_in(pool: ProcessPoolExecutor, path: str, pieces: Iterable[Piece], workers: int) -> Iterator[Scored]:
    """The pieces in order; at most two a worker are under way."""
    under_way: deque[Future[Scored | str]] = deque()
    for piece in pieces:
        under_way.append(pool.submit(_score_in_worker, path, piece))
        if len(under_way) > 2 * workers:
            yield _result(under_way.popleft())
    while under_way:
        yield _result(under_way.popleft())


_JOB: list[Job] = []  # of a worker process


def _open_in_worker(spec: Spec) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _JOB.append(open_job(spec))


def _leave_with_parent() -> None:
    """A parent that is killed stops nobody, and a worker that waits for its next piece would wait forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _score_in_worker(path: str, piece: Piece) -> Scored | str:
    """Wrong input comes back as its message: not every error survives the way between processes."""
    try:
        return score_piece(_JOB[0], path, piece)
    except InputError as error:
        return str(error)


def _result(future: Future[Scored | str]) -> Scored:
    found = future.result()
    if isinstance(found, str):
        raise InputError(found)
    return found
