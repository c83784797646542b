"""Schemas of an OpenAPI document as JSON Schema 2020-12, with the components that they use carried along."""

from collections.abc import Iterator
from typing import TypeVar

from data_pipeline.schemas.wellformed import follow
from data_pipeline.words.json import Json, JsonObject

_DROPPED = ("discriminator", "xml", "externalDocs", "nullable", "example", "readOnly", "writeOnly", "deprecated")
_ONE = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "dependentSchemas")


Held = TypeVar("Held", dict, list)


class Unusable(ValueError):
    """What keeps an operation from being called with JSON arguments; one line."""


class LostReference(Unusable):
    """A `$ref` of the document that leads nowhere, or out of the document."""


def held(owner: JsonObject, field: str, kind: type[Held], place: str = "") -> Held:
    """The object or list under a field, an empty one where it is missing or null. place: in front of the field's name."""
    value = owner.get(field)
    if value is None:
        return kind()
    if type(value) is not kind:
        raise Unusable(f"{place}{field}: expected {'an object' if kind is dict else 'a list'}, found {value!r:.60}")
    return value


def located(document: JsonObject, value: Json) -> Json:
    """The value, its references inside the document followed."""
    for _ in range(20):
        if type(value) is not dict:
            raise LostReference(f"expected an object, found {value!r:.60}")
        target = value.get("$ref")
        if type(target) is not str:
            return value
        value = _target(document, target)
    raise LostReference(f"the reference {target!r:.80} goes round in circles")


def _target(document: JsonObject, target: str) -> Json:
    if not target.startswith("#"):
        raise LostReference(f"the reference {target!r:.80} leaves the document; join the files first")
    try:
        return follow(document, target)
    except KeyError:
        raise LostReference(f"the document has nothing at {target!r:.80}") from None


class SchemaReader:
    """Translates the schemas of one tool and remembers which components they use."""

    def __init__(self, document: JsonObject) -> None:
        self._document = document
        self._names: dict[str, str] = {}
        """Reference in the document -> name under `$defs`."""

    def read(self, schema: Json) -> JsonObject:
        """The schema in JSON Schema's words; `True` and what is missing become no constraint."""
        if type(schema) is not dict:
            return {"not": {}} if schema is False else {}
        if type(schema.get("$ref")) is str:
            return self._reference(schema)
        made: JsonObject = {}
        for key, item in schema.items():
            if key in _ONE and type(item) is dict:
                made[key] = self.read(item)
            elif key in _MANY and type(item) is list:
                made[key] = [self.read(part) for part in item]
            elif key in _NAMED and type(item) is dict:
                made[key] = {name: self.read(part) for name, part in item.items()}
            elif key not in _DROPPED and not key.startswith("x-"):
                made[key] = item
        return _modern(made, schema)

    def _reference(self, schema: JsonObject) -> JsonObject:
        target = schema["$ref"]
        _target(self._document, target)
        if target not in self._names:
            name = target.rsplit("/", 1)[-1] or "root"
            while name in self._names.values():
                name += "_"
            self._names[target] = name
        beside = {key: item for key, item in schema.items() if key in ("description", "default")}
        return {"$ref": f"#/$defs/{_escaped(self._names[target])}", **beside}

    def open_object(self, schema: Json, met: frozenset[int] = frozenset()) -> JsonObject | None:
        """The schema of a body whose fields can stand as arguments, references followed; None if it is no plain object.

        met: identities of the schemas that this one is a part of.
        """
        found = located(self._document, schema) if type(schema) is dict else schema
        if type(found) is not dict:
            return None
        if id(found) in met:
            raise LostReference(f"the schema {schema!r:.80} extends itself")
        if "allOf" in found and not any(word in found for word in ("anyOf", "oneOf")):
            return self._joined(found, met | {id(found)})
        plain = found.get("type", "object") == "object" and type(found.get("properties")) is dict
        return found if plain and not any(word in found for word in ("allOf", "anyOf", "oneOf")) else None

    def _joined(self, schema: JsonObject, met: frozenset[int]) -> JsonObject | None:
        """The fields of an object and of all that it extends."""
        properties = held(schema, "properties", dict)
        required = list(held(schema, "required", list))
        for part in held(schema, "allOf", list):
            inner = self.open_object(part, met)
            if inner is None:
                return None
            properties = {**inner.get("properties", {}), **properties}
            required += held(inner, "required", list)
        return {"type": "object", "properties": properties, "required": required}

    def with_definitions(self, schema: JsonObject) -> JsonObject:
        """The schema with the components that it uses, and those that they use, under `$defs`."""
        definitions: JsonObject = {}
        waiting = list(_targets(schema))
        by_name = {f"#/$defs/{_escaped(name)}": target for target, name in self._names.items()}
        while waiting:
            pointer = waiting.pop()
            target = by_name.get(pointer)
            if target is None or self._names[target] in definitions:
                continue
            read = self.read(_target(self._document, target))
            definitions[self._names[target]] = read
            by_name = {f"#/$defs/{_escaped(name)}": target for target, name in self._names.items()}
            waiting += _targets(read)
        return {**schema, "$defs": {name: definitions[name] for name in sorted(definitions)}} if definitions else schema


def _modern(made: JsonObject, schema: JsonObject) -> JsonObject:
    """OpenAPI 3.0's own words in JSON Schema's."""
    for bound, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if made.get(strict) is True and bound in made:
            made[strict] = made.pop(bound)
        elif type(made.get(strict)) is bool:
            del made[strict]
    if "example" in schema:
        made.setdefault("examples", [schema["example"]])
    if type(made.get("examples")) is dict:
        made["examples"] = list(made["examples"].values())
    if schema.get("nullable") is True:
        if type(made.get("type")) is str:
            made["type"] = [made["type"], "null"]
        if type(made.get("enum")) is list and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    return made


def _targets(value: Json) -> Iterator[str]:
    if type(value) is dict:
        if type(value.get("$ref")) is str:
            yield value["$ref"]
        for item in value.values():
            yield from _targets(item)
    elif type(value) is list:
        for item in value:
            yield from _targets(item)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
