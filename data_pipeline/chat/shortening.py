"""What is fed of a tool's result: the whole if it is short, else a structural cut of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from data_pipeline.environment.shorten import shorten
from data_pipeline.paths import Path
from data_pipeline.tokenizers import Tokenizer
from data_pipeline.words import Json, Resolved


@dataclass(frozen=True)
class Shortener:
    """Shortens a call's result to `limit` tokens and keeps what known workflows read of that tool's results.

    keep: tool name -> paths into its results (see `kept_paths`).
    """

    tokenizer: Tokenizer
    limit: int
    keep: Mapping[str, frozenset[Path]]

    def __call__(self, step: Resolved) -> Json:
        content = None if step.result is None else step.result.content
        kept = self.keep.get(step.call.name, frozenset()) if step.call else frozenset()
        return shorten(content, self.limit, lambda text: len(self.tokenizer.encode(text)), kept)
