"""BFCL as items for an endpoint: one reply for the single-turn categories, a live simulated world for the multi-turn ones."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from data_pipeline.simulators import Filler, World, long_context_filler
from data_pipeline.suites import BfclEntry
from data_pipeline.words import JsonObject, ToolCall
from rewards.benchmarks.bfcl_ast import AstVerdict, judge_calls
from rewards.benchmarks.bfcl_decode import Undecodable, decode_calls
from rewards.benchmarks.bfcl_multi_turn import Entry, judge_trajectory
from tpu_orch.evaluation.asking import Episode, Finished, Item
from tpu_orch.evaluation.attempts import Attempt
from tpu_orch.evaluation.endpoint import Reply, Request
from tpu_orch.evaluation.prompting import (
    PYTHON_CALLS,
    Calling,
    api_name,
    api_tool,
    choose_examples,
    described,
    result_messages,
    system_message,
    user_message,
)

MOST_STEPS = 20
"""In one turn; the benchmark stops there as well."""
MORE_FUNCTIONS = "More functions are available now. Please go on."


@runtime_checkable
class Executor(Protocol):
    """A live world that carries out calls given as text."""

    def execute(self, text: str) -> str: ...


@runtime_checkable
class Live(Protocol):
    """What carries out and judges multi-turn entries."""

    def world(self, entry: BfclEntry, sample: int) -> Executor: ...

    def verdict(self, entry: BfclEntry, turns: list[list[list[str]]], sample: int) -> str | None: ...


class OwnLive:
    """The simulated APIs of this project."""

    def world(self, entry: BfclEntry, sample: int) -> Executor:
        return World(entry.classes, entry.config, owner="live", filler=_filler(entry))

    def verdict(self, entry: BfclEntry, turns: list[list[list[str]]], sample: int) -> str | None:
        return judge_trajectory(Entry(entry.classes, entry.config, entry.answer, _filler(entry)), turns).error_type


def _filler(entry: BfclEntry) -> Filler | None:
    return long_context_filler() if "long_context" in entry.category else None


def bfcl_items(entries: Sequence[BfclEntry], *, calling: Calling, shots: int, seed: int, live: Live) -> list[Item]:
    """An item an entry; worked examples come from other entries of the same category."""
    pools: dict[str, list[BfclEntry]] = {}
    for entry in entries:
        pools.setdefault(entry.category, []).append(entry)

    def item(entry: BfclEntry) -> Item:
        def start(sample: int) -> Episode:
            if entry.multi_turn:
                return _multi_turn(entry, calling, live, sample)
            others = [one for one in pools[entry.category] if one.id != entry.id]
            return _single_turn(entry, calling, choose_examples(others, shots, seed, entry.id), sample)

        return Item(entry.id, start)

    return [item(entry) for entry in entries]


def _offer(functions: Sequence[JsonObject], calling: Calling) -> tuple[str, tuple[JsonObject, ...]]:
    """(what the system message says of the functions, what goes into the API's field)."""
    if calling == "text":
        return described(functions), ()
    tools = [api_tool(one["name"], one.get("description", ""), one["parameters"]) for one in functions]
    return "", tuple(tools)


def _single_turn(entry: BfclEntry, calling: Calling, examples: Sequence[BfclEntry], sample: int) -> Episode:
    shown, tools = _offer(entry.functions, calling)
    messages = [system_message(PYTHON_CALLS if calling == "text" else "", shown)] if shown else []
    for example in examples:
        text = _spelled_answer(example)
        messages += [*example.turns[0], {"role": "assistant", "content": text}]
    messages += entry.turns[0]
    reply: Reply = yield Request(tuple(messages), tools)
    calls, why = read_calls(reply)
    verdict = judge_calls(entry.category, entry.functions, calls, entry.answer, underscore_to_dot=bool(reply.calls))
    if why and "relevance" not in entry.category:
        verdict = AstVerdict(False, "ast_decoder:decoder_failed")
    depth = 0 if "irrelevance" in entry.category else max(1, len(entry.answer))
    attempt = Attempt(
        entry.id,
        sample,
        depth,
        entry.id,
        verdict.valid,
        float(verdict.valid),
        len(calls),
        verdict.error_type or "",
    )
    return Finished(attempt, {"id": entry.id, "category": entry.category, "text": reply.text, "model_output": calls})


def read_calls(reply: Reply) -> tuple[list[JsonObject], str]:
    """([{name: arguments}] by the API's field or from the text, why they could not be read)."""
    if reply.calls:
        good = [call for call in reply.calls if isinstance(call, ToolCall)]
        bad = len(reply.calls) - len(good)
        return [{call.name: call.arguments} for call in good], f"{bad} calls could not be read" if bad else ""
    try:
        return decode_calls(reply.text), ""
    except Undecodable as error:
        return [], str(error)


def _spelled_answer(entry: BfclEntry) -> str:
    """The calls of an answer in Python's syntax, each argument with its first accepted value."""
    calls = []
    for one in entry.answer:
        ((name, accepted),) = one.items()
        given = {argument: values[0] for argument, values in accepted.items() if values and values[0] != ""}
        calls.append(f"{name}({', '.join(f'{argument}={value!r}' for argument, value in given.items())})")
    return f"[{', '.join(calls)}]" if calls else "None of the functions fits."


def _multi_turn(entry: BfclEntry, calling: Calling, live: Live, sample: int) -> Episode:
    world = live.world(entry, sample)
    messages: list[JsonObject] = []
    turns: list[list[list[str]]] = []
    total = 0
    for place, asked in enumerate(entry.turns):
        functions = _offered_at(entry, place)
        shown, tools = _offer(functions, calling)
        system = system_message(PYTHON_CALLS, shown) if shown else None
        messages += asked or [user_message(MORE_FUNCTIONS)]
        names = {api_name(one["name"]): one["name"] for one in functions}
        steps: list[list[str]] = []
        while len(steps) < MOST_STEPS:
            reply: Reply = yield Request(tuple([system, *messages] if system else messages), tools)
            calls, _ = read_calls(reply)
            messages.append(reply.message)
            if not calls:
                if reply.calls:
                    messages += result_messages(["error: the call could not be read"] * len(reply.calls), reply.message)
                break
            texts = [_as_text(names, call) for call in calls]
            total += len(texts)
            steps.append(texts)
            results = [world.execute(text) for text in texts]
            results += ["error: the call could not be read"] * (len(reply.calls) - len(results))
            messages += result_messages(results, reply.message)
        turns.append(steps)
        if len(steps) == MOST_STEPS:  # the benchmark ends the trajectory there
            break
    error = live.verdict(entry, turns, sample)
    attempt = Attempt(
        entry.id,
        sample,
        sum(map(len, entry.answer)),
        entry.id,
        error is None,
        float(error is None),
        total,
        error or "",
    )
    return Finished(attempt, {"id": entry.id, "category": entry.category, "model_turns": turns})


def _offered_at(entry: BfclEntry, turn: int) -> list[JsonObject]:
    hidden = {name for when, names in entry.missed.items() if when > turn for name in names}
    return [one for one in entry.functions if one["name"] not in hidden]


def _as_text(names: dict[str, str], call: JsonObject) -> str:
    ((name, arguments),) = call.items()
    return f"{names.get(name, name)}({', '.join(f'{argument}={value!r}' for argument, value in arguments.items())})"
