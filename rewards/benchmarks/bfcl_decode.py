"""From a model's text to BFCL's calls: `[name(argument=value, ...), ...]` in Python's syntax, read and never evaluated.

As the benchmark decodes prompted models (gorilla, v4): fences and quotes around are dropped, brackets added where they are
missing, names without quotes become text, a nested call without arguments becomes its own text. What cannot be read is no
call at all: irrelevance counts that as right.
"""

import ast
from typing import Any

from data_pipeline.simulators.expressions import literal, parse_expression
from data_pipeline.simulators.sizes import Refused
from data_pipeline.words import JsonObject


class Undecodable(ValueError):
    """The text is no list of calls; the message says why in one line."""


def decode_calls(text: str) -> list[JsonObject]:
    """[{name: {argument: value}}]; positional arguments are dropped. Raises `Undecodable`."""
    text = text.strip("`\n ")
    text = text if text.startswith("[") else "[" + text
    text = text if text.endswith("]") else text + "]"
    try:
        body = parse_expression(text.strip().strip("'"))
        calls = [body] if isinstance(body, ast.Call) else list(getattr(body, "elts", [body]))
        if not all(isinstance(call, ast.Call) for call in calls):
            raise Undecodable("holds something that is no call")
        return [_call(call) for call in calls if isinstance(call, ast.Call)]
    except Undecodable:
        raise
    except (SyntaxError, ValueError, TypeError, ArithmeticError, NameError, AttributeError, Refused) as error:
        raise Undecodable(f"{type(error).__name__}: {error}".splitlines()[0][:200]) from None


def _call(node: ast.Call) -> JsonObject:
    parts: list[str] = []
    function: ast.expr = node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if isinstance(function, ast.Name):
        parts.append(function.id)
    return {".".join(reversed(parts)): {str(one.arg): _value(one.value) for one in node.keywords}}


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return "..." if value is Ellipsis else value
        case ast.UnaryOp(operand=ast.Constant(value=value)) if isinstance(value, (int, float)):
            return -value  # whatever the sign was
        case ast.List(elts=parts):
            return [_value(part) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_value(part) for part in parts)
        case ast.Dict(keys=keys, values=values):
            return {_value(k): _value(v) for k, v in zip(keys, values, strict=True) if k is not None}
        case ast.BinOp():
            return literal(node)
        case ast.Name(id=name):
            return name
        case ast.Call():
            return _call(node) if node.keywords else ast.unparse(node)
        case ast.Subscript():
            return ast.unparse(node)
    raise Undecodable(f"a {type(node).__name__} is no value")
