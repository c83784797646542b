"""ChatML with Hermes tool calls: Qwen3, Qwen2.5, and the policies that are trained here from scratch.

Written like the released templates of Qwen3 (0.6B to 32B, April 2025) and Qwen2.5 (Instruct). Where a ledger differs from
rendering the whole conversation again with Qwen3's template: the template drops the thoughts of every turn before the last
query, gives the last message an empty thought if it had none, and knows nothing of a thought that was switched off in earlier
turns; a ledger keeps what was sampled and fed. Calls made in one message share one message of results in the template; a
ledger that pauses at each call has a message of results after each.
"""

from collections.abc import Iterator, Sequence

from data_pipeline.chat import template
from data_pipeline.chat.messages import Manner, Message, Part
from data_pipeline.chat.offers import FULL_AFTER, FULL_BEFORE, schema_text
from data_pipeline.parsing.hermes import CLOSE, OPEN, spell
from data_pipeline.tokenizers.marks import THOUGHT_CLOSE, THOUGHT_OPEN
from data_pipeline.words import Tool, ToolCall

# Text that these models saw in training, word for word: formats, not prose of ours.
QWEN2_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
TEXT_END = "<|endoftext|>"
NO_THOUGHT = f"{THOUGHT_OPEN}\n\n{THOUGHT_CLOSE}\n\n"
CLOSED_THOUGHT = (
    "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now."
    f"\n{THOUGHT_CLOSE}\n\n"
)
"""what Qwen3's authors feed where a thought has used up its budget"""


def qwen3(messages: Sequence[Message], tools: Sequence[Tool], manner: Manner) -> list[Part]:
    """The conversation up to where the assistant goes on."""
    parts = [*_system(messages, tools, ""), *_rest(messages, thinks=True)]
    return [*parts, Part(template.ASSISTANT_OPEN + ("" if manner.thinking else NO_THOUGHT), True)]


def qwen2(messages: Sequence[Message], tools: Sequence[Tool], manner: Manner) -> list[Part]:
    """The same for Qwen2.5: a system message of its own where none is given, and no thoughts."""
    parts = [*_system(messages, tools, QWEN2_SYSTEM), *_rest(messages, thinks=False)]
    return [*parts, Part(template.ASSISTANT_OPEN, True)]


def chatml(messages: Sequence[Message], tools: Sequence[Tool], manner: Manner) -> list[Part]:
    """The same without thoughts and without a system message that nobody gave: policies trained here."""
    return [*_system(messages, tools, ""), *_rest(messages, thinks=False), Part(template.ASSISTANT_OPEN, True)]


def results(texts: Sequence[str], closed: bool, manner: Manner) -> list[Part]:
    """What is fed after a turn with calls; closed: whether the turn ended itself with `<|im_end|>`."""
    opening = template.RESULTS_OPEN if closed else template.CLOSED_RESULTS_OPEN
    parts: list[Part] = []
    for place, text in enumerate(texts):
        parts += [Part(template.RESULTS_BETWEEN if place else opening, True), Part(text, False)]
    return [*parts, Part(template.RESULTS_END, True)]


def qwen3_results(texts: Sequence[str], closed: bool, manner: Manner) -> list[Part]:
    """The same; without thinking, every turn begins with an empty thought."""
    return [*results(texts, closed, manner), *([] if manner.thinking else [Part(NO_THOUGHT, True)])]


def _system(messages: Sequence[Message], tools: Sequence[Tool], default: str) -> Iterator[Part]:
    given = messages[0].content if messages and messages[0].role == "system" else default
    if not given and not tools:
        return
    yield Part(template.SYSTEM_OPEN, True)
    if given:
        yield Part(given + ("\n\n" if tools else ""), False)
    if tools:
        yield Part(FULL_BEFORE, True)
        for tool in tools:
            yield Part("\n" + schema_text(tool), False)
        yield Part(FULL_AFTER, True)
    yield Part(template.MESSAGE_END, True)


def _rest(messages: Sequence[Message], *, thinks: bool) -> Iterator[Part]:
    """Every message but a system message at the beginning."""
    queries = [place for place, message in enumerate(messages) if message.role == "user"]
    last_query = queries[-1] if queries else len(messages) - 1
    for place, message in enumerate(messages):
        if message.role in ("user", "system"):
            if place or message.role == "user":
                yield Part(f"<|im_start|>{message.role}\n", True)
                yield Part(message.content, False)
                yield Part(template.MESSAGE_END, True)
        elif message.role == "assistant":
            ends = place == len(messages) - 1
            yield Part(template.ASSISTANT_OPEN, True)
            yield from _spoken(message, thought=thinks and place > last_query and (ends or bool(message.thinking)))
            yield Part("\n", True)
        else:
            first = not place or messages[place - 1].role != "tool"
            last = place == len(messages) - 1 or messages[place + 1].role != "tool"
            yield Part(("<|im_start|>user" if first else "") + "\n<tool_response>\n", True)
            yield Part(message.content, False)
            yield Part("\n</tool_response>" + (template.MESSAGE_END if last else ""), True)


def _spoken(message: Message, *, thought: bool) -> Iterator[Part]:
    """What the assistant writes: its thought, its words, its calls, the end."""
    words = message.content
    if thought:
        yield Part(f"{THOUGHT_OPEN}\n", True, True)
        yield Part(message.thinking.strip("\n") + "\n", False, True)
        yield Part(f"{THOUGHT_CLOSE}\n\n", True, True)
        words = words.lstrip("\n")
    yield Part(words, False, True)
    for number, call in enumerate(message.calls):
        yield Part(("\n" if words or number else "") + f"{OPEN}\n", True, True)
        yield Part(call_text(call), False, True)
        yield Part(f"\n{CLOSE}", True, True)
    yield Part(template.END, True, True)


def call_text(call: ToolCall) -> str:
    """The JSON of a call."""
    return spell({"name": call.name, "arguments": call.arguments})
