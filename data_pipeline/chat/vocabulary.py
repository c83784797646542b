"""A SentencePiece vocabulary for the chat template over a catalogue of tools."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from data_pipeline.chat.template import JSON_PIECES, SCAFFOLDING
from data_pipeline.formats import Recorded
from data_pipeline.jsontext import spaced_json
from data_pipeline.tokenizers import MARKS, SentencePieceTokenizer, train_sentencepiece
from data_pipeline.words import Task, Tool, ToolCall

LONGEST_RESPONSE = 2000
"""Characters of a recorded response that are learnt from: the beginning of a long list says enough about it."""


def train_chat_tokenizer(
    texts: Iterable[str], tools: Mapping[str, Tool], *, vocab_size: int, pieces: Sequence[str] = ()
) -> SentencePieceTokenizer:
    """Trains on texts; scaffolding, tool names and the given pieces become one piece each.

    The same texts in the same order give the same bytes. Raises InputError where vocab_size has no room.
    """
    return train_sentencepiece(
        texts,
        vocab_size=vocab_size,
        marks=(*MARKS, *SCAFFOLDING),
        pieces=(*JSON_PIECES, *(name for name in tools if len(name) > 1), *pieces),
    )


def chat_texts(tasks: Iterable[Task], records: Iterable[Recorded]) -> Iterator[str]:
    """What a policy will read and write: queries, calls of the references, recorded responses."""
    for task in tasks:
        yield task.query
        for step in task.reference:
            yield call_text(ToolCall(step.name, step.arguments))
        if task.has_answer:
            yield spaced_json(task.answer)
    for record in records:
        yield call_text(ToolCall(record.name, record.arguments))
        yield spaced_json(record.content)[:LONGEST_RESPONSE]


def call_text(call: ToolCall) -> str:
    """The JSON of a call without its marks."""
    return spaced_json({"name": call.name, "arguments": call.arguments})
