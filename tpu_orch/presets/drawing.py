"""What the preset `routes` draws, kept for the next run of a process: the arms of an experiment share them."""

from functools import lru_cache
from typing import NamedTuple

from data_pipeline.backends import PythonBackend
from data_pipeline.backends.faults import Faults, FaultyBackend
from data_pipeline.chat import Chat, Tokens
from data_pipeline.chat.families import CHATML, CHATML_PARAMETERS, Family
from data_pipeline.chat.offers import Schemas
from data_pipeline.chat.shortening import Shortener
from data_pipeline.demonstrations import balanced, demonstrations
from data_pipeline.environment import Environment
from data_pipeline.sandbox import World, make_world, renamed
from data_pipeline.sandbox.plans import planned
from data_pipeline.sandbox.routes import relations_with, route_tasks
from data_pipeline.tokenizers import SentencePieceTokenizer, Tokenizer
from data_pipeline.words import Task
from tpu_orch.config import Form

WORLD_SEED = 0  # the world is the same for every run; a run's seed decides tasks, weights, draws and order


FAMILY_OF: dict[Form, Family] = {"turns": CHATML, "parameters": CHATML_PARAMETERS, "plan": CHATML}


class Drawing(NamedTuple):
    """Tasks that are drawn, by what they follow from."""

    shortcuts: int
    entities: int
    split: str
    depths: tuple[int, ...]
    per_depth: int
    seed: int
    longer: int
    repeats: bool
    distractors: int | None
    plan: bool = False
    """as tasks of a plan each (`data_pipeline.sandbox.plans`)"""


class Wording(NamedTuple):
    """How a chat is written as ids."""

    pieces: bytes
    """of the tokenizer's file"""
    schemas: Schemas
    result_limit: int
    form: Form

    def chat(self, tokenizer: Tokenizer) -> Chat:
        """The chat over the tokenizer of these pieces."""
        shorten = Shortener(tokenizer, self.result_limit, {})
        return Chat(tokenizer, schemas=self.schemas, shorten=shorten, family=FAMILY_OF[self.form])


@lru_cache(maxsize=4)
def world_with(shortcuts: int, entities: int = 0) -> World:
    """The world of a run; entities: of each kind, 0: as many as a world has."""
    return make_world(WORLD_SEED, entities or None, relations_with(shortcuts))


@lru_cache(maxsize=8)
def drawn(asked: Drawing) -> tuple[Task, ...]:
    world = world_with(asked.shortcuts, asked.entities)
    tasks = route_tasks(
        world,
        asked.split,
        asked.depths,
        asked.per_depth,
        asked.seed,
        longer=asked.longer,
        repeats=asked.repeats,
        distractors=asked.distractors,
    )
    live = Environment(world.tools, PythonBackend(world.functions))
    return tuple(planned(task, live) for task in tasks) if asked.plan else tuple(tasks)


class Showing(NamedTuple):
    """How tasks are demonstrated."""

    timeouts: float
    """share of the calls that time out and are made again"""
    mistakes: float
    """share of the calls before which a wrong one stands, on which no loss falls"""
    renamed: bool
    """each demonstration names its entities otherwise"""
    longest: int
    """tokens; longer demonstrations are left out"""


@lru_cache(maxsize=2)
def live_demonstrations(asked: tuple[Drawing, ...], wording: Wording, how: Showing) -> list[Tokens]:
    """`demonstrated` of drawn tasks of one world, answered by the tools themselves."""
    if not asked:
        return []
    world = world_with(asked[0].shortcuts, asked[0].entities)
    tasks = [task for drawing in asked for task in drawn(drawing)]
    chat = wording.chat(SentencePieceTokenizer(wording.pieces))
    return demonstrated(tasks, world, Environment(world.tools, PythonBackend(world.functions)), chat, how)


def demonstrated(tasks: list[Task], world: World, answered: Environment, chat: Chat, how: Showing) -> list[Tokens]:
    """Demonstrations of the tasks, tools shown evenly."""
    faulty = Environment(answered.tools, FaultyBackend(answered.backend, Faults(timeout=how.timeouts)))
    played = demonstrations(tasks, faulty, chat, mistakes=how.mistakes)
    examples = [one for one in played if len(one.tokens.ids) <= how.longest]
    shown = [one.tokens for one in balanced(examples, len(examples), seed=0)]
    return renamed(shown, chat.tokenizer, world, seed=0) if how.renamed else shown
