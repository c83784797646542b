"""Options of `tpu-orch eval`, with their groups: the task files, the public suites, the endpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.words import Task
from tpu_orch.cli.inputs import World, open_world
from tpu_orch.cli.outputs import files_of
from tpu_orch.evaluation.asking import Item
from tpu_orch.evaluation.endpoint import Endpoint
from tpu_orch.evaluation.prompting import Calling

_STORES = ("store.sqlite", "world.store", "responses.store", "responses.jsonl")


@dataclass(frozen=True)
class SuiteOptions:
    """Which tasks."""

    suite: Literal["booking", "depthbench", "sandbox", "bfcl", "nestful", "cfb"] | None = None
    """booking, depthbench, sandbox: a folder of this project's files under --data (or --tools, --store, --tasks); `tpu-orch
    world record` writes the sandbox's. bfcl, nestful, cfb: the benchmark's own published files under --data."""

    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """A suite's file or folder."""

    category: tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")]] = ()
    """bfcl: only these categories, such as live_simple; may be given several times."""

    bfcl_executor: Literal["own", "official"] = "own"
    """Who carries out bfcl's multi-turn calls: the simulated APIs of this project, or the installed package bfcl-eval."""

    @property
    def public(self) -> bool:
        return self.suite in ("bfcl", "nestful", "cfb")

    def items(self, options: "EndpointOptions", limit: int | None, seed: int) -> list[Item]:
        """Of a public suite. Raises InputError."""
        from tpu_orch.evaluation.sources import BenchmarkOptions, benchmark_items

        if self.suite is None or self.data is None:
            raise InputError(f"--suite {self.suite} needs --data: the benchmark's own file or folder")
        told = BenchmarkOptions(
            self.data,
            self.category,
            limit,
            options.calling,
            options.shots,
            seed,
            options.max_turns,
            self.bfcl_executor,
        )
        return benchmark_items(self.suite, told)


@dataclass(frozen=True)
class TaskFiles:
    """This project's files; with --suite and --data they are found in that folder."""

    tools: Annotated[Path | None, tyro.conf.arg(metavar="TOOLS.json")] = None
    """Catalogue of the tools."""

    store: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """What answers their calls: a store file, or a responses.jsonl."""

    tasks: Annotated[Path | None, tyro.conf.arg(metavar="TASKS.jsonl")] = None
    """The tasks."""

    split: str | None = None
    """Only tasks of this split."""

    limit: int | None = None
    """Only the first so many tasks, or entries of a public suite."""

    def found(self, suite: SuiteOptions) -> World:
        """Every path. Raises InputError for what is not given."""
        if suite.public:
            raise InputError(
                f"--suite {suite.suite} is asked of an --endpoint or a --model; `tpu-orch judge` takes its stored output"
            )
        folder = suite.data
        tools = self.tools or (folder / "tools.json" if folder else None)
        tasks = self.tasks or (folder / "tasks.jsonl" if folder else None)
        stores = [folder / name for name in _STORES if (folder / name).is_file()] if folder else []
        store = self.store or (stores[0] if stores else None)
        if tools is None or tasks is None or store is None:
            raise InputError("give --tools, --store and --tasks, or --data FOLDER that holds them")
        return World(tools, store, tasks, self.split, self.limit)

    def open(self, suite: SuiteOptions) -> tuple[Environment, list[Task]]:
        return open_world(self.found(suite))

    def paths(self, suite: SuiteOptions) -> list[Path]:
        """Every file that the tasks come from."""
        if suite.public:
            return sorted(path for path in files_of(suite.data) if path == suite.data or ".json" in path.name)
        found = self.found(suite)
        return [found.tools, found.store, found.tasks]


@dataclass(frozen=True)
class EndpointOptions:
    """A model behind an OpenAI-compatible address; how it is asked (from --calling to --max-tokens) also holds for --model
    on a public suite."""

    endpoint: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """Base address, such as http://localhost:8000/v1."""

    endpoint_model: str = ""
    """The model's name there."""

    calling: Calling = "tools"
    """Whether tools are offered by the API's field, or described in the text and called in the text."""

    shots: int = 0
    """Worked examples before each task, drawn from other tasks; 0 is zero-shot."""

    examples: Annotated[Path | None, tyro.conf.arg(metavar="TASKS.jsonl")] = None
    """Tasks that examples are drawn from. Default: the evaluated ones, each without itself."""

    samples: int = 1
    """Attempts at each task; pass@k and pass^k are told for k up to this."""

    max_turns: int = 16
    """Replies in one task, at most."""

    max_tokens: int = 2048
    """Of one reply."""

    concurrency: int = 8
    """Requests at once."""

    retries: int = 5
    """Further tries of a request that timed out, was refused for load, or was answered with nonsense."""

    timeout: float = 120.0
    """Seconds of one try."""

    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key, if one is needed."""

    def open(self, temperature: float) -> Endpoint:
        """Raises InputError for values that make no sense."""
        if not self.endpoint_model:
            raise InputError("--endpoint needs --endpoint-model NAME")
        self.check()
        assert self.endpoint is not None
        return Endpoint(
            self.endpoint,
            self.endpoint_model,
            temperature,
            self.max_tokens,
            self.timeout,
            self.retries,
            self.key_variable,
        ).checked()

    def check(self) -> None:
        """Raises InputError for numbers that make no sense."""
        if (
            min(self.samples, self.concurrency, self.max_turns, self.max_tokens) < 1
            or min(self.shots, self.retries) < 0
        ):
            raise InputError(
                "--samples, --concurrency, --max-turns, --max-tokens: 1 or more; --shots, --retries: 0 or more"
            )
        if self.timeout <= 0:
            raise InputError("--timeout must be above 0")


@dataclass(frozen=True)
class Args:
    """Evaluates a policy: share solved by the number of calls that a task needs, with intervals over workflows.

    Three kinds of policy. A run of yours: --model RUN. Stored output: --rollouts FILE alone. Any model behind an
    OpenAI-compatible address: --endpoint URL --endpoint-model NAME, zero-shot or with worked examples (--shots 3); the key is
    read from OPENAI_API_KEY. Tasks are this project's files, or a public benchmark's own, read with --suite and --data.
    An endpoint's run that was cut off goes on where it stopped.
    For example: tpu-orch eval --model runs/booking --tools tools.json --store runs/booking/store.sqlite --tasks tasks.jsonl
    --reward graduated; or: tpu-orch eval --suite bfcl --data BFCL --category multiple --endpoint http://localhost:8000/v1
    --endpoint-model qwen3 --attempts attempts.jsonl; or: tpu-orch eval --compare before.jsonl after.jsonl
    """

    world: tyro.conf.OmitArgPrefixes[TaskFiles]

    suite: tyro.conf.OmitArgPrefixes[SuiteOptions]

    endpoint: tyro.conf.OmitArgPrefixes[EndpointOptions]

    model: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Folder of the run that trained the policy."""

    reward: str | None = None
    """What a rollout earns. A task with an answer is solved when that is right, another when nothing of the reward is
    missing. Default: graduated for booking, else tier."""

    temperature: float = 0.0
    """0 means greedy."""

    context: int | None = None
    """With --model on a public suite: tokens that one conversation may hold. Default: as many as in the run."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="RESULT.json")] = None
    """Where the result is written as JSON."""

    rollouts: Annotated[Path | None, tyro.conf.arg(metavar="ROLLOUTS.jsonl")] = None
    """With --model or --endpoint: where what the policy did is written. Alone: the stored rollouts that are evaluated."""

    attempts: Annotated[Path | None, tyro.conf.arg(metavar="ATTEMPTS.jsonl")] = None
    """Where one line an attempt is written, which --compare reads."""

    chart: Annotated[Path | None, tyro.conf.arg(metavar="CHART.svg")] = None
    """Where a chart of the share solved by depth is drawn."""

    compare: Annotated[tuple[Path, Path] | None, tyro.conf.arg(metavar="FIRST.jsonl SECOND.jsonl")] = None
    """Compares two files of attempts, task by task, and evaluates nothing."""

    seed: int = 0
    """Of the draws of examples, of an endpoint's samples, and of a comparison's interval and test."""
