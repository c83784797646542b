"""Times of several sides that do the same work, taken in turn, so that a busy moment of the machine meets all of them."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds on the clock of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def medians_in_turn(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of what each side says that it took, over `rounds` rounds in which every side has its turn.

    Each side goes once before, unmeasured: it may have to compile.
    """
    for side in sides.values():
        side()
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            taken[name].append(side())
    return {name: median(values) for name, values in taken.items()}
