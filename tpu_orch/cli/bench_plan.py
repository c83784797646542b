"""`tpu-orch bench plan`: predictions of `tpu-orch plan` beside what this machine does."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import tyro
from scipy.optimize import nnls

from data_pipeline.backends import PythonBackend
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.words import Task
from models import decoder
from models.config import small
from models.sharding import make_mesh
from tpu_orch.engine import Engine, EngineOptions, Episode, decoder_policy
from tpu_orch.engine.programs import cache_sizes, feed_shapes
from tpu_orch.planning.flops import matmul_flops
from tpu_orch.planning.observe import EXACT, Observed, observe_memory, observe_seconds
from tpu_orch.planning.programs import Program, training_programs
from tpu_orch.planning.setting import Setting
from tpu_orch.planning.simulate import Costs, Places, Simulated, simulate
from tpu_orch.planning.workload import Lengths
from tpu_orch.presets import find_preset
from tpu_orch.reports.bench import Goal, report
from tpu_orch.reports.messages import say
from tpu_orch.runs.machine import core_count
from tpu_orch.trainer.platform import prepare_platform

FREE = Costs(0, 0, 0, 0, 0, 0)
MEMORY_GOAL, TIME_GOAL, ROLLOUT_GOAL = 0.05, 0.15, 0.15
CALIBRATIONS, OTHERS = ((32, 128), (4, 1024)), ((16, 256), (8, 512), (16, 512))
"""Rows x tokens of micro-batches: as many tokens in short rows and long ones tell apart what weights and attention take. What
lies between is predicted, and twice as many tokens."""
ROWS, CHUNK = 32, 32
RUNS = ((32, 1, 64, 64), (32, 1, 64, 256), (32, 1, 256, 32), (32, 1, 256, 192), (32, 1, 512, 32), (32, 1, 512, 96))
"""Prompts, group, prompt tokens, drawn tokens: short and long rows, fed and drawn; more runs than costs, as each is noisy."""
PREDICTED = (24, 4, 260, 128)
"""Other lengths, shared prompts whose last four tokens take a short chunk, slots that are refilled twice."""


@dataclass(frozen=True)
class Args:
    """Compares predictions with this machine's CPU: peak memory of an update, as allocated in a process of its own, its seconds
    after one calibrating run of two shapes, and a run of the rollout engine as the simulator plays it after six others.

    A model of five million parameters in float32. Products alone are counted, those of attention at a rate of their own: there
    every product brings its share of a softmax. It does not measure accelerators, and random weights call no tools.
    """

    rounds: int = 4
    """Calls that are timed, shapes in turn; medians are given."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.rounds < 1:
        raise InputError("--rounds must be at least 1")

    prepare_platform()
    updates, rollouts = update_rows(args.rounds), [rollout_row(args.rounds)]
    memory = max(abs(row["ratio"] - 1) for row in updates if row["what"].startswith("memory"))
    times = max(abs(row["ratio"] - 1) for row in updates if row["what"].startswith("seconds"))
    goals = [
        Goal("largest error of an update's peak memory", memory, MEMORY_GOAL, at_most=True),
        Goal("largest error of an update's seconds", times, TIME_GOAL, at_most=True),
        Goal("error of the simulated engine's seconds", abs(rollouts[0]["ratio"] - 1), ROLLOUT_GOAL, at_most=True),
    ]
    report("plan", [*updates, *rollouts], goals, args.json)
    return 0 if all(goal.met for goal in goals) else 1


def row_of(what: str, predicted: float, observed: float) -> dict[str, Any]:
    return {"what": what, "predicted": predicted, "observed": observed, "ratio": predicted / observed}


class Updating(NamedTuple):
    program: Program
    setting: Setting
    mesh: jax.sharding.Mesh


def update_program(number: int, length: int) -> Updating:
    """The update on a micro-batch of so many rows x tokens."""
    mesh = make_mesh({}, jax.devices()[:1])
    config = find_preset("sandbox").config()
    engine = replace(config.engine, capacity=length)
    run = replace(config, engine=engine, micro_tokens=number * length, logits_chunk=0)
    setting = Setting(replace(small(), remat="block"), run, None)
    return Updating(training_programs(setting, mesh)[0][0], setting, mesh)


def update_rows(rounds: int) -> list[dict[str, Any]]:
    """Peak memory (MB) and seconds of the update on micro-batches of several shapes, the calibrating ones first."""
    sizes = (*CALIBRATIONS, *OTHERS)
    made = [update_program(*size) for size in sizes]
    mesh = made[0].mesh
    names = ["{} x {}".format(*one.setting.micro_batch(mesh.shape)[:2]) for one in made]
    say(f"seconds of updates {', '.join(names)}")
    with jax.set_mesh(mesh):
        flops = [matmul_flops(one.program.trace().jaxpr) for one in made]
    seconds = observe_seconds([one.program for one in made], mesh, rounds)
    known = len(CALIBRATIONS)
    costs = fitted(flops[:known], seconds[:known])
    predicted = np.array(flops[known:]) @ costs
    rows = [
        row_of(f"seconds, update {name}", float(ahead), seen)
        for name, ahead, seen in zip(names[known:], predicted, seconds[known:], strict=True)
    ]
    for name, size in zip(names, sizes, strict=True):
        say(f"memory of an update {name}")
        memory = memory_apart(*size)
        rows.append(row_of(f"memory MB, update {name}", memory.predicted_bytes / 1e6, memory.observed_bytes / 1e6))
    return rows


