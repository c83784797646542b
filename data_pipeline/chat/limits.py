"""Results within a limit of tokens: cut structurally, never a field that a known workflow reads."""

from collections.abc import Mapping
from typing import NamedTuple

from data_pipeline.environment.shorten import shorten
from data_pipeline.jsontext import read_json, spaced_json
from data_pipeline.paths import Path
from data_pipeline.tokenizers import Tokenizer
from data_pipeline.words import Json, Resolved


class ResultLimit(NamedTuple):
    """`Chat(shorten=ResultLimit(...))`.

    tokens: most that one result's JSON text may take. kept: tool -> paths into its result that stay (`kept_paths`).
    """

    tokenizer: Tokenizer
    tokens: int
    kept: Mapping[str, frozenset[Path]] = {}

    def __call__(self, step: Resolved) -> Json:
        if step.result is None:
            return None
        keep = self.kept.get(step.call.name, frozenset()) if step.call else frozenset()
        return shorten(step.result.content, self.tokens, self._measure, keep)

    def _measure(self, text: str) -> int:
        return len(self.tokenizer.encode(spaced_json(read_json(text))))
