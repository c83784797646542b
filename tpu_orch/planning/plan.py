"""A plan: what a run holds in each of its phases, whether it fits, how long a step takes and what it costs."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from models.cached_attention import KEY_CHUNK
from tpu_orch.planning.abstract_devices import slice_mesh
from tpu_orch.planning.collectives import bytes_by_ring
from tpu_orch.planning.compiled import Measured, compile_program, device_bytes
from tpu_orch.planning.estimate import Assumptions, Seconds, Work, seconds
from tpu_orch.planning.formulas import context, formula_programs, host_bytes, useful_flops
from tpu_orch.planning.programs import Abstract, rollout_programs, training_programs
from tpu_orch.planning.setting import Setting, batch_ways, full_mesh
from tpu_orch.planning.simulate import Costs, Places, Simulated, simulate
from tpu_orch.planning.slices import Slice
from tpu_orch.planning.workload import WorkloadOptions, draw_lengths

LOGITS_PASSES = 6  # times that the logits of a step are read or written until a token is drawn


class Phase(NamedTuple):
    name: str
    program: Measured
    resident: float
    """bytes of a device that lie beside the program"""

    @property
    def peak(self) -> float:
        return self.program.bytes + self.resident


class Step(NamedTuple):
    """Of training, by estimate."""

    seconds: dict[str, float]
    """rollout, reshard, update, apply, total"""
    bounds: dict[str, str]
    """what each program waits for"""
    micro_batches: int
    simulated: Simulated
    tokens_per_s: float
    """drawn, over the whole step"""
    rollout_tokens_per_s: float
    mfu: float
    """of the update: useful products over the chips' peak"""


class Plan(NamedTuple):
    where: Slice
    mesh: dict[str, int]
    setting: Setting
    compiled: bool
    """by the compiler; else by formula"""
    phases: list[Phase]
    kinds: dict[str, float]
    """bytes of a device, by what they are"""
    step: Step
    checkpoint: float
    """bytes, over all devices"""
    largest: dict[str, int]
    """engine.rows, engine.capacity and micro_tokens that would fit, by the share of memory that they take now"""

    @property
    def memory(self) -> float:
        """bytes of a device that programs may use"""
        told = [phase.program.available for phase in self.phases if phase.program.available]
        return min([*told, self.where.chip.memory])

    @property
    def peak(self) -> Phase:
        return max(self.phases, key=lambda phase: phase.peak)

    @property
    def fits(self) -> bool:
        return self.peak.peak <= self.memory and all(phase.program.fits for phase in self.phases)


def compiled_programs(
    setting: Setting, where: Slice, mesh: Mapping[str, int], tell: Callable[[str], None]
) -> tuple[list[Measured], Abstract]:
    """Every program compiled for the slice. Raises InputError, ConfigError or WorkFailed."""
    devices = slice_mesh(where, mesh)
    training, held = training_programs(setting, devices)
    rollout, held = rollout_programs(setting, devices, held)
    chunks = context(setting) / KEY_CHUNK
    made = []
    for program in [*training, *rollout]:
        tell(f"compiling {program.name} for {where.name}")
        made.append(
            compile_program(program, devices, {"decode": (1.0, chunks), "prefill": (chunks,)}.get(program.name, ()))
        )
    return made, held


def make_plan(
    setting: Setting,
    where: Slice,
    mesh: Mapping[str, int],
    *,
    compiles: bool,
    workload: WorkloadOptions,
    assume: Assumptions,
    tell: Callable[[str], None] = lambda _: None,
) -> Plan:
    """The plan of a setting on a slice.

    Args:
      mesh: sizes of the mesh's axes; one may be -1.
      compiles: ask the compiler; else formulas alone.
    """
    mesh = full_mesh(mesh, where.devices)
    made, held = compiled_programs(setting, where, mesh, tell) if compiles else formula_programs(setting, mesh)
    phases = phases_of(setting, made, held)
    kinds = kinds_of(made, held)
    memory = min([where.chip.memory, *(one.available for one in made if one.available)])
    return Plan(
        where,
        mesh,
        setting,
        compiles,
        phases,
        kinds,
        estimate_step(setting, where, mesh, made, held, workload, assume),
        sum(float(np.prod(leaf.shape) * leaf.dtype.itemsize) for leaf in jax.tree.leaves(held.state)),
        largest(setting, mesh, phases, kinds, memory),
    )


def phases_of(setting: Setting, made: Sequence[Measured], held: Abstract) -> list[Phase]:
    """Each program with what lies beside it: what the run keeps and the program is not given."""
    kept = {
        "weights": device_bytes(held.state.params),
        "optimiser": device_bytes(held.state.opt_state),
        "frozen weights": device_bytes(held.frozen),
        "reference": device_bytes(held.state.params) if setting.run.trainer.kl and held.frozen is None else 0.0,
    }

    def beside(program: Measured) -> float:
        return sum(size for name, size in kept.items() if name not in program.kinds)

    phases = []
    for program in made:
        resident = beside(program)
        if program.name == "reshard" and held.frozen is not None:  # its argument is the frozen base
            resident -= kept["frozen weights"]
            resident += kept["weights"]
        phases.append(Phase(program.name, program, resident))
    return phases


def kinds_of(made: Sequence[Measured], held: Abstract) -> dict[str, float]:
    """Bytes a device of everything that a run ever holds; activations are the temporaries of the update."""
    kinds: dict[str, float] = {"weights": device_bytes(held.state.params)}
    if held.frozen is not None:
        kinds["frozen weights"] = device_bytes(held.frozen)
    kinds |= {
        "optimiser": device_bytes(held.state.opt_state),
        "optimiser on host": host_bytes(held.state.opt_state),
        "gradients": device_bytes(held.sums.gradients),
        "rollout weights": device_bytes(held.rollout_weights),
        "cache": device_bytes(held.slots.cache),
        "activations": next(one.temporaries for one in made if one.name == "update"),
    }
    return {name: size for name, size in kinds.items() if size}


