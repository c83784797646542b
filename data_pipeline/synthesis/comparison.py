"""Constrained synthesis beside other ways of drawing: accepted tasks per attempt and per second, by depth.

All sides use the same store, writer and checks, and refuse what does not join before a query is written. Those that
are told workflows get the same ones, each of the depth in question.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from data_pipeline.synthesis.baselines import Finder, draw_calls, draw_forward, draw_template
from data_pipeline.synthesis.sampling import Prepared, draw, holds
from data_pipeline.synthesis.shapes import shape_of
from data_pipeline.synthesis.tasks import draft_of, fed_arguments
from data_pipeline.synthesis.work import Bench, Row, SynthOptions, checked
from data_pipeline.words import Task, Workflow
from data_pipeline.workflows import EdgeType

SIDES = ("constrained", "forward", "template", "unconstrained")


class Measured(NamedTuple):
    """One side at one depth."""

    side: str
    depth: int
    workflows: int
    attempts: int
    accepted: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds if self.seconds else 0.0

    @property
    def per_attempt(self) -> float:
        return self.accepted / self.attempts if self.attempts else 0.0


class Contest(NamedTuple):
    """What the sides compete on: workflows of one chain depth over one store."""

    bench: Bench
    edges: tuple[EdgeType, ...]
    workflows: tuple[Workflow, ...]
    depth: int


def measure(contest: Contest, side: str, seconds: float, seed: int) -> Measured:
    """Attempts for so many seconds; what a side prepares is part of its time."""
    draw_one = drawer(contest, side)
    attempts = accepted = 0
    start = time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        rng = random.Random(f"{seed}/bench/{attempts}")
        workflow, chosen = draw_one(attempts, rng)
        attempts += 1
        accepted += chosen is not None and accepted_task(contest.bench, workflow, chosen, rng) is not None
    return Measured(side, contest.depth, len(contest.workflows), attempts, accepted, spent)


def drawer(contest: Contest, side: str) -> Callable[[int, random.Random], tuple[Workflow, tuple[int, ...] | None]]:
    """A side's one attempt: (workflow, records drawn for it or None)."""
    bench, workflows = contest.bench, contest.workflows
    prepared: dict[Workflow, Prepared] = {}
    finder = Finder(contest.edges, bench.lookup)

    def constrained(number: int, rng: random.Random) -> tuple[Workflow, tuple[int, ...] | None]:
        workflow = workflows[number % len(workflows)]
        if workflow not in prepared:
            prepared[workflow] = bench.prepare(workflow, SynthOptions().splits, "train")
        return workflow, draw(prepared[workflow], bench.lookup, rng)

    def forward(number: int, rng: random.Random) -> tuple[Workflow, tuple[int, ...] | None]:
        workflow = workflows[number % len(workflows)]
        return workflow, draw_forward(workflow, bench.lookup, rng)

    def template(number: int, rng: random.Random) -> tuple[Workflow, tuple[int, ...] | None]:
        workflow = workflows[number % len(workflows)]
        return workflow, draw_template(workflow, bench.lookup, rng)

    def unconstrained(number: int, rng: random.Random) -> tuple[Workflow, tuple[int, ...] | None]:
        chosen = draw_calls(bench.lookup, len(workflows[number % len(workflows)].tools), rng)
        workflow = finder.workflow(chosen)
        return workflow, chosen if shape_of(workflow).chain_depth == contest.depth else None

    return {"constrained": constrained, "forward": forward, "template": template, "unconstrained": unconstrained}[side]


def accepted_task(
    bench: Bench, workflow: Workflow, chosen: tuple[int, ...], rng: random.Random, row: Row | None = None
) -> Task | None:
    """The task of drawn records, None where it fails a check."""
    if not holds(workflow, bench.lookup, chosen):
        return None
    opaque = bench.lookup.opaque
    for step, number in enumerate(chosen):
        if number in opaque and not set(opaque[number]) <= fed_arguments(workflow, step):
            return None
    draft = draft_of(workflow, bench.lookup, chosen)
    made = checked(bench, draft, row or Row("bench", "train", SynthOptions(), False), rng)
    return None if isinstance(made, str) else made


def drawn_tasks(contest: Contest, side: str, split: str, *, most: int, attempts: int, seed: int) -> list[Task]:
    """The different tasks that a side gets accepted: at most so many, in at most so many attempts."""
    draw_one = drawer(contest, side)
    found: dict[str, Task] = {}
    for number in range(attempts):
        if len(found) == most:
            break
        rng = random.Random(f"{seed}/{side}/{contest.depth}/{number}")
        workflow, chosen = draw_one(number, rng)
        name = f"{split}/{side}/{seed}/{contest.depth}/{number}"
        row = Row(name, split, SynthOptions(), False)
        task = None if chosen is None else accepted_task(contest.bench, workflow, chosen, rng, row)
        if task is not None:
            found.setdefault(task.query, task)
    return list(found.values())


def answerable(bench: Bench, workflows: Iterable[Workflow], most: int, seed: int) -> list[Workflow]:
    """The first `most` workflows that the store can answer: one draw passed every check."""
    found: list[Workflow] = []
    for workflow in workflows:
        if len(found) == most:
            break
        prepared = bench.prepare(workflow, SynthOptions().splits, "train")
        for number in range(20):
            rng = random.Random(f"{seed}/answerable/{number}")
            chosen = draw(prepared, bench.lookup, rng)
            if chosen is None:
                break
            if accepted_task(bench, workflow, chosen, rng) is not None:
                found.append(workflow)
                break
    return found


def of_depth(workflows: Sequence[Workflow], depth: int) -> list[Workflow]:
    return [workflow for workflow in workflows if shape_of(workflow).chain_depth == depth]
