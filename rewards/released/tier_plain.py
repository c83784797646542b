"""Plans spelled as the prompt of arXiv 2605.16790 asks for them, read by one regular expression.

Nearly every completion of a trained policy is of this form:
    <tool_call return="one">
        <api id="0"><name>Search</name><param name="city" type="string">Rome</param></api>
    </tool_call>
with text, one `<response .../>`, or fields or items in a parameter, or a JSON object between the marks. Nothing else is
taken: what holds an entity or is wrong in any way is for `tier_text`, whose answer this one always equals. No part of the
expression runs on beyond the next parameter, so the time is linear in the text.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from data_pipeline.words import Json

_SIGNS = r'[^"<\t\n]*'
_GAP = r"[ \t\n]*"
_RESPONSE = rf'<response api_id="({_SIGNS})" api_name="{_SIGNS}" field="([^"<\t\n]+)" ?/>'
_NESTED = rf"({_GAP}<(?:field|item) (?:[^<]++|<(?!/?param))*+)"
_PIECE = re.compile(
    rf'<(?:param name="({_SIGNS})" type="({_SIGNS})">(?:([^<]*)|{_GAP}{_RESPONSE}{_GAP}|{_NESTED})</param>'
    rf'|api id="({_SIGNS})">{_GAP}<name>([^<]*)</name>'
    r"|/api>)"
)
_STRIDE = _PIECE.groups + 1
_BLANK = " \t\n"
_UNFIT = b"&\r\x7f" + bytes(set(range(32)) - set(b"\t\n"))
_HEAD = re.compile(
    r"<think>([^<>\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]*)</think>"
    r'\s*<tool_call return="(one|all)">'
)
_CLOSE = "</tool_call>"


class Plain(NamedTuple):
    """A completion whose think block is well-formed once it is escaped, and whose plan comes right after it, and first."""

    think: str
    body: str
    """What stands between the plan's marks."""
    returns_all: bool


def find_plain(text: str) -> Plain | None:
    """The parts of a completion; None where it is laid out otherwise."""
    start = text.find("<think")
    head = _HEAD.match(text, start) if start >= 0 else None
    if head is None or text.find("<tool_call", 0, start) >= 0:
        return None
    end = text.find(_CLOSE, head.end())
    return None if end < 0 else Plain(head[1], text[head.end() : end], head[2] == "all")


def is_plain(text: str) -> bool:
    """Whether XML reads the letters of a text as they stand: nothing is escaped, and nothing stands there that it refuses."""
    if not text.isascii():
        return text.replace("\n", " ").isprintable() and "&" not in text
    raw = text.encode()
    return len(raw.translate(None, _UNFIT)) == len(raw)


def plain_calls(
    body: str, known: Callable[[str], bool], converted: Callable[[str, str], Json], nested: Callable[[str], Json]
) -> dict[str, dict[str, dict[str, Json]]] | None:
    """The calls of an XML plan by id; None where it is not of the plain form.

    Args:
      known: whether a tool of that name exists; others are dropped.
      converted: (text, declared type) -> value.
      nested: XML of a parameter with elements in it -> value. Both raise ValueError where there is none, which leaves the
        plan to others.
    """
    # a text or a name with a `>` in it leaves one too many
    if not is_plain(body) or body.count("<") != body.count(">"):
        return None
    pieces = _PIECE.split(body)
    if len(pieces) == 1:
        return {} if body.strip(_BLANK) == "<none/>" else None
    if "".join(pieces[::_STRIDE]).strip(_BLANK):
        return None
    calls: dict[str, dict[str, dict[str, Json]]] = {}
    opened: Any = None  # id of the <api> that is open
    name = ""
    parameters: dict[str, Json] = {}
    rest = iter(pieces[1:])
    for key, kind, text, target, field, inside, one, tool, _ in zip(*[rest] * _STRIDE, strict=True):
        if (opened is None) is (one is None):
            return None  # an <api> in another, or anything outside one
        if key is not None:
            if target is not None:
                parameters[key] = f"API_RESPONSE_{target}.{field}"
            elif kind == "string" and text is not None:
                parameters[key] = text.strip()
            else:
                try:
                    parameters[key] = (
                        nested(f"<param>{inside}</param>") if text is None else converted(text.strip(), kind)
                    )
                except ValueError:
                    return None
        elif one is not None:
            opened, name, parameters = one, tool.strip(), {}
        else:
            if known(name):
                calls[opened] = {name: parameters}
            opened = None
    return calls if opened is None else None
