"""Splits that hold out workflows, tools and entities, and the report of what leaked anyway."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.paths import leaves
from data_pipeline.synthesis.index import schema_at
from data_pipeline.synthesis.shapes import skeleton
from data_pipeline.words import JsonObject, Task, Tool, Workflow

HoldOut = Literal["workflow", "tool", "entity"]
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}.*|\d{1,2}:\d{2}.*")


class Splits(NamedTuple):
    """names and shares: of the splits, the first is for training. hold_out: what they must not share. seed: decides
    who goes where.
    """

    names: tuple[str, ...] = ("train",)
    shares: tuple[float, ...] = (1.0,)
    hold_out: tuple[HoldOut, ...] = ("workflow",)
    seed: int = 0

    def of_text(self, kind: str, text: str) -> str:
        """The split of anything that has a text: by its digest, so that it is the same in every process and every
        store.
        """
        draw = (
            int.from_bytes(hashlib.blake2b(f"{self.seed}/{kind}/{text}".encode(), digest_size=8).digest(), "big")
            / 2**64
        )
        total = sum(self.shares)
        for name, share in zip(self.names, self.shares, strict=True):
            draw -= share / total
            if draw < 0:
                return name
        return self.names[-1]


def parse_splits(text: str, hold_out: Sequence[HoldOut], seed: int) -> Splits:
    """Splits from `train=0.8,dev=0.1,test=0.1`. Raises InputError."""
    names, shares = [], []
    for part in text.split(","):
        name, _, share = part.partition("=")
        try:
            shares.append(float(share or 1.0))
        except ValueError:
            raise InputError(f"splits '{text}': '{part}' is no NAME=SHARE") from None
        names.append(name.strip())
    if len(set(names)) < len(names) or not all(names) or min(shares) <= 0:
        raise InputError(f"splits '{text}': names must differ and shares be above 0")
    return Splits(tuple(names), tuple(shares), tuple(hold_out), seed)


def held_out_tools(tools: Iterable[str], splits: Splits) -> dict[str, str]:
    """Tools that only one split other than the first may use; {} unless tools are held out."""
    if "tool" not in splits.hold_out:
        return {}
    places = {name: splits.of_text("tool", name) for name in tools}
    return {name: split for name, split in places.items() if split != splits.names[0]}


def split_of_workflow(workflow: Workflow, splits: Splits, reserved: Mapping[str, str]) -> str | None:
    """The split that a workflow belongs to; None where it needs tools of two splits."""
    wanted = {reserved[name] for name in workflow.tools if name in reserved}
    if len(wanted) > 1:
        return None
    if wanted:
        return wanted.pop()
    return splits.of_text("workflow", skeleton(workflow)) if "workflow" in splits.hold_out else ""


def entities(arguments: JsonObject, schema: JsonObject) -> list[str]:
    """Texts among the arguments that name something: no choice of an enum, no date, nothing of one or two letters."""
    found = []
    for path, value in leaves(arguments):
        inner = schema_at(schema, path)
        if type(value) is str and len(value) > 2 and "enum" not in inner and not _DATE.fullmatch(value):
            found.append(value)
    return found


class Leak(NamedTuple):
    what: str
    """workflow, tool, entity or query."""
    splits: tuple[str, str]
    shared: tuple[str, ...]


class LeakReport(NamedTuple):
    leaks: tuple[Leak, ...]

    @property
    def empty(self) -> bool:
        return not self.leaks

    def as_json(self) -> list[JsonObject]:
        return [
            {
                "what": leak.what,
                "splits": list(leak.splits),
                "shared": len(leak.shared),
                "examples": list(leak.shared[:5]),
            }
            for leak in self.leaks
        ]


def leak_report(tasks: Sequence[Task], tools: Mapping[str, Tool], splits: Splits) -> LeakReport:
    """What two splits share though it is held out. Queries are never shared; tools count where they are reserved for
    another split. Raises `InputError` for a task whose tool the catalogue lacks, where entities are held out.
    """
    seen: dict[str, dict[str, dict[str, None]]] = {}
    for task in tasks:
        for what, text in _traits(task, tools, splits.hold_out):
            seen.setdefault(what, {}).setdefault(task.split, {}).setdefault(text)
    leaks = []
    for what in sorted(seen):
        names = list(seen[what])
        for place, first in enumerate(names):
            for second in names[place + 1 :]:
                shared = tuple(text for text in seen[what][first] if text in seen[what][second])
                if shared:
                    leaks.append(Leak(what, (first, second), shared))
    return LeakReport((*leaks, *_tool_leaks(tasks, held_out_tools(tools, splits))))


def _traits(task: Task, tools: Mapping[str, Tool], hold_out: Sequence[HoldOut]) -> list[tuple[str, str]]:
    traits = [("query", task.query)]
    if "workflow" in hold_out and task.reference:
        traits.append(("workflow", composition(task)))
    if "entity" in hold_out:
        missing = [step.name for step in task.reference if step.name not in tools]
        if missing:
            raise InputError(f"task {task.id} calls the tool {missing[0]!r}, which is not in the catalogue of tools")
        traits += [
            ("entity", value)
            for step in task.reference
            for value in entities(step.arguments, tools[step.name].parameters)
        ]
    return traits


def composition(task: Task) -> str:
    """Which tool's result feeds which tool's argument in a task: the same text as the workflow's skeleton."""
    edges = sorted(f"{b.step}->{place}.{b.argument}" for place, s in enumerate(task.reference) for b in s.bindings)
    return " ".join(step.name for step in task.reference) + " | " + " ".join(edges)


def _tool_leaks(tasks: Iterable[Task], reserved: Mapping[str, str]) -> list[Leak]:
    """Held-out tools that a split other than their own uses."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for task in tasks:
        for step in task.reference:
            owner = reserved.get(step.name)
            if owner is not None and owner != task.split:
                found.setdefault((owner, task.split), {}).setdefault(step.name)
    return [Leak("tool", pair, tuple(names)) for pair, names in sorted(found.items())]
