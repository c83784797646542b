"""Faults on purpose, for training and tests: timeouts, errors and slow answers, drawn from the rollout's own rng.

A fault depends on the seed of the rollout and on the position of the call in it, on nothing else: the same rollout
meets the same faults whatever runs beside it. No time is really spent unless a `sleep` is given; the store has no
deadline.
"""

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from data_pipeline.backends.protocol import TIMED_OUT, Backend, not_recorded, refusal
from data_pipeline.errors import InputError
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import JsonObject

_PART = re.compile(r"(timeout|error|raise|miss|slow)=(\d*\.?\d+)(?:@(\d+)ms)?")


class Faults(NamedTuple):
    """Probabilities of each fault, per call; they exclude each other."""

    timeout: float = 0.0
    error: float = 0.0
    raised: float = 0.0
    miss: float = 0.0
    slow: float = 0.0
    slow_ms: int = 0


def parse_faults(text: str) -> Faults:
    """`timeout=0.02,error=0.05,slow=0.1@200ms`. Raises `InputError`."""
    shares: dict[str, float] = {}
    slow_ms = 0
    for part in text.split(",") if text else ():
        match = _PART.fullmatch(part.strip())
        if match is None or (match[3] is not None) != (match[1] == "slow"):
            raise InputError(
                f"faults: {part.strip()!r:.60}: expected timeout=P, error=P, raise=P, miss=P or slow=P@MSms, comma-separated"
            )
        shares["raised" if match[1] == "raise" else match[1]] = float(match[2])
        slow_ms = int(match[3] or slow_ms)
    if sum(shares.values()) > 1:
        raise InputError(f"faults: the probabilities of {text!r:.80} sum to more than 1")
    timeout, error, raised, miss, slow = (shares.get(name, 0.0) for name in Faults._fields[:5])
    return Faults(timeout, error, raised, miss, slow, slow_ms)


class FaultyBackend:
    """Another backend's answers with faults among them. One is made for each rollout; see `for_rollout`."""

    def __init__(
        self, backend: Backend, faults: Faults, seed: int = 0, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._backend = backend
        self._faults = faults
        self._seed = seed
        self._sleep = sleep
        self._calls = 0

    @property
    def checked(self) -> bool:
        return self._backend.checked

    def for_rollout(self, seed: int) -> "FaultyBackend":
        """The backend of one rollout, its draws made of the rollout's seed."""
        return FaultyBackend(self._backend, self._faults, seed, self._sleep)

    def forked(self) -> "FaultyBackend":
        """A copy that goes on from the same position."""
        copied = self.for_rollout(self._seed)
        copied._calls = self._calls
        return copied

    def go_on_after(self, calls: int) -> None:
        """Goes on as if so many calls more had been answered."""
        self._calls += calls

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        drawn = draw(self._seed, self._calls)
        self._calls += 1
        faults = self._faults
        for share, fault in (
            (faults.timeout, TIMED_OUT),
            (faults.error, refusal(ResultKind.ERROR, "the tool is out of order; try again")),
            (faults.raised, refusal(ResultKind.RAISED, "ConnectionError: connection reset by peer")),
            (faults.miss, not_recorded(call.name)),
        ):
            if drawn < share:
                return fault
            drawn -= share
        if drawn < faults.slow and self._sleep is not None:
            self._sleep(faults.slow_ms / 1000)
        return self._backend.answer(call, context)


def rollout_seed(seed: int, task_id: str, index: int) -> int:
    """What the faults of one rollout are drawn from: its identity, so that rollouts of one run meet different faults.

    index: of the rollout among those of its task.
    """
    text = f"{seed}/{index}/{task_id}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, person=b"tpu-orch/rollout").digest(), "big")


def draw(seed: int, position: int) -> float:
    """Uniform in [0, 1), a function of its arguments alone."""
    digest = hashlib.blake2b(f"{seed}/{position}".encode(), digest_size=8, person=b"tpu-orch/faults").digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)
