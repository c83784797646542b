"""Spoilt rollouts by the hundred thousand: every line gets a row of scores, whatever a model or a file says."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rewards.scoring import REWARDS
from tpu_orch.scoring.job import Job, Line, Spec, open_job, score_lines

STYLES = {
    "hermes": '<think>so</think><tool_call>\n{"name": "find", "arguments": {"city": "Rome"}}\n</tool_call>'
    '<tool_call>{"name": "list", "arguments": {"city": "Oslo"}}</tool_call> <answer>{"id": "find-Rome"}</answer>',
    "json": '<think>so</think><tool_call return="one">{"0": {"find": {"city": "Rome"}},'
    ' "1": {"list": {"city": "API_RESPONSE_0.id"}}}</tool_call>',
    "xml": '<think>so</think><tool_call return="all"><api id="0"><name>find</name><param name="city" type="string">Rome'
    '</param></api><api id="1"><name>list</name><param name="city" type="string"><response api_id="0" api_name="find"'
    ' field="id"/></param></api></tool_call>',
    "direct": '<tool_call>["find(city=\'Rome\')", "list(city=API_RESPONSE_0.id)"]</tool_call>',
}
PIECES = [
    *["<tool_call>", "</tool_call>", "<tool_call", "<think>", "</think>", "<answer>", "</answer>", "<tool_response>"],
    *["API_RESPONSE_", "API_RESPONSE_0", "0.id", '{"$ref": "0.id"}', '{"$ref": 7}', '{"name": "find"}', "<none/>"],
    *['"', "'", "{", "}", "[", "]", "(", ")", "<", ">", "&", "&lt;", "<![CDATA[", "<!--", "\\", "\\u0000", "\x00"],
    *["1e999", "-0.0", "9" * 30, "null", "NaN", "true", "__import__('os')", "{city}", "%s", "é", "\ud83d", "[" * 70],
]
VALUES = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "find",
    [],
    {},
    [[]],
    {"error": 1},
    {"status": False},
    "[1]",
    {"$ref": "0"},
]


def spoilt(text: str, rng: random.Random) -> str:
    """The text after up to four cuts, doublings, insertions and swaps."""
    for _ in range(rng.randrange(5)):
        a, b = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
        what = rng.randrange(4)
        if what == 0:
            text = text[:a] + text[min(b, a + 9) :]
        elif what == 1:
            text = text[:b] + text[a:b] + text[b:]
        elif what == 2:
            text = text[:a] + rng.choice(PIECES) + text[a:]
        else:
            text = text[:a] + rng.choice(PIECES) + text[b:]
    return text


def chat(rng: random.Random) -> list:
    """Messages of the right shape with anything in it."""
    messages = []
    for _ in range(rng.randrange(1, 5)):
        call = {"name": rng.choice(["find", "list", "", 3]), "arguments": rng.choice([{"city": "Rome"}, *VALUES])}
        listed = [{"id": rng.choice(["a", "b", None]), "function": call} if rng.random() < 0.5 else call]
        said = {"role": "assistant", "content": spoilt(STYLES["hermes"], rng) if rng.random() < 0.4 else None}
        messages.append(said | ({"tool_calls": listed} if rng.random() < 0.8 else {}))
        reply = {"role": rng.choice(["tool", "tool", "tool", "user", "system", "oracle"])}
        reply["content"] = json.dumps(rng.choice(VALUES)) if rng.random() < 0.7 else spoilt('{"id": "find-Rome"}', rng)
        messages.append(reply | ({"tool_call_id": rng.choice(["a", "b", 4])} if rng.random() < 0.3 else {}))
    if rng.random() < 0.1:
        messages[rng.randrange(len(messages))] = rng.choice(VALUES)
    return messages


def lines_of(count: int, seed: int) -> Iterator[bytes]:
    """Rows of known tasks, and nothing else that is certain."""
    rng = random.Random(seed)
    for _ in range(count):
        style = rng.choice(list(STYLES))
        row = (
            {"messages": chat(rng)}
            if rng.random() < 0.3
            else {"style": style, "generation": spoilt(STYLES[style], rng)}
        )
        text = json.dumps(row)[1:]
        text = spoilt(text, rng) if rng.random() < 0.2 else text
        text = text.replace("\n", " ").replace("task_id", "task")
        yield f'{{"task_id": "t{rng.randrange(3)}", {text}'.encode("utf-8", "surrogatepass")


def jobs_of(suite: Path) -> list[Job]:
    """One for every reward."""
    files = [str(suite / name) for name in ("tools.json", "tasks.jsonl", "responses.jsonl")]
    return [open_job(Spec(*files, (name,))) for name in REWARDS]


def fuzz(suite: Path, count: int, seed: int) -> int:
    """Scores spoilt lines with every reward in turn; returns how many were rollouts at all."""
    jobs, size, scored = jobs_of(suite), 100, 0
    texts = list(lines_of(count, seed))
    for turn, at in enumerate(range(0, count, size)):
        job = jobs[turn % len(jobs)]
        (reward,) = job.rewards
        chunk = [Line(place + 1, place, text) for place, text in enumerate(texts[at : at + size], at)]
        lines, tally = score_lines(job, chunk, "rollouts.jsonl")
        rows = list(map(json.loads, lines))
        assert [row["index"] for row in rows] == [line.place for line in chunk]
        for row in rows:
            if row["error"] is None:
                assert reward.low <= row["reward"] <= reward.high
                assert all(0 <= value <= 1 for value in row["components"].values())
            else:
                assert row["reward"] == 0 and "\n" not in row["error"]
        assert tally.rollouts == len(chunk) and tally.errors == sum(row["error"] is not None for row in rows)
        scored += len(chunk) - tally.errors
    return scored


def plan(arguments: str, name: str = "find") -> str:
    return f'<think>so</think><tool_call return="one">{{"0": {{"{name}": {{"city": {arguments}}}}}}}</tool_call>'


UNWRITABLE = {
    "not a number": plan("NaN"),
    "infinite": plan("-Infinity"),
    "wide": plan("9" * 400),
    "half a letter": plan('"\\ud83d"'),
    "half a letter in a name": plan("1", "\\ud83d"),
    "half a letter in a key": plan('{"\\ud83d": 1}'),
    "deep": plan("[" * 100 + "]" * 100),
    "deeper": plan('{"a":' * 300 + "1" + "}" * 300),
    "deepest": plan("[" * 950 + "]" * 950),
    "two tools, one without an object": plan("1").replace('{"find": ', '{"find": 5, "list": '),
    "infinite in XML": STYLES["xml"].replace('"string">Rome', '"float">1e999'),
    "not a number in XML": STYLES["xml"].replace('"string">Rome', '"float">nan'),
    "wide in XML": STYLES["xml"].replace('"string">Rome', '"integer">1e300'),
}
"""Plans that Python's JSON and XML read and that hold what JSON has no word for, or nests too deep for a store."""


def test_what_no_store_can_hold_stops_no_run(suite: Path) -> None:
    texts = [
        json.dumps({"task_id": "t0", "style": "xml" if "XML" in told else "json", "generation": text}).encode()
        for told, text in UNWRITABLE.items()
    ]
    for job in jobs_of(suite):
        lines, tally = score_lines(job, [Line(n + 1, n, text) for n, text in enumerate(texts)], "rollouts.jsonl")
        assert tally.errors == 0 and len(lines) == len(texts)
        assert all(json.loads(line)["index"] == n for n, line in enumerate(lines))


def test_spoilt_rollouts_never_stop_a_run(suite: Path) -> None:
    assert fuzz(suite, 2_800, seed=1) > 1_800


@pytest.mark.slow
def test_two_hundred_thousand_spoilt_rollouts(suite: Path) -> None:
    assert fuzz(suite, 200_000, seed=2) > 130_000
