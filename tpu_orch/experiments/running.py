"""Runs the arms of an experiment and keeps a row of each; what is there, or is being made elsewhere, is not made again."""

import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import jax

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject
from tpu_orch.config import RunConfig, to_json, unset
from tpu_orch.experiments import measure, tuning
from tpu_orch.experiments.borrowing import borrowed, left_out, missing, settings
from tpu_orch.experiments.frame import Experiment, with_changes
from tpu_orch.experiments.plan import Trial, arm_config, start_config, test_config, trials
from tpu_orch.experiments.results import RESULTS, read_results, row_of, write_lines, write_results
from tpu_orch.experiments.sharing import Work, lock_of, share
from tpu_orch.pod.agreement import code_version
from tpu_orch.reports.messages import say
from tpu_orch.runs.folder import CHECKPOINTS, CONFIG, SUMMARY, open_run, run_config
from tpu_orch.runs.locks import claimed
from tpu_orch.trainer.run import MAY_DIFFER, train


class Stopped(Exception):
    """SIGTERM ended a run; the same command goes on."""


def run_experiment(
    experiment: Experiment,
    out: Path,
    seeds: Sequence[int],
    per_depth: int,
    tune: bool = False,
    others: Sequence[Experiment] = (),
) -> list[JsonObject] | None:
    """Every arm of every seed, and their rows; None if it was asked to stop before.

    Other processes may do the same at the same time: each arm is run by one of them.

    Args:
      out: the experiment's own folder.
      per_depth: tasks of each number of calls that finished arms are tested on.
      tune: choose each arm's learning rate first.
      others: experiments of whose rows those that say the same are taken over; their folders lie beside `out`.
    Raises:
      InputError: the folder holds the experiment with other settings.
      WorkFailed: a run failed.
    """
    whole, lock = settings(experiment, per_depth, tune), out / "settings.lock"
    with claimed(lock, wait=True), open_run(out, whole, defaults=left_out(experiment), tell=say):
        pass
    try:
        experiment = tuned(experiment, out) if tune else experiment
        with claimed(lock, wait=True):
            take_over(experiment, others, out, seeds, per_depth)
        return all_rows(experiment, out, seeds, per_depth)
    except Stopped:
        return None


def all_rows(experiment: Experiment, out: Path, seeds: Sequence[int], per_depth: int) -> list[JsonObject]:
    """The rows that are there and those that are made now, by this process or another. Raises Stopped."""
    whole = list(trials(experiment, seeds))
    to_do = missing(experiment, out, seeds)  # a broken line is better named before anything is run
    starts, began = Runs(), time.perf_counter()

    def how_far() -> str:
        left = len(missing(experiment, out, seeds))
        each = (time.perf_counter() - began) / max(1, len(to_do) - left)  # by whatever process
        return f"{len(whole) - left} of {len(whole)} done" + (f", {time_left(each * left)} left" if left else "")

    def work(number: int, trial: Trial, start: RunConfig) -> Work:
        name = f"{experiment.name} {number}/{len(whole)}"

        def do() -> None:
            say(f"{name}: seed {trial.seed}, arm {trial.arm.name}")
            row = made(experiment, out, trial, read_results(out / RESULTS), per_depth)
            keep(out, row, experiment)
            say(f"{name}: {told(row)}; {how_far()}")

        def has_row(arm: str) -> bool:
            return row_of(read_results(out / RESULTS), trial.seed, arm) is not None

        return Work(
            lock_of(trial.folder(out)),
            ready=lambda: starts.there(start) and (not trial.arm.as_long_as or has_row(trial.arm.as_long_as)),
            done=lambda: has_row(trial.arm.name),
            do=do,
        )

    works = []
    for number, trial in enumerate(whole, start=1):
        if trial not in to_do:
            continue
        start = start_config(experiment, out, trial.seed, trial.arm.start)
        works += [starts.work(start), work(number, trial, start)]
    share(works)
    return read_results(out / RESULTS)


def take_over(
    experiment: Experiment, others: Sequence[Experiment], out: Path, seeds: Sequence[int], per_depth: int
) -> None:
    """Adds the rows that other experiments have of what is still to be done."""
    for row in borrowed(experiment, others, out, missing(experiment, out, seeds), per_depth):
        say(f"{experiment.name}: seed {row['seed']}, arm {row['arm']}: taken over from {row['taken_from']}")
        keep(out, row, experiment)


def keep(out: Path, row: JsonObject, experiment: Experiment) -> None:
    """Adds a row to those that are there, unless its arm has one by now."""
    with claimed(out / "results.lock", wait=True):
        there = read_results(out / RESULTS)
        if row_of(there, row["seed"], row["arm"]) is None:
            write_results(out / RESULTS, [*there, row], [arm.name for arm in experiment.arms])


class Runs:
    """Runs that others depend on: made by one process, then checked by every other."""

    def __init__(self) -> None:
        self._checked: set[Path] = set()

    def work(self, config: RunConfig, tell: str = "", ready: Callable[[], bool] = lambda: True) -> Work:
        def do() -> None:
            if tell:
                say(tell)
            finished(config)
            self._checked.add(config.out)

        return Work(lock_of(config.out), ready, lambda: self.there(config), do)

    def there(self, config: RunConfig) -> bool:
        """Whether it is there, and is what was asked for."""
        return config.out in self._checked


