"""Types as schemas and values have them: which value fits which type word, and which values are of one type."""

from data_pipeline.words.json import Json


def type_word(value: Json) -> str:
    """JSON Schema's narrowest word for a value's type; 2 is an integer, 2.0 a number, True a boolean."""
    kind = type(value)
    if kind is str:
        return "string"
    if kind is bool:
        return "boolean"
    if kind is int:
        return "integer"
    if kind is float:
        return "number"
    if kind is dict:
        return "object"
    if kind is list:
        return "array"
    return "null"


def fits(value: Json, word: str) -> bool:
    """Whether a value is of the type that a schema's word names. An integer is a number; 2.0 is no integer."""
    have = type_word(value)
    return have == word or (word == "number" and have == "integer")


def type_compatible(a: Json, b: Json) -> bool:
    """Whether two values are of one JSON type; integers and floats are both numbers, a boolean is not."""
    x, y = type_word(a), type_word(b)
    return x == y or {x, y} == {"integer", "number"}
