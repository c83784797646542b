"""Progress for people, on stderr: bars with the time left on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import jax
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tpu_orch.config import RunConfig
from tpu_orch.reports.terminal import terminal

QUIET = 15.0  # seconds between lines where there is no terminal


class Display:
    """Shows a run's phases. Use as a context manager; silent in processes other than the first."""

    def __init__(self, config: RunConfig) -> None:
        self._sizes = {"warmup": config.warmup.steps, "rl": config.trainer.steps}
        self._before = {"warmup": 0, "rl": config.warmup.steps}
        self._names = {"warmup": "warm-up", "rl": "reinforcement"}
        self._console = terminal(stderr=True, quiet=jax.process_index() != 0)
        self._bars = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, TaskID] = {}
        self._told = -QUIET

    def __enter__(self) -> "Display":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    @contextmanager
    def phase(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar of its own for work that is counted; yields what to call after each piece."""
        bar = self._bars.add_task(name, total=total, note="")
        yield lambda: self._bars.advance(bar)
        self._bars.remove_task(bar)

    def step(self, step: int, row: Mapping[str, Any]) -> None:
        """After a training step (counted from 1) with its metrics."""
        phase = row["phase"]
        done, size = step - self._before[phase], self._sizes[phase]
        note = (
            f"loss {row['loss']:.3f}"
            if phase == "warmup"
            else f"reward {row['reward']:.3f}, {row['tokens_per_s']:.0f} tokens/s"
        )
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(self._names[phase], total=size, completed=done - 1, note="")
        self._bars.update(self._tasks[phase], completed=done, note=note)
        now = time.monotonic()
        if self._bars.disable and (now - self._told > QUIET or done == size):
            self._told = now
            self._console.print(f"{self._names[phase]} {done}/{size}: {note}", highlight=False)
