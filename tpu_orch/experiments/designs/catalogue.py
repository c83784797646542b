"""Every experiment by the name that people use."""

from collections.abc import Callable

from data_pipeline.errors import InputError
from tpu_orch.experiments.designs.ablation import ablation
from tpu_orch.experiments.designs.credit import credit
from tpu_orch.experiments.designs.depth import depth
from tpu_orch.experiments.designs.drift import drift
from tpu_orch.experiments.designs.holes import holes
from tpu_orch.experiments.designs.map import map_of_rewards
from tpu_orch.experiments.designs.synthesis import synthesis
from tpu_orch.experiments.frame import Experiment
from tpu_orch.experiments.tuning import SUFFIX, named_tuned

EXPERIMENTS: dict[str, Callable[[], Experiment]] = {
    "depth": depth,
    "map": map_of_rewards,
    "ablation": ablation,
    "credit": credit,
    "holes": holes,
    "drift": drift,
    "synthesis": synthesis,
}


def find_experiment(name: str) -> Experiment:
    """The experiment of that name. Raises InputError."""
    if name not in EXPERIMENTS:
        raise InputError(f"unknown experiment {name!r:.80}; there are {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]()


def experiment_of(name: str) -> Experiment:
    """The experiment that rows name; its learning rates may be chosen ones. Raises InputError."""
    found = find_experiment(name.removesuffix(SUFFIX))
    return named_tuned(found) if name.endswith(SUFFIX) else found
