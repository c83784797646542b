"""`toolrl-released`: the reward of ToolRL (arXiv 2504.13958) in its default setting, from -3 to 4.

    format      = 1 if the text is laid out exactly as the gold text's kind asks, else 0
    correctness = 6 * s / most - 3, with
    s           = M(names) + sum over gold calls of the best unused call of the same name: M(parameter names) + equal values
    most        = 1 + sum over gold calls of (1 + number of parameters)
M is the multiset Jaccard index, 1 for equal lists and 0 where one is empty. Equal lists of calls are 3, text without
a readable tool block is -3, and a gold text without calls is 0 whatever was done.

For plans it is what the code of arXiv 2605.16790 makes of it: the calls of a well-formed plan are spelled anew one a
line, the hidden `tag` taken out (the gold calls keep theirs), and compared with the release's own call tree.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from data_pipeline.words import Json, JsonObject, Rollout, Task, Tool
from rewards.released.tier import read_calls, read_rollout, spelled_references
from rewards.released.tier_text import Calls, Unreadable
from rewards.verdicts import Verdict, plain_calls

WEIGHTS = {"format": 1.0, "correctness": 6.0}
LOW, HIGH = -3.0, 4.0
LEAST, MOST = -3.0, 3.0

_THINK = re.compile(r"^<think>.*?</think>$", re.DOTALL)
_CALLS = re.compile(r"^<think>.*?</think>\n<tool_call>\n.*?\n</tool_call>$", re.DOTALL)
_RESPONSE = re.compile(r"^<think>.*?</think>\n<response>.*?</response>$", re.DOTALL)
_BOTH = re.compile(r"^<think>.*?</think>\n<tool_call>\n.*?\n</tool_call>\n<response>.*?</response>$", re.DOTALL)


class Row(NamedTuple):
    formatted: float
    correctness: float
    """From -3 to 3."""


class Features(NamedTuple):
    formatted: Float[Any, "B"]
    correctness: Float[Any, "B"]


class Components(NamedTuple):
    format: Float[Any, "B"]
    correctness: Float[Any, "B"]
    """Brought from [-3, 3] to [0, 1]."""


def judge(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Verdict:
    """The plan's calls against the release's call tree."""
    calls = partial(plain_calls, rollout)
    try:
        completion = read_rollout(rollout, task, tools)
        calls = partial(read_calls, rollout, completion, {})
    except Unreadable as error:
        return Verdict(Row(0.0, LEAST), calls, (f"the calls cannot be read: {error}",))
    if not completion.formatted or not completion.calls:
        return Verdict(Row(0.0, LEAST), calls, ("no readable calls",))
    try:
        made = {one: completion.calls[one] for one in sorted(completion.calls, key=int)}
        text = f"<think>{completion.think}</think>\n{_block(_without_tags(made))}"
    except (AttributeError, ValueError):
        return Verdict(Row(0.0, LEAST), calls, ("ids that are no numbers, or parameters that are no object",))
    wanted = gold_calls(task)
    if not wanted:  # the release's own block of no calls cannot be read again
        return Verdict(Row(0.0, LEAST), calls, ("the reference has no calls to compare with",))
    gold = f"<think></think>\n{_block(wanted)}"
    return Verdict(Row(format_score(text, gold), correctness_score(text, gold)), calls)


def batch(rows: Sequence[Row]) -> Features:
    return Features(
        np.array([row.formatted for row in rows], np.float64), np.array([row.correctness for row in rows], np.float64)
    )


def components(features: Features) -> Components:
    """The components of every rollout of a batch."""
    return Components(features.formatted * 1.0, (features.correctness - LEAST) / (MOST - LEAST))


def format_score(completion: str, gold: str) -> float:
    """1 if the completion has the layout of the gold text's kind, with one block each."""
    calls, response = "<tool_call>" in gold, "<response>" in gold
    blocks = [tag for tag, wanted in (("tool_call", calls), ("response", response)) if wanted]
    # counted first: with one block each the patterns cannot search long
    if any(completion.count(f"<{tag}>") != 1 or completion.count(f"</{tag}>") != 1 for tag in blocks):
        return 0.0
    pattern = _BOTH if calls and response else _CALLS if calls else _RESPONSE if response else _THINK
    return float(pattern.search(completion) is not None)


def correctness_score(completion: str, gold: str) -> float:
    """How alike the calls of two texts are, from -3 to 3; 0 where the gold text has none."""
    if "<tool_call>" not in gold:
        return 0.0
    if "<tool_call>" not in completion or "</tool_call>" not in completion:
        return LEAST
    try:
        return compare_calls(read_block(gold), read_block(completion))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return LEAST


def compare_calls(wanted: list[Any], made: list[Any]) -> float:
    """The equation. Raises where a call is not `{"name", "parameters"}`."""
    if wanted == made:
        return MOST
    score = jaccard([call["name"] for call in wanted], [call["name"] for call in made])
    most = 1.0
    used: set[int] = set()
    for call in wanted:
        parameters = call["parameters"]
        most += 1.0 + len(parameters)
        best, which = 0.0, None
        for place, other in enumerate(made):
            if place in used or other["name"] != call["name"]:
                continue
            given = other["parameters"]
            equal = sum(name in given and given[name] == value for name, value in parameters.items())
            alike = jaccard(list(parameters), list(given.keys())) + equal
            if alike > best:
                best, which = alike, place
        if which is not None:
            used.add(which)
            score += best
    return (MOST - LEAST) * score / most + LEAST


def jaccard(a: Sequence[Any], b: Sequence[Any]) -> float:
    """Multiset intersection over union; 1 for equal lists, 0 where one is empty."""
    if a == b:
        return 1.0
    if not a or not b:
        return 0.0
    both = (Counter(a) & Counter(b)).total()
    return both / (len(a) + len(b) - both)


def read_block(text: str) -> list[Any]:
    """The calls of the first <tool_call> block, one JSON text a line. Raises ValueError where a line is none."""
    body = text.split("<tool_call>", 2)[1].split("</tool_call>", 1)[0].strip()
    return [json.loads(line) for line in body.split("\n")]


def gold_calls(task: Task) -> Calls:
    """The release's call tree; for other tasks the reference."""
    if task.released is not None:
        return task.released
    return {str(place): {step.name: spelled_references(step.arguments)} for place, step in enumerate(task.reference)}


def _without_tags(calls: Calls) -> Calls:
    def cleaned(parameters: Json) -> JsonObject:
        return {name: value for name, value in parameters.items() if name != "tag"}

    return {one: {name: cleaned(parameters) for name, parameters in step.items()} for one, step in calls.items()}


def _block(calls: Calls) -> str:
    lines = [
        json.dumps({"name": name, "parameters": parameters})
        for step in calls.values()
        for name, parameters in step.items()
    ]
    return "<tool_call>\n" + "\n".join(lines) + "\n</tool_call>"
