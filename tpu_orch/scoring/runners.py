"""Who runs the scoring of chunks of lines: this process, or several, in the order of the file either way."""

import itertools
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from data_pipeline.errors import InputError
from tpu_orch.scoring.job import Job, Line, Spec, Tally, open_job, score_lines

CHUNK = 256
"""Lines that are judged, padded and totalled together."""


class Scored(NamedTuple):
    """A chunk's lines of scores."""

    lines: list[bytes]
    tally: Tally
    read: int
    """Bytes of the rollouts file that the chunk is made of."""


def read_chunks(path: str | Path, skip: int = 0, size: int = CHUNK) -> Iterator[list[Line]]:
    """The lines of a file that are not blank, in chunks; `skip` rows from the start are left out."""
    with Path(path).open("rb") as file:
        rows = ((number, text) for number, text in enumerate(file, 1) if not text.isspace())
        lines = (Line(number, place, text) for place, (number, text) in enumerate(rows) if place >= skip)
        while chunk := list(itertools.islice(lines, size)):
            yield chunk


def score_chunk(job: Job, chunk: list[Line], path: str) -> Scored:
    lines, tally = score_lines(job, chunk, path)
    return Scored(lines, tally, sum(len(line.text) for line in chunk))


def run_local(job: Job, path: str, chunks: Iterable[list[Line]]) -> Iterator[Scored]:
    """In this process."""
    for chunk in chunks:
        yield score_chunk(job, chunk, path)


def run_processes(spec: Spec, path: str, chunks: Iterable[list[Line]], workers: int) -> Iterator[Scored]:
    """In several processes, each with the tools, tasks and store open; at most two chunks a worker are under way."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _open_in_worker, (spec,)) as pool:
        under_way: deque[Future[Scored | str]] = deque()
        for chunk in chunks:
            under_way.append(pool.submit(_score_in_worker, chunk, path))
            if len(under_way) > 2 * workers:
                yield _result(under_way.popleft())
        while under_way:
            yield _result(under_way.popleft())


_JOB: list[Job] = []  # of a worker process


def _open_in_worker(spec: Spec) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    _JOB.append(open_job(spec))


def _score_in_worker(chunk: list[Line], path: str) -> Scored | str:
    """Wrong input comes back as its message: not every error survives the way between processes."""
    try:
        return score_chunk(_JOB[0], chunk, path)
    except InputError as error:
        return str(error)


def _result(future: Future[Scored | str]) -> Scored:
    found = future.result()
    if isinstance(found, str):
        raise InputError(found)
    return found
