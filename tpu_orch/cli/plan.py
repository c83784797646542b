"""`tpu-orch plan`: will it fit, how fast, what does it cost, before a slice is rented."""

import dataclasses
import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.table import Table

from data_pipeline.errors import InputError
from data_pipeline.formats.rows import write_document
from data_pipeline.jsontext import spaced_json
from models.sharding import MESH_AXES
from tpu_orch.cli.outputs import check_outputs
from tpu_orch.config import RunConfig
from tpu_orch.planning import abstract_devices
from tpu_orch.planning.estimate import Assumptions
from tpu_orch.planning.plan import make_plan
from tpu_orch.planning.search import Found, best, search
from tpu_orch.planning.setting import make_setting
from tpu_orch.planning.show import gib, plan_json, print_plan
from tpu_orch.planning.slices import parse_slice
from tpu_orch.planning.workload import WorkloadOptions
from tpu_orch.presets import find_preset
from tpu_orch.reports.messages import say
from tpu_orch.reports.terminal import terminal

Sound = Callable[[float], bool]
SIZES = ("micro_tokens", "rows", "capacity", "prompts", "group", "workload.prompt_tokens")
AMOUNTS = ("lora", "price", "workload.tool_ms", "workload.tool_wait_ms", "assume.launch")
LENGTHS = ("turn_p50", "turn_p95", "response_p50", "response_p95", "characters_a_token")
SHARES = ("assume.compute", "assume.memory", "assume.network")
EXPECTED: list[tuple[str, str, Sound]] = [
    *((name, "1 or more", lambda value: value >= 1) for name in SIZES),
    *((name, "0 or more", lambda value: value >= 0) for name in AMOUNTS),
    *((f"workload.{name}", "a number above 0", lambda value: value > 0) for name in LENGTHS),
    *((name, "a share above 0 and at most 1", lambda value: 0 < value <= 1) for name in SHARES),
    ("workload.calls", "a number of calls, or -1", lambda value: value >= -1),
    ("assume.host_link", "a number above 0", lambda value: value > 0),
]
"""Of options that are numbers: what is expected of them."""


