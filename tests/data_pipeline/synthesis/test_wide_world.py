"""From the recorded whole world, options and pages and all, to tasks in which three results meet in one call."""

from pathlib import Path

import pytest

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.paths import parse_path
from data_pipeline.recoverable import is_recoverable, recoverability
from data_pipeline.sandbox import WIDE_RELATIONS, World, make_world, record_world
from data_pipeline.sandbox.relations import options_of
from data_pipeline.store import Store
from data_pipeline.synthesis import Grammar, Range, StoreBench, SynthOptions, compose, shape_of, synthesise
from data_pipeline.synthesis.axes import fan_in
from data_pipeline.workflows import EdgeType, mine_records


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(1, entities=40, relations=WIDE_RELATIONS)


@pytest.fixture(scope="module")
def store(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wide") / "world.store"
    record_world(world, path, pairs=120, variants=40)
    return path


@pytest.fixture(scope="module")
def edges(store: Path) -> dict:
    return mine_records(Store.open(store).records())[0]


def declared(world: World) -> set[EdgeType]:
    """Edges that the declarations allow: a field of some kind of entity into an argument of that kind."""
    relations = world.relations.values()
    return {
        EdgeType(source.name, parse_path(source.field), target.name, parse_path(argument))
        for source in relations
        for target in relations
        for argument, kind in target.takes.items()
        if source.gives == kind
    }


def test_small_numbers_feed_no_option_unless_the_names_say_so(world: World, edges: dict) -> None:
    """Gates, delays and days are small whole numbers too, and so are pages, stops and seats."""
    allowed = declared(world)
    others = [edge for edge in edges if edge not in allowed]
    assert len(edges) - len(others) >= 0.9 * len(allowed)
    for edge in others:
        assert edge.argument[0] in options_of(world.relations[edge.target])
        assert str(edge.argument[-1]).rstrip("s") == str(edge.path[-1]).rstrip("s"), edge.text


def test_three_results_meet_in_one_call(world: World, store: Path, edges: dict) -> None:
    three, wide = Range(3, 3), Range(0, 9)
    workflows = compose(edges, sorted(world.tools), calls=Range(4, 5), chain_depth=wide, fan_in=three, count=6, seed=2)
    assert {shape_of(workflow).calls for workflow in workflows} == {4, 5}
    options = SynthOptions(calls=Range(4, 5), fan_in=three, per_workflow=3, seed=4)
    made = synthesise(workflows, options, StoreBench(store, world.tools, Grammar(world.tools)))
    assert len(made.tasks) >= 10
    environment = Environment(world.tools, StoreBackend(Store.open(store)))
    for task in made.tasks:
        assert fan_in(task) == 3
        results = [step.result for step in replay(task, environment).steps]
        assert all(result is not None and result.ok for result in results)
        assert is_recoverable(recoverability(task, results, world.tools))
