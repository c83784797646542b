"""Routes of unequal length: each finds the answer, none is shorter than the task says, references are drawn among them."""

import pytest

from data_pipeline.backends import PythonBackend, StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.errors import InputError
from data_pipeline.paths import get_path, parse_path
from data_pipeline.sandbox import make_world
from data_pipeline.sandbox.evolved import evolved_world
from data_pipeline.sandbox.goals import Named, Value, calls_of
from data_pipeline.sandbox.routes import relations_with, route_tasks, routes_to, spelled_out
from data_pipeline.sandbox.tasks import solve

WORLD = make_world(0, relations=relations_with(8))


def value(name: str, *arguments: Value | Named) -> Value:
    return Value(WORLD.relations[name], arguments)


def test_a_shortcut_and_what_it_stands_for_are_routes_to_the_same_value() -> None:
    customer = Named("customer", 0)
    short = value("product_price", value("customer_item", customer))
    long = value("product_price", value("order_item", value("customer_purchase", customer)))
    assert routes_to(short, WORLD.relations, 2) == routes_to(long, WORLD.relations, 2) == [short, long]
    assert routes_to(long, WORLD.relations, 0) == [short]
    entity = WORLD.pools["train"]["customer"][5]
    found = [solve(WORLD, goal, {customer: entity}) for goal in (short, long)]
    assert found[0].values[short] == found[1].values[long]
    assert [len(one.steps) for one in found] == [2, 3]


def test_a_chain_of_three_has_every_mixture_of_shortcuts() -> None:
    hub = value("customer_hub", Named("customer", 0))
    plans = routes_to(hub, WORLD.relations, 2)
    assert [len(calls_of(plan)) for plan in plans] == [1, 2, 3]  # the middle one by order_base
    assert len({spelled_out(plan, WORLD.relations) for plan in plans}) == 1


def test_what_is_needed_twice_is_found_once() -> None:
    product = value("customer_item", Named("customer", 0))
    goal = value("depot_shelf", product, value("product_store", product))
    assert [len(calls_of(plan)) for plan in routes_to(goal, WORLD.relations, 2)] == [3, 4]


def test_tasks_need_the_calls_that_they_say_and_every_reference_is_answered() -> None:
    tasks = route_tasks(WORLD, "train", (0, 1, 4), 40, seed=3)
    environment = Environment(WORLD.tools, PythonBackend(WORLD.functions))
    for task in tasks:
        played = replay(task, environment)
        assert all(step.result is not None and step.result.ok for step in played.steps)
        if task.reference:
            last = played.steps[-1]
            field = WORLD.relations[task.reference[-1].name].field
            assert last.result is not None and get_path(last.result.content, parse_path(field)) == task.answer
    lengths = [len(task.reference) - task.calls for task in tasks if task.calls == 4]
    assert set(lengths) == {0, 1, 2} and tasks == route_tasks(WORLD, "train", (0, 1, 4), 40, seed=3)
    assert [task.calls for task in tasks] == [0] * 40 + [1] * 40 + [4] * 40


def test_without_shortcuts_there_is_one_route() -> None:
    plain = make_world(0, relations=relations_with(0))
    assert all(len(task.reference) == 3 for task in route_tasks(plain, "dev", (3,), 20))


def test_splits_share_no_entity() -> None:
    train, test = (
        {
            argument
            for task in route_tasks(WORLD, split, (2,), 30)
            for s in task.reference
            for argument in s.arguments.values()
        }
        for split in ("train", "test")
    )
    assert not train & test


@pytest.mark.parametrize("asked", [lambda: relations_with(99), lambda: route_tasks(WORLD, "nowhere", (1,), 1)])
def test_nonsense_is_named(asked) -> None:
    with pytest.raises(InputError):
        asked()


def test_offers_hold_what_every_route_needs_and_so_many_others() -> None:
    for task in route_tasks(WORLD, "dev", (2,), 20, distractors=3):
        assert {step.name for step in task.reference} <= set(task.tools)
        assert len(set(task.tools)) == len(task.tools) < len(WORLD.tools)
    plain = make_world(0, relations=relations_with(0))
    for task in route_tasks(plain, "dev", (3,), 20, distractors=0):
        assert set(task.tools) == {step.name for step in task.reference}


@pytest.mark.parametrize("kind", ["rename", "require", "deprecate", "reorder"])
def test_references_are_answered_after_the_interface_evolved(kind, tmp_path) -> None:
    small = make_world(0, entities=40, relations=relations_with(8))
    tasks = route_tasks(small, "train", (0, 2, 3), 8, distractors=3)
    tools, changed, store = evolved_world(small, tasks, kind, tmp_path / "store.sqlite")
    environment = Environment(tools, StoreBackend(store))
    assert [task.id for task in changed] == [task.id for task in tasks]
    for task in changed:
        assert all(step.result is not None and step.result.ok for step in replay(task, environment).steps)
    assert [path.name for path in tmp_path.iterdir()] == ["store.sqlite"]
