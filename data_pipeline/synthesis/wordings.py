"""Queries in words written by hand: `{0.query}` in them stands for the argument of a step."""

import random
import re
from collections.abc import Sequence

from data_pipeline.paths import PathError, get_path, parse_path
from data_pipeline.synthesis.grammar import spoken
from data_pipeline.words import ToolCall
from data_pipeline.workflows.files import SLOT


def worded(wordings: Sequence[str], calls: Sequence[ToolCall], rng: random.Random) -> str | None:
    """One of the wordings with the calls' values in their places; None where each names an argument that no call has."""
    filled = [text for wording in wordings if (text := _filled(wording, calls)) is not None]
    return rng.choice(filled) if filled else None


def _filled(wording: str, calls: Sequence[ToolCall]) -> str | None:
    def said(slot: re.Match[str]) -> str:
        value = get_path(calls[int(slot["step"])].arguments, parse_path(slot["argument"]))
        return value if type(value) is str else spoken(value)

    try:
        return SLOT.sub(said, wording)
    except PathError:
        return None
