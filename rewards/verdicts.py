"""What the host finds out about a rollout before any arithmetic: one verdict a call, one row of features a rollout."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from data_pipeline.errors import WorkFailed
from data_pipeline.words import JsonObject, Resolved, Rollout


class Unscorable(WorkFailed):
    """This one rollout cannot be scored; one line that says why."""


class CallVerdict(NamedTuple):
    """One attempt at a call, judged."""

    name: str | None
    """Tool that was called; None for text that should have been a call and is none."""
    step: int | None
    """Step of the reference that the call stands for, where a reward compares with one."""
    result: str | None
    """Kind of result that the environment recorded; None where the rollout ended before."""
    levels: Mapping[str, float]
    """Share in [0, 1] that each level of the reward gives to this call."""
    why: tuple[str, ...] = ()
    """One short line for everything that was not right."""

    def row(self) -> JsonObject:
        """The interchange form."""
        name, step, result, levels, why = self
        return {"name": name, "step": step, "result": result, "levels": dict(levels), "why": list(why)}


class Verdict(NamedTuple):
    """One rollout, judged."""

    features: Any
    """The reward's own row of counts; its `batch` pads rows into arrays."""
    explain: Callable[[], tuple[CallVerdict, ...]]
    """Works out `calls`: most verdicts are never read by people, so they are made only when asked for."""
    why: tuple[str, ...] = ()
    """What was not right about the rollout as a whole (its format, its answer)."""

    @property
    def calls(self) -> tuple[CallVerdict, ...]:
        """One verdict for each attempt at a call, in order."""
        return self.explain()


def plain_calls(rollout: Rollout) -> tuple[CallVerdict, ...]:
    """The verdicts of a reward that looks at no call by itself."""
    return tuple(CallVerdict(step.call.name if step.call else None, None, kind_of(step), {}) for step in rollout.steps)


def kind_of(step: Resolved) -> str | None:
    return None if step.result is None else step.result.kind.value


def writable(name: str) -> str:
    """A name with a question mark for every half of a letter, which JSON's escapes can spell and UTF-8 cannot."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode("utf-8")


def shown(value: Any, limit: int = 60) -> str:
    """A value as people read it in a verdict, cut."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
