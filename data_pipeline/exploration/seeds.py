"""Values to start from: what a user knows about parameters, and what their schemas say."""

from pathlib import Path

from data_pipeline.catalogues.files import load_yaml
from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, fresh_copy
from data_pipeline.schemas.normal import same
from data_pipeline.words.json import Json, JsonObject

Seeds = dict[str, tuple[Json, ...]]
"""`parameter` or `tool.parameter` -> values."""


def read_seeds(path: str | Path) -> Seeds:
    """Seeds of a YAML or JSON file: an object of parameter names, each with a value or a list of values.

    `tool.parameter` speaks of one tool only. Raises `InputError`.
    """
    try:
        document = load_yaml(Path(path).read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if type(document) is not dict or not all(type(key) is str for key in document):
        raise InputError(f"{path}: expected names of parameters, each with a value or a list of values")
    seeds = {}
    for name, given in document.items():
        try:
            values = fresh_copy(given if type(given) is list else [given])
        except JsonError as error:
            raise InputError(f"{path}: {name}: {error}") from None
        seeds[name] = tuple(values)
    return seeds


def seeded(seeds: Seeds, tool: str, parameter: str) -> list[Json]:
    """What the user gave for a parameter, for this tool first."""
    return [*seeds.get(f"{tool}.{parameter}", ()), *seeds.get(parameter, ())]


def stated(schema: Json) -> list[Json]:
    """Values that a schema itself names: const, enum, examples, default; without repeats, in this order."""
    if type(schema) is not dict:
        return []
    found: list[Json] = [schema["const"]] if "const" in schema else []
    found += [value for value in schema.get("enum", ()) if value is not None]
    found += schema["examples"] if type(schema.get("examples")) is list else []
    found += [schema["default"]] if schema.get("default") is not None else []
    for word in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(word, ()):
            found += stated(part)
    distinct: list[Json] = []
    for value in found:
        if not any(same(value, known) for known in distinct):
            distinct.append(value)
    return distinct


def plain_schema(schema: Json, root: JsonObject) -> JsonObject:
    """A parameter's schema with a reference at its top followed; {} for true and false, which name no value."""
    if type(schema) is not dict:
        return {}
    target = schema.get("$ref")
    if type(target) is str and target.startswith("#/$defs/"):
        found = root.get("$defs", {}).get(target.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~"))
        return (
            {**found, **{key: item for key, item in schema.items() if key != "$ref"}} if type(found) is dict else schema
        )
    return schema
