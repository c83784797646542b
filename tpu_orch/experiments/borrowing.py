"""Rows that another experiment of the same folder has already: an arm that two of them compare is run once.

`ablation`, for one, compares arms that `depth` has too, and `depth` with chosen learning rates those whose rate is the usual one.
A row is taken over if everything that determines it is the same there: the start, the arm, its tests, and what is read off them;
for an arm that trains as long as another did, that other's seconds too.
"""

from collections.abc import Sequence
from pathlib import Path

from data_pipeline.jsontext import read_json, write_json_sorted
from data_pipeline.words import JsonObject
from tpu_orch.config import to_json, unset
from tpu_orch.experiments.frame import Experiment, with_changes
from tpu_orch.experiments.measure import reached
from tpu_orch.experiments.plan import Trial, arm_config, start_config, test_config, trials
from tpu_orch.experiments.results import RESULTS, read_results, row_of
from tpu_orch.runs.folder import CONFIG, completed


def settings(experiment: Experiment, per_depth: int, tune: bool) -> JsonObject:
    """What must stay the same in an experiment's folder. Seeds and arms may be added."""
    return {
        "experiment": experiment.name,
        "per_depth": per_depth,
        "tune": tune,
        "common": to_json(experiment.common),
        "tests": {test.name: dict(test.change) for test in experiment.tests},
    }


def left_out(experiment: Experiment) -> JsonObject:
    """What a field of the settings means that an older version did not write."""
    return {"common": unset(experiment.common)}


def missing(experiment: Experiment, out: Path, seeds: Sequence[int]) -> list[Trial]:
    """The trials that have no row yet."""
    rows = read_results(out / RESULTS)
    return [trial for trial in trials(experiment, seeds) if row_of(rows, trial.seed, trial.arm.name) is None]


def borrowed(
    experiment: Experiment, others: Sequence[Experiment], out: Path, wanted: Sequence[Trial], per_depth: int
) -> list[JsonObject]:
    """Rows of those of the wanted trials that another experiment has, each with the name of that one.

    Args:
      out: the experiment's own folder; the others' lie beside it.
    """
    beside = [other for other in others if other.name != experiment.name]
    offered = _offered(beside, out.parent, sorted({trial.seed for trial in wanted}), per_depth)
    if not offered:
        return []
    there = read_results(out / RESULTS)
    taken: list[JsonObject] = []
    for trial in wanted:
        row = offered.get(_key(experiment, trial, per_depth, [*there, *taken]))
        if row:
            taken.append(_renamed(row, experiment, trial.arm.name))
    return taken


def _offered(
    others: Sequence[Experiment], folder: Path, seeds: Sequence[int], per_depth: int
) -> dict[bytes, JsonObject]:
    """What determines a row -> the row, of every arm that an experiment of the folder has; the first of equals."""
    found: dict[bytes, JsonObject] = {}
    for other in others:
        if not _is_there(other, folder / other.name, per_depth):
            continue
        rows = read_results(folder / other.name / RESULTS)
        for trial in trials(other, seeds):
            row = row_of(rows, trial.seed, trial.arm.name)
            if row:
                found.setdefault(_key(other, trial, per_depth, rows), row)
    return found


def _renamed(row: JsonObject, experiment: Experiment, arm: str) -> JsonObject:
    """The row as this experiment's, read against its own threshold."""
    taken = {**row, "experiment": experiment.name, "arm": arm, "taken_from": row["experiment"]}
    if row.get("reached"):
        taken["reached"] = reached(row["curve"], experiment.deep, experiment.threshold)
    return taken


def _key(experiment: Experiment, trial: Trial, per_depth: int, rows: Sequence[JsonObject]) -> bytes:
    """Everything that a row depends on, whatever its experiment and its arm are called.

    Args:
      rows: the experiment's, that of the arm among them as long as which this one trains, if it is there yet.
    """
    named = row_of(rows, trial.seed, trial.arm.as_long_as)
    time = [named["seconds"]["rl"], named["machine"]] if named else experiment.name  # no other's
    out = Path(experiment.name)
    arm = arm_config(experiment, out, trial)
    tests = {test.name: test_config(experiment, out, trial, test, per_depth) for test in experiment.tests}
    place = {"out": Path("out"), "weights": Path("weights")}
    seen = experiment.look if trial.arm.trains else experiment.look_at_start
    start = start_config(experiment, out, trial.seed, trial.arm.start)
    return write_json_sorted(
        {
            "start": to_json(with_changes(start, {"out": Path("out")})),
            "arm": to_json(with_changes(arm, place)) if trial.arm.trains else None,
            "tests": {name: to_json(with_changes(test, place)) for name, test in tests.items()},
            "seen": seen.__qualname__ if seen else None,
            "as_long_as": time if trial.arm.as_long_as else None,
        }
    )


def _is_there(experiment: Experiment, folder: Path, per_depth: int) -> bool:
    """Whether the folder holds this experiment with these settings, learning rates not chosen."""
    if not (folder / CONFIG).exists() or not (folder / RESULTS).exists():
        return False
    stored = completed(read_json((folder / CONFIG).read_bytes()), left_out(experiment))
    return stored == settings(experiment, per_depth, tune=False)
