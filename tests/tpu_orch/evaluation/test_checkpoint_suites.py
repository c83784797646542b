"""Public benchmarks asked of a policy in this process: what it reads, how its calls are read, many turns, no room."""

import json
from collections.abc import Callable

import pytest

from data_pipeline.chat import Chat
from data_pipeline.chat.families import LLAMA3, QWEN3
from data_pipeline.suites import BfclEntry, NestfulEntry
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.words import Malformed, Rollout, StopReason, ToolCall, Turn
from tpu_orch.engine import Engine
from tpu_orch.evaluation.asking import Item
from tpu_orch.evaluation.bfcl_items import OwnLive, bfcl_items
from tpu_orch.evaluation.endpoint import Request
from tpu_orch.evaluation.local import ask_policy, conversation, reply_of
from tpu_orch.evaluation.other_items import nestful_items

CHAT = Chat(ByteTokenizer())
CALL = '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>'


class Speaker(Engine):
    """In an engine's place: reads each conversation as text and says what a function of it says; None: no room."""

    def __init__(self, says: Callable[[str], str | None], chat: Chat = CHAT) -> None:
        self.says, self.chat = says, chat
        self.rounds: list[int] = []
        self.seeds: list[int] = []
        self.unshared = self

    def run(self, params, episodes, environment, **how) -> list[Rollout]:
        self.rounds.append(len(episodes))
        self.seeds += [episode.seed for episode in episodes]
        return [self._play(episode, environment) for episode in episodes]

    def _play(self, episode, environment) -> Rollout:
        text = self.says(self.chat.tokenizer.decode(episode.prompt.tolist()))
        if text is None:
            return Rollout(episode.task.id, (), 0, StopReason.CONTEXT_FULL)
        turn = environment.session(episode.task).respond(text, self.chat.form)
        return Rollout(episode.task.id, (turn,), 0, StopReason.ANSWER)


def ask(items: list[Item], speaker: Speaker, samples: int = 1):
    told = []
    asked = ask_policy(
        items, speaker, None, samples=samples, temperature=0.0, seed=3, on_finished=lambda: told.append(1)
    )
    assert len(told) == len(asked.finished) == len(items) * samples
    return asked


def nestful(number: int) -> NestfulEntry:
    chain = (
        {"name": "add", "label": "$var_1", "arguments": {"arg_0": number, "arg_1": 2}},
        {"name": "negate", "label": "$var_2", "arguments": {"arg_0": "$var_1.result$"}},
    )
    tools = tuple({"name": name, "output_parameters": {"result": {}}} for name in ("add", "negate"))
    return NestfulEntry(f"s{number}", f"ask{number}!", chain, tools, -number - 2, True)


def test_one_reply_a_sample_is_judged_as_an_endpoints_is() -> None:
    entries = [nestful(number) for number in range(3)]
    known = {"ask0!": json.dumps(entries[0].calls), "ask1!": "no idea", "ask2!": None}

    def says(text: str) -> str | None:
        assert "arg_0" not in text or "Tools:" in text
        return next(reply for query, reply in known.items() if query in text)

    speaker = Speaker(says)
    asked = ask(nestful_items(entries, shots=0, seed=0), speaker, samples=2)
    assert [one.attempt.solved for one in asked.finished] == [True, True, False, False, False, False]
    assert [(one.attempt.task, one.attempt.sample) for one in asked.finished[:3]] == [("s0", 0), ("s0", 1), ("s1", 0)]
    assert (asked.replies, asked.unanswered, speaker.rounds) == (6, 2, [6])
    assert len(set(speaker.seeds)) == 6


def ticket_entry() -> BfclEntry:
    functions = tuple(
        {"name": name, "parameters": {"type": "dict", "properties": {}, "required": []}}
        for name in ("create_ticket", "resolve_ticket")
    )
    turns = (({"role": "user", "content": "open"},), ({"role": "user", "content": "resolve"},))
    answer = [["create_ticket(title='t')"], ["resolve_ticket(ticket_id=1, resolution='r')"]]
    config = {"TicketAPI": {"current_user": "ann"}}
    return BfclEntry("multi_turn_base_0", "multi_turn_base", turns, functions, answer, ("TicketAPI",), config, {})


def test_many_turns_are_played_with_results_in_the_policys_own_template() -> None:
    seen = []

    def says(text: str) -> str:
        seen.append(text)
        said = text.rpartition("<|im_start|>user\n")[2]
        if said.startswith("open"):
            return call("create_ticket", title="t")
        if said.startswith("resolve"):
            return call("resolve_ticket", ticket_id=1, resolution="r")
        assert said.startswith("<tool_response>\n")
        return "done"

    items = bfcl_items([ticket_entry()], calling="tools", shots=0, seed=0, live=OwnLive())
    asked = ask(items, speaker := Speaker(says, Chat(ByteTokenizer(), family=QWEN3)))
    (one,) = asked.finished
    assert (one.attempt.solved, one.attempt.calls) == (True, 2)
    assert speaker.rounds == [1, 1, 1, 1]
    assert "created_by" in seen[1]
    assert "resolved successfully" in seen[3]
    assert all('"name": "resolve_ticket"' in text for text in seen)  # offered as the family's template does
    assert call("create_ticket", title="t") in seen[3]  # what it said before


def call(name: str, **arguments: object) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def rollout_of(text: str) -> Rollout:
    return Rollout("t", (Turn(text),))


@pytest.mark.parametrize(
    ("text", "words", "calls"),
    [
        ("just words", "just words", ()),
        (f"thinking\n{CALL}", "thinking", (ToolCall("f", {"x": 1}),)),
        (f"{CALL}\n{CALL}", "", (ToolCall("f", {"x": 1}),) * 2),
        ("", "", ()),
    ],
)
def test_calls_are_read_from_what_was_written(text: str, words: str, calls: tuple) -> None:
    reply = reply_of(rollout_of(text), CHAT)
    assert (reply.text, reply.calls) == (words, calls)
    assert len(reply.message.get("tool_calls", ())) == len(calls)


def test_a_broken_call_is_a_call_that_could_not_be_read() -> None:
    reply = reply_of(rollout_of("<tool_call>\n{oops\n</tool_call>"), CHAT)
    (broken,) = reply.calls
    assert isinstance(broken, Malformed)
    assert len(reply.message["tool_calls"]) == 1
    conversation(CHAT, Request(({"role": "user", "content": "q"}, reply.message)))  # and can be told again


def test_another_familys_calls_are_read_and_told_in_its_form() -> None:
    chat = Chat(ByteTokenizer(), family=LLAMA3)
    reply = reply_of(rollout_of('{"name": "f", "parameters": {"x": 1}}'), chat)
    assert reply.calls == (ToolCall("f", {"x": 1}),)
    messages = ({"role": "user", "content": "q"}, reply.message, {"role": "tool", "content": '{"y": 2}'})
    text = chat.tokenizer.decode(conversation(chat, Request(messages)))
    assert '"parameters": {"x": 1}' in text
    assert '{"y": 2}' in text
