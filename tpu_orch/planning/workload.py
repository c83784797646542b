"""How long prompts, turns and tool results are: drawn from distributions, the defaults those of the recorded travel tools.

Their 467 recorded responses are 3,854 characters long in the median of all calls made and about 33,000 at the 95th percentile,
which a lognormal has with a sigma of 1.31; tasks need 2 to 11 calls.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LONGEST = 2**31  # tokens of a turn that may be drawn, far beyond any capacity
NORMAL_95 = 1.6449  # standard deviations that 95 % of a normal lie below
CALLS = (
    (2, 25),
    (3, 33),
    (4, 48),
    (5, 41),
    (6, 33),
    (7, 10),
    (8, 8),
    (9, 2),
    (11, 1),
)  # calls needed -> tasks, of booking's 201


@dataclass(frozen=True)
class WorkloadOptions:
    """Lengths of what rollouts hold. p50 and p95 are those of a lognormal distribution."""

    prompt_tokens: int = 2048
    """Of a task: system text, schemas, query."""
    turn_p50: float = 120.0
    """Tokens that the policy draws in a turn."""
    turn_p95: float = 600.0
    response_p50: float = 3854.0
    """Characters of a tool's response."""
    response_p95: float = 33_000.0
    characters_a_token: float = 3.2
    """Of responses."""
    calls: int = -1
    """Calls of a rollout before its answer; -1: drawn as the travel tasks need them, 0: a plan in one turn."""
    tool_ms: float = 2.0
    """Of the host a call: parsing, checking, looking up, rendering."""
    tool_wait_ms: float = 0.0
    """Beside that, until a live tool answers; calls of one visit wait together."""


class Lengths(NamedTuple):
    """One rollout before it is played."""

    prompt: int
    """number of its prompt: those of a group have the same"""
    prompt_tokens: int
    turns: tuple[tuple[int, int], ...]
    """of each turn: tokens drawn, tokens of the result that follows (0 after the last)"""


def draw_lengths(options: WorkloadOptions, prompts: int, group: int, result_limit: int, seed: int = 0) -> list[Lengths]:
    """Rollouts of a step: `prompts` groups, members of a group needing the same number of calls.

    Args:
      result_limit: longest result in tokens; longer ones are shortened.
    """
    random = np.random.default_rng(seed)
    numbers, weights = np.array(CALLS).T
    made = []
    for prompt in range(prompts):
        drawn_calls = int(random.choice(numbers, p=weights / weights.sum()))
        calls = drawn_calls if options.calls < 0 else options.calls
        for _ in range(group):
            drawn = lognormal(random, options.turn_p50, options.turn_p95, calls + 1)
            characters = lognormal(random, options.response_p50, options.response_p95, calls)
            results = np.minimum(np.ceil(characters / options.characters_a_token), result_limit)
            turns = zip(np.clip(drawn, 1, LONGEST).astype(int), [*results.astype(int), 0], strict=True)
            made.append(Lengths(prompt, options.prompt_tokens, tuple((int(own), int(fed)) for own, fed in turns)))
    return made


def lognormal(random: np.random.Generator, p50: float, p95: float, number: int) -> np.ndarray:
    """float [number] with that median and 95th percentile."""
    return random.lognormal(math.log(p50), math.log(p95 / p50) / NORMAL_95, number)
