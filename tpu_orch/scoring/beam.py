"""Scoring on Apache Beam (extra `beam`): the same function on pieces of the file, by whatever runner Beam has.

Every worker sees the input files and the folder of the output under the same paths, or they lie in buckets: inputs are
then fetched once to each worker's machine. A piece is read, scored and written by one worker into a file of its own
beside the output; when all are there they are joined in the order of the rollouts. A run that was cut off keeps what was
scored.
"""

import logging
from collections.abc import Iterable, Sequence

import apache_beam as beam
import orjson
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from etils.epath import Path as Place

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.runs.places import place_of, put_whole, require_reachable
from tpu_orch.scoring.job import Job, Spec, Tally, open_job, tally_of
from tpu_orch.scoring.output import job_identity
from tpu_orch.scoring.pieces import Piece, read_pieces, score_piece
from tpu_orch.scoring.places import near, near_spec

IN_PROCESS = "FnApiRunner"
"""Beam's runner inside this process: the default, for it fetches nothing and starts no service."""


def score_with_beam(spec: Spec, rollouts: str, out: str, options: Sequence[str]) -> Tally:
    """Scores a whole file; `options` are Beam's own, such as `--runner=DataflowRunner`.

    Raises `InputError` as `score_lines` does, `WorkFailed` where Beam fails.
    """
    open_job(near_spec(spec))  # wrong input is said before anything is written
    require_reachable(out)
    folder = _folder(place_of(out), job_identity(spec, rollouts))
    pieces = list(read_pieces(near(rollouts)))
    there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    missing = [piece for piece in pieces if _scores(folder, piece).name not in there]
    if missing:
        _run(spec, rollouts, folder, missing, _settings(options))
    refusals = sorted(folder.glob("*.refused"), key=_place)
    if refusals:
        raise InputError(refusals[0].read_text())
    tally = _joined(folder, pieces, place_of(out), spec.rewards)
    folder.parent.rmtree()
    return tally


def _folder(out: Place, identity: str) -> Place:
    """Where the pieces of this job are kept; those of any other job are forgotten."""
    whole = out.parent / f"{out.name}.pieces"
    folder = whole / identity[:16]
    if not folder.exists():
        if whole.exists():
            whole.rmtree()
        folder.mkdir(parents=True, exist_ok=True)
    for refusal in folder.glob("*.refused"):
        refusal.unlink()
    return folder


def _scores(folder: Place, piece: Piece) -> Place:
    return folder / f"{piece.place}.jsonl"


def _refusal(folder: Place, piece: Piece) -> Place:
    return folder / f"{piece.place}.refused"


def _place(path: Place) -> int:
    """Of the first rollout of a piece, from its file."""
    return int(path.name.split(".")[0])


def _settings(options: Sequence[str]) -> PipelineOptions:
    settings = PipelineOptions(list(options))
    if settings.view_as(StandardOptions).runner is None:
        settings.view_as(StandardOptions).runner = IN_PROCESS
    return settings


def _run(spec: Spec, rollouts: str, folder: Place, pieces: Sequence[Piece], settings: PipelineOptions) -> None:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    work = ScorePiece(spec, rollouts, str(folder))
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
        self._near = ""

    def setup(self) -> None:
        self._job, self._near = open_job(near_spec(self._spec)), near(self._path)

    def process(self, element: tuple[int, int, int, int]) -> None:
        assert self._job is not None  # Beam calls `setup` first
        piece, folder = Piece(*element), place_of(self._folder)
        try:
            scored = score_piece(self._job, self._near, piece)
        except InputError as error:
            put_whole(_refusal(folder, piece), str(error).encode())
        else:
            put_whole(_scores(folder, piece), scored.text)


def _joined(folder: Place, pieces: Iterable[Piece], out: Place, rewards: Sequence[str]) -> Tally:
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
            done = done.plus(tally_of(map(orjson.loads, text.splitlines()), rewards))
    whole.replace(out)
    return done
