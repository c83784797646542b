"""BFCL's multi-turn checker (gorilla, v4): a trajectory is right if every turn leaves the right state and gave the right results.

The model's calls and the reference's are carried out side by side in simulated APIs. Turn by turn: a turn in which the
reference calls must not be empty; every public attribute must then be equal; and what the reference's calls of this turn
gave must be among all that the model's calls gave so far, each result as often as needed, in any order. A turn in which the
reference does not call is not checked. Extra calls are free while the state stays equal.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from data_pipeline.simulators import Filler, Shared, World, state_hash
from data_pipeline.words import JsonObject

Turns = Sequence[Sequence[Sequence[str]]]
"""Turn -> step -> calls as text."""


class Entry(NamedTuple):
    classes: tuple[str, ...]
    config: JsonObject
    reference: Sequence[Sequence[str]]
    """Turn -> calls as text."""
    filler: Filler | None = None


class ReferenceTurn(NamedTuple):
    results: tuple[str, ...]
    state: JsonObject


class Judged(NamedTuple):
    valid: bool
    error_type: str | None
    results: list[list[list[str]]]
    """Of every call of the model, turn by turn and step by step, also after the first error."""
    hashes: list[str]
    """Of the state after every turn."""
    state: JsonObject
    """After the last turn."""


def replay_reference(entry: Entry) -> tuple[JsonObject, list[ReferenceTurn]]:
    """(the state before the first turn, results and state of every turn). Raises InputError for unknown classes."""
    world = World(entry.classes, entry.config, owner="reference", filler=entry.filler)
    start, turns = world.state(), []
    for calls in entry.reference:
        results = tuple(map(world.execute, calls))
        turns.append(ReferenceTurn(results, world.state()))
    return start, turns


def judge_trajectory(entry: Entry, turns: Turns, *, fixed: bool = False) -> Judged:
    """The verdict on one trajectory.

    Args:
      entry: the task.
      turns: the model's calls.
      fixed: also refuse calls in a turn in which there is nothing to call (the official checker has a test for that and
        does not use it).

    Raises InputError for unknown classes.
    """
    shared = Shared()
    model = World(entry.classes, entry.config, owner="model", shared=shared, filler=entry.filler)
    reference = World(entry.classes, entry.config, owner="model_ground_truth", shared=shared, filler=entry.filler)
    error = None if len(turns) == len(entry.reference) else "multi_turn:force_terminated"
    results: list[list[list[str]]] = []
    hashes: list[str] = []
    for place, steps in enumerate(turns):
        results.append([[model.execute(call) for call in step] for step in steps])
        hashes.append(state_hash(model.state()))
        if error is None:
            wanted = [reference.execute(call) for call in entry.reference[place]]
            error = _turn_error(model, reference, steps, wanted, results, fixed)
    return Judged(error is None, error, results, hashes, model.state())


def _turn_error(
    model: World,
    reference: World,
    steps: Sequence[Sequence[str]],
    wanted: Sequence[str],
    results: list[list[list[str]]],
    fixed: bool,
) -> str | None:
    if not wanted:
        return "multi_turn:irrelevance_error:decoder_success" if fixed and any(steps) else None
    if not steps or (len(steps) == 1 and not steps[0]):
        return "multi_turn:empty_turn_model_response"
    if model.differs(reference) is not None:
        return "multi_turn:instance_state_mismatch"
    given = Counter(result for turn in results for step in turn for result in step)
    return "multi_turn:execution_response_mismatch" if Counter(wanted) - given else None
