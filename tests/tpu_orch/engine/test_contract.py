"""The contract that every rollout engine keeps: what is in the ledger, where it stops, what it draws.

A faster engine joins ENGINES and passes unchanged.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scripted import constant_policy, scripted_policy

import models.decoder
from data_pipeline.backends import PythonBackend, ToolError
from data_pipeline.chat import FAMILIES, Chat
from data_pipeline.environment import Environment
from data_pipeline.tokenizers import MARKS, ByteTokenizer
from data_pipeline.words import ReferenceStep, ResultKind, Rollout, StopReason, Task, Tool
from models.config import ModelConfig
from models.sharding import make_mesh, param_shardings
from tpu_orch.engine import Engine, EngineOptions, Episode, decoder_policy

ENGINES: list[Callable[..., Engine]] = [Engine]
OPTIONS = EngineOptions(rows=4, capacity=900, chunk=32, visit_steps=16, max_new_tokens=600, max_turns=6)
END, TEXT_END = "<|im_end|>", "<|endoftext|>"
CHAT = Chat(ByteTokenizer(), schemas="none")
TOOL = Tool(
    "double",
    "Twice the number.",
    {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False},
)
TINY = ModelConfig(vocab_size=272, d_model=32, layers=2, heads=4, kv_heads=2, head_dim=8, d_ff=48)


def double(x: int) -> dict[str, int]:
    if x == 13:
        raise ToolError({"error": "unlucky"})
    if x == 99:
        raise RuntimeError("broken inside")
    return {"y": 2 * x}


ENVIRONMENT = Environment({"double": TOOL}, PythonBackend({"double": double}))


def task(number: int, mode: str = "multi_turn") -> Task:
    return Task(
        id=f"task-{number}",
        query=f"What is twice {number}?",
        tools=("double",),
        reference=(ReferenceStep("double", {"x": number}),),
        mode=mode,
        answer={"y": 2 * number},
        has_answer=True,
    )


def call(x: object, name: str = "double") -> str:
    return f'<tool_call>\n{{"name": {json.dumps(name)}, "arguments": {{"x": {json.dumps(x)}}}}}\n</tool_call>'


class Scripted:
    """Expected ledgers of assistant messages, and a policy that writes exactly those messages."""

    def __init__(self, conversations: Sequence[Sequence[str]], mode: str = "multi_turn") -> None:
        self.tasks = [task(number, mode) for number in range(len(conversations))]
        self.ids, self.turn_of, self.prompts = [], [], []
        for number, messages in enumerate(conversations):
            ids = [number, *CHAT.prompt(self.tasks[number], ENVIRONMENT.tools)]
            self.prompts.append(np.array(ids, np.int32))
            turn_of = [-1] * len(ids)
            session = ENVIRONMENT.session(self.tasks[number])
            for turn, message in enumerate(messages):
                drawn = CHAT.turn(message)
                ids, turn_of = ids + drawn, turn_of + [turn] * len(drawn)
                if turn + 1 < len(messages):
                    steps = session.respond(message.split(END)[0]).steps
                    fed = CHAT.results(steps, closed=message.endswith(END))
                    ids, turn_of = ids + fed, turn_of + [-1] * len(fed)
            self.ids.append(np.array(ids, np.int32))
            self.turn_of.append(np.array(turn_of, np.int32))

    def run(self, make: Callable[..., Engine], options: EngineOptions = OPTIONS) -> list[Rollout]:
        policy, params = scripted_policy(self.ids, CHAT.tokenizer.vocab_size)
        episodes = [Episode(task, prompt) for task, prompt in zip(self.tasks, self.prompts, strict=True)]
        return make(policy, CHAT, options).run(params, episodes, ENVIRONMENT, weights_version=7)


@pytest.fixture(params=ENGINES, ids=lambda engine: f"{engine.__module__}.{engine.__name__}")
def make(request: pytest.FixtureRequest) -> Callable[..., Engine]:
    return request.param


def answer(value: object) -> str:
    return f"<answer>{json.dumps(value)}</answer>{END}"


CONVERSATIONS: list[list[str]] = [
    [call(0), answer({"y": 0})],
    [answer("no call needed")],
    [call(2), call(4), call(8), answer({"y": 16})],
    [call(13), answer(None)],
    [call(99), answer(None)],
    [call("five"), call(5), answer({"y": 10})],
    [call(6, name="triple"), call(6), answer({"y": 12})],
    ["<tool_call>\nthis is no call\n</tool_call>", call(7), answer({"y": 14})],
    ["I think first. " + call(8), "Nun ja: 16 ✓" + END],
    ['<tool_call>\n{"name": "double"' + END, call(9), answer({"y": 18})],
]


def test_the_ledger_holds_every_id_where_it_was_made(make: Callable[..., Engine]) -> None:
    scripted = Scripted(CONVERSATIONS)
    for rollout, ids, turn_of, task_ in zip(
        scripted.run(make), scripted.ids, scripted.turn_of, scripted.tasks, strict=True
    ):
        ledger = rollout.ledger
        assert rollout.task_id == task_.id
        assert rollout.stop is StopReason.ANSWER
        assert ledger.weights_version == 7
        np.testing.assert_array_equal(ledger.ids, ids)
        np.testing.assert_array_equal(ledger.turn, turn_of)
        np.testing.assert_array_equal(ledger.sampled, turn_of >= 0)
        assert (ledger.logprobs[~ledger.sampled] == 0).all()
        # The script is followed with near certainty, but no probability is exactly one.
        assert (np.abs(ledger.logprobs[ledger.sampled]) < 1e-6).all()
        assert ledger.ids.dtype == np.int32
        assert ledger.logprobs.dtype == np.float32


def test_each_kind_of_result_is_recorded_and_read(make: Callable[..., Engine]) -> None:
    rollouts = Scripted(CONVERSATIONS).run(make)
    kinds = [[step.result.kind for step in rollout.steps] for rollout in rollouts]
    ok = ResultKind.OK
    assert kinds == [
        [ok],
        [],
        [ok, ok, ok],
        [ResultKind.ERROR],
        [ResultKind.RAISED],
        [ResultKind.INVALID_ARGUMENTS, ok],
        [ResultKind.UNKNOWN_TOOL, ok],
        [ResultKind.MALFORMED, ok],
        [ok],
        [ResultKind.MALFORMED, ok],
    ]
    assert [step.result.content for step in rollouts[2].steps] == [{"y": 4}, {"y": 8}, {"y": 16}]
    for rollout in rollouts:
        fed = CHAT.tokenizer.decode(rollout.ledger.ids[~rollout.ledger.sampled].tolist())
        for step in rollout.steps:
            assert json.dumps(step.result.content, ensure_ascii=False) in fed
    assert rollouts[8].final_text == "Nun ja: 16 ✓"
    assert rollouts[7].turns[0].parses is False


def test_demonstrations_are_the_ledger_of_the_same_turns(make: Callable[..., Engine]) -> None:
    for rollout, task_ in zip(Scripted(CONVERSATIONS).run(make), Scripted(CONVERSATIONS).tasks, strict=True):
        tokens = CHAT.demonstration(task_, ENVIRONMENT.tools, rollout.turns)
        np.testing.assert_array_equal(tokens.ids, rollout.ledger.ids[1:])  # the script's number is not part of the chat
        np.testing.assert_array_equal(tokens.sampled, rollout.ledger.sampled[1:])


def test_a_plan_stops_at_its_end_only(make: Callable[..., Engine]) -> None:
    plan = [call(3) + "\n" + call({"$ref": "0.y"}) + END]
    scripted = Scripted([plan], mode="plan")
    (rollout,) = scripted.run(make)
    assert len(rollout.turns) == 1
    assert [step.result.content for step in rollout.steps] == [{"y": 6}, {"y": 12}]
    assert rollout.steps[1].seen_arguments == {"x": 6}
    assert rollout.stop is StopReason.ANSWER
    np.testing.assert_array_equal(rollout.ledger.ids, scripted.ids[0])


@pytest.mark.parametrize(
    ("change", "stop", "turns"),
    [
        ({"max_turns": 2}, StopReason.MAX_TURNS, 2),
        ({"max_new_tokens": 80}, StopReason.MAX_TOKENS, 2),
        ({"max_new_tokens": 1}, StopReason.MAX_TOKENS, 1),
        ({"capacity": 100}, StopReason.CONTEXT_FULL, 1),  # in the middle of the first call
        ({"capacity": 16}, StopReason.CONTEXT_FULL, 0),  # the prompt itself
    ],
)
def test_budgets_end_a_rollout_with_their_reason(
    make: Callable[..., Engine], change: dict[str, int], stop: StopReason, turns: int
) -> None:
    scripted = Scripted([CONVERSATIONS[2]])
    (rollout,) = scripted.run(make, replace(OPTIONS, **change))
    assert rollout.stop is stop
    assert len(rollout.turns) == turns
    ledger = rollout.ledger
    assert len(ledger.ids) <= change.get("capacity", OPTIONS.capacity)
    assert ledger.sampled.sum() <= change.get("max_new_tokens", OPTIONS.max_new_tokens)
    np.testing.assert_array_equal(ledger.ids, scripted.ids[0][: len(ledger.ids)])


def test_a_result_that_does_not_fit_ends_the_rollout(make: Callable[..., Engine]) -> None:
    scripted = Scripted([CONVERSATIONS[0]])
    until_the_call = int(np.flatnonzero(scripted.turn_of[0] == 0)[-1]) + 1
    (rollout,) = scripted.run(make, replace(OPTIONS, capacity=until_the_call + 5))
    assert rollout.stop is StopReason.CONTEXT_FULL
    assert rollout.steps[0].result.content == {"y": 0}
    assert len(rollout.ledger.ids) == until_the_call


HOSTILE = [
    '<tool_call>\n{"name": "double", "arguments": {"x": __import__("os").getpid()}}\n</tool_call>',
    "<tool_call>" + "[" * 200 + "</tool_call>",
    "<tool_call>\x00\x07 ${HOME} $(id) {{7*7}} ../../etc/passwd</tool_call>",
    "<tool_call><tool_call>\n</tool_call>",
    '<tool_call>\n{"name": "double", "arguments": {"x": 1e999}}\n</tool_call>',
    '<tool_call>\n{"name": ["double"], "arguments": 4}\n</tool_call>',
]


def test_hostile_text_becomes_results_and_nothing_else(make: Callable[..., Engine]) -> None:
    scripted = Scripted([[text, call(1), answer(2)] for text in HOSTILE])
    for rollout in scripted.run(make):
        assert rollout.stop is StopReason.ANSWER
        assert rollout.steps[0].result.kind is not ResultKind.OK
        assert rollout.steps[1].result.content == {"y": 2}


def test_bytes_that_are_no_text_stay_in_the_ledger(make: Callable[..., Engine]) -> None:
    scripted = Scripted([[answer("x")]])
    broken = np.array([0xFF, 0xC3, 0x28], np.int32)
    place = int(np.flatnonzero(scripted.turn_of[0] == 0)[0])
    scripted.ids[0] = np.insert(scripted.ids[0], place, broken)
    (rollout,) = scripted.run(make)
    np.testing.assert_array_equal(rollout.ledger.ids, scripted.ids[0])
    assert "�" in rollout.final_text


def drawn(make: Callable[..., Engine], episodes: Sequence[Episode], options: EngineOptions) -> list[Rollout]:
    logits = np.random.default_rng(0).normal(size=CHAT.tokenizer.vocab_size)
    return make(constant_policy(logits), CHAT, options).run(None, episodes, ENVIRONMENT)


def test_what_is_drawn_depends_on_the_rollout_alone(make: Callable[..., Engine]) -> None:
    options = replace(OPTIONS, max_new_tokens=40)
    prompts = {number: np.array([1] * (number + 1), np.int32) for number in range(3)}
    episodes = [
        Episode(task(n), prompts[n], group_index=g, seed=s) for n in range(3) for g in range(3) for s in range(2)
    ]
    first = {key(e): r for e, r in zip(episodes, drawn(make, episodes, options), strict=True)}
    order = np.random.default_rng(1).permutation(len(episodes))
    shuffled = [episodes[place] for place in order][:11]
    for other in (options, replace(options, rows=7, visit_steps=5, chunk=8)):
        for episode, rollout in zip(shuffled, drawn(make, shuffled, other), strict=True):
            expected = first[key(episode)].ledger
            np.testing.assert_array_equal(rollout.ledger.ids, expected.ids)
            np.testing.assert_array_equal(rollout.ledger.logprobs, expected.logprobs)
    texts = {r.ledger.ids[r.ledger.sampled].tobytes() for r in first.values()}
    assert len(texts) == len(episodes), "another task, seed or place in the group must draw other tokens"


def key(episode: Episode) -> tuple[str, int, int]:
    return episode.task.id, episode.group_index, episode.seed


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_logprobs_are_those_of_the_tempered_distribution(make: Callable[..., Engine], temperature: float) -> None:
    options = replace(OPTIONS, max_new_tokens=50, temperature=temperature)
    logits = np.random.default_rng(0).normal(size=CHAT.tokenizer.vocab_size)
    expected = jax.nn.log_softmax(jnp.asarray(logits, jnp.float32) / temperature)
    (rollout,) = drawn(make, [Episode(task(0), np.array([1], np.int32))], options)
    ledger = rollout.ledger
    np.testing.assert_allclose(ledger.logprobs[ledger.sampled], expected[ledger.ids[ledger.sampled]], atol=1e-5)


class EndsAsPadding(ByteTokenizer):
    """As Qwen's: the end of a text is the padding, which spells nothing."""

    def piece_id(self, text: str) -> int | None:
        return self.pad_id if text == TEXT_END else super().piece_id(text)


