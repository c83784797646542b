"""A world of four tools with made-up answers, and strategies of tasks and rollouts over it."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment
from data_pipeline.parsing.hermes import render_answer, render_call
from data_pipeline.words import Binding, ReferenceStep, Rollout, Task, Tool, ToolCall

VALUES = {"city": ("Rome", "Oslo", "rome"), "limit": (1, 2, 2.5), "parent": (7, 8)}


def _tool(name: str, effects: str = "read") -> Tool:
    properties = {"city": {"type": "string"}, "limit": {"type": "number"}, "parent": {"type": "integer"}}
    return Tool(name, "", {"type": "object", "properties": properties}, None, effects)


TOOLS = {name: _tool(name) for name in ("find", "list", "pick", "noop")} | {"erase": _tool("erase", "write")}


def answer(name: str, arguments: dict) -> dict:
    """What a tool of this world answers: a made-up id that differs with every argument."""
    spelled = f"{name}{sorted(arguments.items())}"
    return {"data": {"id": zlib.crc32(spelled.encode()) % 9999, "of": name}}


def _function(name: str):
    return lambda **arguments: answer(name, arguments)


ENVIRONMENT = Environment(TOOLS, PythonBackend({name: _function(name) for name in TOOLS}))


def make_task(steps: Sequence[ReferenceStep], **fields) -> Task:
    given = {"id": "t", "query": "", "tools": tuple(TOOLS), "reference": tuple(steps), "calls": len(steps)}
    return Task(**(given | fields))


@st.composite
def tasks(draw, max_steps: int = 5, names: Sequence[str] = ("find", "list", "pick")) -> Task:
    """Tasks in which steps may depend on earlier ones, by a value or only by order."""
    steps: list[ReferenceStep] = []
    for number in range(draw(st.integers(1, max_steps))):
        name = draw(st.sampled_from(names))
        arguments = {key: draw(st.sampled_from(VALUES[key])) for key in ("city", "limit") if draw(st.booleans())}
        parents = tuple(draw(st.lists(st.integers(0, number - 1), max_size=2, unique=True))) if number else ()
        bindings = ()
        if parents and draw(st.booleans()):
            source = steps[parents[0]]
            arguments["parent"] = answer(source.name, source.arguments)["data"]["id"]
            bindings = (Binding("parent", parents[0], draw(st.sampled_from(("id", "data.id"))), draw(st.booleans())),)
        steps.append(ReferenceStep(name, arguments, tuple(sorted(parents)), bindings))
    last = steps[-1]
    return make_task(steps, answer=answer(last.name, last.arguments), has_answer=True)


class Fault(NamedTuple):
    """How a call of the reference is spoilt; `None` argument: the call as a whole."""

    kind: str
    argument: str | None = None


def spoil(call: ToolCall, faults: Sequence[Fault]) -> str:
    """The text of a call with faults."""
    arguments, name = dict(call.arguments), call.name
    for kind, argument in faults:
        if kind == "wrong" and argument in arguments:
            arguments[argument] = {"city": "Lima", "limit": 99, "parent": 12345}[argument]
        elif kind == "type" and argument in arguments:
            arguments[argument] = None
        elif kind == "lost":
            arguments.pop(argument, None)
        elif kind == "extra":
            arguments.setdefault(argument or "city", "zzz")
        elif kind == "tool":
            name = "noop"
        elif kind == "malformed":
            return "<tool_call>{</tool_call>"
    return render_call(ToolCall(name, arguments))


FAULTS = [
    *[Fault(kind, argument) for kind in ("wrong", "type", "lost", "extra") for argument in VALUES],
    Fault("tool"),
    Fault("malformed"),
]


def play(task: Task, texts: Sequence[str], closing: str | None = None) -> Rollout:
    """The rollout of these messages, one a turn."""
    session = ENVIRONMENT.session(task)
    final = render_answer(task.answer) if closing is None else closing
    return Rollout(task.id, tuple(session.respond(text) for text in (*texts, final)))


def calls_of(task: Task) -> list[ToolCall]:
    return [ToolCall(step.name, step.arguments) for step in task.reference]
