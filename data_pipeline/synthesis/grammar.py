"""Queries from a grammar, for any catalogue: noun phrases inside one another, values as they are, no word about the
calls.

    the reviews for the hotel whose dest id is -1456928, arrival date 2026-05-01     <- step
        of the destination with query 'Paris'                                          <- the step that feeds it

A tool's nouns are given (`nouns`) or made from its name. What is asked for are the steps whose results feed nothing.
"""

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from data_pipeline.paths import Path, leaves, parse_path, path_text
from data_pipeline.synthesis.index import schema_at
from data_pipeline.synthesis.shapes import parents_of, sinks_of
from data_pipeline.words import Json, Tool, ToolCall, Workflow

SENTENCES: tuple[str, ...] = (
    "What is {x}?", "Which is {x}?", "Find {x}.", "Give me {x}.", "Tell me {x}.", "I need {x}.", "Show me {x}.", "Look up {x}.",
    "Please find {x}.", "Please give me {x}.", "Please tell me {x}.", "Please look up {x}.", "I want {x}.", "I want to know {x}.",
    "I need to know {x}.", "Can you find {x}?", "Can you tell me {x}?", "Can you look up {x}?", "Could you find {x}?",
    "Could you give me {x}?", "Could you tell me {x}?", "Do you know {x}?", "{X}, please.", "{X} is what I need.",
    "{X} is what I want to know.", "I am looking for {x}.", "We need {x}.", "We want to know {x}.", "We are looking for {x}.",
    "Name {x}.", "Help me find {x}.", "Get me {x}.", "Please get me {x}.", "I would like {x}.", "I would like to know {x}.",
    "We would like to know {x}.", "Do you have {x}?", "Let me know {x}.", "Please let me know {x}.", "Could you let me know {x}?",
)  # fmt: skip
OF = ("of", "for", "belonging to", "tied to", "linked to", "that goes with")
WITH = ("with {a} {v}", "whose {a} is {v}", "where {a} is {v}", "with {a} set to {v}", "for {a} {v}", "given {a} {v}")
SAID = ("{a} {v}", "{a}: {v}", "{a} being {v}", "{a} {v}")
ALSO = ("and", "and also", "as well as", "together with", "and besides")
FACTS = (
    "{X} is {v}.", "Note that {x} is {v}.", "We know that {x} is {v}.", "I know that {x} is {v}.", "As you know, {x} is {v}.",
    "I was told that {x} is {v}.", "{X} is {v}, as you know.", "Somebody says that {x} is {v}.",
)  # fmt: skip
_VERBS = re.compile(
    r"^(get|search|find|list|fetch|lookup|look|show|query|retrieve|check|read|compute|calculate)\s+", re.I
)


class _Plan(NamedTuple):
    """What a query is about."""

    workflow: Workflow
    calls: Sequence[ToolCall]
    without: tuple[int, Path] | None


class Grammar(NamedTuple):
    """nouns: tool -> nouns for what it answers; a tool without gets its noun from its name."""

    tools: Mapping[str, Tool]
    nouns: Mapping[str, Sequence[str]] = {}

    def write(
        self,
        workflow: Workflow,
        calls: Sequence[ToolCall],
        rng: random.Random,
        *,
        without: tuple[int, Path] | None = None,
    ) -> str:
        """A query for a workflow whose steps make these calls: names what the last steps find and every value that
        they cannot find.

        without: (step, argument) of a value to leave out, so that the right thing is to ask for it.
        """
        text = self._wanted(_Plan(workflow, calls, without), rng)
        return rng.choice(SENTENCES).format(x=text, X=capital(text))

    def write_answered(self, workflow: Workflow, calls: Sequence[ToolCall], answer: Json, rng: random.Random) -> str:
        """A query that holds its own answer."""
        plan = _Plan(workflow, calls, None)
        fact = rng.choice(FACTS).format(x=(text := self._wanted(plan, rng)), X=capital(text), v=spoken(answer))
        asked = self._wanted(plan, rng)
        sentence = rng.choice(SENTENCES).format(x=asked, X=capital(asked))
        return f"{fact} {sentence}" if rng.random() < 0.5 else f"{sentence} {fact}"

    def _wanted(self, plan: "_Plan", rng: random.Random) -> str:
        named: set[int] = set()
        return f" {rng.choice(ALSO)} ".join(self._phrase(step, plan, named, rng) for step in sinks_of(plan.workflow))

    def _phrase(self, step: int, plan: "_Plan", named: set[int], rng: random.Random) -> str:
        noun = rng.choice(self.nouns_of(plan.workflow.tools[step]))
        if step in named:
            return f"the same {noun}"
        named.add(step)
        given = [
            item for item in self.literals(step, plan.workflow, plan.calls[step]) if (step, item[0]) != plan.without
        ]
        said = [
            rng.choice(SAID if place else WITH).format(a=argument_words(argument), v=spoken(value))
            for place, (argument, value) in enumerate(given)
        ]
        text = " ".join([f"the {noun}", *([", ".join(said)] if said else [])])
        inner = [self._phrase(source, plan, named, rng) for source in parents_of(plan.workflow)[step]]
        if inner:
            text += f"{',' if given else ''} {rng.choice(OF)} " + " and ".join(inner)
        return text

    def nouns_of(self, tool: str) -> Sequence[str]:
        return self.nouns.get(tool) or (tool_words(tool),)

    def literals(self, step: int, workflow: Workflow, call: ToolCall) -> list[tuple[Path, Json]]:
        """Values of a call that no edge feeds and the schema does not give: the query must say them."""
        fed = [parse_path(edge.argument) for edge in workflow.edges if edge.target == step]
        schema = self.tools[call.name].parameters
        return [
            (path, value)
            for path, value in leaves(call.arguments)
            if path not in fed and value is not None and not _is_default(value, schema_at(schema, path))
        ]


def _is_default(value: Json, schema: Mapping[str, Json]) -> bool:
    return any(
        word in schema and type(schema[word]) is type(value) and schema[word] == value for word in ("default", "const")
    )


def tool_words(name: str) -> str:
    """`Search_Attraction_Location`, `searchAttractionLocation` -> attraction location"""
    return _VERBS.sub("", _spaced(name)) or _spaced(name)


def argument_words(path: Path) -> str:
    """`legs[0].fromId` -> from id of leg 1; `arrival_date` -> arrival date"""
    words = ""
    for place, part in enumerate(path):
        if type(part) is int:
            continue
        text = _spaced(str(part))
        follower = path[place + 1] if place + 1 < len(path) else None
        if type(follower) is int:
            text = f"{text.removesuffix('s')} {follower + 1}"
        words = f"{text} of {words}" if words else text
    return words or path_text(path)


@cache
def _spaced(name: str) -> str:
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.sub(r"[\s_\-.]+", " ", apart).strip().lower()


def spoken(value: Json) -> str:
    """A value so that the query holds it letter for letter."""
    if type(value) is str:
        return value if re.fullmatch(r"[\w\-.:/+]+", value) else f"'{value}'"
    if type(value) is bool:
        return "true" if value else "false"
    return str(value)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def narrates(query: str, task_tools: Sequence[str]) -> str | None:
    """The tool name that a query gives away, or None."""
    lowered = query.casefold()
    return next((name for name in task_tools if len(name) > 3 and "_" in name and name.casefold() in lowered), None)
