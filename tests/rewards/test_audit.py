"""The audit tells the holes of the released form from ours, and what the data can tell apart."""

from pathlib import Path

import pytest
from small_world import ENVIRONMENT, TOOLS, answer, make_task

from data_pipeline.errors import InputError
from data_pipeline.formats import Recorded
from data_pipeline.store import MemoryStore
from data_pipeline.words import ReferenceStep
from rewards.audit import Audit, audit, audit_sample, warnings
from rewards.cheats import CHEATS, World, recorded_arguments, referred_arguments
from rewards.scoring import find_reward


def results(found: Audit, reward: int = 0) -> dict:
    return {one.cheat: one for one in found.rewards[reward].cheats}


@pytest.fixture(scope="module")
def on_booking(booking: World, shared: Path) -> Audit:
    few = booking._replace(tasks=booking.tasks[:40])
    store = booking.environment.backend.store
    return audit(few, store, [find_reward("graduated"), find_reward("graduated-released")])


def test_the_released_form_is_cheated_where_ours_is_not(on_booking: Audit) -> None:
    ours, released = results(on_booking), results(on_booking, 1)
    assert on_booking.rewards[0].honest == 1.0 and on_booking.rewards[0].full == 1.0
    assert on_booking.rewards[1].full < 0.6
    assert released["skipping repeats"].mean > released["skipping repeats"].honest
    assert released["repeating a right call"].mean > released["repeating a right call"].honest
    assert released["another task's replay"].mean > 0.85 > 0.4 > ours["another task's replay"].mean
    assert released["empty arguments"].mean > 0.5 > 0.25 > ours["empty arguments"].mean
    told = warnings(on_booking.rewards[1])
    assert any("another task's replay" in line for line in told)
    assert not any("another task's replay" in line for line in warnings(on_booking.rewards[0]))


def test_what_the_data_can_tell(on_booking: Audit) -> None:
    assert on_booking.ceiling.tasks == 40 and on_booking.ceiling.misses == 0
    assert 0 < on_booking.ceiling.recoverable < 1
    assert on_booking.answers.with_answer == 0
    assert on_booking.coverage.tried > 100 and 0 < on_booking.coverage.answered < 1
    assert all(one.informative is None for one in on_booking.rewards[0].cheats)


def small_audit(*rewards: str, seed: int = 0) -> Audit:
    rome, oslo = {"city": "Rome"}, {"city": "Oslo"}
    made = []
    for number, city in enumerate((rome, oslo)):
        steps = [ReferenceStep("find", city), ReferenceStep("find", city), ReferenceStep("list", city, (0,))]
        query = f"find twice, then list {city['city']}"
        known = {"id": str(number), "query": query, "answer": answer("list", city), "has_answer": True}
        made.append(make_task(steps, **known))
    made.append(make_task([], id="none", answer=None, has_answer=True))
    records = [Recorded(name, city, answer(name, city)) for name in ("find", "list", "erase") for city in (rome, oslo)]
    store = MemoryStore(records, TOOLS)
    return audit(
        World(made, TOOLS, ENVIRONMENT, recorded_arguments(records)), store, [*map(find_reward, rewards)], seed
    )


def test_every_cheat_is_played_where_it_applies() -> None:
    found = results(small_audit("tier"))
    never = {"swapped values, empty answer", "numbers for values, empty answer"}  # no answer of this world is empty
    assert set(found) == set(CHEATS) - never
    assert found["destructive extra call"].tasks == 3
    assert found["calling where none is needed"].tasks == 1
    assert all(one.says for one in found.values())
    assert found["destructive extra call"].mean < 0.6 < found["destructive extra call"].honest


def test_the_same_seed_gives_the_same_audit() -> None:
    assert small_audit("graduated", "outcome", seed=3) == small_audit("graduated", "outcome", seed=3)


def test_ceiling_and_answers_of_the_small_world() -> None:
    found = small_audit("graduated")
    assert found.ceiling == (3, 0, 0, 1.0, 2, 0)
    assert (found.answers.with_answer, found.answers.no_call, found.answers.uninformative) == (3, 1, 0)
    assert found.answers.by_chance == pytest.approx(1 / 6)
    assert found.coverage.answered == 1.0


def test_a_task_without_an_answer_is_refused(booking: World) -> None:
    with pytest.raises(InputError, match="no expected answer"):
        audit(booking, booking.environment.backend.store, [find_reward("tier")])


def test_a_sample_warns_of_what_the_whole_audit_warns_of(booking: World) -> None:
    world = booking._replace(recorded=referred_arguments(booking.tasks))
    released = warnings(audit_sample(world, find_reward("graduated-released")))
    assert any("another task's replay" in line for line in released)
    assert any("repeating a right call" in line for line in released)
    ours = audit_sample(world, find_reward("graduated"), size=8)
    assert ours.honest == 1.0 and max(one.tasks for one in ours.cheats) == 8
    assert not any("another task's replay" in line or "silence" in line for line in warnings(ours))


def test_a_reference_to_a_tool_that_there_is_not_is_told() -> None:
    world = World([make_task([ReferenceStep("nobody", {})])], TOOLS, ENVIRONMENT, {})
    with pytest.raises(InputError, match="task t calls 'nobody', which the tools do not have"):
        audit(world, MemoryStore([], TOOLS), [find_reward("graduated")])
