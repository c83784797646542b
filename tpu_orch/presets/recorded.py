"""Tools and tasks that a user brings, with their real responses recorded: a folder of interchange files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data_pipeline.backends import StoreBackend
from data_pipeline.chat import SCAFFOLDING, Chat, Tokens
from data_pipeline.chat.shortening import Shortener
from data_pipeline.chat.template import JSON_PIECES
from data_pipeline.demonstrations import demonstrations
from data_pipeline.environment import Environment, replay
from data_pipeline.environment.shorten import kept_paths, shorten
from data_pipeline.errors import InputError
from data_pipeline.formats import iter_responses, read_tasks, read_tools
from data_pipeline.jsontext import write_json
from data_pipeline.parsing.hermes import render_call
from data_pipeline.paths import Path as JsonPath
from data_pipeline.recoverable import is_recoverable, recoverability
from data_pipeline.store import Store, alias_records, build_store
from data_pipeline.tokenizers import MARKS, load_tokenizer, train_sentencepiece
from data_pipeline.words import Rollout, Task
from rewards.scoring import find_reward, score
from tpu_orch.config import EvaluationOptions, ModelOptions, RunConfig, TrainerOptions, WarmupOptions
from tpu_orch.engine import EngineOptions
from tpu_orch.reports.messages import say
from tpu_orch.runs.folder import STORE, TOKENIZER
from tpu_orch.trainer.material import Material, task_digest

CHARACTERS_PER_TOKEN = 3  # a first guess, for the texts that the tokenizer itself is trained on


def booking() -> RunConfig:
    """`tpu-orch train booking --data DIR`: real travel tools, 467 recorded responses, tasks that can be solved from what is seen.

    Warm-up on demonstrations of the recoverable tasks that are short, stopped early, then GRPO on the same tasks with
    `graduated`, all demonstrations replayed beside it. What raises the reward is the replay: `--trainer.group 1` shows the same
    rise without any advantage. It shows that the loop works on real responses, not that GRPO helps here.
    """
    return RunConfig(
        preset="booking",
        out=Path("runs/booking"),
        reward="graduated",
        tokens=2048,
        schemas="names",
        result_limit=96,
        model=ModelOptions(layers=3, d_model=128, heads=4, kv_heads=1, head_dim=64, d_ff=256, rope_theta=1000.0),
        engine=EngineOptions(
            rows=32, capacity=768, chunk=64, visit_steps=64, max_new_tokens=200, max_turns=12, temperature=0.8
        ),
        warmup=WarmupOptions(steps=24, batch=8, learning_rate=6e-3),
        trainer=TrainerOptions(
            steps=12,
            prompts=18,
            group=4,
            objective="grpo",
            optimizer="muon",
            learning_rate=1e-3,
            rise=3,
            replay=18,
        ),
        eval=EvaluationOptions(per_depth=0),
    )


class Replayed(NamedTuple):
    """The tasks of a folder, sorted by what the recorded responses allow."""

    recorded: list[Task]
    """Every call of the reference has its response."""
    perfect: int
    """Of those, how many a replay of the reference brings to a reward of exactly 1.0."""
    recoverable: list[Task]
    """Of those, the ones whose every argument can be known from the query, the schema or an earlier result."""


def prepare(config: RunConfig, folder: Path) -> Material:
    """Builds the store, replays every recorded task, trains the tokenizer, demonstrates the recoverable tasks."""
    if config.data is None:
        raise InputError(f"preset {config.preset} needs --data DIR with tools.json, tasks.jsonl and responses.jsonl")
    tools = read_tools(config.data / "tools.json")
    tasks = read_tasks(config.data / "tasks.jsonl")
    store = folder / STORE
    if not store.exists():
        records = list(iter_responses(config.data / "responses.jsonl"))
        build_store(store, [*records, *alias_records(tasks, records, tools)], tools)
    opened = Store.open(store)
    environment = Environment(tools, StoreBackend(opened))
    replayed = replay_all(tasks, environment, config.reward)
    say(
        f"{len(tasks)} tasks: {len(replayed.recorded)} fully recorded, {replayed.perfect} of them replay to exactly 1.0, "
        f"{len(replayed.recoverable)} can be solved from what a policy sees"
    )
    keep = kept_paths(tasks)
    pieces = folder / TOKENIZER
    if not pieces.exists():
        texts = training_texts(replayed.recorded, environment, keep, config.result_limit * CHARACTERS_PER_TOKEN)
        marks, names = (*MARKS, *SCAFFOLDING), sorted(tools)
        train_sentencepiece(texts, vocab_size=config.tokens, marks=marks, pieces=(*JSON_PIECES, *names)).save(pieces)
    tokenizer = load_tokenizer(pieces)
    chat = Chat(tokenizer, schemas=config.schemas, shorten=Shortener(tokenizer, config.result_limit, keep))
    fitting, shown = fitting_demonstrations(replayed.recoverable, environment, chat, config)
    return Material(
        tools=tools,
        environment=environment,
        chat=chat,
        demonstrations=shown,
        train_tasks=fitting,
        eval_tasks=fitting,
        identity={"store": opened.content_hash, "tokenizer": tokenizer.identity, "tasks": task_digest(tasks)},
    )


def replay_all(tasks: Sequence[Task], environment: Environment, reward: str) -> Replayed:
    """Replays the reference of every task whose calls are all recorded."""
    recorded = [task for task in tasks if all(step.recorded for step in task.reference)]
    rollouts = [replay(task, environment) for task in recorded]
    scores = score(rollouts, {task.id: task for task in recorded}, environment.tools, find_reward(reward))
    perfect = sum(one.reward == 1.0 for one in scores)
    recoverable = [
        task for task, rollout in zip(recorded, rollouts, strict=True) if can_be_known(task, rollout, environment)
    ]
    return Replayed(recorded, perfect, recoverable)


def can_be_known(task: Task, rollout: Rollout, environment: Environment) -> bool:
    """Whether every argument of the reference can be known when it is needed."""
    return is_recoverable(recoverability(task, [step.result for step in rollout.steps], environment.tools))


def training_texts(
    tasks: Sequence[Task], environment: Environment, keep: Mapping[str, frozenset[JsonPath]], limit: int
) -> Iterator[str]:
    """Texts like those that a policy will read and write: queries, calls, and results of about the final length."""
    for task in tasks:
        yield task.query
        for step in replay(task, environment).steps:
            if step.call is not None and step.result is not None:
                yield render_call(step.call)
                content = shorten(step.result.content, limit, len, keep.get(step.call.name, frozenset()))
                yield write_json(content).decode()


def fitting_demonstrations(
    tasks: Sequence[Task], environment: Environment, chat: Chat, config: RunConfig
) -> tuple[list[Task], list[Tokens]]:
    """The tasks whose demonstration fits into the engine's capacity, and those demonstrations."""
    shown = [one.tokens for one in demonstrations(tasks, environment, chat)]
    room = config.engine.capacity
    fitting = [(task, tokens) for task, tokens in zip(tasks, shown, strict=True) if len(tokens.ids) < room]
    if len(fitting) < len(tasks):
        say(f"{len(tasks) - len(fitting)} of {len(tasks)} tasks left out: longer than engine.capacity {room} tokens")
    if not fitting:
        raise InputError(f"no task fits into engine.capacity {room}: raise it, or lower --result-limit")
    return [task for task, _ in fitting], [tokens for _, tokens in fitting]
