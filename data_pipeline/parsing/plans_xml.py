"""DepthBench's XML plans.

    <tool_call return="one"><api id="0"><name>Search</name><param name="city" type="string">Rome</param></api></tool_call>
Read by expat, which is linear; a document type, and with it any entity of the text's own, cannot stand inside the root
that it is wrapped in. The type that a parameter declares is data: a JSON type word converts the text, `dict` and
`array` hold `field` and `item`, a `response` element is a reference, and any other word leaves a string.
"""

import xml.etree.ElementTree as ET

from data_pipeline.jsontext import MAX_DEPTH
from data_pipeline.parsing.plan import Block, Plan, find_block, malformed, numbered
from data_pipeline.words.calls import Attempt, Malformed, ToolCall
from data_pipeline.words.json import Json, JsonObject


class _Wrong(ValueError):
    """What is wrong with an element; one line."""


def parse_plan(text: str) -> Plan:
    """The calls of an XML plan. Linear in the text; what is no plan becomes a `Malformed`, never an exception."""
    block = find_block(text)
    if not isinstance(block, Block):
        return block
    try:
        root = ET.fromstring(f"<r>{block.body}</r>")
    except (ET.ParseError, ValueError):
        return malformed(block.whole, "not well-formed XML")
    children = list(root)
    if [child.tag for child in children] == ["none"]:
        return Plan((), True, block.returns)
    if not children or any(child.tag != "api" for child in children):
        return malformed(block.whole, "a plan holds <api> elements, or one <none/>")
    if any(child.get("id") is None for child in children):
        return malformed(block.whole, "every <api> has an id")
    return numbered([(child.attrib["id"], _call(child)) for child in children], block)


def _call(api: ET.Element) -> Attempt:
    try:
        names = api.findall("name")
        if len(names) != 1 or not (names[0].text or "").strip():
            raise _Wrong("an <api> has one <name>")
        arguments: JsonObject = {}
        for child in api:
            if child.tag == "param":
                _enter(arguments, child)
            elif child.tag != "name":
                raise _Wrong("an <api> holds <name> and <param> only")
    except _Wrong as error:
        return Malformed(f"<api id={api.get('id')!r:.60}>", str(error))
    return ToolCall((names[0].text or "").strip(), arguments)


def _enter(values: JsonObject, element: ET.Element, depth: int = 0) -> None:
    name = element.get("name")
    if name is None:
        raise _Wrong(f"a <{element.tag}> has a name")
    if name in values:
        raise _Wrong(f"{name:.60} is given twice")
    values[name] = _value(element, depth)


def _value(element: ET.Element, depth: int) -> Json:
    if depth > MAX_DEPTH - 8:
        raise _Wrong("values nest too deep")
    kind = element.get("type")
    if kind is None:
        raise _Wrong(f"a <{element.tag}> has a type")
    children = list(element)
    if not children:
        return _scalar((element.text or "").strip(), kind)
    tags = {child.tag for child in children}
    if tags == {"response"} and len(children) == 1:
        target, field = children[0].get("api_id"), children[0].get("field")
        if not target:
            raise _Wrong("a <response> has an api_id")
        return f"API_RESPONSE_{target}.{field}" if field else f"API_RESPONSE_{target}"
    if tags == {"field"}:
        values: JsonObject = {}
        for child in children:
            _enter(values, child, depth + 1)
        return values
    if tags == {"item"}:
        return [_value(child, depth + 1) for child in children]
    raise _Wrong("a value is text, one <response>, <field> elements or <item> elements")


def _scalar(text: str, kind: str) -> Json:
    word = kind.lower()
    try:
        if word == "integer":
            return int(text) if len(text) < 400 else text
        if word in ("float", "number"):
            number = float(text)
            return number if abs(number) < float("inf") else text
    except ValueError:
        return text  # of the wrong type, which the check against the schema will say
    if word == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if text == "" and word in ("dict", "object", "array", "list"):
        return {} if word in ("dict", "object") else []
    return None if word == "null" and text in ("", "null") else text
