"""`progress` by values: how much of the way to the answer the ok results of a rollout already cover, by whatever route.

`rewards.progress` measures the way in a typed graph of tools, from the keys of the answer; where the answer is a plain value and
every kind of thing leads to every other within a call or two, that says nothing. Here the way is the task's own: the values
that its reference finds, each needed for the next. A value that any ok result holds is reached, and with it everything that
only it needed.

    reference   a -> b -> answer                nothing held: 3 calls to go;  b held: 1;  the answer held: 0
    progress  = 1 - to go now / to go at the start

It knows the task's values, not only its answer, so it is a help that `tier` does not have; a shortcut to a later value counts in
full, a detour counts where it comes back to the reference.
"""

from collections.abc import Mapping

from data_pipeline.paths import get_path, leaves, parse_path
from data_pipeline.words import Json, Rollout, Task, Tool


def values_reached(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> float:
    """Progress in [0, 1]; 0 for a task that needs no call."""
    if not task.reference:
        return 0.0
    held = {
        value
        for step in rollout.steps
        if step.result is not None and step.result.ok
        for _, value in leaves(step.result.content)
        if not isinstance(value, list | dict)  # an empty one is a leaf
    }
    values = found_values(task)
    start = to_go(task, values, set())
    return (start - to_go(task, values, held)) / start


def to_go(task: Task, values: Mapping[int, Json], held: set[Json]) -> int:
    """Steps of the reference that still have to be made when these values are held."""
    needed: set[int] = set()
    waiting = [len(task.reference) - 1]
    while waiting:
        step = waiting.pop()
        if step not in needed and not (step in values and values[step] in held):
            needed.add(step)
            waiting.extend(task.reference[step].depends_on)
    return len(needed)


def found_values(task: Task) -> dict[int, Json]:
    """What each step of the reference finds, as far as bindings and the answer tell: plain values alone."""
    last = len(task.reference) - 1
    values = {last: task.answer} if task.has_answer else {}
    for step in task.reference:
        for binding in step.bindings:
            values.setdefault(binding.step, get_path(step.arguments, parse_path(binding.argument)))
    return {step: value for step, value in values.items() if isinstance(value, str | int | float)}
