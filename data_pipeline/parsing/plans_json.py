"""DepthBench's JSON plans: `<tool_call return="one">{"0": {"Tool": {...}}, "1": ...}</tool_call>`."""

from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.parsing.plan import Block, Plan, find_block, malformed, numbered
from data_pipeline.words.calls import Attempt, Malformed, ToolCall
from data_pipeline.words.json import Json


def parse_plan(text: str) -> Plan:
    """The calls of a JSON plan. Linear in the text; what is no plan becomes a `Malformed`, never an exception."""
    block = find_block(text)
    if not isinstance(block, Block):
        return block
    try:
        value = read_json(block.body.strip())
    except JsonError as error:
        return malformed(block.whole, str(error))
    if type(value) is not dict:
        return malformed(block.whole, 'a plan is a JSON object {"0": {"Tool": {...}}, ...}')
    return numbered([(one, _call(step)) for one, step in value.items()], block)


def _call(step: Json) -> Attempt:
    if type(step) is not dict or len(step) != 1:
        return Malformed(f"{step!r:.200}", 'a step is {"Tool": {...}}, one tool')
    ((name, arguments),) = step.items()
    if not name or type(arguments) is not dict:
        return Malformed(f"{step!r:.200}", "a tool has a name and its arguments are a JSON object")
    return ToolCall(name, arguments)
