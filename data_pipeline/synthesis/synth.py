"""The whole of synthesis: workflows in, checked tasks out, the same for a seed however many processes work on it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from data_pipeline.synthesis.work import Bench, Outcome, SynthOptions, of_workflow
from data_pipeline.words import Task, Workflow


class Synthesised(NamedTuple):
    tasks: tuple[Task, ...]
    attempts: int
    refused: dict[str, int]
    """Attempts by the reason that they were refused for."""
    workflows: int
    """Workflows that gave at least one task."""


def synthesise(
    workflows: Sequence[Workflow],
    options: SynthOptions,
    make_bench: Callable[[], Bench],
    *,
    processes: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Synthesised:
    """Tasks of the workflows whose shape fits, in their order.

    make_bench: called once in each process (picklable for more than one). progress: told (workflows done, of how many).
    """
    fitting = [workflow for workflow in dict.fromkeys(workflows) if options.fits(workflow)]
    outcomes: list[Outcome] = []
    for outcome in _outcomes(fitting, options, make_bench, processes):
        outcomes.append(outcome)
        progress(len(outcomes), len(fitting))
    refused: Counter[str] = Counter()
    for outcome in outcomes:
        refused.update(outcome.refused)
    return Synthesised(
        _without_twins(task for outcome in outcomes for task in outcome.tasks),
        sum(outcome.attempts for outcome in outcomes),
        dict(sorted(refused.items())),
        sum(bool(outcome.tasks) for outcome in outcomes),
    )


def _outcomes(
    workflows: Sequence[Workflow], options: SynthOptions, make_bench: Callable[[], Bench], processes: int
) -> Iterable[Outcome]:
    if processes <= 1:
        bench = make_bench()
        yield from (of_workflow(bench, workflow, options) for workflow in workflows)
        return
    with ProcessPoolExecutor(processes, initializer=_open, initargs=(make_bench, options)) as pool:
        yield from pool.map(_work, workflows, chunksize=4)


def _without_twins(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Tasks with different queries: the first of equals stays."""
    different: dict[str, Task] = {}
    for task in tasks:
        different.setdefault(task.query, task)
    return tuple(different.values())


class _Process(NamedTuple):
    bench: Bench
    options: SynthOptions


_process: _Process | None = None  # of a worker process, set once when it starts


def _open(make_bench: Callable[[], Bench], options: SynthOptions) -> None:
    global _process
    _process = _Process(make_bench(), options)


def _work(workflow: Workflow) -> Outcome:
    if _process is None:
        raise RuntimeError("a worker was asked before it was opened")
    return of_workflow(_process.bench, workflow, _process.options)
