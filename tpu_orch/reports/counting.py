"""A bar on stderr for work that is counted; silent where stderr is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tpu_orch.reports.terminal import terminal


@contextmanager
def counter(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Yields what to call after each piece of `total`."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal(stderr=True), disable=not sys.stderr.isatty()) as bars:
        bar = bars.add_task(what, total=total)
        yield lambda: bars.advance(bar)
