"""`tpu-orch bench rollout`: tokens a second of the rollout engine, single-turn and with tools, beside the machine's ceiling."""

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import tyro

from data_pipeline.errors import InputError
from tpu_orch.cli.peers import measured as measured_peers
from tpu_orch.reports.bench import Goal, report

PEERS = {"torch": "rollout_speed.py", "tunix": "rollout_speed_of_tunix.py"}
"""By the module that an interpreter must have."""


@dataclass(frozen=True)
class Args:
    """Measures the engine on a model of 5 million random weights (4 layers of width 256, 4096 tokens).

    Single turn: 32 prompts of 64 tokens, 128 new tokens each. With tools: 4 prompts of 8 rollouts, 3 turns each that share 128
    new tokens, results of 16 to 200 bytes, every continuation drawn at random; and the same work with the cache dropped
    between turns. Long prompts: the same with prompts of 1,024 tokens, as tool schemas make them; with a copy of its prompt in
    every row, and with one copy for a group. Programs are compiled before; what is compiled while measuring is counted.
    It does not measure the quality of text.
    """

    rounds: int = 5
    """Times that each side is measured, in turn; medians are given."""

    peers: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PYTHON ...")] = ()
    """Interpreters that have torch and transformers, or google-tunix: their generate and its sampler are measured in the same
    rounds (from a checkout)."""

    limits: bool = False
    """Instead: decoding and prefill at 5 and 50 million weights beside what products, attention and drawing take alone."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.rounds < 1:
        raise InputError("--rounds must be 1 or more")
    from tpu_orch.engine.compilations import Compilations
    from tpu_orch.engine.limits import pieces
    from tpu_orch.engine.policy import LANE_ROWS
    from tpu_orch.engine.workloads import EPISODES, NEW, PROMPT, model, sides
    from tpu_orch.runs.machine import core_count
    from tpu_orch.trainer.platform import prepare_platform

    prepare_platform()
    if args.limits:
        return limits_alone(args)
    print("compiling", file=sys.stderr)
    with Compilations() as before:
        measured, products = sides(), pieces(*model(), LANE_ROWS, 1, PROMPT + NEW // 2)[0]
        for side in measured.values():
            side()
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in measured}
    limits: list[float] = []
    peers: dict[str, list[float]] = {}
    with Compilations() as after:
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
            limits.append(core_count() * LANE_ROWS / products.seconds())
            for name, side in measured.items():
                rows[name].append(side())
            for python in args.peers:
                for name, speed in measured_peers(python, PEERS, (EPISODES, PROMPT, NEW)).items():
                    peers.setdefault(name, []).append(speed)
    medians = {name: {key: median(one[key] for one in found) for key in found[0]} for name, found in rows.items()}
    table: list[dict[str, Any]] = [{"side": name, **values} for name, values in medians.items()]
    blank = dict.fromkeys(table[0], "")
    table.append({**blank, "side": "products alone: the ceiling of decoding", "sampled/s": median(limits)})
    table += [{**blank, "side": name, "sampled/s": median(speeds)} for name, speeds in peers.items()]
    print(f"{before.count} programs compiled in {before.seconds:.1f} s before the rounds, {after.count} during them")
    report("rollout", table, goals(medians, peers, after.count), args.json)
    return 0


def limits_alone(args: Args) -> int:
    """Medians of the shares of a step, for both sizes."""
    from tpu_orch.engine.workloads import SIZES, shares

    table: list[dict[str, Any]] = []
    for size in SIZES:
        print(f"compiling {size}", file=sys.stderr)
        measured = shares(size)
        rounds = [measured() for _ in range(args.rounds)]
        for row in zip(*rounds, strict=True):
            table.append({**row[0], **{key: median(one[key] for one in row) for key in ("ms a step", "share")}})
    report("rollout limits", table, [], args.json)
    return 0


def goals(medians: dict[str, dict[str, float]], peers: dict[str, list[float]], compiled: int) -> list[Goal]:
    """What the design promises of these figures."""
    single, tools, long, shared = (
        medians[name] for name in ("single turn", "with tools", "long prompts", "long prompts, shared")
    )
    again = {name: medians[f"{name}, cache dropped"]["seconds"] for name in ("with tools", "long prompts")}
    found = [
        Goal("programs compiled while measuring", compiled, 0, at_most=True),
        Goal("with tools over single turn, sampled and fed tokens/s", tools["with fed/s"] / single["with fed/s"], 0.7),
        Goal("cache kept over cache dropped, prompts of 64", again["with tools"] / tools["seconds"], 3.0),
        Goal("the same, prompts of 1,024", again["long prompts"] / long["seconds"], 3.0),
        Goal("the same, prompts of 1,024 shared", again["long prompts"] / shared["seconds"], 3.0),
        Goal("shared prompt over private copies, time", long["seconds"] / shared["seconds"], 1.0),
        Goal("shared prompt over private copies, memory", long["cache MB"] / shared["cache MB"], 1.5),
        Goal("167 s of Tunix's agentic path over the step with tools", 167 / tools["seconds"], 30),
    ]
    if peers:
        best = max(peers, key=lambda name: median(peers[name]))
        found.append(Goal(f"single turn over {best}", single["sampled/s"] / median(peers[best]), 1.5))
    return found