def largest(
    setting: Setting, mesh: Mapping[str, int], phases: Sequence[Phase], kinds: Mapping[str, float], memory: float
) -> dict[str, int]:
    """What would fit if all of one thing's memory grew in proportion: a first guess, to be planned in its turn."""
    by_name = {phase.name: phase for phase in phases}
    decode = max(by_name["decode"], by_name["prefill"], key=lambda phase: phase.peak)
    update = by_name["update"]
    rows, options = setting.engine_rows(mesh), setting.run.engine
    ways = batch_ways(mesh)
    cache = kinds["cache"]
    of_rows = cache + decode.program.kinds.get("logits", 0.0) + decode.program.temporaries
    shape = setting.micro_batch(mesh)
    activations = update.program.temporaries
    return {
        "engine.rows": max(int(rows / ways * (memory - decode.peak + of_rows) / of_rows), 0) * ways,
        "engine.capacity": max(int(options.capacity * (memory - decode.peak + cache) / cache), 0),
        "micro_tokens": max(int(shape.rows * shape.tokens * (memory - update.peak + activations) / activations), 0),
    }


def work_of(program: Measured, held: Abstract, setting: Setting, mesh: Mapping[str, int]) -> Work:
    """What one call of a program does; decode: one token."""
    memory = program.arguments + program.outputs
    if program.name in ("prefill", "decode"):
        size = jnp.dtype(setting.model.dtype).itemsize
        rows = setting.engine_rows(mesh) / batch_ways(mesh)
        model = setting.model
        logits = rows * model.vocab_size * 4 / (mesh["model"] if program.name == "prefill" else 1)
        token = 2 * model.layers * model.kv_heads * model.head_dim * size
        split = mesh["model"] if model.kv_heads % mesh["model"] == 0 else 1
        memory = device_bytes(held.rollout_weights) + rows * context(setting) * token / split + LOGITS_PASSES * logits
    return Work(program.flops, memory, bytes_by_ring(program.collectives))


def estimate_step(
    setting: Setting,
    where: Slice,
    mesh: Mapping[str, int],
    made: Sequence[Measured],
    held: Abstract,
    workload: WorkloadOptions,
    assume: Assumptions,
) -> Step:
    """Seconds of a step: rollouts simulated with the programs' estimated costs, then the update."""
    run = setting.run
    took: dict[str, Seconds] = {one.name: seconds(work_of(one, held, setting, mesh), where, assume) for one in made}
    fetched = 2 * host_bytes(held.state.opt_state) / assume.host_link
    costs = linear_costs(took, setting, where, mesh, workload, assume)
    episodes = draw_lengths(workload, run.trainer.prompts, run.trainer.group, run.result_limit, run.seed)
    rows = setting.engine_rows(mesh)
    played = simulate(episodes, run.engine, Places(1, rows, rows), costs)
    shape = setting.micro_batch(mesh)
    trained = played.sampled + (
        played.fed if not run.trainer.share_prompts else played.fed - _spared(setting, workload)
    )
    batches = max(-(-trained // (shape.rows * shape.tokens)), 1)
    spent = {
        "rollout": played.seconds,
        "reshard": took["reshard"].total + assume.launch,
        "update": batches * (took["update"].total + assume.launch),
        "apply": took["apply"].total + fetched + assume.launch,
    }
    spent["total"] = sum(spent.values())
    useful = useful_flops(setting.model, batches * shape.rows * shape.tokens, shape.tokens)
    return Step(
        spent,
        {name: one.bound for name, one in took.items()},
        batches,
        played,
        played.sampled / spent["total"],
        played.sampled / spent["rollout"],
        useful / (spent["update"] + spent["apply"]) / where.devices / where.chip.flops,
    )


def _spared(setting: Setting, workload: WorkloadOptions) -> int:
    """Prompt tokens that an update need not read again, as groups share a prompt where it is most of a row."""
    trainer = setting.run.trainer
    if 2 * workload.prompt_tokens < setting.run.engine.capacity:
        return 0
    return trainer.prompts * (trainer.group - 1) * workload.prompt_tokens


def linear_costs(
    took: Mapping[str, Seconds],
    setting: Setting,
    where: Slice,
    mesh: Mapping[str, int],
    workload: WorkloadOptions,
    assume: Assumptions,
) -> Costs:
    """The costs of feeding and drawing as a line in the longest row's tokens, through the estimate at half of the capacity."""
    model, middle = setting.model, context(setting)
    rows = setting.engine_rows(mesh) / batch_ways(mesh)
    split = mesh["model"] if model.kv_heads % mesh["model"] == 0 else 1
    token = 2 * model.layers * model.kv_heads * model.head_dim * jnp.dtype(model.dtype).itemsize * rows / split
    read = token / where.chip.bandwidth / assume.memory
    attended = 4.0 * model.layers * model.heads * model.head_dim * setting.engine_rows(mesh)
    multiplied = attended / where.devices / where.chip.flops / assume.compute

    def line(total: float, tokens: int) -> tuple[float, float]:
        slope = min(max(read, multiplied * tokens), total / middle)
        return total - slope * middle, slope

    feed, feed_token = line(took["prefill"].total, setting.run.engine.chunk)
    step, step_token = line(took["decode"].total, 1)
    return Costs(
        feed + assume.launch,
        feed_token,
        step,
        step_token,
        2 * assume.launch,
        workload.tool_ms / 1e3,
        workload.tool_wait_ms / 1e3,
    )
