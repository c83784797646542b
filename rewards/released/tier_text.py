"""How the released code of arXiv 2605.16790 reads a completion: its format check, and the calls that it takes out.

The two look at different places: the check wants `<think>..</think>` directly before `<tool_call ..>..</tool_call>`
somewhere in the text, the reading takes the first `<tool_call ..>` of the whole text, thoughts included. Types that a
parameter declares are looked up among Python's own names there; here the harmless ones are rebuilt by hand and the
others make the reading fail, for model text is data.
"""

import html
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any, NamedTuple

from data_pipeline.words import Json, JsonObject
from rewards.released.tier_plain import Plain, find_plain, is_plain, plain_calls

Calls = dict[str, JsonObject]
"""Call id -> {tool: parameters}."""

_INNERMOST = re.compile(r"\(([^()]*)\)")
_DEEPEST = 200
_OPEN, _CLOSE = "<tool_call", "</tool_call>"


class Unreadable(ValueError):
    """The released code raises here."""


class Completion(NamedTuple):
    formatted: bool
    calls: Calls
    returns_all: bool
    think: str = ""
    """What stands in the think block."""


class _Found(NamedTuple):
    think: str
    call: str
    place: int
    """Where the call begins in the text."""


def read_completion(text: str, form: str, known: Callable[[str], bool]) -> Completion:
    """Format verdict and calls of a completion. Raises `Unreadable` where the format is right and the reading raises.

    Args:
      form: xml or json.
      known: whether a tool of that name exists; in XML others are dropped.
    """
    plain = find_plain(text)
    quick = _read_plain(plain, form, known) if plain is not None else None
    if quick is not None:
        return quick
    found = _find(text)
    if found is None:
        return Completion(False, {}, False)
    plan = _parsed(found, plain is not None)
    if plan is None or plan.get("return") not in ("one", "all"):
        return Completion(False, {}, False)
    if not (_is_xml(plan) if form == "xml" else _is_json(_loaded(plan.text or ""))):
        return Completion(False, {}, False)
    start = text.find(_OPEN)
    if start != found.place:
        again = _element(text[start : text.find(_CLOSE, text.find(">", start)) + len(_CLOSE)])
        if again is None:
            if form == "xml":
                raise Unreadable("not well-formed XML")
            return Completion(True, {}, False)
        plan = again
    calls = _xml_calls(plan, known) if form == "xml" else _json_calls(plan.text or "")
    think = found.think[found.think.find(">") + 1 : -len("</think>")]
    return _formatted(calls, plan.get("return") == "all", think)


def _formatted(calls: Calls | None, returns_all: bool, think: str) -> Completion:
    """A completion of the right format; None: calls that cannot be read, which is no penalty."""
    return Completion(True, calls or {}, returns_all and calls is not None, think)


def _read_plain(found: Plain, form: str, known: Callable[[str], bool]) -> Completion | None:
    """The same without expat; None for a plan that is not spelled plainly."""
    think, body, returns_all = found
    if form == "xml":
        calls = plain_calls(body, known, _converted, _nested)
        return None if calls is None else _formatted(calls, returns_all, think)
    if not is_plain(body) or "<" in body or ">" in body:
        return None
    value = _loaded(body)
    if not _is_json(value):
        return Completion(False, {}, False)
    return _formatted(_json_calls(body) if "(" in body else value, returns_all, think)


def _find(text: str) -> _Found | None:
    """The think block and the tool block right after it: the leftmost pair, each as short as it can be."""
    start = text.find("<think")
    inside = text.find(">", start) if start >= 0 else -1
    if inside < 0:
        return None
    close = text.find("</think>", inside)
    while close >= 0:
        after = close + len("</think>")
        follows = after
        while follows < len(text) and text[follows].isspace():
            follows += 1
        if text.startswith(_OPEN, follows):
            body = text.find(">", follows)
            end = text.find(_CLOSE, body) if body >= 0 else -1
            if end < 0:
                return None
            return _Found(text[start:after], text[follows : end + len(_CLOSE)], follows)
        close = text.find("</think>", max(after, follows))
    return None


def _parsed(found: _Found, prose: bool) -> ET.Element | None:
    """The tool block, if the pair is well-formed under one root and nothing else stands there.

    prose: the think block is known to be well-formed.
    """
    if prose:
        plan = _element(found.call)
        return plan if plan is not None and plan.tag == "tool_call" else None
    think = found.think
    body = think[think.find(">") + 1 : think.find("</think>")]
    if body:
        think = think.replace(body, html.escape(body))
    root = _element(f"<root>{think}{found.call}</root>")
    return root[1] if root is not None and [child.tag for child in root] == ["think", "tool_call"] else None


