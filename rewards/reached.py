"""`progress` by values: how much of the way to the answer the ok results of a rollout already cover, by whatever route.

`rewards.progress` measures the way in a typed graph of tools, from the keys of the answer; where the answer is a plain value and
every kind of thing leads to every other within a call or two, that says nothing. Here the way is the task's own: the values
that its reference finds, each needed for the next. A value that any ok result holds is reached, and with it everything that
only it needed.

    reference   a -> b -> answer                nothing held: 3 calls to go;  b held: 1;  the answer held: 0
    progress  = 1 - to go now / to go at the start

It knows the task's values, not only its answer, so it is a help that `tier` does not have; a shortcut to a later value counts in
full, a detour counts where it comes back to the reference. Values are compared as typed JSON, whole or as parts of a result;
null, booleans and what is empty are everywhere and count as found nowhere. In plans the reference names its values by place,
so there the answer alone is known.
"""

from collections.abc import Iterator, Mapping

from data_pipeline.environment.references import is_reference
from data_pipeline.paths import PathError, get_path, parse_path
from data_pipeline.schemas.normal import canonical_bytes
from data_pipeline.words import Json, Rollout, Task, Tool


def values_reached(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> float:
    """Progress in [0, 1]; 1 where there is nothing to find: no call is needed, or no value of the way can be told."""
    found = found_values(task)
    values = {step: spelled(value) for step, value in found.items()}
    start, end = to_go(task, values, set()), to_go(task, values, set(values.values()))
    if start == end:
        return 1.0
    ok = [step.result.content for step in rollout.steps if step.result is not None and step.result.ok]
    kinds = set(map(type, found.values()))
    held = {spelled(part) for content in ok for part in parts(content) if type(part) in kinds}
    return (start - to_go(task, values, held)) / (start - end)


def to_go(task: Task, values: Mapping[int, bytes], held: set[bytes]) -> int:
    """Steps of the reference that still have to be made when these values are held."""
    needed: set[int] = set()
    waiting = [len(task.reference) - 1] if task.reference else []
    while waiting:
        step = waiting.pop()
        if step not in needed and not (step in values and values[step] in held):
            needed.add(step)
            waiting.extend(task.reference[step].depends_on)
    return len(needed)


def found_values(task: Task) -> dict[int, Json]:
    """What each step of the reference finds, as far as bindings and the answer tell it."""
    last = len(task.reference) - 1
    values: dict[int, Json] = {last: task.answer} if task.has_answer else {}
    for step in task.reference:
        for binding in step.bindings:
            try:
                found = get_path(step.arguments, parse_path(binding.argument))
            except PathError:
                continue
            values.setdefault(binding.step, found)
    return {step: value for step, value in values.items() if _says_something(value)}


def parts(value: Json) -> Iterator[Json]:
    """A value and everything inside it."""
    yield value
    inside = value.values() if type(value) is dict else value if type(value) is list else ()
    for part in inside:
        yield from parts(part)


def spelled(value: Json) -> bytes:
    """Equal for equal values of equal types."""
    return canonical_bytes(value, None)


def _says_something(value: Json) -> bool:
    return not isinstance(value, bool) and value not in (None, "", [], {}) and not is_reference(value)
