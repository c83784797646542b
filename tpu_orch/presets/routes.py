"""The built-in world with shortcuts beside longer routes, its tools executed live: what experiments run on."""

import hashlib
import itertools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from data_pipeline.backends import PythonBackend, StoreBackend
from data_pipeline.backends.partly import PartlyRecorded
from data_pipeline.backends.protocol import Backend
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.sandbox import World, train_sandbox_tokenizer
from data_pipeline.sandbox.evolved import evolved_world
from data_pipeline.sandbox.routes import relations_with
from data_pipeline.tokenizers import Tokenizer, load_tokenizer
from data_pipeline.words import Task, Tool, ToolCall
from tpu_orch.config import EvaluationOptions, ModelOptions, RunConfig, TrainerOptions, WarmupOptions, WorldOptions
from tpu_orch.engine import EngineOptions
from tpu_orch.presets.drawing import (
    WORLD_SEED,
    Drawing,
    Showing,
    Wording,
    demonstrated,
    drawn,
    live_demonstrations,
    world_with,
)
from tpu_orch.runs.folder import STORE, TOKENIZER
from tpu_orch.trainer.material import Material, task_digest
from tpu_orch.weights.folder import open_weights
from tpu_orch.weights.kinds import checkpoint_digest

MOST_TOKENS = 160  # of a demonstration
EVALUATED_DEPTHS = (0, 1, 2, 3, 4, 5, 6)
SHOWN, TRAINED, HELD_OUT = range(3)


def routes() -> RunConfig:
    """`tpu-orch train routes`: tasks that routes of unequal length solve, the reference drawn at random among them.

    A task's number of calls is that of its shortest route; every valid route is answered, as tools are executed. Demonstrations
    show up to two calls, GRPO draws tasks of three to six, evaluation asks for zero to six. With `--model RUN` it starts from the
    weights of another run of this preset. `tpu-orch experiment` compares rewards on it.
    """
    return RunConfig(
        preset="routes",
        out=Path("runs/routes"),
        reward="tier",
        tokens=1536,
        world=WorldOptions(
            shown_depths=(0, 1, 2),
            shown_per_depth=6000,
            shown_timeouts=0.15,
            shown_mistakes=0.08,
            trained_depths=(3, 4, 5, 6),
            trained_per_depth=300,
        ),
        model=ModelOptions(layers=3, d_model=128, heads=4, kv_heads=2, head_dim=64, d_ff=256, previous_token_head=True),
        engine=EngineOptions(
            rows=128, capacity=256, chunk=32, visit_steps=32, max_new_tokens=120, max_turns=10, prompt_rows=16
        ),
        warmup=WarmupOptions(steps=1000, batch=24, learning_rate=6e-3),
        trainer=TrainerOptions(steps=24, prompts=8, group=16, optimizer="muon", learning_rate=1e-3, rise=3, replay=32),
        eval=EvaluationOptions(per_depth=100),
    )


def prepare(config: RunConfig, folder: Path) -> Material:
    """Draws tasks and demonstrations; trains the tokenizer, or takes that of the run whose weights it starts from."""
    world = world_with(config.world.shortcuts, config.world.entities)
    showing, training, testing = drawings(config)
    shown = [task for drawing in showing for task in drawn(drawing)]
    tools, environment, (shown, trained, held_out) = _answered(
        config, world, folder, shown, list(drawn(training)), list(drawn(testing))
    )
    tokenizer = tokenizer_of(config, world, folder)
    wording = Wording((folder / TOKENIZER).read_bytes(), config.schemas, config.result_limit, config.world.form)
    chat, asked = wording.chat(tokenizer), config.world
    longest = MOST_TOKENS if config.schemas == "none" else config.engine.capacity
    timeouts = 0.0 if asked.form == "plan" else asked.shown_timeouts  # there is one plan: no call is made again
    how = Showing(timeouts, asked.shown_mistakes, True, longest)
    if asked.openness == 1 and not asked.evolved:
        examples = live_demonstrations(showing, wording, how)
    else:
        examples = demonstrated(shown, world, environment, chat, how)
    return Material(
        tools=tools,
        environment=environment,
        chat=chat,
        demonstrations=examples,
        train_tasks=trained,
        eval_tasks=held_out,
        identity={
            "world": world_digest(asked.shortcuts, asked.entities) + asked.evolved,
            "tokenizer": tokenizer.identity,
            "tasks": task_digest([*shown, *trained, *held_out]),
            **weights_identity(config),
        },
        load=loader(config),
    )