def _element(text: str) -> ET.Element | None:
    try:
        if "<!" not in text and "<?" not in text:
            return ET.XML(text)
        # Comments and instructions stay visible: the released check meets them as tags that it does not know.
        return ET.XML(text, ET.XMLParser(target=ET.TreeBuilder(insert_comments=True, insert_pis=True)))
    except (ET.ParseError, ValueError):
        return None


def _is_xml(plan: ET.Element) -> bool:
    apis = nones = 0
    level: list[ET.Element] = []
    for child in plan:
        if child.tag == "none":
            nones += 1
            continue
        names = 0
        if child.tag != "api" or "id" not in child.attrib:
            return False
        apis += 1
        for part in child:
            if part.tag == "param":
                level.append(part)
            elif part.tag == "name":
                names += 1
            else:
                return False
        if names != 1:
            return False
    if nones > 1 or (nones == 1) == (apis > 0):
        return False
    return _are_values(level)


def _are_values(level: list[ET.Element]) -> bool:
    """Whether elements, and all within, have the tags and attributes of values."""
    while level:
        below: list[ET.Element] = []
        for element in level:
            needed = _NEEDED.get(element.tag)
            if needed is None:
                return False
            given = element.attrib
            for name in needed:
                if name not in given:
                    return False
            below.extend(element)
        level = below
    return True


_NEEDED: dict[Any, tuple[str, ...]] = {
    "param": ("name", "type"),
    "field": ("name", "type"),
    "item": ("type",),
    "response": ("api_id", "api_name", "field"),
}


def _xml_calls(plan: ET.Element, known: Callable[[str], bool]) -> Calls:
    calls: Calls = {}
    for api in plan.iter("api"):
        name, parameters = "", {}
        for part in api:
            if part.tag == "param":
                parameters[part.get("name")] = _value(part, 0)
            elif part.tag == "name" and not name:
                name = (part.text or "").strip()
        if known(name):
            calls[api.get("id", "")] = {name: parameters}
    return calls


def _value(element: ET.Element, depth: int) -> Json:
    if not len(element):
        text, kind = (element.text or "").strip(), element.get("type", "")
        return text if kind == "string" else _converted(text, kind)
    if depth > _DEEPEST:
        raise Unreadable("nested too deep")
    tags = {child.tag for child in element}
    if tags == _ONE_RESPONSE and len(element) == 1:
        field = element[0].get("field")
        if not field:
            raise Unreadable("a reference without a field")
        return f"API_RESPONSE_{element[0].get('api_id')}.{field}"
    if tags == _FIELDS:
        return {child.get("name"): _value(child, depth + 1) for child in element}
    if tags == _ITEMS:
        return [_value(child, depth + 1) for child in element]
    return {child.tag: _value(child, depth + 1) for child in element}


def _nested(text: str) -> Json:
    """The value of a parameter with elements in it. Raises ValueError where the format is not that of one."""
    element = _element(text)
    if element is None or not len(element) or not _are_values(list(element)):
        raise ValueError("no value")
    return _value(element, 0)


_ONE_RESPONSE, _FIELDS, _ITEMS = {"response"}, {"field"}, {"item"}


def _converted(text: str, kind: str) -> Json:
    """The text under its declared type. Raises `Unreadable` where the conversion raises there."""
    try:
        if kind in ("string", "str"):
            return text
        if kind in ("integer", "int"):
            return int(float(text)) if kind == "integer" else int(text)
        if kind == "float":
            return float(text)
        if kind == "boolean":
            return _BOOLEANS[text.lower()]
        if kind == "bool":
            return bool(text)
        if kind in ("list", "tuple", "sorted"):
            return sorted(text) if kind == "sorted" else list(text)
        if kind == "dict" and not text:
            return {}
    except (ValueError, KeyError, OverflowError) as error:
        raise Unreadable(str(error)) from None
    if kind in _CALLED:
        raise Unreadable(f"{kind} is a name of Python's own, and nothing that a model names is called")
    return text


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_CALLED = frozenset(dir(__import__("builtins")))
"""Names that the released code would call on the text."""


def _is_json(value: Json) -> bool:
    return type(value) is dict and all(key.isdigit() and type(step) is dict for key, step in value.items())


def _json_calls(text: str) -> Calls | None:
    """The calls of a JSON plan, every innermost pair of round brackets made square, those in strings too."""
    return _loaded(_INNERMOST.sub(r"[\1]", text))


def _loaded(text: str) -> Any:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
