"""The world's tokenizer: few tokens for calls, results, refusals and ids; demonstrations that name entities otherwise."""

import re

import numpy as np

from data_pipeline.backends import PythonBackend
from data_pipeline.backends.faults import Faults, FaultyBackend
from data_pipeline.chat import Chat
from data_pipeline.demonstrations import demonstrations
from data_pipeline.environment import Environment, replay
from data_pipeline.sandbox import make_world, renamed, sandbox_tasks, train_sandbox_tokenizer
from data_pipeline.words import Resolved, ResultKind, ToolCall, ToolResult

WORLD = make_world(seed=0)
ENVIRONMENT = Environment(WORLD.tools, PythonBackend(WORLD.functions))
TASKS = {split: sandbox_tasks(WORLD, split, range(7), 150) for split in ("train", "test")}
IDS = re.compile("[A-M][0-9][N-Z][0-9]")


def test_episodes_are_short() -> None:
    """In tokens: what a result adds to a prompt, and whole episodes by depth."""
    tokenizer = train_sandbox_tokenizer(WORLD)
    chat = Chat(tokenizer)
    for split in ("train", "test"):
        for task in TASKS[split]:
            rollout = replay(task, ENVIRONMENT)
            assert len(chat.prompt(task, WORLD.tools)) <= 60
            assert len(chat.demonstration(task, WORLD.tools, rollout.turns).ids) <= 60 + 22 * task.calls
            assert all(len(tokenizer.encode(chat.result_text(step))) <= 8 for step in rollout.steps)
    id_tokens = [len(tokenizer.encode(entity)) for entity in WORLD.pools["test"]["depot"]]
    assert set(id_tokens) == {2}
    for kind in (ResultKind.TIMEOUT, ResultKind.MISS):
        refused = Resolved(ToolCall("courier_base", {}), refused_by(kind))
        assert len(tokenizer.encode(chat.result_text(refused))) <= 3


def test_renamed_demonstrations_say_the_same_of_other_entities() -> None:
    tokenizer = train_sandbox_tokenizer(WORLD)
    tasks = [task for task in TASKS["train"] if task.calls in (2, 3)][:100]
    plain = [one.tokens for one in demonstrations(tasks, ENVIRONMENT, Chat(tokenizer))]
    other = renamed(plain, tokenizer, WORLD, seed=1)
    kind_of = {entity[:2]: kind for kind, pool in WORLD.pools["train"].items() for entity in pool}
    for before, after in zip(plain, other, strict=True):
        said, told = tokenizer.decode(before.ids), tokenizer.decode(after.ids)
        names, others = IDS.findall(said), IDS.findall(told)
        assert IDS.sub("id", said) == IDS.sub("id", told)
        assert [names.index(name) for name in names] == [others.index(name) for name in others]
        assert [kind_of[name[:2]] for name in names] == [kind_of[name[:2]] for name in others]
        assert np.array_equal(before.sampled, after.sampled)
        assert names != others
    assert [one.ids.tobytes() for one in renamed(plain, tokenizer, WORLD, seed=1)] == [
        one.ids.tobytes() for one in other
    ]


def test_whole_ids_are_one_token_and_are_renamed_within_their_kind() -> None:
    world = make_world(0, entities=40)
    tokenizer = train_sandbox_tokenizer(world, whole_ids=True)
    assert all(len(tokenizer.encode(entity)) == 1 for entity in world.places)
    tasks = sandbox_tasks(world, "train", (2,), 50)
    chat = Chat(tokenizer)
    plain = [
        one.tokens for one in demonstrations(tasks, Environment(world.tools, PythonBackend(world.functions)), chat)
    ]
    moved = 0
    for before, after in zip(plain, renamed(plain, tokenizer, world, seed=1), strict=True):
        names, others = (IDS.findall(tokenizer.decode(one.ids)) for one in (before, after))
        assert [names.index(name) for name in names] == [others.index(name) for name in others]
        assert [world.places[name].kind for name in names] == [world.places[name].kind for name in others]
        moved += names != others
    assert moved == len(plain)


def refused_by(kind: ResultKind) -> ToolResult:
    """What a session of this world really answers."""
    fault = {ResultKind.TIMEOUT: Faults(timeout=1.0), ResultKind.MISS: Faults(miss=1.0)}[kind]
    result = FaultyBackend(ENVIRONMENT.backend, fault).answer(ToolCall("courier_base", {}), None)
    assert result.kind is kind
    return result
