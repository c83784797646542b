"""A plan: what a run holds in each of its phases, whether it fits, how long a step takes and what it costs."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from models.cached_attention import KEY_CHUNK
from models.sharding import mesh_sizes
from tpu_orch.planning.abstract_devices import slice_mesh
from tpu_orch.planning.compiled import Measured, compile_program, device_bytes
from tpu_orch.planning.estimate import Assumptions
from tpu_orch.planning.formulas import context, formula_programs, host_bytes
from tpu_orch.planning.programs import Abstract, rollout_programs, training_programs
from tpu_orch.planning.setting import Setting, batch_ways
from tpu_orch.planning.slices import Slice
from tpu_orch.planning.step import Step, estimate_step
from tpu_orch.planning.workload import WorkloadOptions

LEAST = 1024  # bytes: what is less, such as a counter, is no kind of its own


class Phase(NamedTuple):
    name: str
    program: Measured
    resident: float
    """bytes of a device that lie beside the program"""

    @property
    def peak(self) -> float:
        return self.program.bytes + self.resident


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
    assume: Assumptions
    """what the step's seconds rest on"""
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
    expected = {one.name: one.collectives for one in formula_programs(setting, mesh)[0]}
    chunks = context(setting) / KEY_CHUNK
    loops: dict[str, tuple[float, ...]] = {"decode": (1.0, chunks), "prefill": (chunks,)}
    made = []
    for program in [*training, *rollout]:
        tell(f"compiling {program.name} for {where.name}")
        made.append(compile_program(program, devices, loops.get(program.name, ()), expected[program.name]))
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
    mesh = mesh_sizes(mesh, where.devices)
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
        assume,
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
        return sum((size for name, size in kept.items() if name not in program.kinds), 0.0)

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
    return {name: size for name, size in kinds.items() if size > LEAST}


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
