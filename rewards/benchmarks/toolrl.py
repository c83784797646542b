"""ToolRL's reward (arXiv 2504.13958, released code 8cee13e) with its variants, which the release sets by environment variables.

    score = format + correctness (+ length)

The default is `rewards.released.toolrl`: format 0 or 1, correctness from -3 to 3. Variants change the ranges with the
training step, or how calls are compared; `length` pays for words of thought.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rewards.released.toolrl import format_score, jaccard, read_block

LEAST_ERRORS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Variant(NamedTuple):
    """What each environment variable of the release switches on, when it is "1"."""

    with_length: bool = False
    schedule_length: bool = False
    correct_max_1: bool = False
    max_1_step_30_max_3: bool = False
    schedule_reward: bool = False
    refined: bool = False
    intermediate: bool = False
    coarse: bool = False


VARIABLES = {
    "WITHLENGTH": "with_length",
    "SCHEDULELENGTH": "schedule_length",
    "CORRECTMAX1": "correct_max_1",
    "MAX1STEP30MAX3": "max_1_step_30_max_3",
    "SCHEDULEREWARD": "schedule_reward",
    "REFINEDREWARD": "refined",
    "INTERMEDIATEREWARD": "intermediate",
    "COARSEREWARD": "coarse",
}


class ToolRlScore(NamedTuple):
    score: float
    format: float
    correctness: float
    length: float


def variant_of(environment: Mapping[str, str]) -> Variant:
    """The variant that these variables ask for; others are ignored, as in the release."""
    return Variant(**{field: environment.get(name) == "1" for name, field in VARIABLES.items()})


def judge_completion(completion: str, gold: str, variant: Variant, step: int) -> ToolRlScore:
    """The reward of one completion.

    Args:
      completion, gold: the texts, with <think>, <tool_call> and <response> blocks.
      variant: which form.
      step: of the training run.

    Raises ValueError if the gold text has a <tool_call> block that cannot be read.
    """
    formatted = _format(completion, gold, variant, step)
    correctness = _correctness(completion, gold, variant, step)
    length = _length(completion, variant, step) if variant.with_length else 0
    return ToolRlScore(formatted + correctness + length, formatted, correctness, length)


def _format(completion: str, gold: str, variant: Variant, step: int) -> float:
    least, most = 0.0, 1.0
    if variant.max_1_step_30_max_3 and step >= 30:
        most /= 2
    if variant.schedule_reward:
        least, most = min(-2 + (2 + least) * step / 150, -1.0), max(2 - (2 - most) * step / 150, 1.0)
    return most if format_score(completion, gold) else least


def correctness_range(variant: Variant, step: int) -> tuple[float, float]:
    least, most = (-1.0, 1.0) if variant.correct_max_1 else (-3.0, 3.0)
    if variant.max_1_step_30_max_3 and step < 30:
        least, most = least / 3, most / 3
    if variant.schedule_reward:
        least, most = max((least + 2) * step / 150 - 2, -3.0), min((most - 2) * step / 150 + 2, 3.0)
    return least, most


def _correctness(completion: str, gold: str, variant: Variant, step: int) -> float:
    if "<tool_call>" not in gold:
        return 0.0
    wanted = read_block(gold)
    least, most = correctness_range(variant, step)
    if "<tool_call>" not in completion or "</tool_call>" not in completion:
        return least
    try:
        return compare_calls(wanted, read_block(completion), variant, least, most)
    except LEAST_ERRORS:
        return least


def compare_calls(wanted: list[Any], made: list[Any], variant: Variant, least: float, most: float) -> float:
    """The equation of `rewards.released.toolrl`, with the variant's comparison. Raises where a call is none."""
    if wanted == made:
        return most
    if variant.coarse:
        return least
    score = _alike([call["name"] for call in wanted], [call["name"] for call in made], variant)
    reachable = 1.0
    used: set[int] = set()
    for call in wanted:
        reachable += 1.0 if variant.intermediate else 1.0 + len(call["parameters"])
        best, place = _best(call, made, used, variant)
        if place is not None:
            used.add(place)
            score += best
    return (most - least) * score / reachable + least


def _best(call: Any, made: list[Any], used: set[int], variant: Variant) -> tuple[float, int | None]:
    best, which = 0.0, None
    for place, other in enumerate(made):
        if place in used or other["name"] != call["name"]:
            continue
        if variant.intermediate:
            if call == other:
                return 1.0, place
            continue
        parameters, given = call["parameters"], other["parameters"]
        equal = sum(name in given and given[name] == value for name, value in parameters.items())
        alike = _alike(list(parameters.keys()), list(given.keys()), variant) + equal
        if alike > best:
            best, which = alike, place
    return best, which


def _alike(wanted: Sequence[Any], made: Sequence[Any], variant: Variant) -> float:
    return float(wanted == made) if variant.refined else jaccard(wanted, made)


def _length(completion: str, variant: Variant, step: int) -> float:
    """Share of the wanted number of words of thought, to two decimals."""
    if "<think>" not in completion or "</think>" not in completion:
        return 0.0
    wanted = (640 - 384) * step / 105 + 384 if variant.schedule_length else 512
    thought = completion.split("<think>")[-1].split("</think>")[0].strip()
    return min(round(len(thought.split()) / wanted, 2), 1.0)
