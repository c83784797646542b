"""LEAST:MOST on the command line."""

from data_pipeline.errors import InputError
from data_pipeline.synthesis import Range


def parse_range(option: str, text: str) -> Range:
    """`2:6`, or `3` for 3:3. Raises InputError naming the option."""
    low, colon, high = text.partition(":")
    if not low.isdigit() or (colon and not high.isdigit()) or int(low) > int(high if colon else low):
        raise InputError(f"{option} {text}: give LEAST:MOST, such as 2:6")
    return Range(int(low), int(high if colon else low))
