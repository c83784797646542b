"""What a scoring run needs, and the function that every runner runs: lines of a rollouts file in, lines of scores out."""

import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import orjson

from data_pipeline.backends import PythonBackend, StoreBackend
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats import FormatError, read_tasks, read_tools
from data_pipeline.formats.rollouts import rollout_row_from_fields
from data_pipeline.formats.rows import Fields
from data_pipeline.jsontext import JsonError, read_json, write_json
from data_pipeline.store import open_any
from data_pipeline.words import JsonObject, ResultKind, Rollout, Task, Tool, ToolCall, ToolResult
from data_pipeline.words.json import Json
from rewards.progress import graph_of_tasks
from rewards.reward import Reward
from rewards.scoring import Options, Score, check_task, find_reward, total
from rewards.verdicts import Unscorable, Verdict
from tpu_orch.scoring.rollouts import resolved_rollout

OnMiss = Literal["zero", "neutral", "live"]


class Spec(NamedTuple):
    """A job by names and paths only, so that it travels to other processes and machines."""

    tools: str
    tasks: str
    store: str | None
    rewards: tuple[str, ...]
    weights: tuple[tuple[str, float], ...] | None = None
    on_miss: OnMiss = "zero"
    live: str | None = None
    """`module:name` of a mapping from tool names to Python functions, which answer what the store misses."""
    graph: str | None = None
    """A file of tasks whose bindings make the graph of tools that the component `progress` of `tier` goes by."""


class Job(NamedTuple):
    """A spec with everything read and opened."""

    tools: Mapping[str, Tool]
    tasks: Mapping[str, Task]
    environment: Environment | None
    """Answers the calls of rollouts that come without results."""
    live: PythonBackend | None
    rewards: tuple[Reward, ...]
    weights: Mapping[str, float] | None

    @property
    def plans_as_text(self) -> bool:
        """All rewards read plans themselves, and have who executes them."""
        return self.environment is not None and all(reward.reads_plans for reward in self.rewards)


class Line(NamedTuple):
    number: int
    """In the file, from 1."""
    place: int
    """Among the rollouts, from 0."""
    text: bytes


class Tally(NamedTuple):
    """What a run tells at its end."""

    rollouts: int = 0
    errors: int = 0
    first_error: str | None = None
    misses: int = 0
    """Calls that the store could not answer."""
    rewards: tuple[float, ...] = ()
    """Sum of each reward."""

    def plus(self, other: "Tally") -> "Tally":
        pairs = zip(self.rewards or (0.0,) * len(other.rewards), other.rewards, strict=True)
        return Tally(
            self.rollouts + other.rollouts,
            self.errors + other.errors,
            self.first_error or other.first_error,
            self.misses + other.misses,
            tuple(a + b for a, b in pairs) if other.rewards else self.rewards,
        )


def open_job(spec: Spec) -> Job:
    """Reads tools and tasks, opens the store. Raises `InputError`."""
    if spec.weights is not None and len(spec.rewards) > 1:
        raise InputError("--weights needs exactly one --reward; a mix is spelled --reward NAME=WEIGHT+NAME=WEIGHT")
    weights = None if spec.weights is None else dict(spec.weights)
    for name in spec.rewards:
        find_reward(name).weight_vector(weights)  # a wrong name is said before large files are read
    tools = read_tools(spec.tools)
    tasks = {task.id: task for task in read_tasks(spec.tasks)}
    live = _live_backend(spec)
    backend = None if spec.store is None else StoreBackend(open_any(spec.store, tools))
    environment = None if backend is None else Environment(tools, _Chain(backend, live) if live else backend)
    options = Options(
        on_miss="neutral" if spec.on_miss == "neutral" else "zero",
        graph=None if spec.graph is None else graph_of_tasks(read_tasks(spec.graph), tools),
        execute=None if environment is None else environment.backend.answer,
    )
    return Job(tools, tasks, environment, live, tuple(find_reward(name, options) for name in spec.rewards), weights)


def _live_backend(spec: Spec) -> PythonBackend | None:
    if spec.on_miss != "live":
        if spec.live is not None:
            raise InputError(f"--live {spec.live} answers only with --on-miss live, found --on-miss {spec.on_miss}")
        return None
    if spec.live is None:
        raise InputError("--on-miss live needs --live MODULE:NAME, a mapping from tool names to Python functions")
    module, _, name = spec.live.partition(":")
    if not all((*module.split("."), name)):
        raise InputError(f"--live {spec.live!r:.80}: expected MODULE:NAME")
    try:
        functions = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever the user's module raises
        raise InputError(f"--live {spec.live}: {type(error).__name__}: {error}") from None
    if not isinstance(functions, Mapping) or not all(map(callable, functions.values())):
        raise InputError(f"--live {spec.live} is no mapping from tool names to functions")
    return PythonBackend(functions)


class _Chain(NamedTuple):
    """A store, and who answers what it misses."""

    first: StoreBackend
    second: PythonBackend

    @property
    def checked(self) -> bool:
        return self.first.checked

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        result = self.first.answer(call, context)
        return self.second.answer(call, context) if result.kind is ResultKind.MISS else result


