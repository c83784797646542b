"""One workflow's share of synthesis: draw, write, check, until there are enough tasks or nothing new comes.

A workflow has random states of its own, one an attempt, so its tasks depend on no other workflow and on no process.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment
from data_pipeline.store import ResponseStore, open_any
from data_pipeline.synthesis.distractors import Distractors
from data_pipeline.synthesis.index import StoreIndex
from data_pipeline.synthesis.regions import allowed_records
from data_pipeline.synthesis.sampling import Prepared, draw, prepare
from data_pipeline.synthesis.shapes import Range, shape_of, whole_text
from data_pipeline.synthesis.splits import Splits, held_out_tools, split_of_workflow
from data_pipeline.synthesis.tasks import Draft, draft_of, fed_arguments, refusal, task_of
from data_pipeline.synthesis.uncalled import answered_task, asking_task
from data_pipeline.synthesis.wordings import worded
from data_pipeline.synthesis.writers import Writer
from data_pipeline.words import Task, Tool, Workflow

MOST_REPEATS = 12
"""Draws in a row that gave what was drawn before, after which a workflow counts as exhausted."""


class SynthOptions(NamedTuple):
    calls: Range = Range(1, 6)
    """From 0 on: also tasks whose query holds the answer, from workflows of one call."""
    chain_depth: Range = Range(0, 6)
    fan_in: Range = Range(0, 6)
    per_workflow: int = 10
    attempts: int = 5
    """Attempts for each task that a workflow is asked for."""
    distractors: int = 4
    asks: int = 0
    """Tasks of each workflow from whose query a value is missing: the right thing is to ask for it."""
    splits: Splits = Splits()
    seed: int = 0
    wordings: Mapping[Workflow, tuple[str, ...]] = {}
    """Queries written by hand, for the workflows that have some."""

    def fits(self, workflow: Workflow) -> bool:
        """Whether a workflow's shape is as asked."""
        shape = shape_of(workflow)
        return (
            self.calls.holds(shape.calls)
            and self.chain_depth.holds(shape.chain_depth)
            and self.fan_in.holds(shape.fan_in)
        )


class Bench(NamedTuple):
    """What a process works with."""

    tools: dict[str, Tool]
    lookup: StoreIndex
    environment: Environment
    distractors: Distractors
    writer: Writer
    allowed: dict[tuple[Splits, str], frozenset[int] | None]
    """Records that each split may draw, filled as splits are met."""

    def may_draw(self, splits: Splits, split: str) -> frozenset[int] | None:
        if (splits, split) not in self.allowed:
            self.allowed[splits, split] = allowed_records(self.lookup, splits, split)
        return self.allowed[splits, split]

    def prepare(self, workflow: Workflow, splits: Splits, split: str) -> Prepared:
        """The workflow over the records that a split may draw and a query can say."""
        allowed, opaque = self.may_draw(splits, split), self.lookup.opaque
        fed = [fed_arguments(workflow, step) for step in range(len(workflow.tools))]

        def usable(step: int, number: int) -> bool:
            said = number not in opaque or all(path in fed[step] for path in opaque[number])
            return said and (allowed is None or number in allowed)

        everything = allowed is None and not opaque
        return prepare(workflow, self.lookup, None if everything else usable)


def bench_of(store: ResponseStore, tools: dict[str, Tool], writer: Writer) -> Bench:
    lookup = StoreIndex(store.records(), tools)
    return Bench(tools, lookup, Environment(tools, StoreBackend(store)), Distractors(tools), writer, {})


@dataclass(frozen=True)
class StoreBench:
    """Makes a bench over a store file: what a process of its own starts from."""

    store: Path
    tools: dict[str, Tool]
    writer: Writer

    def __call__(self) -> Bench:
        return bench_of(open_any(self.store, self.tools), self.tools, self.writer)


class Outcome(NamedTuple):
    """What one workflow gave."""

    tasks: tuple[Task, ...]
    attempts: int
    refused: Counter[str]
    """Attempts by the reason that they were refused for."""


def of_workflow(bench: Bench, workflow: Workflow, options: SynthOptions) -> Outcome:
    """The tasks of a workflow in the split that it belongs to."""
    split = split_of_workflow(workflow, options.splits, held_out_tools(bench.tools, options.splits))
    if split is None:
        return Outcome((), 0, Counter({"tools of two splits": 1}))
    found: dict[tuple[int, ...], list[Task]] = {}
    prepared: dict[str, Prepared] = {}
    refused: Counter[str] = Counter()
    repeats = attempts = 0
    for number in range(options.per_workflow * options.attempts):
        if len(found) == options.per_workflow or repeats == MOST_REPEATS:
            break
        attempts += 1
        name = whole_text(workflow)
        here = split or options.splits.of_text("row", f"{name}/{number}")
        if here not in prepared:
            prepared[here] = bench.prepare(workflow, options.splits, here)
        row = Row(f"{here}/{_digest(name)}/{number}", here, options, asks=len(found) < options.asks)
        chosen, made = _attempt(bench, prepared[here], row, random.Random(f"{options.seed}/synth/{name}/{number}"))
        if isinstance(made, str):
            refused[made] += 1
            if made == "nothing to draw":
                break
        elif chosen in found:
            refused["drawn before"] += 1
            repeats += 1
        else:
            found[chosen] = made
            repeats = 0
    return Outcome(tuple(task for tasks in found.values() for task in tasks), attempts, refused)


class Row(NamedTuple):
    """Which attempt it is."""

    name: str
    split: str
    options: SynthOptions
    asks: bool


def _attempt(
    bench: Bench, prepared: Prepared, row: Row, rng: random.Random
) -> tuple[tuple[int, ...], list[Task] | str]:
    """(records drawn, the task with those made beside it, or why there is none)."""
    chosen = draw(prepared, bench.lookup, rng)
    if chosen is None:
        return (), "nothing to draw"
    draft = draft_of(prepared.workflow, bench.lookup, chosen)
    made = checked(bench, draft, row, rng)
    return chosen, made if isinstance(made, str) else [made, *_beside(bench, draft, made, row, rng)]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def checked(bench: Bench, draft: Draft, row: Row, rng: random.Random) -> Task | str:
    """The task of drawn records, or the check that it failed."""
    own = row.options.wordings.get(draft.workflow)
    query = worded(own, draft.calls, rng) if own else bench.writer.write(draft.workflow, draft.calls, rng)
    if query is None:
        return "not written"
    offered = bench.distractors.offer(draft.workflow.tools, row.options.distractors, rng)
    task = task_of(draft, f"synth/{row.name}", query, offered, row.split)
    return refusal(task, bench.environment, bench.tools) or task


def _beside(bench: Bench, draft: Draft, task: Task, row: Row, rng: random.Random) -> Iterator[Task]:
    """Tasks without calls that are made from the same draft, as asked."""
    if row.options.calls.holds(0) and task.calls == 1:
        answered = answered_task(draft, bench.writer, f"synth/{row.name}/answered", task.tools, row.split, rng)
        if answered is not None:
            yield answered
    if row.asks:
        asking = asking_task(draft, bench.writer, f"synth/{row.name}/ask", task.tools, row.split, rng)
        if asking is not None:
            yield asking
