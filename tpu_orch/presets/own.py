"""A user's own model, tools, answers and tasks: `tpu-orch train own --model CKPT --tools T --store S --tasks X --reward R`."""

import hashlib
from functools import partial
from pathlib import Path

from data_pipeline.backends import Backend, PythonBackend, StoreBackend
from data_pipeline.backends.opening import load_functions
from data_pipeline.chat import Chat, Tokens
from data_pipeline.chat.shortening import Shortener
from data_pipeline.environment import Environment
from data_pipeline.environment.shorten import kept_paths
from data_pipeline.errors import InputError
from data_pipeline.formats import read_tasks, read_tools
from data_pipeline.named_modules import source_digest
from data_pipeline.store import open_any
from data_pipeline.words import Task, Tool
from rewards.scoring import check_task, find_reward
from tpu_orch.config import EvaluationOptions, LoraOptions, ModelOptions, RunConfig, TrainerOptions, WarmupOptions
from tpu_orch.engine import EngineOptions
from tpu_orch.presets.recorded import fitting_demonstrations, replay_all
from tpu_orch.reports.messages import say
from tpu_orch.trainer.material import Material, task_digest


def own() -> RunConfig:
    """`tpu-orch train own --model CKPT --tools T --store S --tasks X --reward R`: GRPO of your model on your tools.

    First the untrained model is sampled and evaluated (pass@k), which says whether reinforcement learning can start. All
    weights are trained, or adapters alone with --lora.rank 16 (at 20 times the learning rate); there is no warm-up unless
    --warmup.steps asks for replays of the references. The best of the evaluations is kept, and four without a better one end
    the run. The model's shape is its own: of the --model.* options, remat, attention and query-block count.

    A reward of yours is a function that returns a number from 0 to 1. With mine.py in the folder where the command is given,
    --reward mine:brief names `def brief(rollout, task, tools): return 1.0 if len(rollout.steps) <= task.calls else 0.5`.
    --store mine:TOOLS names functions that answer: a mapping of tools to callables, which take the arguments by name.
    """
    return RunConfig(
        preset="own",
        out=Path("runs/own"),
        schemas="full",
        result_limit=512,
        micro_tokens=8192,
        logits_chunk=512,
        model=ModelOptions(remat="block", attention="auto", query_block=256),
        lora=LoraOptions(rate=20.0),
        engine=EngineOptions(rows=64, capacity=4096, chunk=256, visit_steps=64, max_new_tokens=1024, max_turns=12),
        warmup=WarmupOptions(steps=0, batch=16, learning_rate=1e-5),
        trainer=TrainerOptions(steps=100, prompts=16, group=8, learning_rate=1e-6, replay=0),
        eval=EvaluationOptions(every=10, patience=4, samples=8),
    )


def prepare(config: RunConfig, folder: Path) -> Material:
    """Opens model, tools, answers and tasks; demonstrates what can be replayed if there is a warm-up."""
    from tpu_orch.trainer.build import computed_as
    from tpu_orch.weights import find_policy, load_policy, policy_chat, write_card

    source, tools_path, answers, tasks_path = asked(config)
    tools, tasks = read_tools(tools_path), read_tasks(tasks_path)
    if not tasks:
        raise InputError(f"{tasks_path}: no task in it")
    reward = find_reward(config.reward)
    for task in tasks:
        check_task(task, reward)
    adapters = config.lora.rank > 0
    kind = config.lora.dtype if adapters else "float32"
    policy = find_policy(source, param_dtype=kind, change=partial(computed_as, config))
    shorten = Shortener(policy.tokenizer, config.result_limit, kept_paths(tasks))
    chat = policy_chat(policy, schemas=config.schemas, shorten=shorten, options=config.chat)
    backend, identity = answering(answers, tools)
    environment = Environment(tools, backend)
    trained = [task for task in tasks if task.split in ("", "train")] or tasks
    held_out = [task for task in tasks if task.split not in ("", "train")]
    if not held_out or trained is tasks:
        say("no split of the tasks is held out: evaluations are of the training tasks themselves")
        held_out = list(trained)
    demonstrated: list[Tokens] = []
    if config.warmup.steps or config.trainer.replay:
        _, demonstrated = fitting_demonstrations(
            replay_all(trained, environment, config.reward).recorded, environment, chat, config
        )
    return Material(
        tools=tools,
        environment=environment,
        chat=chat,
        demonstrations=demonstrated,
        train_tasks=fitting(trained, chat, tools, config),
        eval_tasks=held_out,
        identity={"model": policy.identity, "store": identity, "tasks": task_digest(tasks)},
        model=policy.config,
        load=partial(load_policy, policy, tell=say),
        card=partial(write_card, policy, adapters),
    )


def asked(config: RunConfig) -> tuple[Path, Path, str, Path]:
    """Model, tools, answers and tasks. Raises InputError naming what is missing."""
    given = {"--model": config.weights, "--tools": config.tools, "--store": config.store, "--tasks": config.tasks}
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise InputError(f"preset own needs {', '.join(missing)}; tpu-orch train own --help says more")
    assert config.weights and config.tools and config.store and config.tasks
    return config.weights, config.tools, config.store, config.tasks


def answering(text: str, tools: dict[str, Tool]) -> tuple[Backend, str]:
    """What answers the calls, and its identity: functions as module:name, a store, or a file of recorded responses."""
    kind, _, rest = text.partition(":")
    if kind in ("store", "python") and rest and not Path(text).exists():  # as explore and store record spell backends
        text = rest
    if not Path(text).exists() and ":" in text:
        functions = load_functions(text)
        missing = [name for name in tools if name not in functions]
        if missing:
            names = ", ".join(missing[:5])
            say(f"warning: {text} has no function for {len(missing)} of {len(tools)} tools ({names:.200})")
        return PythonBackend(functions), f"{text} {source_digest(text)}"
    if not Path(text).exists():
        raise InputError(f"--store {text}: no such file; functions of yours are named as module:name")
    store = open_any(text, tools)
    return StoreBackend(store), hashlib.blake2b(Path(text).read_bytes(), digest_size=16).hexdigest()


def fitting(tasks: list[Task], chat: Chat, tools: dict[str, Tool], config: RunConfig) -> list[Task]:
    """The tasks whose prompt leaves room in the engine. Raises InputError if none does."""
    kept = [task for task in tasks if len(chat.prompt(task, tools)) < config.engine.capacity]
    if len(kept) < len(tasks):
        say(f"{len(tasks) - len(kept)} of {len(tasks)} tasks left out: prompts beyond engine.capacity")
    if not kept:
        raise InputError(f"no prompt fits into engine.capacity {config.engine.capacity}: raise it, or lower --schemas")
    return kept
