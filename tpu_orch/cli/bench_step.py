"""`tpu-orch bench step`: seconds of a GRPO step by phase, and what sharing a long prompt saves."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import tyro

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.reports.bench import Goal, report

PROMPTS, GROUP, PROMPT, DRAWN = 4, 8, 64, 128
LONG = 2048  # tokens of the long shared prompt
PUBLISHED = 3.27
"""Seconds of the better peer (trl 1.16.0; google-tunix 0.1.8: 4.13) on the machine that the goals were set on."""
FASTER = 1.5


@dataclass(frozen=True)
class Args:
    """Measures a GRPO step: 4 prompts x 8 rollouts, 64 + 128 tokens, a decoder of 4,983,552 parameters, float32.

    Phases: sampling by the engine; the reward (the share of even ids, so it costs nothing) with the layout of the micro-batches;
    the update. Then the update of one long prompt with 8 rollouts (2,048 + 8 x 128), its prompt run once and eight times, in
    turn. It does not measure tools, and random weights never end a rollout early. Without --peers the peers' seconds are
    the published ones; with it they are measured in this run, in turn with ours.
    """

    rounds: int = 5
    """Steps that are timed; medians are given."""

    long: bool = True
    """Also the long shared prompt."""

    peers: Annotated[Path | None, tyro.conf.arg(metavar="PYTHON")] = None
    """An interpreter that has trl: tests/peers/step_of_trl.py is run with it."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.rounds < 1:
        raise InputError("--rounds must be at least 1")
    from tpu_orch.trainer.platform import prepare_platform

    prepare_platform()
    peers: dict[str, float] = {}
    rows = [step_row(args.rounds)]
    if args.peers is not None:
        peers = measured_peers(args.peers, args.rounds)
        rows += [row_of(name, step=seconds) for name, seconds in peers.items()]
        rows.append(step_row(args.rounds))
    ours = median(row["step s"] for row in rows if row["what"] == "step")
    best = min(peers.values()) if peers else PUBLISHED
    where = "measured here" if peers else "published"
    goals = [Goal(f"times faster than the best peer's {best:.2f} s ({where})", best / ours, FASTER)]
    if args.long:
        found, gain, gap = long_rows(args.rounds)
        rows += found
        goals += [
            Goal("times that the shared prefix makes the long update faster", gain, 1.0),
            Goal("relative gap between the shared and the unshared gradient", gap, 1e-5, at_most=True),
        ]
    report("step", rows, goals, args.json)
    return 0 if all(goal.met for goal in goals) else 1


def row_of(what: str, **seconds: float) -> dict[str, Any]:
    """One line of the table; what was not measured apart is left empty."""
    phases = ("sampling", "reward", "update", "step")
    return {"what": what, **{f"{phase} s": seconds.get(phase, "") for phase in phases}}


def step_row(rounds: int) -> dict[str, Any]:
    """Medians of whole steps of ours by phase."""
    import jax

    from data_pipeline.backends import PythonBackend
    from data_pipeline.chat import Chat
    from data_pipeline.environment import Environment
    from data_pipeline.tokenizers import ByteTokenizer
    from data_pipeline.words import Task
    from models.config import small
    from tpu_orch.engine import Engine, EngineOptions, Episode, decoder_policy
    from tpu_orch.trainer.build import ROLLOUT_SHARE, UNROLLED, packed_shapes
    from tpu_orch.training.timing import batches_of, even_rewards, make_trainer, one_update

    config = replace(small(), remat="none", unroll=min(small().layers, UNROLLED))
    trainer = make_trainer(config)
    options = EngineOptions(rows=PROMPTS * GROUP, capacity=PROMPT + DRAWN, max_new_tokens=DRAWN, visit_steps=DRAWN)
    engine = Engine(decoder_policy(config), Chat(ByteTokenizer()), options)
    shapes = packed_shapes(PROMPT + DRAWN, PROMPTS * GROUP * (PROMPT + DRAWN), 2048, 1, ROLLOUT_SHARE)
    random = np.random.default_rng(0)
    tasks = [Task(f"prompt-{n}", "", (), (), mode="plan") for n in range(PROMPTS)]
    prompts = [random.integers(0, 256, PROMPT).astype(np.int32) for _ in tasks]
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        marks = [time.perf_counter()]
        pairs = [(task, prompt) for task, prompt in zip(tasks, prompts, strict=True) for _ in range(GROUP)]
        episodes = [Episode(task, prompt, n % GROUP, number) for n, (task, prompt) in enumerate(pairs)]
        rollouts = engine.run(trainer.state.params, episodes, Environment({}, PythonBackend({})))
        marks.append(time.perf_counter())
        ledgers = [rollout.ledger for rollout in rollouts if rollout.ledger is not None]
        batches = batches_of(ledgers, even_rewards(ledgers), GROUP, shapes, share=True)
        marks.append(time.perf_counter())
        trainer = one_update(trainer, batches)
        jax.block_until_ready(trainer.state.params)
        marks.append(time.perf_counter())
        if number:  # the first one compiles
            for phase, seconds in zip(("sampling", "reward", "update"), np.diff(marks), strict=True):
                found.setdefault(phase, []).append(float(seconds))
            found.setdefault("step", []).append(marks[-1] - marks[0])
    return row_of("step", **{phase: median(seconds) for phase, seconds in found.items()})


def long_rows(rounds: int) -> tuple[list[dict[str, Any]], float, float]:
    """The update of a group with a long prompt, shared and not: table, gain, gap of the gradients."""
    from models.config import small
    from tpu_orch.training.batch import Shape
    from tpu_orch.training.timing import (
        batches_of,
        even_rewards,
        gradient_of,
        made_ledgers,
        make_trainer,
        relative_gap,
        seconds_of,
    )

    config = replace(small(), query_block=256)
    trainer = make_trainer(config)
    ledgers = made_ledgers(1, GROUP, LONG, DRAWN, config.vocab_size)
    room = LONG + GROUP * DRAWN
    drawn = GROUP * DRAWN
    shared = batches_of(ledgers, even_rewards(ledgers), GROUP, [Shape(1, room, room)], share=True)
    apart = batches_of(ledgers, even_rewards(ledgers), GROUP, [Shape(1, LONG + DRAWN, LONG + DRAWN)], share=False)
    gap = relative_gap(gradient_of(trainer, shared), gradient_of(trainer, apart))
    once = seconds_of(lambda: gradient_of(trainer, shared), rounds)
    eight = seconds_of(lambda: gradient_of(trainer, apart), max(rounds // 2, 1))
    name = f"{LONG} + {GROUP} x {DRAWN} tokens, {drawn} with loss"
    return [row_of(f"{name}: prompt once", update=once), row_of(f"{name}: apart", update=eight)], eight / once, gap


def measured_peers(python: Path, rounds: int) -> dict[str, float]:
    """Seconds a step of the peers. Raises WorkFailed with their last line if one fails."""
    script = Path(__file__).resolve().parents[2] / "tests" / "peers" / "step_of_trl.py"
    shape = [str(number) for number in (PROMPTS, GROUP, PROMPT, DRAWN, rounds)]
    done = subprocess.run([str(python), str(script), *shape], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise WorkFailed(f"{script.name}: {lines[-1] if lines else 'it ended with an error'}")
    print(done.stderr[-500:], file=sys.stderr)
    return {name: float(seconds) for name, seconds in json.loads(done.stdout.splitlines()[-1]).items()}
