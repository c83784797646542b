"""Which other tools a task offers: those most like the ones it needs, so that names alone do not tell them apart."""

import random
import re
from collections.abc import Mapping, Sequence

from data_pipeline.words import Tool

POOL = 3
"""Times as many similar tools as asked for are drawn from."""


class Distractors:
    """Similarity of tools by the words of their names, descriptions and arguments; words that every tool has count
    for nothing.
    """

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._words = {name: _words(tool) for name, tool in tools.items()}
        counts: dict[str, int] = {}
        for words in self._words.values():
            for word in sorted(words):
                counts[word] = counts.get(word, 0) + 1
        self._weight = {word: 1 / count for word, count in counts.items()}
        self._alike: dict[tuple[str, str], float] = {}
        self._near: dict[tuple[str, ...], list[str]] = {}

    def offer(self, needed: Sequence[str], count: int, rng: random.Random) -> tuple[str, ...]:
        """The needed tools and `count` distractors, in random order."""
        names = tuple(dict.fromkeys(needed))
        near = self._nearest(names)
        pool = near[: POOL * count]
        offered = [*names, *rng.sample(pool, min(count, len(pool)))]
        rng.shuffle(offered)
        return tuple(offered)

    def _nearest(self, names: tuple[str, ...]) -> list[str]:
        if names not in self._near:
            others = [name for name in self._words if name not in names]
            self._near[names] = sorted(others, key=lambda name: (-max(self._likeness(n, name) for n in names), name))
        return self._near[names]

    def _likeness(self, a: str, b: str) -> float:
        if (a, b) not in self._alike:
            self._alike[a, b] = self._alike[b, a] = self._compared(a, b)
        return self._alike[a, b]

    def _compared(self, a: str, b: str) -> float:
        shared = sum(self._weight[word] for word in sorted(self._words[a] & self._words[b]))
        every = sum(self._weight[word] for word in sorted(self._words[a] | self._words[b]))
        return shared / every if every else 0.0


def _words(tool: Tool) -> frozenset[str]:
    text = " ".join((tool.name, tool.description, *tool.parameters.get("properties", {})))
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return frozenset(word.lower() for word in re.findall(r"[^\W\d_]{3,}", apart))
