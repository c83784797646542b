"""Stretches of a rollouts file: where they stand, what they hold, what they score."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tpu_orch.scoring.collector import collector_paused
from tpu_orch.scoring.job import Job, Line, Tally, score_lines

CHUNK = 256
"""Rollouts that are judged, padded and totalled together."""
BLOCK = 1 << 18
"""Bytes read at once where lines are only counted."""


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
    with Path(path).open("rb", buffering=BLOCK) as file:
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