def memory_apart(number: int, length: int) -> Observed:
    """Peak memory of the update in a process of its own, whose allocator keeps nothing back."""
    command = [sys.executable, "-m", "tpu_orch.cli.bench_plan", str(number), str(length)]
    made = subprocess.run(command, env=os.environ | EXACT, capture_output=True, text=True)
    if made.returncode:
        last = made.stderr.strip().splitlines()[-1:]
        raise WorkFailed(f"the process that measures memory failed: {''.join(last):.300}")
    return Observed(*json.loads(made.stdout.splitlines()[-1]))


def rollout_row(rounds: int) -> dict[str, Any]:
    """Seconds of a run of the engine with refilled slots and shared prompts."""

    engine, params = make_engine()
    places = engine_places(engine)
    shapes = (*RUNS, PREDICTED)
    spent: list[list[float]] = [[] for _ in shapes]
    for number in range(rounds + 1):  # in turns: what slows the machine for a while slows all
        say(f"rollouts of {len(shapes)} shapes, round {number} of {rounds}")
        for shape, times in zip(shapes, spent, strict=True):
            times.append(play(engine, params, shape, number))
    *seen, observed = (median(times[1:]) for times in spent)
    costs = calibrated(
        [simulated(engine, places, shape, FREE) for shape in RUNS], [one * places.threads for one in seen]
    )
    predicted = simulated(engine, places, PREDICTED, costs)
    what = "{} x {} rollouts, {} + {} tokens".format(*PREDICTED)
    return row_of(f"rollout s, {what}", predicted.seconds, observed)


def calibrated(counted: Sequence[Simulated], spent: Sequence[float]) -> Costs:
    """The costs with which runs take the seconds that they took."""
    terms = [[one.chunks, one.chunks * one.chunk_context, one.steps, one.steps * one.step_context] for one in counted]
    feed, feed_token, step, step_token = map(float, fitted(terms, spent))
    return Costs(feed, feed_token, step, step_token, 0.0, 0.0)


def fitted(terms: Sequence[Sequence[float]], spent: Sequence[float]) -> np.ndarray:
    """Seconds of one of each term, none below nothing, with which runs take what they took; errors count as shares of a run."""
    shares = np.array(terms) / np.array(spent)[:, None]
    sizes = shares.max(axis=0)
    return nnls(shares / sizes, np.ones(len(spent)))[0] / sizes


def make_engine() -> tuple[Any, Any]:
    """The engine on a fresh small model, and its weights."""

    options = EngineOptions(rows=ROWS, capacity=640, chunk=CHUNK, visit_steps=64, max_new_tokens=256)
    return Engine(decoder_policy(small()), Chat(ByteTokenizer()), options), decoder.init(small(), jax.random.key(0))


def engine_places(engine: Any) -> Places:
    """How the engine splits its rows on this machine."""

    rows, shapes = engine.policy.lanes.rows, feed_shapes(engine.policy, CHUNK, engine.policy.lanes.rows)
    number = engine.rows // rows
    rooms = cache_sizes(engine.options.capacity, engine.policy.lanes.block)
    return Places(number, rows, tuple(shapes), min(core_count(), number), tuple(rooms))


def play(engine: Any, params: Any, shape: Sequence[int], number: int) -> float:
    """Seconds of rollouts that draw to the end of their budget; the first run of a shape compiles."""
    prompts, group, length, drawn = shape
    random = np.random.default_rng(0)
    engine.options = replace(engine.options, max_new_tokens=drawn)
    tasks = [Task(f"prompt-{number}", "", (), (), mode="plan") for number in range(prompts)]
    ids = [random.integers(0, 256, length).astype(np.int32) for _ in tasks]
    episodes = [
        Episode(task, one, place, number) for task, one in zip(tasks, ids, strict=True) for place in range(group)
    ]
    engine.run(params, episodes, Environment({}, PythonBackend({})))
    return float(engine.statistics.seconds)


def simulated(engine: Any, places: Places, shape: Sequence[int], costs: Any) -> Simulated:
    """The same run without a model."""

    prompts, group, length, drawn = shape
    episodes: list[Lengths] = [
        Lengths(prompt, length, ((drawn, 0),)) for prompt in range(prompts) for _ in range(group)
    ]
    options = replace(engine.options, max_new_tokens=drawn)
    return simulate(episodes, options, places, costs)


if __name__ == "__main__":
    prepare_platform()
    asked = update_program(*map(int, sys.argv[1:]))
    print(json.dumps(observe_memory(asked.program, asked.mesh)))
