"""Who runs the scoring of pieces of a file: this process, or several, in the order of the file either way."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from tpu_orch.scoring.job import Job, Spec
from tpu_orch.scoring.pieces import Piece, Scored, score_piece
from tpu_orch.scoring.workers import run_in, started_workers


def run_local(job: Job, path: str, pieces: Iterable[Piece]) -> Iterator[Scored]:
    """In this process."""
    for piece in pieces:
        yield score_piece(job, path, piece)


def run_processes(spec: Spec, path: str, pieces: Iterable[Piece], workers: int) -> Iterator[Scored]:
    """In several processes, each with the tools, tasks and store open. Raises as `run_in` does."""
    left = iter(pieces)
    first = list(islice(left, workers))  # no more processes than pieces
    with started_workers(spec, path, len(first)) as started:
        yield from run_in(started, chain(first, left))
