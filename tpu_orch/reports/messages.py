"""What a command tells people while it works: lines on stderr, from process 0 only."""

import sys

import jax


def say(text: str) -> None:
    """One line for people."""
    if jax.process_index() == 0:
        print(text, file=sys.stderr, flush=True)
