"""The built-in world: nothing to bring, minutes on a laptop's CPU."""

from dataclasses import replace
from pathlib import Path

from data_pipeline.backends import StoreBackend
from data_pipeline.backends.faults import Faults, FaultyBackend
from data_pipeline.chat import Chat
from data_pipeline.chat.shortening import Shortener
from data_pipeline.demonstrations import demonstrations
from data_pipeline.environment import Environment
from data_pipeline.sandbox import make_world, record_world, renamed, sandbox_tasks, train_sandbox_tokenizer
from data_pipeline.store import Store
from data_pipeline.tokenizers import load_tokenizer
from tpu_orch.config import EvaluationOptions, ModelOptions, RunConfig, TrainerOptions, WarmupOptions, WorldOptions
from tpu_orch.engine import EngineOptions
from tpu_orch.runs.folder import STORE, TOKENIZER
from tpu_orch.trainer.material import Material, task_digest

WORLD_SEED = 0  # the world is the same for every run; a run's seed decides weights, draws and order
PAIRS = 4000  # recorded calls of each tool of two entities, beside those of the tasks
MOST_TOKENS = 128  # of a demonstration: the few longer ones, with many time-outs, would make every row of a step longer
EVALUATED_DEPTHS = (0, 1, 2, 3, 4, 5, 6)


def sandbox() -> RunConfig:
    """`tpu-orch train sandbox`: warm-up on demonstrations of 0 to 4 calls, then GRPO with `tier` on tasks of 3 to 6.

    Some of the demonstrated calls time out and are made again, before some stands a wrong one that carries no loss, and each
    demonstration names its entities otherwise. Evaluated greedily on held-out entities, wordings and
    compositions, of 0 to 6 calls. Figures of a run stand in the README.
    """
    return RunConfig(
        preset="sandbox",
        out=Path("runs/sandbox"),
        reward="tier",
        tokens=1536,
        world=WorldOptions(
            shown_depths=(0, 1, 2, 3, 4),
            shown_per_depth=8000,
            shown_timeouts=0.15,
            shown_mistakes=0.08,
            trained_depths=(3, 4, 5, 6),
            trained_per_depth=600,
        ),
        model=ModelOptions(layers=3, d_model=128, heads=4, kv_heads=2, head_dim=64, d_ff=256, previous_token_head=True),
        engine=EngineOptions(
            rows=128, capacity=256, chunk=32, visit_steps=32, max_new_tokens=100, max_turns=8, prompt_rows=16
        ),
        warmup=WarmupOptions(steps=2000, batch=24, learning_rate=6e-3),
        trainer=TrainerOptions(
            steps=45,
            prompts=24,
            group=16,
            kept_of_group=4,
            optimizer="muon",
            learning_rate=1e-3,
            rise=3,
            replay=32,
        ),
        eval=EvaluationOptions(per_depth=200),
    )


def sandbox_long() -> RunConfig:
    """`tpu-orch train sandbox-long`: the same with 3,000 steps of warm-up and 240 of GRPO; under half an hour."""
    short = sandbox()
    return replace(
        short,
        preset="sandbox-long",
        out=Path("runs/sandbox-long"),
        warmup=replace(short.warmup, steps=3000),
        trainer=replace(short.trainer, steps=240),
    )


def prepare(config: RunConfig, folder: Path) -> Material:
    """Records the world into a store, trains the tokenizer, draws tasks and demonstrations."""
    world = make_world(WORLD_SEED)
    asked = config.world
    shown = sandbox_tasks(world, "train", asked.shown_depths, asked.shown_per_depth, seed=0)
    trained = sandbox_tasks(world, "train", asked.trained_depths, asked.trained_per_depth, seed=1)
    held_out = sandbox_tasks(world, "test", EVALUATED_DEPTHS, config.eval.per_depth, seed=2)
    store, pieces = folder / STORE, folder / TOKENIZER
    if not store.exists():
        record_world(world, store, [*shown, *trained, *held_out], pairs=PAIRS)
    if not pieces.exists():
        train_sandbox_tokenizer(world, config.tokens).save(pieces)
    opened, tokenizer = Store.open(store), load_tokenizer(pieces)
    chat = Chat(tokenizer, schemas=config.schemas, shorten=Shortener(tokenizer, config.result_limit, {}))
    environment = Environment(world.tools, StoreBackend(opened))
    faulty = Environment(world.tools, FaultyBackend(StoreBackend(opened), Faults(timeout=asked.shown_timeouts)))
    played = demonstrations(shown, faulty, chat, mistakes=asked.shown_mistakes)
    examples = [one.tokens for one in played if len(one.tokens.ids) <= MOST_TOKENS]
    return Material(
        tools=world.tools,
        environment=environment,
        chat=chat,
        demonstrations=renamed(examples, tokenizer, world, seed=0),
        train_tasks=trained,
        eval_tasks=held_out,
        identity={
            "store": opened.content_hash,
            "tokenizer": tokenizer.identity,
            "tasks": task_digest([*shown, *trained, *held_out]),
        },
    )
