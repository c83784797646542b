"""What a look at a machine gives."""

from typing import Literal, NamedTuple

State = Literal["ok", "note", "care", "bad"]
"""ok: as it should be. note: something could be better. care: runs work, but may not as hoped. bad: runs fail."""


class Finding(NamedTuple):
    what: str
    state: State
    found: str
    advice: str = ""
