"""A user's own reward: one Python function, named `module:function` by the user on the command line, never by data.

    def brevity(rollout, task, tools):            # data_pipeline.words: Rollout, Task, {name: Tool}
        return 1.0 if len(rollout.steps) <= task.calls else 0.5
The function returns a number in [0, 1]. With an attribute `weights` (component -> default weight) it returns a mapping
of those components instead, and the reward is their weighted mean.
"""

import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.named_modules import import_named
from data_pipeline.words import Rollout, Task, Tool
from rewards.reward import Reward
from rewards.verdicts import Unscorable, Verdict, plain_calls

WHOLE = "reward"
"""The one component of a function that returns a number."""


def load_reward(spec: str) -> Reward:
    """The reward that `module:function` names; imports the module. Raises `InputError`."""
    module_name, _, function_name = spec.partition(":")
    if not all((*module_name.split("."), function_name)):
        raise InputError(f"reward {spec!r:.80}: expected module:function, such as my_rewards:brevity")
    module = import_named(module_name, f"reward {spec}")
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(f"reward {spec}: {module_name} has no function {function_name!r}")
    return wrap_function(spec, function)


def wrap_function(name: str, function: Callable[[Rollout, Task, Mapping[str, Tool]], Any]) -> Reward:
    """The reward that a function computes. Raises `InputError` for weights that are none."""
    weights = _checked(name, getattr(function, "weights", {WHOLE: 1.0}))

    def judge(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Verdict:
        try:
            found = function(rollout, task, tools)
        except Exception as error:
            raise Unscorable(f"{name} raised {type(error).__name__}: {error!s:.200}{_place(error)}") from error
        values = found if isinstance(found, Mapping) else {WHOLE: found}
        if list(values) != list(weights):
            raise Unscorable(f"{name} returned {', '.join(map(str, values)):.200}; expected {', '.join(weights)}")
        for component, value in values.items():
            if not isinstance(value, int | float | np.number) or not 0 <= value <= 1 or math.isnan(value):
                raise Unscorable(f"{name} returned {value!r:.40} for {component}; expected a number in [0, 1]")
        return Verdict([float(value) for value in values.values()], partial(plain_calls, rollout))

    def batch(rows: Sequence[Sequence[float]]) -> np.ndarray:
        return np.array(rows, np.float64)

    def components(features: Any) -> tuple[Any, ...]:
        return tuple(features[:, k] for k in range(len(weights)))

    reward = Reward(name, "a function of the user's own", judge, batch, components, weights)
    reward.weight_vector(weights)
    return reward


def _checked(name: str, weights: Any) -> dict[str, float]:
    """The weights that a function carries; `Reward.weight_vector` says which numbers will do. Raises `InputError`."""
    if not isinstance(weights, Mapping) or not weights:
        raise InputError(
            f"reward {name}: its weights must be a mapping of components to numbers, found {weights!r:.60}"
        )
    for component, weight in weights.items():
        if not isinstance(component, str) or not isinstance(weight, int | float) or isinstance(weight, bool):
            raise InputError(
                f"reward {name}: the weight of {component!r:.40} must be a number of at least 0, found {weight!r:.40}"
            )
    return {component: float(weight) for component, weight in weights.items()}


def _place(error: Exception) -> str:
    """The line of code that raised it, in brackets; "" where the call itself is wrong."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
