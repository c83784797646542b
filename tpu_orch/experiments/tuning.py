"""A learning rate for each arm, chosen with the same small budget for all: a third of the updates at each of a few rates.

On a seed of its own and the dev split, so that nothing that is compared later was looked at. Supervised arms keep their rate.
What was tried is kept in tuning.jsonl, a row for each try.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.words import JsonObject
from tpu_orch.config import RunConfig
from tpu_orch.experiments.frame import Arm, Experiment, with_changes
from tpu_orch.experiments.measure import deep_answer
from tpu_orch.experiments.plan import Trial, arm_config

TUNING = "tuning.jsonl"
SUFFIX = "-tuned"
"""Of the name, and so of the folder, of an experiment whose learning rates are chosen."""
SEED = 1000
FACTORS = (0.5, 1.0, 2.0)
"""Times the experiment's own learning rate."""
SHARE = 3
TASKS = 100
"""Of each number of calls, that a try is judged by."""


def named_tuned(experiment: Experiment) -> Experiment:
    """The same under the name that it has where learning rates are chosen: it lies beside the one without, and shares rows."""
    return experiment._replace(name=experiment.name + SUFFIX)


def tunable(experiment: Experiment) -> list[Arm]:
    """The arms that learn by reinforcement."""
    return [arm for arm in experiment.arms if arm.trains and not arm.as_long_as]


def untried(experiment: Experiment, tried: Sequence[JsonObject]) -> list[Arm]:
    """Those of them whose learning rate is still to be chosen."""
    known = {row["arm"] for row in tried}
    return [arm for arm in tunable(experiment) if arm.name not in known]


def tries(experiment: Experiment, out: Path, arm: Arm) -> dict[float, RunConfig]:
    """Learning rate -> the run that tries it."""
    steps = max(1, experiment.common.trainer.steps // SHARE)
    made = {}
    for factor in FACTORS:
        whole = arm_config(experiment, out, Trial(SEED, arm))
        rate = float(f"{factor * whole.trainer.learning_rate:.3g}")
        made[rate] = with_changes(
            whole,
            {
                "out": out / "tuning" / f"arm-{arm.name}" / f"rate-{rate:g}",
                "trainer.learning_rate": rate,
                "trainer.steps": steps,
                "eval.every": 0,
                "eval.per_depth": TASKS,
            },
        )
    return made


def best_rate(experiment: Experiment, own: float, ends: dict[float, JsonObject]) -> float:
    """The arm's own rate, unless others are better over the deep numbers of calls by more than a standard error: then their best.

    Of equals the one that is better over all numbers of calls. Tries are short; without the margin, which of two rates that do
    alike is taken would be chance (the rule of one standard error; Breiman et al., Classification and Regression Trees, 1984).

    Args:
      own: the learning rate that the arm has otherwise.
      ends: learning rate -> the last point of its curve.
    """
    deep = {rate: deep_answer(end, experiment.deep) for rate, end in ends.items()}
    usual = min(ends, key=lambda rate: max(rate / own, own / rate))

    def beats(rate: float) -> bool:
        variance = sum(deep[one] * (1 - deep[one]) for one in (rate, usual)) / (TASKS * len(experiment.deep))
        return deep[rate] - deep[usual] > math.sqrt(variance)

    def worth(rate: float) -> tuple[float, float]:
        answers: JsonObject = ends[rate]["answer"]
        return deep[rate], sum(answers.values()) / len(answers)

    return max(filter(beats, ends), key=worth, default=usual)


def tries_of(experiment: Experiment, own: float, arm: str, ends: dict[float, JsonObject]) -> list[JsonObject]:
    """A row for each try of an arm, one of them chosen.

    Args:
      own: the learning rate that the arm has otherwise.
      ends: learning rate -> the last point of its curve.
    """
    best = best_rate(experiment, own, ends)
    return [
        {
            "arm": arm,
            "learning_rate": rate,
            "updates": end["updates"],
            "sampled": end["sampled"],
            "tasks": TASKS,
            "deep": deep_answer(end, experiment.deep),
            "answer": end["answer"],
            "chosen": rate == best,
        }
        for rate, end in ends.items()
    ]


def read_tries(out: Path) -> list[JsonObject]:
    """The tries that an experiment's folder keeps; none where nothing was tuned. Raises InputError."""
    path = out / TUNING
    try:
        return [read_json(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    except JsonError as error:
        raise InputError(f"{path}: not JSON ({error}); delete it, and the same command makes it anew") from None


def with_rates(experiment: Experiment, tried: Sequence[JsonObject]) -> Experiment:
    """The experiment with the learning rate that was chosen, for each arm that has one among the tries."""
    rates = {row["arm"]: row["learning_rate"] for row in tried if row["chosen"]}
    arms = [
        arm._replace(change={**arm.change, "trainer.learning_rate": rates[arm.name]}) if arm.name in rates else arm
        for arm in experiment.arms
    ]
    return experiment._replace(arms=arms)
