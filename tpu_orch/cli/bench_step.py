"""`tpu-orch bench step`: seconds of a GRPO step by phase, and what sharing a long prompt saves."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NamedTuple

import numpy as np
import tyro

from data_pipeline.errors import InputError
from tpu_orch.cli.peers import measured as measured_peers
from tpu_orch.reports.bench import Goal, report

PROMPTS, GROUP, PROMPT, DRAWN = 4, 8, 64, 128
LONG = 2048  # tokens of the long shared prompt
PUBLISHED = 3.27
"""Seconds of the better peer (trl 1.16.0; google-tunix 0.1.8: 4.13) on the machine that the goals were set on."""
FASTER = 1.5
STEP = "step"
PEERS = {"trl": "step_of_trl.py", "tunix": "step_of_tunix.py"}
"""By the module that an interpreter must have."""


@dataclass(frozen=True)
class Args:
    """Measures a GRPO step: 4 prompts x 8 rollouts, 64 + 128 tokens, a decoder of 4,983,552 parameters, float32.

    Phases: sampling by the engine; the reward (the share of even ids, so it costs nothing) with the layout of the micro-batches;
    the update. Then the same with the next step's rollouts drawn beside the update, and the update of one long prompt with 8
    rollouts (2,048 + 8 x 128), its prompt run once and eight times, in turn. It does not measure tools, and random weights never
    end a rollout early. Without --peers the peers' seconds are the published ones; with it they are measured in this run, in
    turn with ours.
    """

    rounds: int = 5
    """Steps that are timed; medians are given."""

    long: bool = True
    """Also the long shared prompt."""

    peers: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PYTHON ...")] = ()
    """Interpreters that have trl or google-tunix: tests/peers/step_of_trl.py and step_of_tunix.py are run with them."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.rounds < 1:
        raise InputError("--rounds must be at least 1")
    from tpu_orch.trainer.platform import prepare_platform

    prepare_platform()
    peers: dict[str, float] = {}
    work = prepared()
    rows = [step_row(work, args.rounds), overlapped_row(work, args.rounds)]
    for python in args.peers:
        peers |= measured_peers(python, PEERS, (PROMPTS, GROUP, PROMPT, DRAWN, args.rounds))
    if peers:
        rows += [row_of(name, step=seconds) for name, seconds in peers.items()]
        rows.append(step_row(work, args.rounds))
    ours = median(row["step s"] for row in rows if row["what"] == STEP)
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


class Work(NamedTuple):
    """What the timed steps share."""

    trainer: Any
    draw: Callable[[Any, int], list[Any]]
    """weights, number of the step -> the ledgers of its rollouts"""
    batches: Callable[[list[Any]], list[Any]]


def prepared() -> Work:
    """The decoder, its engine and the update of the short prompts."""
    from data_pipeline.backends import PythonBackend
    from data_pipeline.chat import Chat
    from data_pipeline.environment import Environment
    from data_pipeline.tokenizers import ByteTokenizer
    from data_pipeline.words import Task
    from models.config import small
    from tpu_orch.engine import Engine, EngineOptions, Episode, decoder_policy
    from tpu_orch.trainer.build import ROLLOUT_SHARE, UNROLLED, packed_shapes
    from tpu_orch.training.timing import batches_of, even_rewards, make_trainer

    config = replace(small(), remat="none", unroll=min(small().layers, UNROLLED))
    options = EngineOptions(rows=PROMPTS * GROUP, capacity=PROMPT + DRAWN, max_new_tokens=DRAWN, visit_steps=DRAWN)
    engine = Engine(decoder_policy(config), Chat(ByteTokenizer()), options)
    shapes = packed_shapes(PROMPT + DRAWN, PROMPTS * GROUP * (PROMPT + DRAWN), 2048, 1, ROLLOUT_SHARE)
    random = np.random.default_rng(0)
    tasks = [Task(f"prompt-{n}", "", (), (), mode="plan") for n in range(PROMPTS)]
    prompts = [random.integers(0, 256, PROMPT).astype(np.int32) for _ in tasks]
    pairs = [pair for pair in zip(tasks, prompts, strict=True) for _ in range(GROUP)]

    def draw(params: Any, number: int) -> list[Any]:
        episodes = [Episode(task, prompt, n % GROUP, number) for n, (task, prompt) in enumerate(pairs)]
        rollouts = engine.run(params, episodes, Environment({}, PythonBackend({})))
        return [rollout.ledger for rollout in rollouts if rollout.ledger is not None]

    return Work(
        make_trainer(config),
        draw,
        lambda ledgers: batches_of(ledgers, even_rewards(ledgers), GROUP, shapes, share=True),
    )


def step_row(work: Work, rounds: int) -> dict[str, Any]:
    """Medians of whole steps of ours by phase."""
    import jax

    from tpu_orch.training.timing import one_update

    trainer, found = work.trainer, list[np.ndarray]()
    trainer = trainer._replace(state=jax.tree.map(jax.numpy.copy, trainer.state))
    for number in range(rounds + 1):
        marks = [time.perf_counter()]
        ledgers = work.draw(trainer.state.params, number)
        marks.append(time.perf_counter())
        batches = work.batches(ledgers)
        marks.append(time.perf_counter())
        trainer = one_update(trainer, batches)
        jax.block_until_ready(trainer.state.params)
        marks.append(time.perf_counter())
        found.append(np.diff(marks))
    timed = np.array(found[1:])  # the first one compiles
    sampling, reward, update = np.median(timed, axis=0).tolist()
    return row_of(STEP, sampling=sampling, reward=reward, update=update, step=float(np.median(timed.sum(axis=1))))


def overlapped_row(work: Work, rounds: int) -> dict[str, Any]:
    """The median of steps whose rollouts were drawn beside the update before, with weights one step old."""
    import jax

    from tpu_orch.training.timing import one_update

    state = jax.tree.map(jax.numpy.copy, work.trainer.state)
    trainer, marks = work.trainer._replace(state=state), [time.perf_counter()]
    with ThreadPoolExecutor(1) as ahead:
        ledgers = work.draw(trainer.state.params, 0)
        for number in range(1, rounds + 2):
            old = jax.tree.map(jax.numpy.copy, trainer.state.params)  # an update donates its own
            coming = ahead.submit(work.draw, old, number)
            trainer = one_update(trainer, work.batches(ledgers))
            jax.block_until_ready(trainer.state.params)
            ledgers = coming.result()
            marks.append(time.perf_counter())
    return row_of("step, the next one's rollouts beside it", step=float(median(np.diff(marks)[1:].tolist())))


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
