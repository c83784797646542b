"""Demonstrations of tasks that are synthesised from a store, by joins or blindly: what the experiment `synthesis` compares."""

import random
from dataclasses import replace
from pathlib import Path

from data_pipeline.backends import PythonBackend
from data_pipeline.chat import Chat
from data_pipeline.chat.shortening import Shortener
from data_pipeline.environment import Environment
from data_pipeline.paths import parse_path
from data_pipeline.sandbox import World, make_world, record_world
from data_pipeline.sandbox.routes import relations_with
from data_pipeline.store import Store, build_store
from data_pipeline.synthesis import Bench, Grammar, Range, bench_of, compose
from data_pipeline.synthesis.comparison import Contest, answerable, drawn_tasks, of_depth
from data_pipeline.words import Task
from data_pipeline.workflows import EdgeType, Evidence
from tpu_orch.config import RunConfig
from tpu_orch.presets.drawing import WORLD_SEED, Showing, demonstrated
from tpu_orch.presets.routes import MOST_TOKENS, loader, routes, tokenizer_of, weights_identity, world_digest
from tpu_orch.trainer.material import Material, task_digest

ENTITIES = 100  # of each kind: the fewer there are, the more often calls that are drawn blindly happen to fit together
PAIRS = 300  # recorded calls of each tool of two entities
WORKFLOWS = 40  # of each depth
EVALUATED = (1, 2, 3, 4, 5, 6)
TRIES = 20  # draws for each test task


def synthesised() -> RunConfig:
    """`tpu-orch train synthesised`: supervised training on tasks synthesised from a store of the built-in world's trade domain.

    Tasks of one to four calls, drawn by joins or, with `--world.drawn unconstrained`, blindly; evaluated on tasks of one to six
    calls, drawn by joins from entities that no training task has. Depth is the longest chain of calls.
    """
    config = routes()
    world = replace(
        config.world,
        shown_depths=(1, 2, 3, 4),
        shown_per_depth=1500,
        shown_timeouts=0.0,
        shown_mistakes=0.0,
        shortcuts=0,
    )
    return replace(
        config,
        preset="synthesised",
        out=Path("runs/synthesised"),
        world=world,
        trainer=replace(config.trainer, steps=0, replay=0),
    )


def prepare(config: RunConfig, folder: Path) -> Material:
    """Records the world, draws tasks by the side asked for, and demonstrates them."""
    asked = config.world
    world = make_world(WORLD_SEED, entities=ENTITIES, relations=relations_with(asked.shortcuts))
    live = Environment(world.tools, PythonBackend(world.functions))
    held_out = _drawn(world, folder, asked.evaluated, "constrained", EVALUATED, config.eval.per_depth, 0, config.seed)
    shown: list[Task] = []
    if config.warmup.steps:
        depths, most = asked.shown_depths, asked.shown_per_depth
        shown = _drawn(world, folder, "train", asked.drawn, depths, most, asked.attempts, config.seed)
    tokenizer = tokenizer_of(config, world, folder)
    chat = Chat(tokenizer, schemas=config.schemas, shorten=Shortener(tokenizer, config.result_limit, {}))
    return Material(
        tools=world.tools,
        environment=live,
        chat=chat,
        demonstrations=demonstrated(shown, world, live, chat, Showing(0.0, 0.0, False, MOST_TOKENS)),
        train_tasks=shown or held_out,
        eval_tasks=held_out,
        identity={
            "world": world_digest(asked.shortcuts),
            "tokenizer": tokenizer.identity,
            "tasks": task_digest([*shown, *held_out]),
            **weights_identity(config),
        },
        load=loader(config),
    )


def _drawn(
    world: World, folder: Path, split: str, side: str, depths: tuple[int, ...], most: int, attempts: int, seed: int
) -> list[Task]:
    """Tasks of each depth over the records of a split's entities, `calls` set to the depth; attempts 0: enough for joins."""
    bench = split_bench(world, folder / f"{split}.sqlite", split)
    wide = Range(1, max(depths))
    made: list[Task] = []
    edges = edges_of(world)
    evidence = dict.fromkeys(edges, Evidence(1, 1, 1, 0.0))
    flows = compose(
        evidence, list(world.tools), calls=wide, chain_depth=wide, fan_in=Range(0, 1), count=3 * WORKFLOWS, seed=seed
    )
    for depth in depths:
        chosen = answerable(bench, of_depth(flows, depth), WORKFLOWS, seed)
        contest = Contest(bench, tuple(edges), tuple(chosen), depth)
        found = drawn_tasks(contest, side, split, most=most, attempts=attempts or TRIES * most, seed=seed)
        made += [task._replace(calls=depth, tools=tuple(world.tools)) for task in found]
    return made


def split_bench(world: World, path: Path, split: str) -> Bench:
    """A bench over the recorded calls whose entities belong to the split."""
    whole = path.with_name(f"{path.name}.whole")
    record_world(world, whole, pairs=PAIRS)
    records = [
        record
        for record in Store.open(whole).records()
        if all(world.places[str(entity)].split == split for entity in record.arguments.values())
    ]
    whole.unlink()
    random.Random(0).shuffle(records)
    build_store(path, records, world.tools)
    return bench_of(Store.open(path), world.tools, Grammar(world.tools))


def edges_of(world: World) -> list[EdgeType]:
    """Which result can feed which argument, by the kinds of entities."""
    return [
        EdgeType(source.name, parse_path(source.field), target.name, parse_path(argument))
        for source in world.relations.values()
        for target in world.relations.values()
        for argument, kind in target.takes.items()
        if source.gives == kind
    ]
