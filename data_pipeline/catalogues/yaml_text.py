"""YAML as JSON would hold it, read by the core schema of YAML 1.2.

In YAML 1.1 `NO` is false, 12:30 is 750, 010 is 8 and a date is an object: descriptions mean none of these.
"""

import re
from typing import Any, ClassVar

import yaml

from data_pipeline.errors import InputError, first_line
from data_pipeline.jsontext import JsonError, write_json
from data_pipeline.words.json import Json, JsonObject

LARGEST_YAML = 2_000_000
"""Values in a YAML document: its aliases can make a short text grow without end."""

_TAG = "tag:yaml.org,2002:"
_CORE = (  # (tag, the texts that have it, their first letters), integers before numbers
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN", "-+."),
    ("merge", r"<<", "<"),  # not of the core schema, but written in many descriptions
)


class _Loader(yaml.SafeLoader):
    """Dates, times and words like `yes` are texts; an alias inside of what it stands for is refused."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.deep_construct = True

    def construct_yaml_int(self, node: Any) -> int:
        text = str(self.construct_scalar(node))
        return int(text[2:], 8 if text[1] == "o" else 16) if text[:2] in ("0o", "0x") else int(text)


for _kind, _texts, _first in _CORE:
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"(?:{_texts})$"), _first)
_Loader.add_constructor(_TAG + "int", _Loader.construct_yaml_int)
for _kind in ("timestamp", "merge"):
    _Loader.add_constructor(_TAG + _kind, _Loader.construct_yaml_str)


def load_yaml(text: bytes, source: str) -> Any:
    """The value of a YAML text, plain types only. Raises `InputError`."""
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError, LookupError) as error:
        raise InputError(f"{source}: not valid YAML ({first_line(error):.120})") from None


def yaml_safe(document: Json, source: str) -> JsonObject:
    """The document, if it is an object that JSON can hold. Raises `InputError`."""
    try:
        plain = _stringly(document, [LARGEST_YAML])
        if type(plain) is not dict:
            raise InputError(f"{source}: expected an object at the top")
        write_json(plain)
    except JsonError as error:
        raise InputError(f"{source}: {error}") from None
    return plain


def _stringly(value: Json, left: list[int]) -> Json:
    """Keys as strings: status codes are numbers in YAML."""
    left[0] -= 1
    if left[0] < 0:
        raise JsonError(f"holds more than {LARGEST_YAML} values")
    if type(value) is dict:
        return {_name(key): _stringly(item, left) for key, item in value.items()}
    if type(value) is list:
        return [_stringly(item, left) for item in value]
    return value


def _name(key: Json) -> str:
    return key if type(key) is str else write_json(key).decode("utf-8")
