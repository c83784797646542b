"""Stored output of a public benchmark's run, attempted again: each episode is answered with what was written then.

The rows are those that `eval --rollouts` writes for an endpoint or a checkpoint, and `judge` reads. Nothing in them is taken
for a verdict: the benchmark's rules are applied anew.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from pathlib import Path

from data_pipeline.errors import InputError
from data_pipeline.formats.rows import iter_rows
from data_pipeline.words import JsonObject, ToolCall
from rewards.benchmarks.bfcl_decode import Undecodable, decode_calls
from tpu_orch.evaluation.asking import Finished, Item
from tpu_orch.evaluation.bfcl_items import MOST_STEPS
from tpu_orch.evaluation.endpoint import Reply
from tpu_orch.evaluation.prompting import called_message

SILENCE = Reply("", (), {"role": "assistant", "content": ""})


def stored_finished(path: Path, suite: str, items: Sequence[Item], on_finished: Callable[[], None]) -> list[Finished]:
    """The attempts of a file, in its order; rows of entries that were not asked for are passed over.

    Raises InputError (`FormatError`) for a row that is no output of the suite, or if none is of a wanted entry.
    """
    known = {item.task: item for item in items}
    seen: dict[str, int] = {}
    found: list[Finished] = []
    for fields in iter_rows(path):
        item = known.get(fields.take("id", str))
        if item is None:
            continue
        sample = seen[item.task] = seen.get(item.task, -1) + 1
        try:
            replies = list(READERS[suite](fields.values))
        except (LookupError, TypeError, AttributeError, ValueError):
            raise fields.error(f"is no output of {suite} as eval writes it") from None
        found.append(_played(item, sample, replies))
        on_finished()
    if not found:
        raise InputError(f"{path}: holds no output for an entry that was asked for")
    return found


def _played(item: Item, sample: int, replies: Sequence[Reply]) -> Finished:
    """The episode with these replies, and silence where it asks for more."""
    episode = item.start(sample)
    next(episode)
    try:
        for reply in chain(replies, repeat(SILENCE)):
            episode.send(reply)
    except StopIteration as end:
        finished: Finished = end.value
        return finished
    raise AssertionError("an episode never ends")  # silence ends every one


def _said(text: str) -> Reply:
    return Reply(text, (), {"role": "assistant", "content": text})


def _called(calls: Sequence[tuple[str, JsonObject]]) -> Reply:
    return Reply("", tuple(ToolCall(name, arguments) for name, arguments in calls), called_message("", calls))


def _of_bfcl(row: JsonObject) -> Iterator[Reply]:
    if "model_turns" in row:
        for turn in row["model_turns"]:
            yield from (_said(f"[{', '.join(step)}]") for step in turn)
            if len(turn) < MOST_STEPS:
                yield SILENCE
        return
    if row["model_output"] and not _spells_calls(row["text"]):  # they came by the API's field
        yield _called([pair for call in row["model_output"] for pair in call.items()])
    else:
        yield _said(row["text"])


def _spells_calls(text: str) -> bool:
    try:
        return bool(decode_calls(text))
    except Undecodable:
        return False


def _of_nestful(row: JsonObject) -> Iterator[Reply]:
    yield _said(row["generated_text"])


def _of_cfb(row: JsonObject) -> Iterator[Reply]:
    for message in row["gen_convs"]:
        calls = [(call["name"], call["arguments"]) for call in message.get("function_call", ())]
        yield _called(calls) if calls else _said(message.get("content", ""))


READERS: Mapping[str, Callable[[JsonObject], Iterator[Reply]]] = {
    "bfcl": _of_bfcl,
    "nestful": _of_nestful,
    "cfb": _of_cfb,
}
