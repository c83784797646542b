"""The exploration itself: breadth first, fair over the tools, under a budget of calls.

Each turn goes to the tool that has been called least and has something untried to ask. What it answers may fill other
tools' parameters. The course of it is a function of the catalogue, the seeds, the proposals and the answers: replayed
over a journal it makes the same calls again, so an interrupted exploration goes on where it stopped. What failed in
passing (timeout, exception) says nothing about a call: it is asked for again.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from data_pipeline.backends.live import PASSING
from data_pipeline.backends.protocol import Backend
from data_pipeline.exploration.combining import Combination, promising, required_combinations, widened
from data_pipeline.exploration.facts import facts_of
from data_pipeline.exploration.proposals import Proposer
from data_pipeline.exploration.seeds import Seeds
from data_pipeline.exploration.slots import DOUBTFUL, HOPELESS, Choice, EdgeKind, Slot, edge_of
from data_pipeline.schemas.checks import problems
from data_pipeline.store.journal import Answer, Journal
from data_pipeline.store.keys import record_key
from data_pipeline.words.calls import ToolCall, ToolResult
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool

BASES = 2
"""Ok calls of a tool that optional parameters are added to."""


class Made(NamedTuple):
    """One call of the exploration."""

    number: int
    call: ToolCall
    result: ToolResult
    chosen: tuple[tuple[str, Choice], ...]
    """Where each argument came from."""


class Exploration(NamedTuple):
    made: tuple[Made, ...]
    edges: dict[EdgeKind, tuple[int, int]]
    """(tries, ok answers) of each kind of edge."""
    left_over: bool
    """Something was still untried when the budget ran out."""
    unfilled: dict[str, tuple[str, ...]]
    """Required parameters for which no value was ever known, of tools that have some."""

    @property
    def answers(self) -> list[Answer]:
        return [Answer(made.call, None, made.result) for made in self.made]

    @property
    def passing(self) -> list[Made]:
        """Calls that failed in passing."""
        return [made for made in self.made if made.result.kind in PASSING]


class _State:
    """What is known so far; grows with each answer."""

    def __init__(self, tools: Mapping[str, Tool], seeds: Seeds) -> None:
        self.slots = {
            name: [Slot(tool, parameter, seeds) for parameter in tool.parameters.get("properties", {})]
            for name, tool in sorted(tools.items())
            if tool.effects == "read"
        }
        self.tools = {name: tools[name] for name in self.slots}
        self.calls = dict.fromkeys(self.slots, 0)
        self.bases: dict[str, list[Combination]] = {name: [] for name in self.slots}
        self.tried: set[bytes] = set()
        self.edges: dict[EdgeKind, tuple[int, int]] = {}
        self.idle: set[str] = set()
        """Tools with nothing untried until a new fact comes."""
        self.proposed: dict[str, list[Combination]] = {name: [] for name in self.slots}
        self.asked: set[str] = set()
        self.spent: dict[str, set[int]] = {name: set() for name in self.slots}
        """Places of choices of a tool's first required parameter with nothing untried left."""
        self.made: list[Made] = []

    def price(self, slot: Slot, choice: Choice) -> float | None:
        """A choice's cost, more with every vain try of its kind of edge; None when that kind is given up."""
        edge = edge_of(choice, slot)
        tries, good = self.edges.get(edge, (0, 0)) if edge is not None else (0, 0)
        if good:
            return min(choice.cost, 1.0)
        patience = 1 if slot.filled and choice.cost >= DOUBTFUL else HOPELESS
        return choice.cost + tries if tries < patience else None

    def key(self, name: str, arguments: JsonObject) -> bytes:
        return record_key(name, arguments, None, self.tools[name])

    def untried(self, name: str) -> Combination | None:
        """The best combination of a tool that was not tried yet."""
        for combination in self.proposed[name]:
            if self.is_new(name, combination):
                return combination
        slots = self.slots[name]
        found = [self._untried_required(name, [slot for slot in slots if slot.required])]
        wider = widened(self.bases[name], [slot for slot in slots if not slot.required], self.price)
        found.append(next((combination for combination in wider if self.is_new(name, combination)), None))
        return min((combination for combination in found if combination is not None), key=promising, default=None)

    def _untried_required(self, name: str, slots: list[Slot]) -> Combination | None:
        spent = self.spent[name]
        for place, made in required_combinations(slots, self.price, spent):
            for combination in made:
                if self.is_new(name, combination):
                    return combination
            spent.add(place)
        return None

    def is_new(self, name: str, combination: Combination) -> bool:
        """Whether a call was never made, and its arguments fit together."""
        arguments = combination.arguments
        return self.key(name, arguments) not in self.tried and not problems(self.tools[name], arguments)

    def next(self) -> tuple[str, Combination] | None:
        """The tool whose turn it is, and what to ask it."""
        for name in sorted(self.slots, key=lambda name: (self.calls[name], name)):
            if name in self.idle:
                continue
            combination = self.untried(name)
            if combination is not None:
                return name, combination
            self.idle.add(name)
        return None

    def learn(self, name: str, combination: Combination, result: ToolResult) -> None:
        """Takes in one answer."""
        number = len(self.made)
        self.tried.add(self.key(name, combination.arguments))
        self.calls[name] += 1
        self.made.append(Made(number, ToolCall(name, combination.arguments), result, combination.chosen))
        by_name = {slot.name: slot for slot in self.slots[name]}
        for argument, choice in combination.chosen:
            edge = edge_of(choice, by_name[argument])
            if edge is not None:
                tries, good = self.edges.get(edge, (0, 0))
                self.edges[edge] = (tries + 1, good + result.ok)
            if result.ok:
                by_name[argument].accepted(choice.value)
        if not result.ok:
            return
        if len(self.bases[name]) < BASES and all(
            slot.required for slot in map(by_name.get, combination.arguments) if slot
        ):
            self.bases[name].append(combination)
            self.idle.discard(name)
        for fact in facts_of(result.content, name, number, combination.generation + 1):
            if fact.value in combination.arguments.values():  # an echo says nothing new
                continue
            for other, slots in self.slots.items():
                taken = [slot for slot in slots if slot.offer(fact)]
                if taken:
                    self.idle.discard(other)
                    self.spent[other] = self.spent[other] if self._only_first(slots, taken) else set()

    @staticmethod
    def _only_first(slots: list[Slot], taken: list[Slot]) -> bool:
        """Whether new choices leave what is spent spent: nothing can be combined with a choice that could not before."""
        others = [slot for slot in slots if slot.required][1:]
        return not any(slot in others for slot in taken)

    def outcome(self, *, left_over: bool) -> Exploration:
        unfilled = {
            name: tuple(slot.name for slot in slots if slot.required and not slot.choices)
            for name, slots in self.slots.items()
        }
        return Exploration(
            tuple(self.made), self.edges, left_over, {name: missing for name, missing in unfilled.items() if missing}
        )


