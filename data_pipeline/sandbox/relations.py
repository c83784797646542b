"""What a tool of the world is: one small declaration, from which its schema, its function and its wordings follow."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from data_pipeline.paths import Path, parse_path
from data_pipeline.sandbox.ids import ID_PATTERN
from data_pipeline.words import Json, JsonObject, Tool


class Number(NamedTuple):
    """A whole number from `low` to `high`."""

    low: int
    high: int


Choice: TypeAlias = tuple[str, ...]
"""One of some words."""


@dataclasses.dataclass(frozen=True, eq=False)
class Relation:
    """A tool that maps up to three entities to an entity or a number, the same for the same arguments."""

    name: str
    takes: Mapping[str, str]
    """Path of an argument (`route.origin` stands inside an object) -> kind of entity."""
    gives: str | Number
    """Kind of entity, or a number."""
    field: str
    """Path into the result that holds it; an index in it makes the tool answer a list, in pages."""
    heads: tuple[str, ...]
    """Nouns for the value ("the <head> of order K7R2"), of this tool alone."""
    text: str
    """Description for people and schemas."""
    options: Mapping[str, JsonObject] = dataclasses.field(default_factory=dict)
    """Optional arguments: name -> schema with a default."""
    beside: Mapping[str, Number | Choice] = dataclasses.field(default_factory=dict)
    """Other fields of the result."""
    same_as: tuple[str, ...] = ()
    """Tools that, one after the other, find the same value: a shortcut beside a longer route."""
    refuses: int = 0
    """One in so many entities is answered with an error of the tool's own; 0: none."""
    effects: Literal["read", "write"] = "read"
    asked: bool = True
    """False: the tool works, but none of the world's own tasks needs it (a distractor there)."""

    @property
    def pages(self) -> bool:
        return any(type(part) is int for part in parse_path(self.field))


PAGE_OPTIONS: Mapping[str, JsonObject] = {
    "page": {"type": "integer", "minimum": 1, "maximum": 5, "default": 1, "description": "page of the list"},
    "per_page": {"type": "integer", "minimum": 1, "maximum": 5, "default": 2, "description": "entries on a page"},
}


def options_of(relation: Relation) -> dict[str, JsonObject]:
    """Its own optional arguments, and those of a list."""
    return {**relation.options, **(PAGE_OPTIONS if relation.pages else {})}


def as_tool(relation: Relation) -> Tool:
    """The declaration as a catalogue has it."""
    parameters: JsonObject = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    for argument, kind in relation.takes.items():
        inner = parameters
        *outer, last = parse_path(argument)
        for part in outer:
            inner = _inside(inner, str(part))
        inner["properties"][last] = {
            "type": "string",
            "pattern": ID_PATTERN,
            "description": f"id of {article(kind)} {kind}",
        }
        inner["required"].append(last)
    parameters["properties"].update(options_of(relation))
    return Tool(relation.name, relation.text, parameters, _returns(relation), relation.effects)


def article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _inside(schema: JsonObject, name: str) -> JsonObject:
    """The schema of a nested object, added where it is not there yet."""
    if name not in schema["properties"]:
        schema["properties"][name] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
        schema["required"].append(name)
    inner: JsonObject = schema["properties"][name]
    return inner


def _returns(relation: Relation) -> JsonObject:
    whole: JsonObject = {"type": "object", "properties": {}, "required": []}
    found = {relation.field: _value_schema(relation.gives)}
    found |= {name: _value_schema(what) for name, what in relation.beside.items()}
    for name, schema in found.items():
        _add(whole, parse_path(name), schema)
    if relation.pages:
        for name in ("page", "pages"):
            _add(whole, (name,), {"type": "integer", "minimum": 1})
    return whole


def _add(schema: JsonObject, path: Path, leaf: JsonObject) -> None:
    """Adds the schema of a required value at a path."""
    first, *rest = path
    if str(first) not in schema["required"]:
        schema["required"].append(first)
    if not rest:
        schema["properties"][first] = leaf
        return
    inner: JsonObject = {"type": "object", "properties": {}, "required": []}
    if type(rest[0]) is int:
        listed = schema["properties"].setdefault(first, {"type": "array", "items": inner})
        _add(listed["items"], tuple(rest[1:]), leaf)
    else:
        _add(schema["properties"].setdefault(first, inner), tuple(rest), leaf)


def _value_schema(what: "str | Number | Choice") -> JsonObject:
    if isinstance(what, Number):
        return {"type": "integer", "minimum": what.low, "maximum": what.high}
    return {"enum": list(what)} if isinstance(what, tuple) else {"type": "string", "pattern": ID_PATTERN}


def put(content: JsonObject, path: Path, value: Json) -> None:
    """Sets what stands at a path, making objects and lists on the way; list items come in order."""
    inner: Json = content
    for part, following in itertools.pairwise(path):
        empty: Json = [] if type(following) is int else {}
        if type(part) is int:
            if part == len(inner):
                inner.append(empty)
            inner = inner[part]
        else:
            inner = inner.setdefault(part, empty)
    if type(inner) is list:
        inner.append(value)
    else:
        inner[path[-1]] = value


def arguments_of(relation: Relation, entities: Sequence[str]) -> JsonObject:
    """The arguments of a call for these entities."""
    arguments: JsonObject = {}
    for argument, entity in zip(relation.takes, entities, strict=True):
        put(arguments, parse_path(argument), entity)
    return arguments
