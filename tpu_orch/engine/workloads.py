"""What `tpu-orch bench rollout` measures: a model of random weights, its limits, and the sides of each comparison.

Every side plays the same work again and again; a policy that is made to say its calls (`tpu_orch.engine.forcing`) gives each
rollout known turns and lengths, everything else is drawn at random.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

import models.decoder
from data_pipeline.backends import PythonBackend
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.tokenizers.marks import MARKS
from data_pipeline.words import Task, Tool
from models.config import ModelConfig, small
from tpu_orch.engine.engine import Engine, RunStatistics
from tpu_orch.engine.episodes import EngineOptions, Episode
from tpu_orch.engine.forcing import ForcedParams, forced_policy
from tpu_orch.engine.limits import pieces
from tpu_orch.engine.policy import LANE_ROWS, Policy, decoder_policy
from tpu_orch.runs.machine import core_count

SHORT, PROMPT, LONG, NEW, EPISODES, GROUP, TURNS, READ = 8, 64, 1024, 128, 32, 8, 3, 128
FIRST_FREE = 300
"""ids from here on are drawn; those below are bytes and marks"""
CALL_OPEN, CALL_CLOSE = '<tool_call>\n{"name": "read", "arguments": {"n": ', "}}\n</tool_call>"
"""one piece each, as a tokenizer trained on calls has them: a call takes a handful of tokens"""
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
ENVIRONMENT = Environment(
    {"read": Tool("read", "Reads so many letters.", NUMBER)}, PythonBackend({"read": lambda n: "a" * n})
)
CHAT = Chat(ByteTokenizer((*MARKS, CALL_OPEN, CALL_CLOSE)), schemas="none")
Figures = dict[str, float]
Side = Callable[[], Figures]


SIZES = {
    "5M": replace(small(4096), remat="none"),
    "50M": replace(small(4096), d_model=512, layers=12, heads=8, kv_heads=4, d_ff=2048, remat="none"),
}


def model(size: str = "5M") -> tuple[ModelConfig, models.decoder.Params]:
    """(configuration, random weights) of a measured model."""
    config = SIZES[size]
    return config, jax.jit(partial(models.decoder.init, config))(jax.random.key(0))


class Work(NamedTuple):
    """Episodes and what the policy is made to say in them."""

    params: ForcedParams
    episodes: list[Episode]


def prompt(rng: np.random.Generator, script: int, size: int) -> np.ndarray:
    """Random ids; the first one says which script the policy follows."""
    return np.concatenate([[script], rng.integers(FIRST_FREE, 4096, size - 1)]).astype(np.int32)


def scripted(weights: models.decoder.Params, scripts: Sequence[Sequence[int]], size: int) -> ForcedParams:
    """Weights that say each script after prompts of `size` tokens; -1 is drawn."""
    table = np.full((len(scripts), size + max(map(len, scripts)) + 1), -1, np.int32)
    for row, script in enumerate(scripts):
        table[row, size : size + len(script)] = script
    return ForcedParams(weights, table, np.int32(FIRST_FREE))


def single_turn(weights: models.decoder.Params, size: int = PROMPT) -> Work:
    """32 prompts of their own, 128 tokens each."""
    rng = np.random.default_rng(0)
    episodes = [Episode(Task(f"t{n}", "", ("read",), ()), prompt(rng, n, size)) for n in range(EPISODES)]
    return Work(scripted(weights, [[-1] * NEW] * EPISODES, size), episodes)


def with_tools(weights: models.decoder.Params, size: int) -> Work:
    """4 prompts of `size` tokens with 8 rollouts each: 3 turns that share 128 tokens, results of 16 to 200 bytes after two."""
    rng = np.random.default_rng(1)
    tasks = [Task(f"t{n}", "", ("read",), ()) for n in range(EPISODES // GROUP)]
    scripts = []
    for task, lengths in zip(tasks, rng.integers(16, 201, (len(tasks), TURNS - 1)), strict=True):
        session, script = ENVIRONMENT.session(task), list[int]()
        for message in [*(f"{CALL_OPEN}{n}{CALL_CLOSE}" for n in lengths), "Done.<|im_end|>"]:
            said = CHAT.turn(message)
            steps = session.respond(message.split("<|im_end|>")[0]).steps
            script += [-1] * (NEW // TURNS - len(said)) + said + (CHAT.results(steps, closed=False) if steps else [])
        scripts.append(script)
    prompts = [prompt(rng, n, size) for n in range(len(tasks))]
    episodes = [Episode(task, prompts[n], index) for n, task in enumerate(tasks) for index in range(GROUP)]
    return Work(scripted(weights, scripts, size), episodes)


def sides() -> dict[str, Side]:
    """The measured sides, compiled: each plays its work once and gives its figures."""
    config, weights = model()
    policy = forced_policy(decoder_policy(config))
    single, short, long = single_turn(weights), with_tools(weights, PROMPT), with_tools(weights, LONG)
    options = EngineOptions(rows=EPISODES, capacity=PROMPT + NEW, visit_steps=32, max_new_tokens=NEW, max_turns=9)
    tools = replace(options, capacity=PROMPT + NEW + TURNS * 256)
    much = replace(tools, capacity=LONG + NEW + TURNS * 256, chunk=128)
    shared = replace(much, prompt_rows=GROUP)
    once, many, each, group = (
        warmed(policy, kind, work) for kind, work in ((options, single), (tools, short), (much, long), (shared, long))
    )
    return {
        "single turn": kept(once, single),
        "with tools": kept(many, short),
        "with tools, cache dropped": dropped(many, short),
        "long prompts": kept(each, long),
        "long prompts, shared": kept(group, long),
        "long prompts, cache dropped": dropped(each, long),
    }


def shares(size: str) -> Callable[[], list[dict[str, Any]]]:
    """Measures decoding and prefill of a model beside the least that their parts could take: a row for each part."""
    config, weights = model(size)
    policy = forced_policy(decoder_policy(config))
    options = EngineOptions(rows=EPISODES, capacity=PROMPT + NEW, visit_steps=NEW, max_new_tokens=NEW, max_turns=1)
    reading = replace(options, capacity=LONG // 2 + 8, max_new_tokens=1, chunk=READ)
    short, long = single_turn(weights, SHORT), single_turn(weights, LONG // 2)
    sides = {
        "decode": (
            kept(warmed(policy, options, short), short),
            pieces(config, weights, LANE_ROWS, 1, SHORT + NEW // 2),
        ),
        "prefill": (
            kept(warmed(policy, reading, long), long),
            pieces(config, weights, 1, READ, LONG // 4),
        ),
    }
    for play, _ in sides.values():
        play()

    def measured() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for name, (play, parts) in sides.items():
            told, tokens = play(), LANE_ROWS if name == "decode" else READ
            rate = told["sampled/s"] if name == "decode" else told["with fed/s"]
            step = core_count() * tokens / rate
            spent = {part.name: part.seconds() for part in parts}
            spent["the rest"] = step - sum(spent.values())
            rows += [
                {"model": size, "of": name, "part": part, "ms a step": 1e3 * seconds, "share": seconds / step}
                for part, seconds in spent.items()
            ]
        return rows

    return measured


def warmed(policy: Policy, options: EngineOptions, work: Work) -> Engine:
    """An engine with everything compiled."""
    engine = Engine(policy, CHAT, options)
    engine.warm_up(work.params)
    return engine


def kept(engine: Engine, work: Work) -> Side:
    """The engine as it is."""

    def play() -> list[RunStatistics]:
        engine.run(work.params, work.episodes, ENVIRONMENT)
        return [engine.statistics]

    return partial(figures, engine.policy, play)


def dropped(engine: Engine, work: Work) -> Side:
    """Each turn is a run of its own that reads the whole history again."""
    engine = engine.of_turns(1)

    def play() -> list[RunStatistics]:
        episodes, told = work.episodes, []
        for _ in range(TURNS):
            rollouts = engine.run(work.params, episodes, ENVIRONMENT)
            told.append(engine.statistics)
            episodes = [
                episode._replace(prompt=np.array([*r.ledger.ids, *CHAT.results(r.steps, closed=False)], np.int32))
                for episode, r in zip(episodes, rollouts, strict=True)
                if r.ledger is not None and r.steps
            ]
        return told

    return partial(figures, engine.policy, play)


def figures(policy: Policy, play: Callable[[], list[RunStatistics]]) -> Figures:
    """Plays once. Seconds of the processor are those of all of its cores: a loaded machine changes them little."""
    began, worked = time.perf_counter(), time.process_time()
    told = play()
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    sampled, fed = sum(one.sampled for one in told), sum(one.fed for one in told)
    return {
        "sampled/s": sampled / seconds,
        "with fed/s": (sampled + fed) / seconds,
        "seconds": seconds,
        "CPU s": worked,
        "busy": sum(one.busy * one.seconds for one in told) / seconds,
        "tools": sum(one.tool_seconds for one in told) / seconds,
        "cache MB": max(one.cache_tokens for one in told) * policy.token_bytes / 1e6,
    }
