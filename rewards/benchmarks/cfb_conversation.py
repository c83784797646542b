"""ComplexFuncBench over a whole stored conversation: success, matched calls, turns done (repository c37b284).

The reference's turns are taken up one after the other: after a step with a match the next turn is added. A step's calls are
paired with what is open; a call in a wrong form gets its error and the model may go on; a step without a match and without
such an error ends the episode. Look-ups of a place are optional and accepted whenever they equal one of the reference.

Differs from the release in what needs a network: calls that are not equal are paired by likeness of name and arguments
instead of an embedding, and count only if the rule accepts them; comparing live responses and asking a language model are
left out, so a figure from here is a lower bound of the published one.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from data_pipeline.words import Json, JsonObject
from rewards.benchmarks.cfb import equal_by_rule, format_error
from rewards.benchmarks.cfb_tools import FREE
from rewards.matching import heaviest_matching

_SHARES = {"Cross": 400}
_DOMAIN_QUERIES, _QUERIES = 150, 1000


_UNEXPECTED = {"api_status": True, "content": "The call did not go through; check it and try again."}


class Outcome(NamedTuple):
    message: str
    """"Success." or why it ended."""
    turns_done: int
    turns: int
    calls_matched: int
    calls: int

    @property
    def success(self) -> bool:
        return self.message == "Success."


class _Episode(NamedTuple):
    turns: list[list[JsonObject]]
    open: list[JsonObject]
    """Calls of the reference that are waited for."""
    taken_up: int
    """Turns of the reference that are open or done."""
    free: list[JsonObject]
    free_done: list[JsonObject]
    matched: int


def judge_conversation(
    reference: Sequence[JsonObject], made: Sequence[JsonObject], schemas: Mapping[str, JsonObject]
) -> Outcome:
    """The outcome of one query.

    Args:
      reference: the dataset's `conversations`: turns with "function_call", observations, the answer.
      made: what the model did, the same way; observations are passed over.
      schemas: name of a tool -> schema of its parameters.
    """
    turns = [list(turn["function_call"]) for turn in reference if "function_call" in turn]
    free = [call for turn in turns for call in turn if call["name"] in FREE]
    episode = _take_up(_Episode(turns, copy.deepcopy(turns[0]) if turns else [], 1, free, [], 0), always=False)
    for message in made:
        if "function_call" in message:
            if not episode.open:
                return _end(episode, "func_hallucination")
            following = _step(episode, message["function_call"], schemas)
            if following is None:
                return _end(episode, "no call matched")
            episode = following
        elif message.get("role", "assistant") == "assistant" and message.get("content"):
            left = [call for call in episode.open if not _optional(call)]
            done = episode.taken_up > len(turns) and not left
            return _end(episode, "Success." if done else "stop_early")
    return _end(episode, "no final answer")


def observations(
    reference: Sequence[JsonObject], made: Sequence[JsonObject], schemas: Mapping[str, JsonObject]
) -> list[Json] | None:
    """What the model reads after its last step, one observation a call; None where the episode ends there.

    Args:
      made: the model's steps so far, the last of them with calls.
    """
    turns = [list(turn["function_call"]) for turn in reference if "function_call" in turn]
    seen = [turn["content"] for turn in reference if turn.get("role") == "observation"]
    recorded = [pair for calls, found in zip(turns, seen, strict=True) for pair in zip(calls, found, strict=False)]
    free = [call for turn in turns for call in turn if call["name"] in FREE]
    episode: _Episode | None = _take_up(_Episode(turns, copy.deepcopy(turns[0]), 1, free, [], 0), always=False)
    steps = [message["function_call"] for message in made if "function_call" in message]
    for step in steps[:-1]:
        episode = None if episode is None else _step(episode, step, schemas)
    if episode is None or not episode.open or _step(episode, steps[-1], schemas) is None:
        return None
    pairs = _paired(steps[-1], [call for call in episode.open if call not in episode.free_done], free)
    return [_observation(call, pairs.get(place), recorded, schemas) for place, call in enumerate(steps[-1])]


def _observation(
    call: JsonObject, wanted: JsonObject | None, recorded: Sequence[tuple[JsonObject, Json]], schemas: Mapping[str, Any]
) -> Json:
    error = format_error(call, schemas)
    if wanted is None or error is not None:
        return dict(_UNEXPECTED) if error is None else {"error": error}
    found = next((seen for known, seen in recorded if known == wanted), None)
    return found if equal_by_rule(call, wanted) else dict(_UNEXPECTED)


def _step(episode: _Episode, calls: Sequence[JsonObject], schemas: Mapping[str, JsonObject]) -> _Episode | None:
    """The episode after one step of the model, or None if it ends there."""
    open_ = [call for call in episode.open if call not in episode.free_done]
    pairs = _paired(calls, open_, episode.free)
    wrong = [place for place in pairs if format_error(calls[place], schemas) is not None]
    matched = [wanted for place, wanted in pairs.items() if place not in wrong and equal_by_rule(calls[place], wanted)]
    if not matched and not wrong:
        return None
    left = list(open_)
    for call in matched:
        if call in left:
            left.remove(call)
    done = [*episode.free_done, *(call for call in matched if call in episode.free)]
    episode = episode._replace(open=left, free_done=done, matched=episode.matched + len(matched))
    return _take_up(_without_done(_take_up(episode, always=True) if matched else episode), always=False)


def _without_done(episode: _Episode) -> _Episode:
    return episode._replace(open=[call for call in episode.open if call not in episode.free_done])


def _paired(
    calls: Sequence[JsonObject], open_: Sequence[JsonObject], free: Sequence[JsonObject]
) -> dict[int, JsonObject]:
    """Place of a call -> call of the reference: equal ones first, then a look-up, then by likeness."""
    left, pairs = list(open_), {}
    for place, call in enumerate(calls):
        if call in left:
            left.remove(call)
            pairs[place] = call
        elif call in free:
            pairs[place] = call
    rest = [place for place in range(len(calls)) if place not in pairs]
    if rest and left:
        worth = [[_likeness(calls[place], wanted) for wanted in left] for place in rest]
        for place, column in zip(rest, heaviest_matching(worth), strict=True):
            if column is not None:
                pairs[place] = left[column]
    return dict(sorted(pairs.items()))


def _likeness(made: JsonObject, wanted: JsonObject) -> int:
    """1000 for the name, up to 100 for arguments that are equal."""
    given, meant = made.get("arguments") or {}, wanted["arguments"]
    equal = sum(name in given and given[name] == value for name, value in meant.items())
    return 1 + 1000 * (made.get("name") == wanted["name"]) + 100 * equal // max(1, len(set(given) | set(meant)))


def _take_up(episode: _Episode, *, always: bool) -> _Episode:
    """With the next turn of the reference added: always, or only if nothing but optional calls is open."""
    if not (always or all(call["name"] in FREE for call in episode.open) or any(map(_hotel_search, episode.open))):
        return episode
    place = episode.taken_up
    more: list[Any] = copy.deepcopy(episode.turns[place]) if place < len(episode.turns) else []
    return episode._replace(open=[*episode.open, *more], taken_up=place + 1)


def _hotel_search(call: JsonObject) -> bool:
    return call["name"] == "Search_Hotels" and call["arguments"].get("search_type") == "hotel"


def _optional(call: JsonObject) -> bool:
    return _hotel_search(call) or (call["name"] in FREE and call["name"] != "Location_to_Lat_Long")


def _end(episode: _Episode, message: str) -> Outcome:
    turns = episode.turns
    stuck = [place for place, turn in enumerate(turns) if any(call in turn for call in episode.open)]
    done = len(turns) if message == "Success." or not stuck else min(stuck)
    return Outcome(message, done, len(turns), episode.matched, sum(map(len, turns)))


def summarise(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """The benchmark's metrics in percent, over its fixed numbers of queries, and over the queries that are here.

    Args:
      outcomes: id of a query (`Hotels-12`) -> its outcome.
    """
    domains: dict[str, list[Outcome]] = {}
    for name, outcome in outcomes.items():
        domains.setdefault(name.rsplit("-", 1)[0], []).append(outcome)
    every = list(outcomes.values())
    return {
        "success": 100 * sum(one.success for one in every) / _QUERIES,
        "success_of_these": 100 * sum(one.success for one in every) / max(1, len(every)),
        "call_accuracy": _percent([(one.calls_matched, one.calls) for one in every]),
        "turn_accuracy": _percent([(one.turns_done, one.turns) for one in every]),
        "domains": {
            domain: {
                "success": 100 * sum(one.success for one in some) / _SHARES.get(domain, _DOMAIN_QUERIES),
                "call_accuracy": _percent([(one.calls_matched, one.calls) for one in some]),
                "turn_accuracy": _percent([(one.turns_done, one.turns) for one in some]),
            }
            for domain, some in sorted(domains.items())
        },
    }


def _percent(shares: Sequence[tuple[int, int]]) -> float:
    whole = sum(all_ for _, all_ in shares)
    return 100 * sum(part for part, _ in shares) / whole if whole else 0.0
