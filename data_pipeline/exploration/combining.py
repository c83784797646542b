"""Calls to try next for one tool: its parameters' choices put together, the most promising combination first."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product
from typing import NamedTuple, TypeAlias

from data_pipeline.exploration.slots import DOUBTFUL, Choice, Slot
from data_pipeline.words.json import JsonObject

FIRST, OTHERS, ENOUGH = 40, 3, 400
"""Choices of the first parameter and of each other one, and combinations looked at in one go."""


Price: TypeAlias = Callable[[Slot, Choice], float | None]


class Combination(NamedTuple):
    chosen: tuple[tuple[str, Choice], ...]
    cost: float

    @property
    def arguments(self) -> JsonObject:
        return {name: choice.value for name, choice in self.chosen}

    @property
    def doubtful(self) -> bool:
        return any(choice.cost >= DOUBTFUL for _, choice in self.chosen)

    @property
    def generation(self) -> int:
        return max((choice.generation for _, choice in self.chosen), default=0)


def combinations(slots: Sequence[Slot], bases: Sequence[Combination], price: Price) -> list[Combination]:
    """Combinations of the required parameters, and the bases with one optional parameter more; the best first.

    bases: combinations that were answered ok. price: what a choice costs now, None if it is not worth a try any more.
    """
    required = [slot for slot in slots if slot.required]
    optional = [slot for slot in slots if not slot.required]
    made = list(islice(_required(required, price), ENOUGH))
    for base in bases:
        for slot in optional:
            for choice in _best(slot, OTHERS, price):
                made.append(Combination((*base.chosen, (slot.name, choice)), base.cost + 1.5 + choice.cost))
    return sorted(made, key=lambda one: (one.doubtful, one.generation, one.cost))


def _required(slots: Sequence[Slot], price: Price) -> Iterator[Combination]:
    if not slots:
        yield Combination((), 0.0)
        return
    for anchor in _best(slots[0], FIRST, price):
        others = [_beside(anchor, slot, price) for slot in slots[1:]]
        for rest in product(*others):
            chosen = (anchor, *rest)
            yield Combination(
                tuple((slot.name, choice) for slot, choice in zip(slots, chosen, strict=True)), _cost(chosen)
            )


def _beside(anchor: Choice, slot: Slot, price: Price) -> list[Choice]:
    """Choices of another parameter: one from the very object that the anchor came from (a latitude's longitude) first."""
    best = _best(slot, OTHERS, price)
    if anchor.fact is None:
        return best
    place = anchor.fact.place
    together = [choice for choice in slot.choices if choice.fact is not None and choice.fact.place == place]
    together = [choice for choice in together if price(slot, choice) is not None][:1]
    return [*together, *(choice for choice in best if choice not in together)]


def _best(slot: Slot, number: int, price: Price) -> list[Choice]:
    """The choices that cost least now, doubtful ones last, earlier generations first; with their prices as costs."""
    priced = []
    for place, choice in enumerate(slot.choices):
        cost = price(slot, choice)
        if cost is not None:
            priced.append((cost >= DOUBTFUL, choice.generation, cost, place, choice._replace(cost=cost)))
    return [entry[-1] for entry in sorted(priced, key=lambda entry: entry[:4])[:number]]


def _cost(chosen: Sequence[Choice]) -> float:
    """The sum of the choices' costs, and more the more different objects they come from."""
    places = {choice.fact.place for choice in chosen if choice.fact is not None}
    return sum(choice.cost for choice in chosen) + 2.0 * max(0, len(places) - 1)
