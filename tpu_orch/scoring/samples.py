"""Rollouts to measure scoring on: those of the goldens, whose scores are known, or good and bad ones of the built-in world."""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson

from data_pipeline.backends import StoreBackend
from data_pipeline.backends.protocol import Backend, refusal
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats import Recorded, write_responses, write_rollouts, write_tasks, write_tools
from data_pipeline.formats.rows import Fields, iter_rows, write_rows
from data_pipeline.sandbox import make_world, record_world, sandbox_tasks
from data_pipeline.store import Store
from data_pipeline.words import JsonObject, ResultKind, Rollout, ToolCall, ToolResult
from rewards.cheats import CHEATS, World, honest, perform, recorded_arguments
from tpu_orch.scoring.job import Spec
from tpu_orch.scoring.rewording import reworded

CALLS = ("graduated", "graduated-released", "binary", "toolrl")
"""Rewards that the goldens of chats are scored with."""
PLANS = ("tier", "outcome", "tier-released", "toolrl-released")
"""Rewards that the goldens of plans are scored with."""
COLUMNS = {"graduated-released": "total", "tier-released": "tier", "toolrl-released": "tool_rl"}
"""Where a golden holds the score that the released code gave."""


class Sample(NamedTuple):
    """A file of rollouts and what it takes to score it."""

    spec: Spec
    """With every reward that is to be measured on it."""
    rollouts: Path
    backend: Backend | None
    """Who answers in this process, where that is not the spec's store."""
    expected: Mapping[str, Sequence[float]]
    """Known scores of some rewards, one a rollout."""


def golden_samples(data: Path, folder: Path, count: int | None) -> list[Sample]:
    """The goldens under `data`, each file gone through until there are `count` rollouts; None: once.

    No two texts are the same: from the second time on they are reworded.

    Args:
      data: holds `goldens/`, `data/booking/` and `data/depthbench/`.
      folder: for the files that are made here.
    """
    chats, plans = data / "goldens/graduated_released.jsonl", data / "goldens/tier_released.jsonl"
    answers = data / "goldens/tier_responses.jsonl"
    for path in (chats, plans, answers):
        if not path.is_file():
            raise InputError(f"--data {data}: {path} is missing")
    told = ToldAnswers(answers)
    store = folder / "answers.jsonl"
    write_responses(store, told.recorded())
    return [
        _golden(data / "data/booking", chats, None, CALLS, folder / "chats.jsonl", count, None),
        _golden(data / "data/depthbench", plans, store, PLANS, folder / "plans.jsonl", count, told),
    ]


def _golden(
    suite: Path,
    goldens: Path,
    store: Path | None,
    rewards: tuple[str, ...],
    out: Path,
    count: int | None,
    backend: Backend | None,
) -> Sample:
    rows = [fields.values for fields in iter_rows(goldens)]
    places = range(len(rows) if count is None else count)
    bare = [{key: value for key, value in row.items() if key not in ("expected", "parts", "kind")} for row in rows]
    write_rows(out, (reworded(bare[place % len(rows)], place // len(rows)) for place in places))
    expected = {
        reward: [rows[place % len(rows)]["expected"][COLUMNS[reward]] for place in places]
        for reward in rewards
        if reward in COLUMNS
    }
    spec = Spec(str(suite / "tools.json"), str(suite / "tasks.jsonl"), None if store is None else str(store), rewards)
    return Sample(spec, out, backend, expected)


def write_repeated(path: Path, lines: Sequence[bytes], count: int) -> None:
    """Writes lines over and over until there are `count`."""
    with path.open("wb") as file:
        for begin in range(0, count, len(lines)):
            file.write(b"".join(lines[: count - begin]))


class ToldAnswers:
    """What the goldens' calls were answered, those that raised included: a backend."""

    checked = False

    def __init__(self, path: Path) -> None:
        self._known: dict[str, dict[bytes, ToolResult]] = {}  # by tool, and by arguments and context
        self._located: set[str] = set()  # tools whose answers hang on the context
        self._rows = list(iter_rows(path))
        kinds = {"raises": ResultKind.RAISED, "unknown_tool": ResultKind.UNKNOWN_TOOL}
        for row in self._rows:
            said = row.take("status", str)
            kind = kinds.get(said) or ResultKind(said)
            call, context = _spelled(row)
            answers = self._known.setdefault(call.name, {})
            answers[_sorted(call.arguments) + _hidden(context)] = ToolResult(kind, row.values["response"])
            if context:
                self._located.add(call.name)

    def recorded(self) -> Iterator[Recorded]:
        """Those answers that a store can hold."""
        for row in self._rows:
            if row.values["status"] in ("ok", "error"):
                call, context = _spelled(row)
                ok = row.values["status"] == "ok"
                yield Recorded(call.name, call.arguments, row.values["response"], ok, context)

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        name, arguments = call
        answers, key = self._known.get(name, {}), _sorted(arguments)
        found = answers.get(key + _hidden(context)) if name in self._located else None
        found = found or answers.get(key)
        return found or refusal(ResultKind.MISS, f"no answer of {name} is known for these arguments")


def _sorted(value: JsonObject) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _hidden(context: JsonObject | None) -> bytes:
    return _sorted(context) if context else b""


def _spelled(row: Fields) -> tuple[ToolCall, JsonObject | None]:
    return ToolCall(row.take("name", str), row.take("arguments", dict)), row.take("context", dict, None)


def made_samples(folder: Path, count: int, seed: int) -> list[Sample]:
    """Rollouts of the built-in world's tasks: the honest one and every cheat in turn."""
    world = make_world(seed)
    tasks = sandbox_tasks(world, "train", (1, 2, 3, 4, 5, 6), 25, seed)
    record_world(world, folder / "world.store", tasks)
    write_tools(folder / "tools.json", world.tools)
    write_tasks(folder / "tasks.jsonl", tasks)
    store = Store.open(folder / "world.store")
    known = World(
        tasks, world.tools, Environment(world.tools, StoreBackend(store)), recorded_arguments(store.records())
    )
    write_rollouts(folder / "rollouts.jsonl", islice(_played(known, seed), count))
    tools, tasks_path, answers = (str(folder / name) for name in ("tools.json", "tasks.jsonl", "world.store"))
    spec = Spec(tools, tasks_path, answers, tuple(sorted(CALLS + PLANS)))
    return [Sample(spec, folder / "rollouts.jsonl", None, {})]


def _played(world: World, seed: int) -> Iterator[Rollout]:
    """Without end."""
    rng = random.Random(seed)
    while True:
        for task in world.tasks:
            for cheat in (honest, *CHEATS.values()):
                play = cheat(task, world, rng)
                if play is not None:
                    yield perform(task, play, world.environment)
