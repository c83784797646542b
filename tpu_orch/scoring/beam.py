"""Scoring on Apache Beam (extra `beam`): the same function on pieces of the file, by whatever runner Beam has.

Every worker needs the input files and the folder of the output under the same paths. A piece is read, scored and
written by one worker into a file of its own beside the output; when all are there they are joined in the order of the
rollouts. A run that was cut off keeps what was scored.
"""

import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import apache_beam as beam
import orjson
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.runs.files import write_whole
from tpu_orch.scoring.job import Job, Spec, Tally, open_job, tally_of
from tpu_orch.scoring.output import job_identity
from tpu_orch.scoring.runners import Piece, read_pieces, score_piece

IN_PROCESS = "FnApiRunner"
"""Beam's runner inside this process: the default, for it fetches nothing and starts no service."""


def score_with_beam(spec: Spec, rollouts: Path, out: Path, options: Sequence[str]) -> Tally:
    """Scores a whole file; `options` are Beam's own, such as `--runner=DataflowRunner`.

    Raises `InputError` as `score_lines` does, `WorkFailed` where Beam fails.
    """
    open_job(spec)  # wrong input is said before anything is written
    folder = _folder(out, job_identity(spec, rollouts))
    pieces = list(read_pieces(rollouts))
    missing = [piece for piece in pieces if not _scores(folder, piece).exists()]
    if missing:
        _run(spec, rollouts, folder, missing, _settings(options))
    for piece in pieces:
        if _refusal(folder, piece).exists():
            raise InputError(_refusal(folder, piece).read_text())
    tally = _joined(folder, pieces, out, spec.rewards)
    shutil.rmtree(folder.parent)
    return tally


def _folder(out: Path, identity: str) -> Path:
    """Where the pieces of this job are kept; those of any other job are forgotten."""
    whole = out.with_name(out.name + ".pieces")
    folder = whole / identity[:16]
    if not folder.exists():
        shutil.rmtree(whole, ignore_errors=True)
        folder.mkdir(parents=True)
    for refusal in folder.glob("*.refused"):
        refusal.unlink()
    return folder


def _scores(folder: Path, piece: Piece) -> Path:
    return folder / f"{piece.place}.jsonl"


def _refusal(folder: Path, piece: Piece) -> Path:
    return folder / f"{piece.place}.refused"


def _settings(options: Sequence[str]) -> PipelineOptions:
    settings = PipelineOptions(list(options))
    if settings.view_as(StandardOptions).runner is None:
        settings.view_as(StandardOptions).runner = IN_PROCESS
    return settings


def _run(spec: Spec, rollouts: Path, folder: Path, pieces: Sequence[Piece], settings: PipelineOptions) -> None:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    work = ScorePiece(spec, str(rollouts), str(folder))
    try:
        with beam.Pipeline(options=settings) as pipeline:
            _ = pipeline | beam.Create(map(tuple, pieces)) | beam.Reshuffle() | beam.ParDo(work)
    except Exception as error:  # each runner has its own
        said = str(error).strip().splitlines() or [""]
        raise WorkFailed(f"Beam: {type(error).__name__}: {said[0]:.300}") from error


class ScorePiece(beam.DoFn):
    """Scores one piece into a file of its own. Wrong input, which would only fail again, goes into another."""

    def __init__(self, spec: Spec, path: str, folder: str) -> None:
        self._spec, self._path, self._folder = spec, path, folder
        self._job: Job | None = None

    def setup(self) -> None:
        self._job = open_job(self._spec)

    def process(self, element: tuple[int, int, int, int]) -> None:
        assert self._job is not None  # Beam calls `setup` first
        piece, folder = Piece(*element), Path(self._folder)
        try:
            scored = score_piece(self._job, self._path, piece)
        except InputError as error:
            write_whole(_refusal(folder, piece), str(error).encode())
        else:
            write_whole(_scores(folder, piece), b"".join(line + b"\n" for line in scored.lines))


def _joined(folder: Path, pieces: Iterable[Piece], out: Path, rewards: Sequence[str]) -> Tally:
    """Writes the output from its pieces, in order."""
    done = Tally()
    whole = folder / "whole"
    with whole.open("wb") as file:
        for piece in pieces:
            try:
                text = _scores(folder, piece).read_bytes()
            except FileNotFoundError:
                raise WorkFailed(
                    "Beam left rollouts unscored; the same command scores those that are missing"
                ) from None
            file.write(text)
            for line in text.splitlines():
                done = done.plus(tally_of(orjson.loads(line), rewards))
    whole.replace(out)
    return done
