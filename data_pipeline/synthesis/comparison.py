"""Constrained synthesis beside unconstrained sampling: accepted tasks per attempt and per second, by number of calls.

Both sides work on the same workflows, store, writer and checks; they differ in how records are drawn.
`unconstrained`: every step any record of its tool. `forward`: the released way, dependent steps looked up by what
their parents gave, a dead end is a failed attempt. What only fails the joins is refused before a query is written, on
every side, so the slower sides pay for nothing but their draws.
"""

import random
import time
from collections.abc import Sequence
from typing import NamedTuple

from data_pipeline.synthesis.sampling import draw, draw_forward, draw_unconstrained, holds
from data_pipeline.synthesis.shapes import shape_of
from data_pipeline.synthesis.tasks import draft_of, speakable
from data_pipeline.synthesis.work import Bench, Row, SynthOptions, checked
from data_pipeline.words import Workflow

SIDES = ("constrained", "forward", "unconstrained")


class Measured(NamedTuple):
    """One side on the workflows of one number of calls."""

    side: str
    calls: int
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


def measure(bench: Bench, workflows: Sequence[Workflow], side: str, seconds: float, seed: int) -> Measured:
    """Attempts over the workflows in turn, for so many seconds; preparing the joins is part of the time."""
    options = SynthOptions(seed=seed)
    prepared = {}
    attempts = accepted = 0
    start = time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds and workflows:
        workflow = workflows[attempts % len(workflows)]
        rng = random.Random(f"{seed}/bench/{attempts}")
        attempts += 1
        if side == "constrained":
            if workflow not in prepared:
                prepared[workflow] = bench.prepare(workflow, options.splits, "train")
            chosen = draw(prepared[workflow], bench.lookup, rng)
        else:
            chosen = (draw_forward if side == "forward" else draw_unconstrained)(workflow, bench.lookup, rng)
        accepted += chosen is not None and _accepted(bench, workflow, chosen, options, rng)
    return Measured(side, shape_of(workflows[0]).calls if workflows else 0, len(workflows), attempts, accepted, spent)


def _accepted(
    bench: Bench, workflow: Workflow, chosen: tuple[int, ...], options: SynthOptions, rng: random.Random
) -> bool:
    if not holds(workflow, bench.lookup, chosen):
        return False
    records = bench.lookup.records
    if not all(speakable(workflow, step, records[number].arguments) for step, number in enumerate(chosen)):
        return False
    draft = draft_of(workflow, bench.lookup, chosen)
    return not isinstance(checked(bench, draft, Row("bench", "train", options, False), rng), str)


def possible(bench: Bench, workflows: Sequence[Workflow], seed: int) -> list[Workflow]:
    """The workflows that the store can answer at all: one whole draw was found and passed the checks."""
    options = SynthOptions(seed=seed)
    found = []
    for workflow in workflows:
        prepared = bench.prepare(workflow, options.splits, "train")
        for number in range(20):
            rng = random.Random(f"{seed}/possible/{number}")
            chosen = draw(prepared, bench.lookup, rng)
            if chosen is not None and _accepted(bench, workflow, chosen, options, rng):
                found.append(workflow)
                break
    return found
