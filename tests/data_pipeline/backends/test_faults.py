"""Injected faults: as often as asked for, and a function of the rollout alone."""

from collections import Counter

import pytest

from data_pipeline.backends import PythonBackend
from data_pipeline.backends.faults import Faults, FaultyBackend, parse_faults, rollout_seed
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.words import Task, Tool, ToolCall


def test_parsing() -> None:
    assert parse_faults("") == Faults()
    assert parse_faults("timeout=0.02, error=.05,slow=0.1@200ms") == Faults(
        timeout=0.02, error=0.05, slow=0.1, slow_ms=200
    )
    assert parse_faults("raise=1").raised == 1


@pytest.mark.parametrize(
    "text", ["x", "timeout", "timeout=-1", "timeout=0.1@5ms", "slow=0.1", "timeout=0.6,error=0.6", "a=1"]
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="faults"):
        parse_faults(text)


TOOLS = {"f": Tool("f", "", {"type": "object"})}
FAULTS = parse_faults("timeout=0.1,error=0.2,raise=0.05,miss=0.05,slow=0.1@200ms")
CALL = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'


def kinds(seed: int, calls: int = 20, faults: Faults = FAULTS) -> list[str]:
    environment = Environment(TOOLS, FaultyBackend(PythonBackend({"f": lambda: 1}), faults))
    session = environment.session(Task("t", "", ("f",), ()), seed)
    return [session.respond(CALL).steps[0].result.kind.value for _ in range(calls)]


def test_each_kind_comes_as_often_as_asked_for() -> None:
    found = Counter(kind for seed in range(200) for kind in kinds(seed))
    for kind, share in (("timeout", 0.1), ("error", 0.2), ("raised", 0.05), ("miss", 0.05), ("ok", 0.6)):
        assert abs(found[kind] / 4000 - share) < 0.03


def test_the_same_rollout_meets_the_same_faults_whatever_runs_beside_it() -> None:
    alone = kinds(7)
    environment = Environment(TOOLS, FaultyBackend(PythonBackend({"f": lambda: 1}), FAULTS))
    one, other = (environment.session(Task("t", "", ("f",), ()), seed) for seed in (7, 8))
    beside = []
    for _ in range(20):
        beside.append(one.respond(CALL).steps[0].result.kind.value)
        other.respond(CALL)
    assert beside == alone
    assert kinds(8) != alone
    assert kinds(7, faults=Faults()) == ["ok"] * 20


def test_a_fork_meets_what_the_original_would() -> None:
    environment = Environment(TOOLS, FaultyBackend(PythonBackend({"f": lambda: 1}), FAULTS))
    session = environment.session(Task("t", "", ("f",), ()), 7)
    for _ in range(10):
        session.respond(CALL)
    fork = session.fork()
    assert [fork.respond(CALL).steps[0].result.kind.value for _ in range(10)] == kinds(7)[10:]
    assert [session.respond(CALL).steps[0].result.kind.value for _ in range(10)] == kinds(7)[10:]


def test_slow_answers_are_answers_and_time_passes_only_if_wanted() -> None:
    slept: list[float] = []
    backend = FaultyBackend(PythonBackend({"f": lambda: 1}), parse_faults("slow=1@200ms"), 0, slept.append)
    assert backend.answer(ToolCall("f", {}), None).ok
    assert slept == [0.2]


def test_the_seed_of_a_rollout_is_its_identity() -> None:
    seeds = {rollout_seed(seed, task, index) for seed in range(3) for task in ("a", "b", "1/a") for index in range(3)}
    assert len(seeds) == 27
    assert rollout_seed(1, "t", 2) == rollout_seed(1, "t", 2)