@pytest.mark.parametrize("tokenizer", [EndsAsPadding(), ByteTokenizer((*MARKS, TEXT_END))], ids=["padding", "mark"])
def test_the_end_of_a_text_ends_a_turn(make: Callable[..., Engine], tokenizer: ByteTokenizer) -> None:
    chat = Chat(tokenizer, family=FAMILIES["qwen2"])
    (text_end,) = chat.other_ends
    prompt = [0, *chat.prompt(task(3), ENVIRONMENT.tools)]
    first = [*chat.turn(call(3)), text_end]
    fed = chat.results(ENVIRONMENT.session(task(3)).respond(call(3)).steps, closed=False)
    last = [*chat.turn("Done."), text_end]
    ids = np.array([*prompt, *first, *fed, *last, *chat.turn("Question: what else?")], np.int32)
    policy, params = scripted_policy([ids], tokenizer.vocab_size)
    engine = make(policy, chat, replace(OPTIONS, calls_in_a_turn="many"))
    (rollout,) = engine.run(params, [Episode(task(3), np.array(prompt, np.int32))], ENVIRONMENT)
    ledger = rollout.ledger
    assert rollout.stop is StopReason.ANSWER and [turn.text for turn in rollout.turns] == [call(3), "Done."]
    np.testing.assert_array_equal(ledger.ids, ids[: ledger.ids.size])
    sampled = [len(prompt) * [False], len(first) * [True], len(fed) * [False], len(last) * [True]]
    np.testing.assert_array_equal(ledger.sampled, np.concatenate(sampled))