def tuned(experiment: Experiment, out: Path) -> Experiment:
    """The experiment with a learning rate chosen for each arm that learns by reinforcement. Raises Stopped."""
    runs, works, tried = Runs(), [], tuning.read_tries(out)
    arms = tuning.untried(experiment, tried)
    for arm in arms:
        start = start_config(experiment, out, tuning.SEED, arm.start)
        works.append(runs.work(start))
        for rate, one in tuning.tries(experiment, out, arm).items():
            tell = f"{experiment.name}: learning rate {rate:g} for arm {arm.name}"
            works.append(runs.work(one, tell, partial(runs.there, start)))
    share(works)
    for arm in arms:
        ends = {rate: measure.curve(one.out, 0)[-1] for rate, one in tuning.tries(experiment, out, arm).items()}
        own = arm_config(experiment, out, Trial(tuning.SEED, arm)).trainer.learning_rate
        tried += tuning.tries_of(experiment, own, arm.name, ends)
    with claimed(out / "results.lock", wait=True):  # others write the same
        write_lines(out / tuning.TUNING, tried)
    for row in tried:
        if row["chosen"]:
            say(f"{experiment.name}: arm {row['arm']} learns at {row['learning_rate']:g}")
    return tuning.with_rates(experiment, tried)


def made(experiment: Experiment, out: Path, trial: Trial, rows: Sequence[JsonObject], per_depth: int) -> JsonObject:
    """The row of an arm, its runs made first; its start is there."""
    began = time.perf_counter()
    start = start_config(experiment, out, trial.seed, trial.arm.start)
    arm = arm_config(experiment, out, trial)
    if trial.arm.as_long_as:
        arm = with_changes(arm, {"trainer.steps": 0, "warmup.steps": steps_for(arm, start, trial, rows)})
    if trial.arm.trains:
        finished(arm)
    tests, tried = {}, None
    for test in experiment.tests:
        config = test_config(experiment, out, trial, test, per_depth)
        finished(config)
        for name, stage in zip(test.columns, ("before", "after"), strict=False):
            tests[name] = measure.by_depth(*measure.evaluated(config.out, stage))
        summary = measure.read_summary(config.out)
        tried = tried or summary["eval"].get("try_out")
        shutil.rmtree(config.out / CHECKPOINTS, ignore_errors=True)
    return {
        "experiment": experiment.name,
        "seed": trial.seed,
        "arm": trial.arm.name,
        "updates": arm.trainer.steps if trial.arm.trains else 0,
        "supervised": arm.warmup.steps if trial.arm.trains else 0,
        "learning_rate": learning_rate(arm) if trial.arm.trains else None,
        "code": code_version(),
        "machine": summary["machine"],
        **learnt(experiment, trial, arm),
        "tests": tests,
        **({"pass_at": tried["pass_at"]} if tried else {}),
        "seconds": {
            **({} if not trial.arm.trains else measure.seconds_of(arm.out)),
            "start": measure.seconds_of(start.out)["total"],
            "this_sitting": round(time.perf_counter() - began, 2),
        },
    }


def learning_rate(arm: RunConfig) -> float:
    """That of the updates, or of the supervised steps of an arm that makes no updates."""
    return arm.trainer.learning_rate if arm.trainer.steps else arm.warmup.learning_rate


def learnt(experiment: Experiment, trial: Trial, arm: RunConfig) -> JsonObject:
    """How an arm developed."""
    if not trial.arm.trains:
        untrained: JsonObject = {"sampled": 0, "curve": []}
        if experiment.look_at_start is None or arm.weights is None:
            return untrained
        return {**untrained, "seen": experiment.look_at_start(arm.weights)}
    points = measure.curve(arm.out, arm.warmup.steps)
    found: JsonObject = {
        "sampled": points[-1]["sampled"] if points else 0,
        "curve": points,
        "informative": measure.informative(arm.out),
        "reached": measure.reached(points, experiment.deep, experiment.threshold) if arm.trainer.steps else None,
    }
    return found if experiment.look is None else {**found, "seen": experiment.look(arm.out)}


def steps_for(arm: RunConfig, start: RunConfig, trial: Trial, rows: Sequence[JsonObject]) -> int:
    """Supervised steps that take as long as the reinforcement learning of the arm that is named; decided once."""
    if (arm.out / CONFIG).exists():
        return run_config(arm.out).warmup.steps
    other = row_of(rows, trial.seed, trial.arm.as_long_as)
    assert other is not None  # it stands before this one in the plan
    a_step = measure.seconds_of(start.out)["sft"] / start.warmup.steps
    return max(1, round(other["seconds"]["rl"] / a_step))


def finished(config: RunConfig) -> None:
    """The run, made or gone on with, unless it is finished.

    Raises:
      Stopped: SIGTERM arrived. InputError: its folder holds a run of another configuration.
    """
    if (config.out / SUMMARY).exists():
        with open_run(config.out, to_json(config), defaults=unset(config), may_differ=MAY_DIFFER):
            return
    if config.weights is not None and not (config.weights / CHECKPOINTS).is_dir():
        raise InputError(f"{config.weights}: its checkpoints are gone; remove the folder, and it is made anew")
    summary = train(config)
    jax.clear_caches()  # programs of one run are never used by the next
    if summary is None:
        raise Stopped


def time_left(seconds: float) -> str:
    """About how long, for people."""
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} min" if minutes < 100 else f"about {minutes / 60:.1f} h"


def told(row: JsonObject) -> str:
    """One line on a finished arm."""
    by_depth = next(iter(row["tests"].values()))
    answers = " ".join(f"{figures['answer']:.2f}" for figures in by_depth.values())
    return f"answered rightly at {min(by_depth)} to {max(by_depth)} calls: {answers}"
