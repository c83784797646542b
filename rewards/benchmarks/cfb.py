"""ComplexFuncBench's matching of one call with one of the reference, as far as it needs no network (repository c37b284).

In order: the format (tool known, required parameters there, none unknown, JSON types, where a bool passes as a number); the
rule (same name, same parameters, equal values, `categories_filter` as a set); the value gate (parameters of the published
table must be there and equal), behind which the benchmark compares live responses and asks a language model: neither here.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from data_pipeline.words import Json, JsonObject
from rewards.benchmarks.cfb_tools import SCHEMAS, exact_parameters

_FILTER = "categories_filter"
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "a boolean"),
    "array": ((list,), "an array"),
}


class Gate(NamedTuple):
    ok: bool
    error_type: str | None


class Match(NamedTuple):
    format_error: str | None
    rule: bool
    gate: Gate

    @property
    def format_ok(self) -> bool:
        return self.format_error is None


def match_call(made: JsonObject, wanted: JsonObject, schemas: Mapping[str, JsonObject] = SCHEMAS) -> Match:
    """Every step on one pair of calls.

    Args:
      made, wanted: {"name", "arguments"}.
      schemas: name of a tool -> schema of its parameters; default the benchmark's booking tools.

    Raises KeyError where a call has no name or arguments.
    """
    return Match(format_error(made, schemas), equal_by_rule(made, wanted), value_gate(made, wanted))


def format_error(call: JsonObject, schemas: Mapping[str, JsonObject] = SCHEMAS) -> str | None:
    """What is wrong with a call's form, in the benchmark's words, or None. Sets are listed in the schema's order."""
    name, given = call["name"], call["arguments"]
    if name not in schemas:
        return f"Function {name} is not defined in the function list."
    required, properties = schemas[name]["required"], schemas[name]["properties"]
    missing = [parameter for parameter in required if parameter not in given]
    if missing:
        return f"Function {name} requires parameters {required}, but {list(given)} do not provide {_set(missing)}"
    unknown = [parameter for parameter in given if parameter not in properties]
    if unknown:
        return f"Function {name} does not have parameters {_set(unknown)}"
    for parameter, value in given.items():
        kinds, words = _KINDS.get(properties[parameter]["type"], ((object,), ""))
        if not isinstance(value, kinds):
            return f"Parameter {parameter} of function {name} should be {words}, but {type(value)} is provided."
    return None


def _set(names: list[str]) -> str:
    return "{" + ", ".join(map(repr, names)) + "}"


def equal_by_rule(made: JsonObject, wanted: JsonObject) -> bool:
    """Same name, same parameters, equal values; a text of categories is compared as a set."""
    if made["name"] != wanted["name"] or sorted(made["arguments"]) != sorted(wanted["arguments"]):
        return False
    return all(_equal(name, value, wanted["arguments"][name]) for name, value in made["arguments"].items())


def _equal(name: str, made: Json, wanted: Json) -> bool:
    return bool(made == wanted) or (name == _FILTER and _categories(made) == _categories(wanted))


def _categories(value: Any) -> frozenset[str] | None:
    return frozenset(part.strip() for part in value.split(",")) if isinstance(value, str) else None


def value_gate(made: JsonObject, wanted: JsonObject) -> Gate:
    """Whether the parameters that must be exact are; the first that is not decides, in the reference's order."""
    if made["name"] != wanted["name"]:
        return Gate(False, "func_error")
    exact = exact_parameters(made["name"])
    for name, value in wanted["arguments"].items():
        if name in exact:
            if name not in made["arguments"]:
                return Gate(False, "param_missing")
            given = made["arguments"][name]
            if not (given == value if name != _FILTER else _categories(given) == _categories(value) is not None):
                return Gate(False, "value_error")
    return Gate(True, None)
