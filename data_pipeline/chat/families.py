"""Families of models as rows of data: how a conversation is written, what ends a turn, how calls are spelled."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from data_pipeline.chat import gemma, llama, qwen, template
from data_pipeline.chat.messages import Manner, Message, Part
from data_pipeline.errors import InputError
from data_pipeline.parsing.messages import FORMS, Form
from data_pipeline.words import Tool, ToolCall, Turn


class Family(NamedTuple):
    """One way to write conversations."""

    render: Callable[[Sequence[Message], Sequence[Tool], Manner], list[Part]]
    """messages, tools offered -> the text up to where the assistant goes on, equal to the released template"""
    results: Callable[[Sequence[str], bool, Manner], list[Part]]
    """JSON texts of a turn's results, whether the turn ended itself -> what is fed after it, append-only"""
    stops: tuple[str, str]
    """(what completes a call, what ends a turn); equal where a call has no mark of its own"""
    form: Form
    """how calls are spelled"""
    between_calls: str
    """what stands between two calls in one message"""
    foreign: tuple[str, ...]
    """marks that are never inside what an assistant writes: a demonstration that held one would teach forgery"""
    marks: tuple[str, ...]
    """what opens and ends messages: a tokenizer without a piece for each is not of this family"""
    thinks: bool = False
    other_ends: tuple[str, ...] = ()
    """special tokens that end a turn as well: the end of a text, with which base models were trained"""


CHATML = Family(
    qwen.chatml,
    qwen.results,
    (template.CALL_END, template.END),
    "hermes",
    "\n",
    template.FOREIGN,
    (template.START, template.END),
)  # policies trained here
CHATML_PARAMETERS = CHATML._replace(
    stops=(template.END, template.END), form="parameters", between_calls=llama.BETWEEN
)  # the same with calls as bare JSON
QWEN2 = CHATML._replace(render=qwen.qwen2, other_ends=(qwen.TEXT_END,))
QWEN3 = QWEN2._replace(render=qwen.qwen3, results=qwen.qwen3_results, thinks=True)
LLAMA3 = Family(
    llama.llama3,
    llama.llama3_results,
    llama.STOPS,
    "parameters",
    llama.BETWEEN,
    llama.MARKS,
    (*llama.MARKS, llama.END),
    other_ends=(llama.TEXT_END,),
)
LLAMA3_FIRST = LLAMA3._replace(render=llama.llama3_first)
GEMMA3 = Family(
    gemma.gemma3,
    gemma.gemma3_results,
    gemma.STOPS,
    "parameters",
    gemma.BETWEEN,
    gemma.MARKS,
    (*gemma.MARKS, gemma.END),
    other_ends=(gemma.TEXT_END,),
)

FAMILIES: Mapping[str, Family] = {
    "chatml": CHATML,
    "qwen3": QWEN3,
    "qwen3_moe": QWEN3,
    "qwen2": QWEN2,
    "llama": LLAMA3,
    "gemma2": GEMMA3,
    "gemma3_text": GEMMA3,
    "gemma3": GEMMA3,
}
"""by the `model_type` of a published config.json; chatml: policies trained here"""


def family_of(model_type: str, *, slowed: bool = True) -> Family:
    """The family of a published model type.

    Args:
      slowed: whether the model's rotary frequencies are scaled, which tells Llama 3.1 and later from Llama 3.
    Raises:
      InputError: naming the known types.
    """
    if model_type not in FAMILIES:
        raise InputError(f"no chat template for model type {model_type!r:.40}: there are {', '.join(FAMILIES)}")
    return LLAMA3_FIRST if model_type == "llama" and not slowed else FAMILIES[model_type]


def in_form(turn: Turn, family: Family) -> str:
    """The turn's text with its calls spelled as the family spells them; as it is where it already has that form."""
    calls = [step.attempt for step in turn.steps]
    if turn.form == family.form or not calls:
        return turn.text
    render = FORMS[family.form].render
    return family.between_calls.join(render(call) if isinstance(call, ToolCall) else call.text for call in calls)
