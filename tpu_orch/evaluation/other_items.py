"""NESTFUL and ComplexFuncBench as items for an endpoint."""

import json
from collections.abc import Sequence

from data_pipeline.parsing.hermes import parse_message
from data_pipeline.suites import CfbEntry, NestfulEntry
from data_pipeline.words import JsonObject, ToolCall
from rewards.benchmarks.cfb_conversation import judge_conversation, observations
from rewards.benchmarks.nestful import judge_sample
from tpu_orch.evaluation.asking import Episode, Finished, Item
from tpu_orch.evaluation.attempts import Attempt
from tpu_orch.evaluation.endpoint import Reply, Request
from tpu_orch.evaluation.prompting import (
    ABSTAIN,
    HERMES,
    NESTED_CALLS,
    Calling,
    api_name,
    api_tool,
    choose_examples,
    described,
    result_messages,
    system_message,
    user_message,
)


def nestful_items(entries: Sequence[NestfulEntry], *, shots: int, seed: int) -> list[Item]:
    """One reply a sample, in text: the benchmark's scorer reads nothing else. Examples are other samples."""

    def item(entry: NestfulEntry) -> Item:
        def start(sample: int) -> Episode:
            others = [one for one in entries if one.id != entry.id]
            return _nested(entry, choose_examples(others, shots, seed, entry.id), sample)

        return Item(entry.id, start)

    return [item(entry) for entry in entries]


def _nested(entry: NestfulEntry, examples: Sequence[NestfulEntry], sample: int) -> Episode:
    messages = [system_message(NESTED_CALLS, described(entry.tools))]
    for example in examples:
        answer = json.dumps([call for call in example.calls if call.get("name") != "var_result"], ensure_ascii=False)
        messages += [user_message(example.query), {"role": "assistant", "content": answer}]
    messages.append(user_message(entry.query))
    reply: Reply = yield Request(tuple(messages))
    tools = entry.tools if entry.executable else None
    found = judge_sample(entry.calls, reply.text, win=entry.executable, answer=entry.answer, tools=tools)
    solved = bool(found.win) if found.win is not None else found.partial == 1
    note = (
        "parse_error" if found.parse_error else "" if solved else "wrong answer" if entry.executable else "wrong calls"
    )
    cluster = " > ".join(str(call.get("name")) for call in entry.calls)
    attempt = Attempt(entry.id, sample, entry.depth, cluster, solved, found.partial, len(found.names), note)
    row = {"id": entry.id, "gold": list(entry.calls), "generated_text": reply.text, "win_scored": entry.executable}
    if entry.executable:
        row |= {"gold_answer": entry.answer, "tools": list(entry.tools)}
    return Finished(attempt, row)


def cfb_items(entries: Sequence[CfbEntry], *, calling: Calling, max_turns: int) -> list[Item]:
    """An item a query; matched calls read the published observation."""

    def item(entry: CfbEntry) -> Item:
        return Item(entry.id, lambda sample: _conversation(entry, calling, max_turns, sample))

    return [item(entry) for entry in entries]


def _conversation(entry: CfbEntry, calling: Calling, max_turns: int, sample: int) -> Episode:
    schemas = {one["name"]: one["parameters"] for one in entry.functions}
    names = {api_name(name): name for name in schemas}
    tools = tuple(api_tool(one["name"], one.get("description", ""), one["parameters"]) for one in entry.functions)
    spelled = calling == "text"
    opening = [HERMES, ABSTAIN, described(entry.functions)] if spelled else [ABSTAIN]
    messages = [system_message(*opening), user_message(entry.query)]
    made: list[JsonObject] = []
    calls = 0
    while len(made) < max_turns:
        reply: Reply = yield Request(tuple(messages), () if spelled else tools)
        attempts = reply.calls or parse_message(reply.text)[0]
        listed = [
            {"name": names.get(call.name, call.name), "arguments": call.arguments}
            for call in attempts
            if isinstance(call, ToolCall)
        ]
        if not attempts:
            made.append({"role": "assistant", "content": reply.text})
            break
        calls += len(listed)
        made.append({"role": "assistant", "function_call": listed})
        seen = observations(entry.conversation, made, schemas) if len(listed) == len(attempts) else None
        if seen is None:
            break
        messages += [reply.message, *result_messages(seen, reply.message)]
    outcome = judge_conversation(entry.conversation, made, schemas)
    share = outcome.calls_matched / outcome.calls if outcome.calls else 0.0
    note = "" if outcome.success else outcome.message
    reference = [call for turn in entry.conversation for call in turn.get("function_call") or ()]
    cluster = " > ".join(str(call.get("name")) for call in reference)
    attempt = Attempt(entry.id, sample, entry.depth, cluster, outcome.success, share, calls, note)
    record = {"id": entry.id, "functions": list(entry.functions), "conversations": list(entry.conversation)}
    return Finished(attempt, {**record, "gen_convs": made, "outcome": outcome._asdict()})
