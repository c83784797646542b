"""What a tool of the world is: one small declaration, from which its schema, its function and its wordings follow."""

from dataclasses import dataclass
from typing import NamedTuple

from data_pipeline.sandbox.ids import ID_PATTERN
from data_pipeline.words import JsonObject, Tool


class Number(NamedTuple):
    """A tool's value where it is no entity: a whole number from `low` to `high`."""

    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Relation:
    """A tool that maps one or two entities to an entity or a number, the same for the same arguments.

    name: of the tool. takes: argument name -> kind of entity. gives: kind of entity, or a Number.
    field: of the result that holds it. heads: nouns for the value ("the <head> of order K7R2"); any of them names
    this tool once the kinds of its arguments are known. text: description for people and schemas.
    """

    name: str
    takes: dict[str, str]
    gives: str | Number
    field: str
    heads: tuple[str, ...]
    text: str


def as_tool(relation: Relation) -> Tool:
    """The declaration as a catalogue has it."""
    ids: JsonObject = {"type": "string", "pattern": ID_PATTERN}
    value = ids
    if isinstance(relation.gives, Number):
        value = {"type": "integer", "minimum": relation.gives.low, "maximum": relation.gives.high}
    return Tool(
        name=relation.name,
        description=relation.text,
        parameters={
            "type": "object",
            "properties": {name: {**ids, "description": f"id of a {kind}"} for name, kind in relation.takes.items()},
            "required": list(relation.takes),
            "additionalProperties": False,
        },
        returns={"type": "object", "properties": {relation.field: value}, "required": [relation.field]},
    )
