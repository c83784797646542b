"""The normal form of a value under its schema: what makes two arguments the same argument.

Two values are the same if their normal forms are, type by type. Exactly four differences disappear:
- where the schema says number (and nothing narrower), 2 and 2.0 meet; elsewhere int, float and bool stay distinct;
- an argument that equals its schema's default meets one that was left out;
- strings meet in Unicode's NFC;
- the order of keys in an object, and the sign of a floating zero.
"""

import unicodedata
from collections.abc import Callable
from math import isfinite
from typing import NamedTuple, TypeAlias

import orjson

from data_pipeline.jsontext import JsonError, write_json_sorted
from data_pipeline.schemas.remembered import Remembered
from data_pipeline.schemas.wellformed import follow
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool


class Form(NamedTuple):
    """What a schema says that matters for equality. `ANY` where it says nothing."""

    number: bool = False
    """A float of an integer's value is that integer."""
    properties: dict[str, "Form"] | None = None
    defaults: JsonObject | None = None
    """Defaults of properties, in normal form."""
    other: "Form | None" = None
    """Properties that are not named; None as `ANY`."""
    prefix: tuple["Form", ...] = ()
    items: "Form | None" = None


ANY = Form()
_DEEPEST = 8
"""Recursive schemas are unrolled this far; deeper down values are compared as they are written."""


def normal(value: Json, form: Form | None = None) -> Json:
    """The normal form of a value that nests at most as deep as `jsontext.MAX_DEPTH`. Raises `JsonError` for NaN."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if kind is float:
        if not isfinite(value):
            raise JsonError("holds NaN or Infinity, which JSON has no word for")
        if form is not None and form.number and value.is_integer():
            return int(value)
        return value if value else 0.0
    if kind is dict:
        return _normal_object(value, form or ANY)
    if kind is list:
        if form is None or (form.items is None and not form.prefix):
            return [normal(item) for item in value]
        named = len(form.prefix)
        return [normal(item, form.prefix[at] if at < named else form.items) for at, item in enumerate(value)]
    return value


def _normal_object(value: JsonObject, form: Form) -> JsonObject:
    _, properties, defaults, other, _, _ = form
    made = {}
    composed = True
    for key, item in value.items():
        kind = type(item)
        if kind is not int and (kind is not str or not item.isascii()):  # those are in normal form already
            item = normal(item, properties.get(key, other) if properties else other)
        if defaults and key in defaults:
            default = defaults[key]
            if item == default and same(item, default):
                continue
        if not key.isascii():
            composed = False
        made[key] = item
    if composed:
        return made
    recomposed = {unicodedata.normalize("NFC", key): item for key, item in made.items()}
    return recomposed if len(recomposed) == len(made) else made


def same(a: Json, b: Json) -> bool:
    """Equality of normal forms: types count, order of keys does not."""
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is dict:
        return len(a) == len(b) and all(key in b and same(item, b[key]) for key, item in a.items())
    if kind is list:
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def equal_values(a: Json, b: Json, schema: Json = None) -> bool:
    """Whether two values are the same argument under a schema (None: nothing is known about it)."""
    if type(a) is str and type(b) is str and a == b:
        return True
    form = form_of(schema)
    return same(normal(a, form), normal(b, form))


def canonical(arguments: JsonObject, tool: Tool | None = None) -> bytes:
    """The bytes that stand for a call's arguments: equal arguments, equal bytes. Raises `JsonError` for what is not JSON.

    Without a tool nothing is typed by a schema.
    """
    return canonical_bytes(arguments, None if tool is None else form_of(tool.parameters))


def canonical_bytes(value: Json, form: Form | None) -> bytes:
    """The same for any value under a form."""
    settled = _normal_object(value, form or ANY) if type(value) is dict else normal(value, form)
    try:
        # Nearly always enough: `normal` has met every number, and refused those that this writer would turn into null.
        return orjson.dumps(settled, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return write_json_sorted(settled)


def form_of(schema: Json) -> Form:
    """What a schema says about equality, remembered per schema object."""
    return _FORMS(schema) if type(schema) is dict else ANY


def _compile(schema: JsonObject) -> Form:
    return _form(schema, schema, 0, {})


Known: TypeAlias = dict[tuple[int, int], Form]
"""Forms by the identity of a part of the schema and its depth: a part that many refer to is worked out once a depth."""


def _form(schema: Json, root: JsonObject, depth: int, known: Known) -> Form:
    if type(schema) is not dict or depth > _DEEPEST:
        return ANY
    place = id(schema), depth
    if place not in known:
        known[place] = _one(_read(_dereferenced(schema, root), root, depth, known))
    return known[place]


def _read(schema: JsonObject, root: JsonObject, depth: int, known: Known) -> Form:
    named = {key: _form(item, root, depth + 1, known) for key, item in _object(schema.get("properties")).items()}
    defaults = {
        key: normal(item["default"], named[key])
        for key, item in _object(schema.get("properties")).items()
        if type(item) is dict and "default" in item and key not in schema.get("required", ())
    }
    form = Form(
        _says_number(schema),
        named or None,
        defaults or None,
        _part(schema.get("additionalProperties"), root, depth, known),
        tuple(_form(item, root, depth + 1, known) for item in _list(schema.get("prefixItems"))),
        _part(schema.get("items"), root, depth, known),
    )
    for word in ("anyOf", "oneOf", "allOf"):
        for branch in _list(schema.get(word)):
            form = _joined(form, _form(branch, root, depth + 1, known))
    return form


def _part(schema: Json, root: JsonObject, depth: int, known: Known) -> Form | None:
    form = _form(schema, root, depth + 1, known)
    return None if form is ANY else form


_ONES: dict[Json, Form] = {}
"""Forms by what they say, their parts by identity; all are forgotten beyond `_MOST`."""
_MOST = 100_000


def _one(form: Form) -> Form:
    """The form itself, or the equal one that was made before: forms whose parts are one object compare at once."""
    if form == ANY:
        return ANY
    if len(_ONES) >= _MOST:
        _ONES.clear()
    number, properties, defaults, other, prefix, items = form
    named = frozenset((name, id(part)) for name, part in (properties or {}).items())
    left_out = write_json_sorted(defaults)
    return _ONES.setdefault((number, named, left_out, id(other), tuple(map(id, prefix)), id(items)), form)


def _joined(a: Form, b: Form) -> Form:
    """What either of two schemas of the same value says; the first wins where both name a property."""
    return Form(
        a.number or b.number,
        {**(b.properties or {}), **(a.properties or {})} or None,
        {**(b.defaults or {}), **(a.defaults or {})} or None,
        a.other or b.other,
        a.prefix or b.prefix,
        a.items or b.items,
    )


def _says_number(schema: JsonObject) -> bool:
    kind = schema.get("type")
    return kind == "number" or (type(kind) is list and "number" in kind)


def _dereferenced(schema: JsonObject, root: JsonObject) -> JsonObject:
    """The schema with its own `$ref` followed (a chain of at most eight), siblings kept."""
    for _ in range(_DEEPEST):
        target = schema.get("$ref")
        if type(target) is not str or not target.startswith("#"):
            return schema
        try:
            found = follow(root, target)
        except KeyError:
            return schema
        if type(found) is not dict:
            return schema
        schema = {**found, **{key: item for key, item in schema.items() if key != "$ref"}}
    return schema


def _object(value: Json) -> JsonObject:
    return value if type(value) is dict else {}


def _list(value: Json) -> list[Json]:
    return value if type(value) is list else []


_FORMS: Callable[[JsonObject], Form] = Remembered(_compile)
