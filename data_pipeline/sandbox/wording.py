"""How goals are put into words: noun phrases inside one another, in a sentence of many forms.

A wording of a tool is a pair (head, connector): "the carrier of ...", "the rider for ...". Of each tool's pairs, and
of the sentences, one in six is kept for evaluation; every word of those is known from training, the pairing is not.
Phrases name what is wanted, never the calls that find it. Each level of nesting is article, noun, connector: what
varies is the words, which a small policy learns in minutes, not the lengths, which it does not.
"""

import random
from collections.abc import Sequence

from data_pipeline.sandbox.relations import Relation

HELD_OUT_ONE_IN = 6

_ONE = ("of", "for", "from", "with", "behind", "under", "at", "by", "on", "near", "beside", "to")
_PAIR = ("of", "for", "between", "with", "linking", "joining", "from", "by", "under", "on", "behind", "at")

_REQUESTS = (
    "",
    "please ",
    "can you ",
    "could you ",
    "please help me and ",
    "I want you to ",
    "I need you to ",
    "we would like you to ",
    "I ask you to ",
)
_VERBS = (
    "find",
    "give me",
    "tell me",
    "show me",
    "look up",
    "name",
    "get me",
    "identify",
    "let me know",
    "work out",
    "check",
)
_WISHES = (
    "",
    "I need ",
    "I want ",
    "we need ",
    "we want ",
    "I would like ",
    "I am looking for ",
    "we are looking for ",
    "somebody asks for ",
    "I was asked for ",
    "we were asked for ",
    "my question: ",
    "what is ",
    "which is ",
    "do you have ",
    "do you know ",
)
_ENDINGS = ("", ", please", " today", " now")
_QUESTIONS = ("can ", "could ", "what ", "which ", "do ", "my ")


def _frame(text: str) -> str:
    start = "{X}" + text[3:] if text.startswith("{x}") else text[0].upper() + text[1:]
    return start + ("?" if text.startswith(_QUESTIONS) else ".")


SENTENCES: tuple[str, ...] = tuple(
    _frame(text)
    for text in (
        *(f"{request}{verb} {{x}}" for request in _REQUESTS for verb in _VERBS),
        *(f"{wish}{{x}}{ending}" for wish in _WISHES for ending in _ENDINGS),
    )
)
"""Frames for what is wanted, every beginning with every verb or ending."""
FACTS: tuple[str, ...] = (
    "{X} is {v}.", "Note that {x} is {v}.", "We know that {x} is {v}.", "I know that {x} is {v}.", "It is known that {x} is {v}.",
    "As you know, {x} is {v}.", "I see that {x} is {v}.", "I was told that {x} is {v}.", "We were told that {x} is {v}.",
    "Somebody says that {x} is {v}.", "Let it be known that {x} is {v}.", "Please note that {x} is {v}.",
    "Please note: {x} is {v}.", "We see that {x} is {v}.", "You know that {x} is {v}.", "{X} is {v}, as you know.",
    "{X} is {v}, as we know.", "{X} is {v}, I was told.", "{X} is {v}, we were told.", "{X} is {v}, somebody says.",
    "Somebody told me that {x} is {v}.", "Somebody told us that {x} is {v}.", "As I see, {x} is {v}.", "As we know, {x} is {v}.",
)  # fmt: skip


def held_out(place: int) -> bool:
    return place % HELD_OUT_ONE_IN == HELD_OUT_ONE_IN - 1


def choices(texts: Sequence[str], *, training: bool, shift: int = 0) -> list[str]:
    """The texts that a training task, or a held-out one, may use."""
    return [text for place, text in enumerate(texts) if held_out(place + shift) != training]


def wordings(relation: Relation, *, training: bool) -> list[tuple[str, str]]:
    """The (head, connector) pairs of a tool; the held-out ones are others for each head, so no word is held out."""
    connectors = _PAIR if len(relation.takes) == 2 else _ONE
    return [
        (head, connector)
        for number, head in enumerate(relation.heads)
        for connector in choices(connectors, training=training, shift=2 * number + len(relation.name))
    ]


def phrase(relation: Relation, arguments: Sequence[str], *, training: bool, rng: random.Random) -> str:
    """A noun phrase for the value of a relation, around the phrases of its arguments: "the deal of customer A1N1 and
    seller B2O2".
    """
    head, connector = rng.choice(wordings(relation, training=training))
    return f"the {head} {connector} {' and '.join(arguments)}"


def own_phrase(relation: Relation, rng: random.Random) -> str:
    """A relation of what was just named: "its vendor"."""
    return f"its {rng.choice(relation.heads)}"


def mention(kind: str, entity: str) -> str:
    """An entity by its id: "order K7R2". Words for kinds stand nowhere else, so that kind and spaces around it can be
    one token.
    """
    return f"{kind} {entity}"


def sentence(text: str, *, training: bool, rng: random.Random) -> str:
    frame = rng.choice(choices(SENTENCES, training=training))
    return frame.format(x=text, X=text[0].upper() + text[1:])


def statement(text: str, value: str, *, training: bool, rng: random.Random) -> str:
    frame = rng.choice(choices(FACTS, training=training))
    return frame.format(x=text, X=text[0].upper() + text[1:], v=value)
