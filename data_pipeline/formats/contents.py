"""What tools answered, read once: rollouts of one task hold the same results word for word, since one store gave them.

The values are shared between rollouts, as everything read from a file is: nobody changes them.
"""

from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.words.json import Json

LETTERS = 1 << 20
"""Of all texts that are remembered; beyond it the memory starts anew."""
LONGEST = LETTERS // 16
"""Letters of one text that is remembered."""


class Contents:
    """The content of a result by its text: JSON where it is JSON, else the text itself; and whether it is that."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Json, bool]] = {}
        self._letters = 0

    def __call__(self, text: str) -> tuple[Json, bool]:
        try:
            return self._known[text]
        except KeyError:
            pass
        try:
            found = read_json(text), False
        except JsonError:
            found = text, True
        if len(text) <= LONGEST:
            self._letters += len(text)
            if self._letters > LETTERS:
                self._known, self._letters = {}, len(text)
            self._known[text] = found
        return found
