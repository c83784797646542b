"""The axes along which tasks are hard: counted for a report, and drawn evenly from."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

from data_pipeline.paths import leaves
from data_pipeline.synthesis.grammar import spoken
from data_pipeline.synthesis.splits import composition
from data_pipeline.words import JsonObject, Task
from data_pipeline.words.tasks import asked_for


def fan_in(task: Task) -> int:
    """Most earlier steps that feed one step."""
    return max((len(step.depends_on) for step in task.reference), default=0)


def different_tools(task: Task) -> int:
    return len({step.name for step in task.reference})


def distractors(task: Task) -> int:
    """Tools offered that the reference does not need."""
    return len(set(task.tools) - {step.name for step in task.reference})


def uncalled_kind(task: Task) -> str:
    """Which right thing a task without calls has: to answer, or to ask for a value; "" where calls are needed."""
    if task.reference:
        return ""
    return "answer" if asked_for(task) is None else "ask"


def wording(task: Task) -> str:
    """The query with the task's values left out: equal for queries that differ in values only."""
    values = {spoken(value) for step in task.reference for _, value in leaves(step.arguments) if value is not None}
    values |= {spoken(task.answer)} if type(task.answer) in (str, int, float) else set()
    text = task.query
    for value in sorted(values, key=lambda value: (-len(value), value)):
        text = text.replace(value, "_")
    return text


def varied(tasks: Sequence[Task], most: int) -> tuple[Task, ...]:
    """The tasks without those whose wording `most` tasks before them had already."""
    met: Counter[str] = Counter()
    kept = []
    for task in tasks:
        text = wording(task)
        met[text] += 1
        if met[text] <= most:
            kept.append(task)
    return tuple(kept)


def evenly(tasks: Sequence[Task], total: int) -> tuple[Task, ...]:
    """`total` of the tasks, in their order: numbers of calls as even as there are tasks, in each of those the depths, in
    each of those the fan-ins, in each of those the compositions.
    """
    axes: tuple[Callable[[Task], Hashable], ...] = (
        lambda task: task.calls,
        lambda task: (task.chain_depth, uncalled_kind(task)),
        fan_in,
        composition,
    )
    chosen = set(_drawn(tasks, range(len(tasks)), total, axes))
    return tuple(task for place, task in enumerate(tasks) if place in chosen)


def _drawn(
    tasks: Sequence[Task], places: Sequence[int], total: int, axes: Sequence[Callable[[Task], Hashable]]
) -> list[int]:
    if not axes:
        return list(places[:total])
    groups: dict[Hashable, list[int]] = {}
    for place in places:
        groups.setdefault(axes[0](tasks[place]), []).append(place)
    found = []
    for group, share in zip(groups.values(), shares([len(group) for group in groups.values()], total), strict=True):
        found += _drawn(tasks, group, share, axes[1:])
    return found


def shares(sizes: Sequence[int], total: int) -> list[int]:
    """How many to take of groups of these sizes so that the numbers are as even as they can be."""
    found = [0] * len(sizes)
    left = min(total, sum(sizes))
    for done, place in enumerate(sorted(range(len(sizes)), key=lambda place: (sizes[place], place))):
        found[place] = min(sizes[place], left // (len(sizes) - done))
        left -= found[place]
    return found


def counts(tasks: Sequence[Task]) -> JsonObject:
    """Tasks by each axis, calls by tool, and how the queries vary."""
    texts = Counter(map(wording, tasks))
    calls = Counter(step.name for task in tasks for step in task.reference)
    return {
        "tasks": len(tasks),
        "splits": _counted(task.split for task in tasks),
        "calls": _counted(task.calls for task in tasks),
        "chain_depth": _counted(task.chain_depth for task in tasks),
        "fan_in": _counted(map(fan_in, tasks)),
        "different_tools": _counted(map(different_tools, tasks)),
        "distractors": _counted(distractors(task) for task in tasks if task.reference),
        "without_calls": _counted(kind for task in tasks if (kind := uncalled_kind(task))),
        "calls_and_depth": [[*pair, n] for pair, n in sorted(Counter((t.calls, t.chain_depth) for t in tasks).items())],
        "words_of_query": _counted(len(task.query.split()) for task in tasks),
        "wordings": {"different": len(texts), "most_common": max(texts.values(), default=0)},
        "tools": dict(sorted(calls.items())),
    }


def _counted(values: Iterable[str | int]) -> dict[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).items())}
