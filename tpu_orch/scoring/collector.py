"""Python's collector of cycles, paused while a batch is scored.

What is made from a rollouts file are trees of JSON and tuples, which reference counts free; the collector would walk
through every value that is alive, again and again, and find nothing. Between batches it runs as ever.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No collection within; one that was off before stays off."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
