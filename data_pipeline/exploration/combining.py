"""Calls to try next for one tool: its parameters' choices put together, the most promising combination first."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice, product
from typing import NamedTuple, TypeAlias

from data_pipeline.exploration.slots import DOUBTFUL, Choice, Slot
from data_pipeline.words.json import JsonObject

OTHERS = 3
"""Choices of each parameter beside the first that one choice of the first is combined with."""
BESIDE_MOST = 200
"""Combinations of one choice of the first parameter."""


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


def promising(combination: Combination) -> tuple[bool, int, float]:
    """What combinations are ordered by: doubtful ones last, earlier generations first, then cost."""
    return combination.doubtful, combination.generation, combination.cost


def required_combinations(
    slots: Sequence[Slot], price: Price, spent: Collection[int]
) -> Iterator[tuple[int, list[Combination]]]:
    """(place of the first parameter's choice, its combinations with the others', best first), the best choice first.

    slots: the required parameters. spent: places to pass over. price: what a choice costs now, None if it is not worth
    a try any more.
    """
    if not slots:
        if 0 not in spent:
            yield 0, [Combination((), 0.0)]
        return
    for place, anchor in _ranked(slots[0], price, spent):
        others = [_beside(anchor, slot, price) for slot in slots[1:]]
        chosen = [(anchor, *rest) for rest in islice(product(*others), BESIDE_MOST)]
        made = [Combination(_named(slots, choices), _cost(choices)) for choices in chosen]
        yield place, sorted(made, key=promising)


def widened(bases: Sequence[Combination], optional: Sequence[Slot], price: Price) -> list[Combination]:
    """Each base with one optional parameter more, best first."""
    made = [
        Combination((*base.chosen, (slot.name, choice)), base.cost + 1.5 + choice.cost)
        for base in bases
        for slot in optional
        for choice in _best(slot, OTHERS, price)
    ]
    return sorted(made, key=promising)


def _named(slots: Sequence[Slot], choices: Sequence[Choice]) -> tuple[tuple[str, Choice], ...]:
    return tuple((slot.name, choice) for slot, choice in zip(slots, choices, strict=True))


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
    return [choice for _, choice in _ranked(slot, price, ())[:number]]


def _ranked(slot: Slot, price: Price, spent: Collection[int]) -> list[tuple[int, Choice]]:
    """(place, choice at its price of now) of the choices worth a try: doubtful ones last, earlier generations first."""
    priced = []
    for place, choice in enumerate(slot.choices):
        cost = None if place in spent else price(slot, choice)
        if cost is not None:
            priced.append((cost >= DOUBTFUL, choice.generation, cost, place, choice._replace(cost=cost)))
    return [(entry[3], entry[4]) for entry in sorted(priced, key=lambda entry: entry[:4])]


def _cost(chosen: Sequence[Choice]) -> float:
    """The sum of the choices' costs, and more the more different objects they come from."""
    places = {choice.fact.place for choice in chosen if choice.fact is not None}
    return sum(choice.cost for choice in chosen) + 2.0 * max(0, len(places) - 1)