def score_lines(job: Job, lines: Sequence[Line], path: str) -> tuple[list[bytes], Tally]:
    """One line of scores for each line, in order, and what they add up to.

    A row that is no rollout gets a line with `error` and reward 0. Raises `InputError` where the whole run cannot go on:
    an unknown task, a task without the answer that the reward needs, calls without results and no store.
    """
    rollouts: list[Rollout] = []
    verdicts: list[tuple[Verdict, ...]] = []
    places: list[int] = []
    rows: dict[int, JsonObject] = {}
    for at, line in enumerate(lines):
        task_id = None
        try:
            fields = _fields(line, path)
            task_id = fields.values.get("task_id") if type(fields.values.get("task_id")) is str else None
            rollout, judged = _judge(job, fields, job.plans_as_text)
        except (FormatError, Unscorable) as error:
            rows[at] = _error_row(task_id, line.place, str(error), job)
            continue
        rollouts.append(rollout)
        verdicts.append(judged)
        places.append(at)
    scored = _scored_rows(job, rollouts, verdicts, [lines[at].place for at in places])
    rows.update(zip(places, scored, strict=True))
    ordered = [rows[at] for at in range(len(lines))]
    texts = []
    for at, row in enumerate(ordered):
        try:
            texts.append(orjson.dumps(row))
        except TypeError as error:  # a lone surrogate: UTF-8 has no word for it
            ordered[at] = _error_row(None, lines[at].place, f"its scores cannot be written: {error}", job)
            texts.append(orjson.dumps(ordered[at]))
    tally = tally_of(ordered, [reward.name for reward in job.rewards])
    if not all(map(math.isfinite, tally.rewards)):
        return [write_json(row) for row in ordered], tally  # says which number JSON has no word for
    return texts, tally


def judge_line(job: Job, line: Line, path: str, only: str) -> tuple[Rollout, Score] | None:
    """The rollout of a line and its score by the job's first reward; None if it is not of the task `only`, or no row at all.

    Raises `InputError` for a row of that task that cannot be scored.
    """
    try:
        fields = _fields(line, path)
    except FormatError:
        return None
    if fields.values.get("task_id") != only:
        return None
    try:
        rollout, verdicts = _judge(job, fields, plans_as_text=False)  # its calls are to be shown
    except Unscorable as error:
        raise InputError(f"{path}:{line.number}: {error}") from None
    (score,) = total([rollout], verdicts[:1], job.rewards[0], job.weights)
    return rollout, score


def _judge(job: Job, fields: Fields, plans_as_text: bool) -> tuple[Rollout, tuple[Verdict, ...]]:
    row = rollout_row_from_fields(fields)
    task = job.tasks.get(row.task_id)
    if task is None:
        raise InputError(f"{fields.path}:{fields.line}: unknown task {row.task_id!r:.80}; --tasks does not have it")
    for reward in job.rewards:
        check_task(task, reward, job.weights)
    rollout = resolved_rollout(row, task, job.environment, job.live, plans_as_text)
    return rollout, tuple(reward.judge(rollout, task, job.tools) for reward in job.rewards)


def _fields(line: Line, path: str) -> Fields:
    try:
        value = read_json(line.text.strip())
    except JsonError as error:
        raise FormatError(str(error), path, line.number) from None
    if type(value) is not dict:
        raise FormatError("expected a JSON object", path, line.number)
    return Fields(value, path, line.number)


def _scored_rows(
    job: Job, rollouts: Sequence[Rollout], verdicts: Sequence[tuple[Verdict, ...]], places: Sequence[int]
) -> list[JsonObject]:
    """The arithmetic, all rollouts at once."""
    scores: list[list[Score]] = [
        total(rollouts, [some[n] for some in verdicts], reward, job.weights) for n, reward in enumerate(job.rewards)
    ]
    rows = []
    for n, place in enumerate(places):
        row = scores[0][n].row(place)
        if len(scores) > 1:
            row["rewards"] = {
                reward.name: {"reward": some[n].reward, "components": dict(some[n].components)}
                for reward, some in zip(job.rewards, scores, strict=True)
            }
        rows.append(row)
    return rows


def _error_row(task_id: str | None, place: int, error: str, job: Job) -> JsonObject:
    row: dict[str, Json] = {
        "task_id": task_id,
        "index": place,
        "reward": 0.0,
        "components": {},
        "calls": [],
        "error": error,
    }
    if len(job.rewards) > 1:
        row["rewards"] = {reward.name: {"reward": 0.0, "components": {}} for reward in job.rewards}
    return row


def _reward_of(row: JsonObject, name: str) -> float:
    return row["rewards"][name]["reward"] if "rewards" in row else row["reward"]


def tally_of(rows: Iterable[JsonObject], names: Sequence[str]) -> Tally:
    """What rows of scores add up to."""
    rollouts = errors = misses = 0
    first_error = None
    sums = [0.0] * len(names)
    for row in rows:
        rollouts += 1
        if row["error"] is not None:
            errors += 1
            first_error = first_error or row["error"]
        for call in row["calls"]:
            misses += call["result"] == _MISS
        for place, name in enumerate(names):
            sums[place] += _reward_of(row, name)
    return Tally(rollouts, errors, first_error, misses, tuple(sums))


_MISS = ResultKind.MISS.value
