"""Text of calls in Python's syntax, read and carried out without evaluating it.

The text is parsed by `ast.parse` and walked by our own code: literals, nested calls of the offered methods, arithmetic on
small numbers, subscripts. Whatever else a text holds fails as an unknown name or an unsupported expression, in words like
those of Python where verdicts could depend on them. Nothing of Python's builtins can be reached.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from data_pipeline.simulators.sizes import MAX_LETTERS, MAX_NUMBER_BITS, Refused, check_size

MAX_TEXT = 100_000
MAX_DEPTH = 60
_MAX_INT_BITS = 4096

_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_SIGNS: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}


def parse_expression(text: str) -> ast.expr:
    """The syntax tree. Raises SyntaxError or ValueError with Python's own words, or `Refused` for what is too large."""
    if len(text) > MAX_TEXT:
        raise Refused(f"a call of more than {MAX_TEXT} characters")
    depth = _nesting(text)
    if depth > MAX_DEPTH:
        raise Refused(f"nests deeper than {MAX_DEPTH} levels")
    try:
        return ast.parse(text.lstrip(" \t"), filename="<string>", mode="eval").body
    except (RecursionError, MemoryError):
        raise Refused("nests too deeply") from None


def _nesting(text: str) -> int:
    """An upper bound of how deep brackets and signs nest, before a parser sees the text."""
    deepest = depth = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    signs = max((len(found) for found in re.findall(r"(?:[-+~]\s*|\bnot\s+)+", text)), default=0)
    return max(deepest, signs // 2)


def literal(node: ast.expr) -> Any:
    """The value of an expression of literals alone. Raises `Refused` or what the arithmetic raises."""
    return evaluate(node, {})


def evaluate(node: ast.expr, objects: Mapping[str, Mapping[str, Callable[..., Any]]], depth: int = 0) -> Any:
    """The value of an expression.

    Args:
      node: from `parse_expression`.
      objects: name of an object -> name of a method -> what a call of it does.

    Raises:
      Refused: for what is not carried out.
      NameError, AttributeError and others: in Python's words; and what the methods raise.
    """
    if depth > MAX_DEPTH:
        raise Refused(f"nests deeper than {MAX_DEPTH} levels")

    def inner(part: ast.expr) -> Any:
        return evaluate(part, objects, depth + 1)

    match node:
        case ast.Constant(value=value):
            return value
        case ast.Call(func=function):
            method = _method(function, objects, inner)
            if any(isinstance(part, ast.Starred) for part in node.args) or any(k.arg is None for k in node.keywords):
                raise Refused("unpacked arguments are not carried out")
            given, named = list(map(inner, node.args)), {str(k.arg): inner(k.value) for k in node.keywords}
            check_size([given, named])
            return method(*given, **named)
        case ast.List(elts=parts):
            return [inner(part) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(inner(part) for part in parts)
        case ast.Set(elts=parts):
            return {inner(part) for part in parts}
        case ast.Dict(keys=keys, values=values):
            if any(key is None for key in keys):
                raise Refused("unpacked objects are not carried out")
            return {inner(key): inner(value) for key, value in zip(keys, values, strict=True) if key is not None}
        case ast.UnaryOp(op=sign, operand=operand):
            return _SIGNS[type(sign)](inner(operand))
        case ast.BinOp(left=left, op=op, right=right):
            return _arithmetic(op, inner(left), inner(right))
        case ast.Subscript(value=value, slice=place) if not isinstance(place, ast.Slice):
            return inner(value)[inner(place)]
        case ast.Name(id=name):
            raise NameError(f"name '{name}' is not defined")
        case ast.Attribute(value=value, attr=name):
            raise AttributeError(f"'{type(inner(value)).__name__}' object has no attribute '{name}'")
    raise Refused(f"a {type(node).__name__} is not carried out")


def _method(
    function: ast.expr, objects: Mapping[str, Mapping[str, Callable[..., Any]]], inner: Callable[[ast.expr], Any]
) -> Callable[..., Any]:
    match function:
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in objects:
            if name not in objects[owner]:
                raise AttributeError(f"'{owner}' object has no attribute '{name}'")
            return objects[owner][name]
    raise TypeError(f"'{type(inner(function)).__name__}' object is not callable")


def _arithmetic(op: ast.operator, left: Any, right: Any) -> Any:
    """Numbers with + - * / // % and small powers; text and lists with +."""
    numbers = all(isinstance(side, (int, float, complex)) for side in (left, right))
    if isinstance(op, ast.Pow) and numbers:
        whole = isinstance(left, int) and isinstance(right, int) and right > 0
        if whole and left.bit_length() * right > _MAX_INT_BITS:
            raise Refused("a power of too many digits")
        return left**right
    if type(op) not in _OPERATORS or not (numbers or isinstance(op, ast.Add)):
        raise Refused(f"{type(op).__name__} is not carried out on these")
    if not numbers and _length(left) + _length(right) > MAX_LETTERS:
        raise Refused("a sum of too much")
    if isinstance(op, ast.Mult) and _bits(left) + _bits(right) > MAX_NUMBER_BITS:
        raise Refused("a product of too many digits")
    return _OPERATORS[type(op)](left, right)


def _bits(number: Any) -> int:
    return number.bit_length() if isinstance(number, int) else 0


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes, list, tuple)) else 0