def tiny_episodes(number: int) -> list[Episode]:
    return [
        Episode(task(n), np.array(CHAT.prompt(task(n), ENVIRONMENT.tools), np.int32), group_index=n)
        for n in range(number)
    ]


@jax.jit
def teacher_forced(params: Any, ids: jax.Array) -> jax.Array:
    """Logits [T, V] of a whole sequence: what the update computes."""
    return models.decoder.forward(TINY, params, ids[None], jnp.arange(ids.shape[0])[None], None)[0]


def sampled_logits(params: Any, rollout: Rollout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the sampled tokens [N]: the logits that they should have been drawn from [N, V], the ids, the ledger's log-probs."""
    ledger = rollout.ledger
    padded = np.zeros(320, np.int32)  # one length, one compilation; what follows a token cannot change its logits
    padded[: len(ledger.ids)] = ledger.ids
    places = np.flatnonzero(ledger.sampled)
    assert places.size > 3
    return np.asarray(teacher_forced(params, padded))[places - 1], ledger.ids[places], ledger.logprobs[places]


def assert_logprobs_are_the_models(params: Any, rollouts: Sequence[Rollout]) -> None:
    for rollout in rollouts:
        logits, ids, logprobs = sampled_logits(params, rollout)
        expected = np.take_along_axis(np.asarray(jax.nn.log_softmax(logits)), ids[:, None], axis=1)[:, 0]
        np.testing.assert_allclose(logprobs, expected, atol=1e-4)


def test_the_update_sees_the_logprobs_of_the_sampler(make: Callable[..., Engine]) -> None:
    params = models.decoder.init(TINY, jax.random.key(0))
    options = replace(OPTIONS, max_new_tokens=60)
    assert_logprobs_are_the_models(
        params, make(decoder_policy(TINY), CHAT, options).run(params, tiny_episodes(6), ENVIRONMENT)
    )


def test_greedy_takes_the_most_likely_token(make: Callable[..., Engine]) -> None:
    params = models.decoder.init(TINY, jax.random.key(0))
    options = replace(OPTIONS, max_new_tokens=20, temperature=0.0)
    for rollout in make(decoder_policy(TINY), CHAT, options).run(params, tiny_episodes(2), ENVIRONMENT):
        logits, ids, _ = sampled_logits(params, rollout)
        np.testing.assert_array_equal(np.argmax(logits, axis=-1), ids)


def test_a_models_rollouts_are_the_same_to_the_bit_in_any_company(make: Callable[..., Engine]) -> None:
    params = models.decoder.init(TINY, jax.random.key(0))
    options = replace(OPTIONS, max_new_tokens=50)
    episodes = tiny_episodes(9)
    together = make(decoder_policy(TINY), CHAT, options).run(params, episodes, ENVIRONMENT)
    for rows in (4, 64):
        order = [8, 3, 5] if rows == 4 else list(range(8, -1, -1))
        engine = make(decoder_policy(TINY), CHAT, replace(options, rows=rows, visit_steps=11))
        for place, rollout in zip(order, engine.run(params, [episodes[n] for n in order], ENVIRONMENT), strict=True):
            np.testing.assert_array_equal(rollout.ledger.ids, together[place].ledger.ids)
            np.testing.assert_array_equal(rollout.ledger.logprobs, together[place].ledger.logprobs)


@pytest.mark.parametrize("shape", [{"data": 8}, {"fsdp": 4, "model": 2}, {"data": 2, "fsdp": 2, "model": 2}])
def test_on_a_mesh_the_logprobs_are_those_of_one_device(make: Callable[..., Engine], shape: dict[str, int]) -> None:
    mesh = make_mesh(shape)
    options = replace(OPTIONS, max_new_tokens=30)
    with jax.set_mesh(mesh):
        init = jax.jit(lambda key: models.decoder.init(TINY, key), out_shardings=param_shardings(TINY, mesh))
        sharded = init(jax.random.key(0))
        rollouts = make(decoder_policy(TINY, mesh), CHAT, options).run(sharded, tiny_episodes(5), ENVIRONMENT)
    assert_logprobs_are_the_models(jax.device_put(jax.device_get(sharded)), rollouts)