def explore(
    tools: Mapping[str, Tool],
    backend: Backend,
    journal: Journal,
    *,
    budget: int,
    seeds: Seeds | None = None,
    proposer: Proposer | None = None,
    on_answer: Callable[[Made], None] | None = None,
) -> Exploration:
    """Explores the tools that only read; every answer stands in the journal before the next call is made.

    budget: calls in all, those that the journal already answers included. Tools that write are never called.
    """
    state = _State(tools, seeds or {})
    known = {
        record_key(answer.call.name, answer.call.arguments, None, tools.get(answer.call.name)): answer.result
        for answer in journal.answers
        if answer.result.kind not in PASSING
    }
    while len(state.made) < budget:
        found = state.next() or _proposed(state, proposer)
        if found is None:
            return state.outcome(left_over=False)
        name, combination = found
        key = state.key(name, combination.arguments)
        result = known.get(key)
        if result is None:
            call = ToolCall(name, combination.arguments)
            result = backend.answer(call, None)
            journal.append(Answer(call, None, result))
        state.learn(name, combination, result)
        if on_answer is not None:
            on_answer(state.made[-1])
    return state.outcome(left_over=state.next() is not None)


def _proposed(state: _State, proposer: Proposer | None) -> tuple[str, Combination] | None:
    """Asks the proposer for a tool that was never answered ok, once each; None if that gives nothing to try."""
    if proposer is None:
        return None
    for name, tool in state.tools.items():
        if name in state.asked or state.bases[name]:
            continue
        state.asked.add(name)
        for arguments in proposer.propose(tool):
            if not problems(tool, arguments):
                chosen = tuple((argument, Choice(value, 0.0)) for argument, value in arguments.items())
                state.proposed[name].append(Combination(chosen, 0.0))
        state.idle.discard(name)
        combination = state.untried(name)
        if combination is not None:
            return name, combination
        state.idle.add(name)
    return None
