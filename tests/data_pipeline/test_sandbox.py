"""The built-in world: every task replays to its answer, held-out means held out, everything follows from the seed."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from data_pipeline.backends import PythonBackend, StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.errors import InputError
from data_pipeline.formats import read_tasks, write_tasks
from data_pipeline.parsing.hermes import answer_of
from data_pipeline.paths import find_bound, get_path, parse_path
from data_pipeline.sandbox import (
    DOMAINS,
    RELATIONS,
    SPLITS,
    WIDE_RELATIONS,
    World,
    make_world,
    record_world,
    sandbox_tasks,
    train_sandbox_tokenizer,
    wording,
)
from data_pipeline.sandbox.goals import HELD_OUT_ONE_IN, Chain, is_held_out
from data_pipeline.sandbox.ids import ID_PATTERN, capacity, pieces_of, share_no_piece
from data_pipeline.sandbox.relations import Number, arguments_of
from data_pipeline.sandbox.wording import SENTENCES, choices
from data_pipeline.schemas import problems
from data_pipeline.store import Store
from data_pipeline.words import ResultKind, Task, Tool, ToolCall

DEPTHS = range(7)
WORLD = make_world(seed=0)
WIDE = make_world(seed=0, relations=WIDE_RELATIONS)
ENVIRONMENT = Environment(WORLD.tools, PythonBackend(WORLD.functions))
TASKS = {split: sandbox_tasks(WORLD, split, DEPTHS, 150) for split in SPLITS}
EVERY_TASK = [task for tasks in TASKS.values() for task in tasks]
IDS = re.compile("[A-M][0-9][N-Z][0-9]")


def ids_of(task: Task) -> list[str]:
    """Ids in query, arguments and answer, each once."""
    values = [value for step in task.reference for value in step.arguments.values()]
    return list(dict.fromkeys([*IDS.findall(task.query), *values, *IDS.findall(str(task.answer))]))


def digest(tasks: list[Task]) -> str:
    return hashlib.blake2b(repr(tasks).encode()).hexdigest()


def test_every_task_replays_to_its_answer() -> None:
    for task in EVERY_TASK:
        rollout = replay(task, ENVIRONMENT)
        assert len(rollout.steps) == len(task.reference) == task.calls
        assert all(step.result is not None and step.result.ok for step in rollout.steps), task.id
        assert answer_of(rollout.final_text) == (True, task.answer)
        if rollout.steps:
            (value,) = rollout.steps[-1].result.content.values()
            assert value == task.answer


def test_every_argument_is_in_the_query_or_comes_by_its_binding() -> None:
    for task in EVERY_TASK:
        contents = [step.result.content for step in replay(task, ENVIRONMENT).steps]
        for place, step in enumerate(task.reference):
            bound = {binding.argument: binding for binding in step.bindings}
            assert sorted({binding.step for binding in step.bindings}) == list(step.depends_on)
            assert all(parent < place for parent in step.depends_on)
            for name, value in step.arguments.items():
                if name in bound:
                    assert find_bound(contents[bound[name].step], parse_path(bound[name].path)) == value
                else:
                    assert value in IDS.findall(task.query)
        # Nothing is called whose result nobody uses.
        assert {b.step for step in task.reference for b in step.bindings} == set(range(len(task.reference) - 1))


def test_depth_zero_says_the_answer_and_deeper_queries_do_not() -> None:
    for task in EVERY_TASK:
        words = re.findall(r"[A-Za-z0-9]+", task.query)
        assert (str(task.answer) in words) == (task.calls == 0), task.query
        # Deeper queries name tools' nouns but neither tools nor anything found on the way.
        assert not any(tool in task.query for tool in task.tools if "_" in tool)


def test_no_two_ids_of_a_task_share_a_piece() -> None:
    for task in EVERY_TASK:
        assert share_no_piece(ids_of(task)), task.id


def test_letters_beside_digits_are_ids_only() -> None:
    for task in EVERY_TASK:
        assert not re.search(r"[A-Za-z][0-9]|[0-9][A-Za-z]", IDS.sub("", task.query)), task.query


def chains_of(task: Task) -> set[tuple[str, str, str]]:
    """Tools of which each feeds the next."""
    steps = task.reference
    return {
        (outer.name, steps[i].name, steps[j].name)
        for outer in steps
        for i in outer.depends_on
        for j in steps[i].depends_on
    }


def test_entities_wordings_and_compositions_are_held_out() -> None:
    seen = {split: {i for task in tasks for i in ids_of(task)} for split, tasks in TASKS.items()}
    assert not seen["train"] & (seen["dev"] | seen["test"])
    assert not seen["dev"] & seen["test"]
    trained = set().union(*map(chains_of, TASKS["train"]))
    trained_queries = {IDS.sub("ID", task.query) for task in TASKS["train"]}
    for task in (*TASKS["dev"], *TASKS["test"]):
        assert IDS.sub("ID", task.query) not in trained_queries
        assert not chains_of(task) or chains_of(task) - trained, task.id
        assert chains_of(task) or task.calls < 4, task.id


def test_held_out_queries_use_known_words_only() -> None:
    def words(tasks: list[Task]) -> set[str]:
        return {word.lower() for task in tasks for word in re.findall(r"[A-Za-z]+", IDS.sub("", task.query))}

    train = sandbox_tasks(WORLD, "train", (0, 1, 2), 800)
    assert not words(TASKS["test"]) - words(train)


def test_training_has_many_wordings() -> None:
    """Sentences times pairs of noun and connector, for every tool; what is held out is known by its words."""
    sentences = choices(SENTENCES, training=True)
    assert len(sentences) >= 40
    assert not set(sentences) & set(choices(SENTENCES, training=False))
    for relation in RELATIONS:
        training = wording.wordings(relation, training=True)
        evaluation = wording.wordings(relation, training=False)
        assert len(training) * len(sentences) >= 800
        assert len(evaluation) >= 4
        assert not set(training) & set(evaluation)
        assert {head for head, _ in training} == set(relation.heads)
        assert {connector for _, connector in evaluation} < {connector for _, connector in training}


def test_nouns_name_one_tool_and_no_kind() -> None:
    """So that a query says by itself which tools it needs, and words for kinds stand before ids only."""
    named = Counter(head for relation in RELATIONS for head in relation.heads)
    assert max(named.values()) == 1
    assert not set(named) & set(WORLD.kinds)
    for task in EVERY_TASK:
        for kind in WORLD.kinds:
            assert len(re.findall(rf"\b{kind}\b", task.query)) == len(
                re.findall(rf"\b{kind} {IDS.pattern}", task.query)
            )


def test_every_kind_feeds_and_comes_from_several_tools() -> None:
    for kind in WORLD.kinds:
        assert sum(kind in relation.takes.values() for relation in RELATIONS) >= 4
        assert sum(relation.gives == kind for relation in RELATIONS) >= 3


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("world", [WORLD, WIDE], ids=["trade", "wide"])
def test_shallow_goals_hold_what_deep_ones_need(depth: int, world: World) -> None:
    """Arguments from an earlier result than the last, from the query after calls, from two branches (RECIPES' fact)."""
    tasks = sandbox_tasks(world, "train", (depth,), 300)
    steps = [(place, step) for task in tasks for place, step in enumerate(task.reference)]
    takes = {relation.name: len(relation.takes) for relation in world.relations.values()}
    late_query = sum(place == depth - 1 and 0 < len(step.bindings) < takes[step.name] for place, step in steps)
    earlier = sum(any(binding.step < place - 1 for binding in step.bindings) for place, step in steps)
    branches = sum(len(step.depends_on) == 2 for _, step in steps)
    assert late_query >= 0.15 * len(tasks)
    if depth == 3:
        assert earlier >= 0.15 * len(tasks)
        assert branches >= 0.15 * len(tasks)


def test_tools_are_balanced_and_two_argument_tools_well_represented() -> None:
    tasks = sandbox_tasks(WORLD, "train", (1, 2, 3), 300)
    used = Counter(step.name for task in tasks for step in task.reference)
    assert len(used) == len(RELATIONS) >= 16
    assert min(used.values()) >= 0.3 * sum(used.values()) / len(used)
    two = {relation.name for relation in RELATIONS if len(relation.takes) == 2}
    assert sum(used[name] for name in two) >= 0.25 * sum(used.values())


@pytest.mark.parametrize("depth", [1, 2, 4, 6])
def test_every_result_may_be_the_answer(depth: int) -> None:
    """Also of the tools that feed many others: else a policy learns to go on after them."""
    tasks = sandbox_tasks(WORLD, "train", (depth,), 580)
    last = Counter(task.reference[-1].name for task in tasks)
    assert len(last) == len(RELATIONS)
    assert min(last.values()) >= 0.4 * len(tasks) / len(RELATIONS)


def test_chain_depth_and_calls() -> None:
    for task in EVERY_TASK:
        assert (task.chain_depth == 0) == (task.calls == 0)
        assert task.chain_depth <= task.calls
    assert {task.chain_depth for task in EVERY_TASK} == set(DEPTHS)


def test_the_first_tasks_do_not_depend_on_how_many_are_asked_for() -> None:
    few, many = sandbox_tasks(WORLD, "train", (3,), 20), sandbox_tasks(WORLD, "train", (3,), 60)
    assert few == many[:20]
    assert sandbox_tasks(WORLD, "train", (3,), 20, seed=1) != few
    assert len({task.query for task in many}) == len({task.id for task in many}) == 60


def test_the_same_seed_gives_the_same_bytes_under_any_hash_seed() -> None:
    code = (
        "from test_sandbox import *; print(digest(sandbox_tasks(make_world(3), 'dev', range(5), 20)),"
        "train_sandbox_tokenizer(make_world(3)).identity)"
    )
    outputs = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        outputs.add(run.stdout)
    world = make_world(3)
    here = f"{digest(sandbox_tasks(world, 'dev', range(5), 20))} {train_sandbox_tokenizer(world).identity}\n"
    assert outputs == {here}


@pytest.mark.parametrize("world", [WORLD, WIDE], ids=["trade", "wide"])
def test_results_fit_the_schemas(world: World) -> None:
    for relation in world.relations.values():
        tool = world.tools[relation.name]
        entities = [
            next(e for e in world.pools["dev"][k] if not world.refuses(relation, e)) for k in relation.takes.values()
        ]
        arguments = arguments_of(relation, entities)
        content = world.functions[relation.name](**arguments)
        assert get_path(content, parse_path(relation.field)) == world.value(relation, entities)
        assert not problems(tool, arguments)
        assert not problems(Tool("result", "", tool.returns), content)
        if isinstance(relation.gives, Number):
            assert relation.gives.low <= get_path(content, parse_path(relation.field)) <= relation.gives.high


def test_wrong_arguments_become_typed_results() -> None:
    session = ENVIRONMENT.session(EVERY_TASK[0])
    courier, depot = WORLD.pools["train"]["courier"][0], WORLD.pools["train"]["depot"][0]
    free = next(f"A0N{d}" for d in range(10) if f"A0N{d}" not in WORLD.places)
    attempts = [
        ToolCall("courier_base", {"courier": courier}),
        ToolCall("courier_base", {"courier": depot}),
        ToolCall("courier_base", {"courier": free}),
        ToolCall("courier_base", {"courier": "nobody"}),
        ToolCall("courier_base", {}),
        ToolCall("courier_base", {"courier": courier, "depot": depot}),
        ToolCall("courier_income", {"courier": courier}),
    ]
    kinds = [step.result.kind for step in session.resolve(attempts)]
    invalid = ResultKind.INVALID_ARGUMENTS
    assert kinds == [
        ResultKind.OK,
        ResultKind.ERROR,
        ResultKind.ERROR,
        invalid,
        invalid,
        invalid,
        ResultKind.UNKNOWN_TOOL,
    ]
    (answer,) = session.resolve([attempts[1]])
    assert answer.result.content == {"error": "no such courier", "id": depot}


def test_the_store_answers_as_the_functions_do(tmp_path: Path) -> None:
    world = make_world(5, entities=20)
    tasks = sandbox_tasks(world, "train", DEPTHS, 10)
    stats = record_world(world, tmp_path / "world.store", tasks)
    assert stats.errors == 0
    assert stats.records >= 20 * sum(len(relation.takes) == 1 for relation in RELATIONS)
    store = Environment(world.tools, StoreBackend(Store.open(tmp_path / "world.store")))
    functions = Environment(world.tools, PythonBackend(world.functions))
    for task in tasks:
        assert replay(task, store) == replay(task, functions)


def test_tasks_survive_the_interchange_format(tmp_path: Path) -> None:
    write_tasks(tmp_path / "tasks.jsonl", TASKS["dev"])
    assert read_tasks(tmp_path / "tasks.jsonl") == TASKS["dev"]


def test_worlds_differ_by_seed_and_refuse_what_cannot_be() -> None:
    assert make_world(1).pools != WORLD.pools
    assert all(re.match(ID_PATTERN, entity) for entity in WORLD.places)
    assert len(WORLD.places) == 1000 * len({kind for r in RELATIONS for kind in r.takes.values()})
    for entities in (0, 5, capacity(0, 1)):
        with pytest.raises(InputError, match="entities"):
            make_world(0, entities)
    with pytest.raises(InputError, match="split 'valid'"):
        sandbox_tasks(WORLD, "valid", (1,), 1)
    with pytest.raises(InputError, match="depths"):
        sandbox_tasks(WORLD, "train", (-1,), 1)


def test_one_composition_in_ten_is_held_out() -> None:
    giving = {kind: [r for r in RELATIONS if r.gives == kind] for kind in WORLD.kinds}
    chains = {
        Chain(outer.name, middle.name, inner.name)
        for outer in RELATIONS
        for kind in outer.takes.values()
        for middle in giving[kind]
        for fed in middle.takes.values()
        for inner in giving[fed]
    }
    trained = {chain for chain in chains if not is_held_out(chain, WORLD.seed)}
    assert 0.8 <= len(chains - trained) / len(chains) * HELD_OUT_ONE_IN <= 1.2


def test_an_id_says_of_which_kind_it_is() -> None:
    for world in (WORLD, WIDE):
        kinds: dict[str, set[str]] = {}
        for entity, place in world.places.items():
            kinds.setdefault(pieces_of(entity)[0], set()).add(place.kind)
        assert all(len(found) == 1 for found in kinds.values())


def wide_environment() -> Environment:
    return Environment(WIDE.tools, PythonBackend(WIDE.functions))


def test_the_wide_world_has_what_real_catalogues_have() -> None:
    """Forty tools and more in five domains and more; enums, options, nesting, lists in pages, ranges, errors, writes,
    distractors.
    """
    tools = list(WIDE.tools.values())
    assert len(DOMAINS) >= 5
    assert len(tools) == sum(map(len, DOMAINS.values())) >= 40
    assert len(WIDE.places) >= 15_000
    properties = [schema for tool in tools for schema in tool.parameters["properties"].values()]
    assert sum("enum" in schema for schema in properties) >= 4
    assert sum("minimum" in schema for schema in properties) >= 4
    assert sum(schema.get("type") == "object" for schema in properties) >= 4
    assert sum("page" in tool.parameters["properties"] for tool in tools) >= 4
    assert sum(tool.effects == "write" for tool in tools) >= 3
    relations = WIDE_RELATIONS
    assert sum(not relation.asked for relation in relations) >= 4
    assert sum(relation.refuses > 0 for relation in relations) >= 4
    assert sum(bool(relation.same_as) for relation in relations) >= 4
    heads = Counter(head for relation in relations for head in relation.heads)
    assert max(heads.values()) == 1
    assert not {word for head in heads for word in head.split()} & set(WIDE.kinds)


def test_wide_tasks_replay_and_leave_distractors_alone() -> None:
    environment = wide_environment()
    used: Counter[str] = Counter()
    for split in ("train", "test"):
        for task in sandbox_tasks(WIDE, split, DEPTHS, 60, distractors=5):
            rollout = replay(task, environment)
            assert all(step.result is not None and step.result.ok for step in rollout.steps), task.id
            if task.reference:
                assert len(task.tools) == len(set(task.workflow)) + 5
                (last,) = [rollout.steps[-1].result.content]
                assert get_path(last, parse_path(WIDE.relations[task.workflow[-1]].field)) == task.answer
            assert set(task.workflow) <= set(task.tools)
            used.update(task.workflow)
    assert len(used) == sum(relation.asked for relation in WIDE_RELATIONS)
    assert not {relation.name for relation in WIDE_RELATIONS if not relation.asked} & set(used)


def test_a_shortcut_finds_what_the_longer_route_finds() -> None:
    """Routes of unequal length: both plans reach the same answer through the environment."""
    environment = wide_environment()
    for relation in WIDE_RELATIONS:
        if not relation.same_as:
            continue
        ((argument, kind),) = relation.takes.items()
        entities = [e for e in WIDE.pools["train"][kind] if not WIDE.refuses(relation, e)][:20]
        for entity in entities:
            session = environment.session(EVERY_TASK[0]._replace(tools=tuple(WIDE.tools)))
            (short,) = session.resolve([ToolCall(relation.name, {argument: entity})])
            found = entity
            for name in relation.same_as:
                step = WIDE.relations[name]
                (long,) = session.resolve([ToolCall(name, arguments_of(step, [found]))])
                found = get_path(long.result.content, parse_path(step.field))
            assert get_path(short.result.content, parse_path(relation.field)) == found


def test_many_wide_tasks_have_routes_of_unequal_length() -> None:
    """A step that is a shortcut, or steps that one would replace: both ways lead to the answer."""
    shortcuts = {relation.name: relation.same_as for relation in WIDE_RELATIONS if relation.same_as}
    assert {len(route) for route in shortcuts.values()} == {2, 3}
    for depth in (2, 3, 4):
        tasks = sandbox_tasks(WIDE, "train", (depth,), 100)
        found = 0
        for task in tasks:
            names = [step.name for step in task.reference]
            pairs = {(names[b.step], step.name) for step in task.reference for b in step.bindings}
            found += bool(set(names) & set(shortcuts) or pairs & set(shortcuts.values()))
        assert found >= 0.3 * len(tasks)


def test_pages_options_refusals() -> None:
    session = wide_environment().session(EVERY_TASK[0]._replace(tools=tuple(WIDE.tools)))
    hotel, flight = WIDE.pools["test"]["hotel"][0], WIDE.pools["test"]["airport"][:2]
    route = {"route": dict(zip(("origin", "target"), flight, strict=True))}
    calls = [
        ToolCall("list_hotel_guests", {"hotel": hotel}),
        ToolCall("list_hotel_guests", {"hotel": hotel, "page": 1, "per_page": 4}),
        ToolCall("list_hotel_guests", {"hotel": hotel, "page": 2}),
        ToolCall("list_hotel_guests", {"hotel": hotel, "page": 9}),
        ToolCall("search_connections", {**route, "cabin": "economy"}),
        ToolCall("search_connections", {**route, "cabin": "first"}),
        ToolCall("search_connections", {**route, "cabin": "garden"}),
        ToolCall("search_connections", {"route": {"origin": flight[0]}}),
    ]
    first, four, second, far, plain, other, garden, half = [step.result for step in session.resolve(calls)]
    assert len(first.content["guests"]) == 2
    assert [guest["guest"] for guest in four.content["guests"]][:2] == [
        guest["guest"] for guest in first.content["guests"]
    ]
    assert second.content["page"] == 2
    assert second.content["guests"] != first.content["guests"]
    assert plain.ok and other.ok
    assert plain.content != other.content
    assert {far.kind, garden.kind, half.kind} == {ResultKind.INVALID_ARGUMENTS}
    archived = next(b for b in WIDE.pools["train"]["book"] if WIDE.refuses(WIDE.relations["book_sequel"], b))
    (refused,) = session.resolve([ToolCall("book_sequel", {"book": archived})])
    assert (refused.result.kind, refused.result.content) == (
        ResultKind.ERROR,
        {"error": "book is archived", "id": archived},
    )


def test_recording_draws_pairs(tmp_path: Path) -> None:
    world = make_world(5, entities=20, relations=WIDE_RELATIONS)
    stats = record_world(world, tmp_path / "wide.store", pairs=30)
    assert stats.errors > 0
    for relation in WIDE_RELATIONS:
        assert (
            stats.by_tool[relation.name] == 20 if len(relation.takes) == 1 else 20 <= stats.by_tool[relation.name] <= 30
        )
