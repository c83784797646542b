"""A file of rows through a suite: one line out for each line in, gone on with after a cut."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.words import JsonObject
from tpu_orch.judging.suites import SUITES, Options
from tpu_orch.runs.files import stamp
from tpu_orch.runs.parts import alone, appended, whole_lines


class Tally(NamedTuple):
    rows: int = 0
    errors: int = 0
    first_error: str | None = None

    def plus(self, error: str | None) -> "Tally":
        return Tally(self.rows + 1, self.errors + (error is not None), self.first_error or error)


def judge_file(
    suite: str, source: Path, out: Path, options: Options, inputs: Sequence[Path], on_row: Callable[[], None]
) -> Tally:
    """Judges every row of `source` into `out`; what a cut-off run of the same job has judged is kept.

    Args:
      suite: one of `SUITES`.
      source: JSON Lines; blank lines are skipped.
      out: appears when all is judged.
      options: see `Options`.
      inputs: every file that the verdicts depend on; another state of them starts the job over.
      on_row: called after each row.

    Raises InputError while another process writes `out`.
    """
    stats = [stamp(path) for path in inputs]
    identity = hashlib.sha256(json.dumps([suite, options.fixed, stats]).encode()).hexdigest()
    tally = Tally()
    with alone(out):
        for line in whole_lines(out, identity):
            tally = tally.plus(json.loads(line).get("error") if b'"error"' in line else None)
            on_row()
        with appended(out) as file:
            for place, (number, text) in enumerate(_lines(source)):
                if place < tally.rows:
                    continue
                judged, error = judge_line(suite, number, text, options)
                file.write(judged + b"\n")
                tally = tally.plus(error)
                on_row()
    return tally


def _lines(source: Path) -> Iterator[tuple[int, bytes]]:
    with source.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.isspace():
                yield number, line


def written(row: JsonObject) -> bytes:
    """A row as a line; integers of more than 64 bits and halves of letters, which the quick writer refuses, as ASCII.

    Raises TypeError or ValueError for what is no JSON.
    """
    try:
        return orjson.dumps(row, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(row).encode()


def _unjudged(row: JsonObject) -> JsonObject:
    """The row without what an earlier run may have found wrong with it: `error` says so of this run alone."""
    return {name: value for name, value in row.items() if name not in ("error", "line")} if "error" in row else row


def judge_line(suite: str, number: int, text: bytes, options: Options) -> tuple[bytes, str | None]:
    """(the judged row as a line, None), or (the row with `error`, what was wrong with it)."""
    row: JsonObject = {}
    try:
        value = read_json(text.strip())
        if type(value) is not dict:
            raise InputError("expected a JSON object")
        row = _unjudged(value)
        return written(SUITES[suite](row, options)), None
    except (JsonError, InputError) as error:
        problem = str(error)
    except KeyError as error:
        problem = f"the field {error} is missing"
    except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError) as error:
        problem = f"is not in the form of this suite ({type(error).__name__}: {error})"
    problem = f"line {number}: {problem}".splitlines()[0][:300]
    return written({**row, "line": number, "error": problem}), problem