def drawings(config: RunConfig) -> tuple[tuple[Drawing, ...], Drawing, Drawing]:
    """(what demonstrations show, what reinforcement learning draws from, what evaluations ask)"""
    asked = config.world

    def draw(purpose: int, split: str, depths: tuple[int, ...], per_depth: int, repeats: bool = False) -> Drawing:
        seed, plan = 3 * config.seed + purpose, asked.form == "plan"
        depths = tuple(depth for depth in depths if depth or not plan)  # a plan has nowhere to state an answer
        return Drawing(
            asked.shortcuts,
            asked.entities,
            split,
            depths,
            per_depth,
            seed,
            asked.longer,
            repeats,
            asked.distractors,
            plan,
        )

    training = draw(TRAINED, "train", asked.trained_depths, asked.trained_per_depth, asked.repeats)
    testing = draw(HELD_OUT, asked.evaluated, EVALUATED_DEPTHS, config.eval.per_depth)
    if not config.warmup.steps and not (config.trainer.steps and config.trainer.replay):
        return (), training, testing
    showing = [draw(SHOWN, "train", asked.shown_depths, asked.shown_per_depth)]
    if asked.shown_deeper:
        deeper = tuple(depth for depth in asked.trained_depths if depth not in asked.shown_depths)
        showing.append(draw(SHOWN, "train", deeper, asked.shown_deeper))
    return (*showing, *([training] if asked.shown_trained else [])), training, testing


def _answered(
    config: RunConfig, world: World, folder: Path, *lists: list[Task]
) -> tuple[Mapping[str, Tool], Environment, list[list[Task]]]:
    """Tools, who answers for them, and the tasks, as they are after the interface has evolved where it has."""
    asked = config.world
    if asked.evolved and asked.form == "plan":
        raise InputError("world.form plan: references do not follow an interface that evolved; leave world.evolved out")
    if not asked.evolved:
        # Demonstrations are among the references, so a closed world answers them as well.
        backend = recorded(PythonBackend(world.functions), asked.openness, [task for tasks in lists for task in tasks])
        return world.tools, Environment(world.tools, backend), list(lists)
    together = [task for tasks in lists for task in tasks]
    tools, changed, store = evolved_world(world, together, asked.evolved, folder / STORE)
    ends = list(itertools.accumulate((len(tasks) for tasks in lists), initial=0))
    parts = [changed[begin:end] for begin, end in itertools.pairwise(ends)]
    return tools, Environment(tools, StoreBackend(store)), parts


def recorded(live: Backend, openness: float, tasks: list[Task]) -> Backend:
    """The tools themselves, or what a store would know of them: a share of all calls and those of the tasks' references."""
    if not 0 <= openness <= 1:
        raise InputError(f"world.openness {openness}: give a share from 0 to 1")
    if openness == 1:
        return live
    return PartlyRecorded(live, openness, [ToolCall(step.name, step.arguments) for t in tasks for step in t.reference])


def world_digest(shortcuts: int, entities: int = 0) -> str:
    """What tells one world of this preset from another."""
    names = "/".join(relation.name for relation in relations_with(shortcuts))
    size = f"/{entities}" if entities else ""
    return hashlib.blake2b(f"{WORLD_SEED}/{names}{size}".encode(), digest_size=16).hexdigest()


def tokenizer_of(config: RunConfig, world: World, folder: Path) -> Tokenizer:
    """The run's tokenizer: there already, that of the run whose weights it starts from, or trained now."""
    pieces = folder / TOKENIZER
    if not pieces.exists():
        if config.weights is None:
            train_sandbox_tokenizer(world, config.tokens, whole_ids=config.world.entities > 0).save(pieces)
        else:
            shutil.copyfile(_of_run(config.weights), pieces)
    return load_tokenizer(pieces)


def _of_run(folder: Path) -> Path:
    pieces = folder / TOKENIZER
    if not pieces.is_file():
        raise InputError(f"--model {folder}: no {TOKENIZER} there; give the folder of a run of this preset")
    return pieces


def weights_identity(config: RunConfig) -> dict[str, str]:
    """What tells the weights that it starts from, if from any."""
    return {} if config.weights is None else {"weights": checkpoint_digest(config.weights)}


def loader(config: RunConfig) -> Callable[[Mesh], Any] | None:
    """Loads the weights that it starts from, if from any."""
    if config.weights is None:
        return None
    folder = config.weights
    return lambda mesh: open_weights(folder, mesh).params
