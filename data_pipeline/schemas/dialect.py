"""Mends dialects of JSON Schema into draft 2020-12.

Function-calling catalogues (BFCL, its Java and JavaScript parts, DepthBench) write Python's, Java's or pandas' names
for types: `dict`, `float`, `tuple`, `HashMap`, `pandas.DataFrame`. What is already JSON Schema passes through
unchanged.
"""

from typing import Any

from data_pipeline.words.json import Json, JsonObject

# word of a dialect -> what JSON Schema says for it; None: no constraint
TYPES: dict[str, str | None] = {
    "dict": "object", "hashmap": "object", "hashtable": "object",
    "float": "number", "double": "number",
    "int": "integer", "long": "integer", "short": "integer", "byte": "integer", "bigint": "integer",
    "str": "string", "char": "string",
    "bool": "boolean",
    "list": "array", "tuple": "array", "arraylist": "array", "set": "array",
    "none": "null",
    "any": None, "": None,
}  # fmt: skip
STANDARD = ("object", "number", "integer", "string", "boolean", "array", "null")
DATA_FRAME = "pandas.dataframe"

_ONE_SCHEMA = ("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else",
               "unevaluatedProperties", "unevaluatedItems")  # fmt: skip
_MANY_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


def mend_dialect(schema: Json) -> Json:
    """The schema in draft 2020-12. Types that no dialect knows stay as they are, for the schema check to name."""
    if type(schema) is not dict:
        return schema
    mended: JsonObject = dict(schema)
    for key in _ONE_SCHEMA:
        if key in mended and not (key == "items" and type(mended[key]) is list):
            mended[key] = mend_dialect(mended[key])
    for key in _MANY_SCHEMAS:
        if type(mended.get(key)) is list:
            mended[key] = [mend_dialect(item) for item in mended[key]]
    for key in _NAMED_SCHEMAS:
        if type(mended.get(key)) is dict:
            mended[key] = {name: mend_dialect(item) for name, item in mended[key].items()}
    if type(mended.get("items")) is list:  # tuples as they were written before 2020-12
        mended["prefixItems"] = [mend_dialect(item) for item in mended.pop("items")]
    return _mend_type(mended)


def _mend_type(schema: JsonObject) -> JsonObject:
    kind = schema.get("type")
    if type(kind) is list and all(type(one) is str for one in kind):
        words = [_standard(one) for one in kind]
        if None in words:
            del schema["type"]
        else:
            schema["type"] = list(dict.fromkeys(words))
    elif type(kind) is str:
        if kind.lower() == DATA_FRAME:  # a table travels as the list of its rows
            return _data_frame(schema)
        word = _standard(kind)
        if word is None:
            del schema["type"]
        else:
            schema["type"] = word
    return schema


def _standard(word: str) -> str | None:
    lower = word.lower()
    return lower if lower in STANDARD else TYPES.get(lower, word)


def _data_frame(schema: JsonObject) -> JsonObject:
    row: dict[str, Any] = {"type": "object"}
    if type(schema.get("properties")) is dict:
        row["properties"] = schema.pop("properties")
    schema["type"] = "array"
    schema.setdefault("items", row)
    return schema
