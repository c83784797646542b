"""The terminal that tables and lines are shown on. What is shown may come from files: brackets and colons mean nothing in it."""

from typing import Any

from rich.console import Console


def terminal(**options: Any) -> Console:
    """A console that shows every text as it is: no markup (`[red]`), no emoji (`:100:`). The options are rich's."""
    return Console(**options, markup=False, emoji=False)
