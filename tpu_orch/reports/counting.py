"""A bar on stderr over work that comes in pieces; silent where there is no terminal."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

Piece = TypeVar("Piece", bound=Sequence)


def counted(what: str, pieces: Iterable[Piece], total: int) -> Iterator[Piece]:
    """The pieces as they come; the bar counts their items."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from pieces
        return
    columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=total)
        for piece in pieces:
            yield piece
            progress.advance(bar, len(piece))
