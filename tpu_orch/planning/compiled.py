"""One program compiled: what it needs of each device, or by how much it does not fit."""

import re
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from data_pipeline.errors import WorkFailed, first_line
from tpu_orch.planning.collectives import Collective, collectives
from tpu_orch.planning.flops import matmul_flops
from tpu_orch.planning.programs import Program

UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "": 1}
AMOUNT = r"([0-9.]+)([KMGT]?)i?B?"
OVER_FULL = (
    re.compile(rf"\({AMOUNT}\) exceeds available HBM \({AMOUNT}\)"),
    re.compile(rf"Used {AMOUNT} of {AMOUNT} hbm", re.IGNORECASE),
)


class Measured(NamedTuple):
    """What the compiler says of a program; bytes are of one device."""

    name: str
    arguments: float
    outputs: float
    """beside what is written into arguments"""
    temporaries: float
    code: float
    flops: float
    """of matrix products, over all devices"""
    collectives: tuple[Collective, ...]
    kinds: dict[str, float]
    """bytes of its arguments, by what they are"""
    seconds: float
    """that compiling took"""
    available: float | None = None
    """memory that the compiler has for a program; told only where it does not fit"""
    told: bool = True
    """whether the collectives are the compiler's own; else by formula"""

    @property
    def fits(self) -> bool:
        """by itself; other things may lie beside it"""
        return self.available is None

    @property
    def bytes(self) -> float:
        return float(self.arguments + self.outputs + self.temporaries + self.code)


def compile_program(
    program: Program, mesh: jax.sharding.Mesh, turns: tuple[float, ...] = (), expected: tuple[Collective, ...] = ()
) -> Measured:
    """Compiles a program for the mesh; one that is too large is measured by what the compiler's message says.

    Args:
      turns: of loops that end by what they compute, outermost first.
      expected: its collectives by formula, for where the compiler does not tell them.
    Raises:
      WorkFailed: the compiler refused it for another reason.
    """
    began = time.perf_counter()
    kinds = {name: device_bytes(tree) for name, tree in program.kinds.items()}
    # As `train` sets it: products of float32 stay products of float32.
    with jax.set_mesh(mesh), jax.default_matmul_precision("highest"):
        traced = program.trace()
        flops = matmul_flops(traced.jaxpr, turns).total
        lowered = traced.lower()
        try:
            made = lowered.compile()
        except jax.errors.JaxRuntimeError as error:
            needed, available = over_full(str(error)) or _refused(program.name, error)
            arguments = sum(kinds.values(), 0.0)
            return Measured(
                program.name,
                arguments,
                0.0,
                max(needed - arguments, 0.0),
                0.0,
                flops,
                expected,
                kinds,
                time.perf_counter() - began,
                available,
                told=False,
            )
    memory, text = made.memory_analysis(), text_of(made)
    spent = time.perf_counter() - began
    return Measured(
        program.name,
        float(memory.argument_size_in_bytes),
        float(memory.output_size_in_bytes - memory.alias_size_in_bytes),
        float(memory.temp_size_in_bytes),
        float(memory.generated_code_size_in_bytes),
        flops,
        expected if text is None else tuple(collectives(text, mesh.size, turns)),
        kinds,
        spent,
        told=text is not None,
    )


def text_of(made: jax.stages.Compiled) -> str | None:
    """The program's HLO; None where a libtpu newer than jaxlib writes what the latter cannot read."""
    try:
        return made.as_text()
    except jax.errors.JaxRuntimeError:
        return None


def _refused(name: str, error: Exception) -> tuple[float, float]:
    raise WorkFailed(f"program {name}: the compiler refused it: {first_line(error):.300}")


def over_full(message: str) -> tuple[float, float] | None:
    """Bytes needed and available, from the message of a program that does not fit; None if it says something else."""
    for pattern in OVER_FULL:
        found = pattern.search(message)
        if found:
            needed, unit, available, other = found.groups()
            return float(needed) * UNITS[unit], float(available) * UNITS[other]
    return None


def device_bytes(tree: Any) -> float:
    """Bytes of one device that abstract arrays take there, by their shardings; what lies in host memory takes none."""

    def of(leaf: jax.ShapeDtypeStruct) -> float:
        sharding = leaf.sharding
        if sharding is None:
            return float(np.prod(leaf.shape) * leaf.dtype.itemsize)
        if sharding.memory_kind == "pinned_host":
            return 0.0
        return float(np.prod(sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize)

    return sum((of(leaf) for leaf in jax.tree.leaves(tree)), 0.0)