@dataclass(frozen=True)
class Args:
    """Compiles the real programs of a run (update, reshard, prefill, decode) for a TPU slice that you do not have, and tells
    whether they fit, by how much, and about how long a step takes. For GPUs the same by formula.

    Sizes come from a preset; --model puts a released model in its place. Times are estimates, under --assume,
    and rollouts are simulated with the lengths under --workload. Exits 1 if it does not fit.

    For example: tpu-orch plan --model qwen3-8b --topology v5p:4x4x4 --mesh fsdp=16,model=4
    """

    topology: Annotated[str, tyro.conf.arg(metavar="SLICE")]
    """v5e:4x4, v5p:4x4x4, a slice name such as v5p-64 or v6e-16 (v4, v5e, v5p, v6e, tpu7x), or GPUs: h100:8, a100:8."""

    model: str | None = None
    """A released model, such as qwen3-8b or llama-3.1-8b; left out: the preset's own."""

    mesh: Annotated[str | None, tyro.conf.arg(metavar="AXES")] = None
    """Devices along data, fsdp, model and sequence, as fsdp=16,model=4; -1: those that are left. Left out: fsdp=-1."""

    preset: str = "qwen3-8b-tier"
    """Where all other sizes come from."""

    micro_tokens: int | None = None
    """Tokens of a micro-batch of the update, instead of the preset's."""
    rows: int | None = None
    """Rollouts that are drawn at one time, instead of the preset's."""
    capacity: int | None = None
    """Tokens of a rollout, instead of the preset's."""
    prompts: int | None = None
    """Tasks of a step, instead of the preset's."""
    group: int | None = None
    """Rollouts of a task, instead of the preset's."""
    lora: int = 0
    """Rank of adapters; 0: all weights are trained."""
    optimizer_on_host: bool | None = None
    """Keep moments in the host's memory, instead of as the preset does."""

    search: bool = False
    """Rank all meshes and four sizes of micro-batch by formula, then compile the best three."""
    formula: bool = False
    """Formulas alone, nothing compiled."""
    price: float = 0.0
    """Of a chip-hour, in any currency."""
    workload: WorkloadOptions = field(default_factory=WorkloadOptions)
    assume: Assumptions = field(default_factory=Assumptions)
    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where everything is written as one object (--search: a list, best first)."""


def run(args: Args) -> int:
    check(args)
    where, mesh = parse_slice(args.topology), parse_mesh("fsdp=-1" if args.mesh is None else args.mesh)
    jax.config.update("jax_platforms", "cpu")  # nothing runs on an accelerator, also where there is one
    compiles = not (args.formula or where.is_gpu)
    if compiles and not abstract_devices.has_libtpu():
        raise InputError(f"{abstract_devices.INSTALL}; --formula plans without it")
    if compiles and (other := abstract_devices.other_libtpu()):
        say(other)
    setting = make_setting(configured(args), args.model, args.lora)
    console = terminal(width=None if sys.stdout.isatty() else 120, highlight=False)
    wanted = [(setting, mesh)]
    if args.search:
        found = search(setting, where, args.workload, args.assume)
        if not found:
            raise InputError(f"no mesh over {where.devices} devices divides the model")
        console.print(ranking(found[:12], where.name))
        wanted = [(one, plan.mesh) for one, plan in best(found, 3)]
    plans = []
    for one, mesh in wanted:
        plan = make_plan(
            one,
            where,
            mesh,
            compiles=compiles,
            workload=args.workload,
            assume=args.assume,
            tell=say,
        )
        plans.append(plan)
        print_plan(plan, args.price, console)
    if args.json is not None:
        made = [plan_json(plan, args.price) for plan in plans]
        write_document(args.json, spaced_json(made if args.search else made[0]).encode() + b"\n")
    return 0 if any(plan.fits for plan in plans) else 1


def check(args: Args) -> None:
    """Raises InputError for a number that makes no sense, naming its option, and for a file that cannot be written."""
    for name, says, sound in EXPECTED:
        value = attrgetter(name)(args)
        if value is not None and not (math.isfinite(value) and sound(value)):
            raise InputError(f"{_option(name)} {value:g}: give {says}")
    for name in ("workload.turn", "workload.response"):
        low, high = (attrgetter(f"{name}_{part}")(args) for part in ("p50", "p95"))
        if low > high:
            raise InputError(f"{_option(name)}-p50 {low:g}: give at most {_option(name)}-p95, which is {high:g}")
    if args.search and args.mesh is not None:
        raise InputError(f"--search tries every mesh: leave out --mesh {args.mesh!r:.60}")
    check_outputs([("--json", args.json)], ())


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def configured(args: Args) -> RunConfig:
    """The preset's configuration with what the options change."""
    run = find_preset(args.preset).config()

    def changes(**given: Any) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value is not None}

    engine = dataclasses.replace(run.engine, **changes(rows=args.rows, capacity=args.capacity))
    trainer = dataclasses.replace(run.trainer, **changes(prompts=args.prompts, group=args.group))
    asked = changes(micro_tokens=args.micro_tokens, optimizer_on_host=args.optimizer_on_host)
    return dataclasses.replace(run, engine=engine, trainer=trainer, **asked)


def parse_mesh(text: str) -> dict[str, int]:
    """fsdp=16,model=4 -> sizes. Raises InputError."""
    sizes: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        axis, _, size = part.partition("=")
        if axis not in MESH_AXES or axis in sizes or not re.fullmatch(r"-1|[1-9][0-9]{0,8}", size):
            raise InputError(f"--mesh {text!r:.60}: give axes as fsdp=16,model=4; they are {', '.join(MESH_AXES)}")
        sizes[axis] = int(size)
    return sizes


def ranking(found: Sequence[Found], name: str) -> Table:
    """The best by formula."""
    table = Table("data", "fsdp", "model", "micro-batch", "peak GiB", "of", "step s", title=f"{name} by formula")
    for setting, plan in found:
        shape = setting.micro_batch(plan.mesh)
        axes = [str(plan.mesh[axis]) for axis in ("data", "fsdp", "model")]
        table.add_row(
            *axes,
            f"{shape.rows} x {shape.tokens}",
            gib(plan.peak.peak),
            gib(plan.memory),
            f"{plan.step.seconds['total']:.3g}",
        )
    return table
