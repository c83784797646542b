"""The engine and its simulation, on the same lengths: how often the host is asked, what is drawn and fed."""

import json

import numpy as np
import pytest
from scripted import scripted_policy

from data_pipeline.backends import PythonBackend
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.words import Task, Tool
from tpu_orch.engine import Engine, EngineOptions, Episode
from tpu_orch.engine.lanes import FeedShape
from tpu_orch.planning.simulate import Costs, Places, simulate
from tpu_orch.planning.workload import Lengths, WorkloadOptions, draw_lengths

CHAT = Chat(ByteTokenizer(), schemas="none")
TOOL = Tool("echo", "", {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]})
ENVIRONMENT = Environment({"echo": TOOL}, PythonBackend({"echo": lambda text: {"said": text * 2}}))
FREE = Costs(0, 0, 0, 0, 0, 0)


def conversation(random: np.random.Generator, number: int) -> tuple[Task, list[int], list[int], Lengths]:
    """A task, its prompt, everything that its rollout will hold, and the lengths of that."""
    task = Task(f"task-{number}", "q" * int(random.integers(5, 90)), ("echo",), ())
    prompt = [number, *CHAT.prompt(task, ENVIRONMENT.tools)]
    session = ENVIRONMENT.session(task)
    ids, turns = list(prompt), []
    for _ in range(int(random.integers(0, 4))):
        text = "x" * int(random.integers(1, 120))
        message = f'<tool_call>\n{{"name": "echo", "arguments": {json.dumps({"text": text})}}}\n</tool_call>'
        drawn = CHAT.turn(message)
        fed = CHAT.results(session.respond(message).steps, closed=False)
        turns.append((len(drawn), len(fed)))
        ids += [*drawn, *fed]
    last = CHAT.turn("<answer>1</answer>" + "." * int(random.integers(0, 150)) + "<|im_end|>")
    turns.append((len(last), 0))
    return task, prompt, ids + last, Lengths(number, len(prompt), tuple(turns))


@pytest.mark.parametrize("rows", [4, 12])
def test_the_simulation_asks_the_host_as_often_as_the_engine(rows: int) -> None:
    random = np.random.default_rng(3)
    made = [conversation(random, number) for number in range(12)]
    options = EngineOptions(rows=rows, capacity=1500, chunk=32, visit_steps=16, max_new_tokens=1200, max_turns=8)
    policy, params = scripted_policy([np.array(ids, np.int32) for _, _, ids, _ in made], CHAT.tokenizer.vocab_size)
    engine = Engine(policy, CHAT, options)
    engine.run(params, [Episode(task, np.array(prompt, np.int32)) for task, prompt, _, _ in made], ENVIRONMENT)
    played = simulate([lengths for *_, lengths in made], options, Places(1, rows, (FeedShape(32, rows),)), FREE)
    told = engine.statistics
    assert (played.visits, played.sampled, played.fed) == (told.visits, told.sampled, told.fed)


def test_time_is_the_sum_of_what_the_device_and_the_host_do() -> None:
    lengths = [Lengths(0, 40, ((10, 5), (20, 0)))] * 4
    options = EngineOptions(rows=4, capacity=500, chunk=16, visit_steps=64)
    played = simulate(lengths, options, Places(1, 4, (FeedShape(16, 4),)), Costs(1.0, 0, 0.1, 0, 0, 2.0))
    # One prompt of three chunks for all four, 10 tokens, four calls, one chunk of results, 20 tokens.
    assert played.feeds == 3 + 1 and played.steps == 30 and played.sampled == 120 and played.fed == 4 * 45
    assert played.seconds == pytest.approx(4 * 1.0 + 30 * 0.1 + 4 * 2.0)
    assert played.occupancy == 1.0


def test_caches_that_grow_are_read_whole_and_what_is_left_is_fed_in_a_short_chunk() -> None:
    lengths = [Lengths(number, 36, ((20, 7), (40, 0))) for number in range(4)]
    options = EngineOptions(rows=4, capacity=500, chunk=32, visit_steps=64)
    shapes = (FeedShape(32, 2), FeedShape(8, 4))
    played = simulate(
        lengths, options, Places(1, 4, shapes, 1, (64, 128, 256, 500)), Costs(1.0, 0.01, 0.1, 0.001, 0, 0)
    )
    # Prompts: 32 tokens of two rows in each of two calls, and the four that are left of all rows in one of half the places.
    # Then 36 + 64 tokens need a room of 128. Results of 7: one short chunk, and 63 + 64 fit the same room.
    assert played.feeds == 4 and played.chunks == 3.0 and played.fed == 4 * 43
    assert (played.steps, played.visits, played.chunk_context, played.step_context) == (60, 2, 128, 128)
    assert played.seconds == pytest.approx(3.0 * (1.0 + 1.28) + 60 * (0.1 + 0.128))


def test_stragglers_leave_rows_idle_and_refilling_helps() -> None:
    lengths = draw_lengths(WorkloadOptions(prompt_tokens=64), prompts=16, group=4, result_limit=256)
    options = EngineOptions(rows=64, capacity=8000, chunk=64, max_new_tokens=6000, max_turns=20)
    wide = simulate(lengths, options, Places(1, 64, (FeedShape(64, 64),)), Costs(0, 0, 1e-3, 0, 0, 0))
    narrow = simulate(lengths, options, Places(1, 16, (FeedShape(64, 16),)), Costs(0, 0, 1e-3, 0, 0, 0))
    assert wide.sampled == narrow.sampled
    assert narrow.occupancy > wide.occupancy
    assert wide.steps < narrow.steps


def test_lengths_have_the_quantiles_asked_for() -> None:
    options = WorkloadOptions(characters_a_token=1.0, calls=5)
    drawn = draw_lengths(options, prompts=200, group=4, result_limit=10**9)
    results = [fed for lengths in drawn for _, fed in lengths.turns[:-1]]
    assert np.percentile(results, [50, 95]) == pytest.approx([3854, 33_000], rel=0.1)
    assert draw_lengths(options, 3, 2, 100) == draw_lengths(options, 3, 2, 100)
