"""What the host must not lose between steps, as plain numbers, so that a checkpoint holds it exactly."""

import time
from typing import Any, NamedTuple

from data_pipeline.words import JsonObject
from tpu_orch.training.curriculum import Curriculum


class Progress(NamedTuple):
    curriculum: Curriculum
    evaluations: dict[str, Any]
    """Stage ("before", "after_sft", "after") -> summary."""
    seconds: dict[str, float]
    """By part of the run, over all its sittings."""
    sampled: int = 0
    """Tokens drawn in reinforcement learning."""
    best: tuple[int, float] | None = None
    """Step and score of the best evaluation of those that are compared."""
    worse: int = 0
    """Evaluations since then."""
    ended: int | None = None
    """The step at which the run stopped early."""
    peaks: dict[str, dict[str, int]] = {}  # noqa: RUF012 (never changed in place)
    """Most bytes held by the end of each part of the run."""

    def judged(self, step: int, score: float) -> "Progress":
        """After an evaluation of this score."""
        if self.best is None or score > self.best[1]:
            return self._replace(best=(step, score), worse=0)
        return self._replace(worse=self.worse + 1)

    def spent(self, part: str, seconds: float) -> "Progress":
        return self._replace(seconds={**self.seconds, part: self.seconds.get(part, 0.0) + seconds})

    def to_json(self) -> JsonObject:
        return {
            "curriculum": {str(level): mean for level, mean in self.curriculum.success.items()},
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "sampled": self.sampled,
            "best": self.best,
            "worse": self.worse,
            "ended": self.ended,
            "peaks": self.peaks,
        }


def from_json(value: JsonObject) -> Progress:
    """The progress back from a checkpoint's JSON."""
    success = {int(level): mean for level, mean in value["curriculum"].items()}
    best = value.get("best")
    return Progress(
        Curriculum(success),
        value["evaluations"],
        value["seconds"],
        value["sampled"],
        None if best is None else (best[0], best[1]),
        value.get("worse", 0),
        value.get("ended"),
        value.get("peaks", {}),
    )


class Watch:
    """Seconds since the last look."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        return passed
