"""Parameters to fill, and the values that may fill them, best first."""

from collections.abc import Mapping
from typing import NamedTuple

from data_pipeline.exploration.facts import Fact
from data_pipeline.exploration.names import FITTING, RELATED, SAME, UNRELATED, likeness, shape
from data_pipeline.exploration.seeds import Seeds, plain_schema, seeded, stated
from data_pipeline.jsontext import write_json_sorted
from data_pipeline.paths import Path, parse_path
from data_pipeline.schemas.checks import Problem, problems
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

HOPELESS = 4
"""Tries of one kind of edge without an ok answer after which it is given up."""
STRANGERS = 3
"""Values of unrelated names that a parameter is tried with when nothing better is known."""

COST = {"seed": 0.0, "stated": 0.5, "guess": 1.0, SAME: 0.2, FITTING: 0.4, RELATED: 2.0, UNRELATED: 6.0}
DOUBTFUL = 1.5
"""Cost from which a choice waits until the better ones are tried, of whatever generation they are."""


class Choice(NamedTuple):
    value: Json
    cost: float
    """Lower is tried first."""
    fact: Fact | None = None
    """Where it was found; None for a seed or a value of the schema."""

    @property
    def generation(self) -> int:
        return 0 if self.fact is None else self.fact.generation


class EdgeKind(NamedTuple):
    source: str
    path: Path
    """Every index as 0."""
    target: str
    argument: str


class Slot:
    """One parameter of one tool: its choices so far. Grows as facts come in."""

    def __init__(self, tool: Tool, name: str, seeds: Seeds) -> None:
        self.tool = tool
        self.name = name
        self.schema: JsonObject = plain_schema(tool.parameters["properties"][name], tool.parameters)
        self.required = name in tool.parameters.get("required", ())
        self.closed = "enum" in self.schema or "const" in self.schema
        """Only its schema's own values can be right."""
        self.accepted_shapes: set[str] = set()
        """What values of ok calls looked like."""
        self.filled = False
        """Some ok call had it."""
        self.choices: list[Choice] = []
        self._known: set[bytes] = set()
        self._add([Choice(value, COST["seed"]) for value in seeded(seeds, tool.name, name)])
        self._add([Choice(value, COST["stated"] + place / 100) for place, value in enumerate(stated(self.schema))])
        self._add([Choice(value, COST["guess"]) for value in guesses(self.schema)])
        self._strangers = 0

    def offer(self, fact: Fact) -> bool:
        """Whether a new fact may fill the parameter; it is a choice from now on."""
        if self.closed:
            return False
        fit = likeness(self.name, fact.field, fact.owners)
        alike = type(fact.value) is str and shape(fact.value) in self.accepted_shapes
        if fit == UNRELATED and not alike and (self._strangers >= STRANGERS or type(fact.value) is not str):
            return False
        value = self._fitted(fact.value)
        if value is None:
            return False
        added = self._add([Choice(value, COST[fit] - (1.5 if alike and fit < FITTING else 0.0), fact)])
        if added and fit == UNRELATED and not alike:
            self._strangers += 1
        return added

    def accepted(self, value: Json) -> None:
        """A call with this value was answered ok."""
        self.filled = True
        if type(value) is str:
            self.accepted_shapes.add(shape(value))

    def _fitted(self, value: Json) -> Json:
        """The value, or it in a list, or as a string or number, whatever the schema takes; None if nothing does."""
        forms: list[Json] = [value, [value]]
        if type(value) in (int, float):
            forms.append(str(value))
        elif type(value) is str and value.lstrip("-").isdecimal() and len(value) < 19:
            forms.append(int(value))
        return next((form for form in forms if self._takes(form)), None)

    def _takes(self, value: Json) -> bool:
        """Whether the parameter's schema allows the value, whatever else the tool needs."""
        return misfit(self.tool, self.name, value) is None

    def _add(self, choices: list[Choice]) -> bool:
        before = len(self.choices)
        for choice in choices:
            key = write_json_sorted(choice.value)
            if key not in self._known and self._takes(choice.value):
                self._known.add(key)
                self.choices.append(choice)
        return len(self.choices) > before


def misfit(tool: Tool, parameter: str, value: Json) -> Problem | None:
    """What is wrong with a parameter's value, whatever else the tool needs; None if it fits."""
    found = problems(tool, {parameter: value})
    inside = (one for one in found if one.kind != "missing" or len(parse_path(one.argument)) > 1)
    return next(inside, None)


def unused_seeds(tools: Mapping[str, Tool], seeds: Seeds) -> dict[str, str]:
    """Names of seeds -> how many of their values fit no parameter of a tool that reads, and what the first should be."""
    meant: dict[str, list[tuple[Tool, str]]] = {}
    for tool in tools.values():
        for parameter in tool.parameters.get("properties", {}) if tool.effects == "read" else ():
            for name in (parameter, f"{tool.name}.{parameter}"):
                meant.setdefault(name, []).append((tool, parameter))
    told = {}
    for name, values in seeds.items():
        if name not in meant:
            told[name] = "no tool that only reads has this parameter"
            continue
        found = [[misfit(tool, parameter, value) for tool, parameter in meant[name]] for value in values]
        wrong = [first for first, *others in found if first is not None and all(others)]
        if wrong:
            told[name] = f"{len(wrong)} of {len(values)} values fit nothing: {wrong[0].message}"
    return told


def guesses(schema: JsonObject) -> list[Json]:
    """Values that a type alone suggests: both booleans, the smallest integers allowed."""
    kind = schema.get("type")
    kinds = kind if type(kind) is list else [kind]
    if "boolean" in kinds:
        return [False, True]
    if "integer" not in kinds or "enum" in schema:
        return []
    start = max(1, int(schema.get("minimum", 1)), int(schema.get("exclusiveMinimum", 0)) + 1)
    return [start, start + 1]


def edge_of(choice: Choice, slot: Slot) -> EdgeKind | None:
    """The kind of edge that a choice tries; None if it came from no result."""
    if choice.fact is None:
        return None
    return EdgeKind(choice.fact.tool, choice.fact.kind_of_path, slot.tool.name, slot.name)
