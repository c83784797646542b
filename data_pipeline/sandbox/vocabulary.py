"""The world's tokenizer: SentencePiece over its training texts, with scaffolding, tool names and id pieces as whole
pieces.
"""

import json
from collections.abc import Iterator

from data_pipeline.backends.protocol import TIMED_OUT, not_recorded
from data_pipeline.chat.vocabulary import call_text, train_chat_tokenizer
from data_pipeline.jsontext import spaced_json
from data_pipeline.paths import parse_path
from data_pipeline.sandbox.ids import ID_PIECES
from data_pipeline.sandbox.tasks import sandbox_tasks
from data_pipeline.sandbox.world import World
from data_pipeline.tokenizers import SentencePieceTokenizer
from data_pipeline.words import ToolCall

TASKS_PER_DEPTH = 400


def train_sandbox_tokenizer(
    world: World, vocab_size: int = 1536, seed: int = 0, *, whole_ids: bool = False
) -> SentencePieceTokenizer:
    """Trains on queries, calls and results of training tasks; the same world, size and seed give the same bytes.

    Args:
      whole_ids: each id of the world is one token, not two.
    """
    # What stands before a value is one piece with the words that decide what the value is: fewer tokens, and the
    # policy finds a value by its neighbour.
    mentions = [f"{before} {kind} " for kind in world.kinds for before in ("", " is", " and")]
    keys = [f'{key}": {quote}' for key in result_keys(world) for quote in ("", '"')]
    pieces = (*(world.places if whole_ids else ID_PIECES), *mentions, *keys, *refusals())
    return train_chat_tokenizer(training_texts(world, seed), world.tools, vocab_size=vocab_size, pieces=pieces)


def training_texts(world: World, seed: int) -> Iterator[str]:
    """Queries of shallow tasks (they hold every word), and their calls and results as JSON."""
    for task in sandbox_tasks(world, "train", (0, 1, 2, 3), TASKS_PER_DEPTH, seed):
        yield task.query
        for step in task.reference:
            yield call_text(ToolCall(step.name, step.arguments))
            yield spaced_json(world.functions[step.name](**step.arguments))


def result_keys(world: World) -> list[str]:
    """The names in calls and results that hold values which tasks use."""
    paths = [path for relation in world.relations.values() for path in (*relation.takes, relation.field)]
    return sorted({part for path in paths for part in parse_path(path) if isinstance(part, str)})


def refusals() -> tuple[str, ...]:
    """What a policy of this world reads where a tool gives no result, around the tool's name: one piece each."""
    around = spaced_json(not_recorded("\0").content).split(json.dumps("\0")[1:-1])
    return (spaced_json(TIMED_OUT.content), *around)
