"""Worker processes that score pieces of a file, each at the far end of a pipe.

The parent only hands out pieces by where they stand and takes lines back, in one thread without locks: it must not compete
with its workers for their cores. They end with it, however it ends: their pipe closes.
"""

import multiprocessing
import selectors
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.scoring.job import Job, Spec, open_job
from tpu_orch.scoring.pieces import Piece, Scored, score_piece

AHEAD = 2
"""Pieces that a worker has: the one that it scores, and the next, so that it never waits."""
PATIENCE = 5.0
"""Seconds until a worker that has closed its pipe should have ended."""
SPREAD = 16
"""Pieces a worker that may be under way or wait for an earlier one."""


class Worker(NamedTuple):
    process: BaseProcess
    pipe: Connection
    places: deque[int]
    """Of the pieces that it has, in the order in which it answers."""


class Refused(NamedTuple):
    """What comes back for a piece that cannot be scored: not every error survives the way between processes."""

    error: type[InputError] | type[WorkFailed]
    message: str


@contextmanager
def started_workers(spec: Spec, path: str, number: int) -> Iterator[list[Worker]]:
    """Processes that score pieces of the file `path`; each opens the job when its first piece comes."""
    workers: list[Worker] = []
    resource_tracker.ensure_running()  # it lets signals through again when it starts
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: Ctrl-C is the parent's alone
    try:
        try:
            workers.extend(_start(spec, path) for _ in range(number))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        yield workers
    except BaseException:
        for worker in workers:
            worker.process.terminate()
        raise
    finally:
        for worker in workers:
            worker.pipe.close()
        for worker in workers:
            worker.process.join()


def _start(spec: Spec, path: str) -> Worker:
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    with far:
        process = context.Process(target=_work, args=(far, spec, path), daemon=True)
        process.start()
    return Worker(process, near, deque())


def _work(pipe: Connection, spec: Spec, path: str) -> None:
    """The life of a worker: until the parent's end of the pipe is closed."""
    job: Job | None = None
    while True:
        try:
            piece = pipe.recv()
        except (EOFError, OSError):
            return
        found: Scored | Refused
        try:
            job = open_job(spec) if job is None else job
            found = score_piece(job, path, piece)
        except InputError as error:
            found = Refused(InputError, str(error))
        except (WorkFailed, OSError) as error:
            found = Refused(WorkFailed, str(error))
        try:
            pipe.send(found)
        except OSError:
            return


def run_in(workers: Sequence[Worker], pieces: Iterable[Piece]) -> Iterator[Scored]:
    """The scores of the pieces, in order.

    Raises what scoring a piece raised, when its turn comes; `WorkFailed` where a worker is gone.
    """
    left = enumerate(pieces)
    done: dict[int, Scored | Refused] = {}
    turn = 0
    with selectors.DefaultSelector() as ready:
        for worker in workers:
            ready.register(worker.pipe, selectors.EVENT_READ, worker)
        while True:
            under_way = sum(len(worker.places) for worker in workers)
            under_way += _hand_out(workers, left, SPREAD * len(workers) - len(done) - under_way)
            if not under_way:
                return
            for key, _ in ready.select():
                found = _received(key.data)
                done[key.data.places.popleft()] = found
            while turn in done:
                yield _scored(done.pop(turn))
                turn += 1


def _hand_out(workers: Sequence[Worker], left: Iterator[tuple[int, Piece]], room: int) -> int:
    """Gives up to `room` pieces to workers that have too few, evenly; returns how many."""
    short = [worker for held in range(AHEAD) for worker in workers if len(worker.places) <= held]
    given = 0
    for worker, (place, piece) in zip(short[: max(room, 0)], left, strict=False):
        try:
            worker.pipe.send(piece)
        except OSError:
            raise _lost(worker) from None
        worker.places.append(place)
        given += 1
    return given


def _received(worker: Worker) -> Scored | Refused:
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        raise _lost(worker) from None


def _lost(worker: Worker) -> WorkFailed:
    worker.process.join(PATIENCE)
    code = worker.process.exitcode
    how = (
        "has closed its pipe" if code is None else f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    )
    return WorkFailed(f"a worker process {how} (out of memory?); what is scored is kept, the same command goes on")


def _scored(found: Scored | Refused) -> Scored:
    if isinstance(found, Refused):
        raise found.error(found.message)
    return found
