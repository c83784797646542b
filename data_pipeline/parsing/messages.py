"""One assistant's message in any form of call: read here, whatever family of models wrote it."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from data_pipeline.parsing.hermes import parse_message, render_call
from data_pipeline.parsing.parameters import parse_parameters, render_parameters
from data_pipeline.words.calls import Attempt, ToolCall

Form = Literal["hermes", "parameters"]


class CallForm(NamedTuple):
    """How calls are read from a message and written into one."""

    parse: Callable[[str], tuple[tuple[Attempt, ...], bool]]
    render: Callable[[ToolCall], str]


FORMS: dict[Form, CallForm] = {
    "hermes": CallForm(parse_message, render_call),
    "parameters": CallForm(parse_parameters, render_parameters),
}


def parse_in_form(text: str, form: Form) -> tuple[tuple[Attempt, ...], bool]:
    """(attempts in order, whether the text parses)."""
    return FORMS[form].parse(text)
