"""BFCL's comparison of one argument with its accepted values (gorilla, v4: the AST checker): first its type, then its value.

Types are Python's, exactly: an int is no float (but is taken where the schema says float), a bool is no int. Where the value
has not the schema's type, it may have that of the first accepted value, and is then compared as it is ("variable"). Items
of lists are checked one level deep. Text is compared without case, spaces and some punctuation; lists in order; an object
key by key, each with a list of accepted values.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from data_pipeline.words import Json, JsonObject

TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
_LISTS = ("array", "tuple")
_DROPPED = re.compile(r"[ ,./\-_*^]")


class TypeCheck(NamedTuple):
    error: str | None
    variable: bool = False
    """Compared as it is, whatever the schema says."""


def normal_text(text: str) -> str:
    """Without spaces and , . / - _ * ^, in lower case, with double quotes."""
    return _DROPPED.sub("", text).lower().replace("'", '"')


def argument_error(value: Json, accepted: Sequence[Json], schema: JsonObject) -> str | None:
    """The type of the error, or None if the argument is accepted.

    Args:
      value: what was given.
      accepted: the answer's values for this argument; "" says that it may be left out.
      schema: the parameter's schema in the benchmark's dialect.

    Raises KeyError for a type that the dialect does not have.
    """
    named = schema["type"]
    kind = TYPES[named]
    item_kind = TYPES[schema["items"]["type"]] if named in _LISTS else None
    compared: Any = value
    if named == "tuple" and type(value) is tuple:
        compared = list(value)
    if named == "float" and type(value) is int:
        compared = float(value)
    checked = check_type(compared, accepted, kind, item_kind)
    if checked.error is not None:
        return checked.error
    if not checked.variable:
        if kind is dict:
            return object_error(compared, accepted)
        if kind is list and item_kind is dict:
            return objects_error(compared, accepted)
        if kind is str:
            known_texts = [normal_text(one) for one in accepted if type(one) is str]
            return None if normal_text(compared) in known_texts else "value_error:string"
        if kind is list:
            known_lists = [_normal_items(one) for one in accepted]
            return None if _normal_items(compared) in known_lists else "value_error:list/tuple"
    return None if compared in accepted else "value_error:others"


def check_type(value: Json, accepted: Sequence[Json], kind: type, item_kind: type | None) -> TypeCheck:
    """Whether the value may be compared at all, and how."""
    meant = first_type(accepted)
    items: Any = value
    if type(value) is kind:
        variable = meant is not None and meant is not kind
        if item_kind is None:
            return TypeCheck(None, variable)
        for one in accepted:
            # an accepted value that is no list vouches for every item
            if type(one) is not list or all(check_type(item, one, item_kind, None).error is None for item in items):
                return TypeCheck(None, variable)
        return TypeCheck("type_error:nested" if meant is list else "type_error:simple")
    return TypeCheck(None, True) if meant is not None and type(value) is meant else TypeCheck("type_error:simple")


def first_type(accepted: Sequence[Json]) -> type | None:
    """The type of the first accepted value that is not ""."""
    return next((type(one) for one in accepted if one != ""), None)


def _normal_items(items: Any) -> list[Any]:
    return [normal_text(item) if type(item) is str else item for item in items]


def object_error(value: JsonObject, accepted: Sequence[Json]) -> str | None:
    """Some accepted object must have every given key, with an accepted value, and "" for every key left out.

    The last accepted object decides what the error is called; numbers compare by ==, so 5 equals 5.0 here.
    """
    error: str | None = "dict_checker:unclear"
    for one in accepted:
        if one == "":
            continue
        error = _keys_error(value, one)
        if error is None:
            return None
    return error


def _keys_error(value: JsonObject, accepted: JsonObject) -> str | None:
    error = None
    for key, item in value.items():
        if key not in accepted:
            error = "value_error:dict_key"
            break
        if (normal_text(item) if type(item) is str else item) not in _normal_items(accepted[key]):
            error = "value_error:dict_value"
            break
    if any(key not in value and "" not in values for key, values in accepted.items()):
        return "value_error:dict_key"
    return error


def objects_error(value: Sequence[Json], accepted: Sequence[Json]) -> str | None:
    """Some accepted list must have as many objects, each accepted at its place."""
    error: str | None = "list_dict_checker:unclear"
    for one in accepted:
        if len(value) != len(one):
            error = "value_error:list_dict_count"
            continue
        error = None
        for item, wanted in zip(value, one, strict=True):
            error = object_error(item, [wanted])
            if error is not None:
                break
        if error is None:
            return None
    return error
