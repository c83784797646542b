"""What a program really takes on this machine, beside what its plan says: peak memory and seconds."""

import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tpu_orch.planning.programs import Program

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # what Linux takes as: forget the highest resident size so far


class Observed(NamedTuple):
    predicted_bytes: float
    """arguments, new outputs and temporaries, as the compiler tells them"""
    observed_bytes: float
    """by how much the process grew at most, from before its arguments were made"""
    seconds: float
    """median of the calls after the first"""


def observe(program: Program, mesh: jax.sharding.Mesh, rounds: int) -> Observed:
    """Compiles a program of `training_programs` for this machine's CPU and calls it on zeros.

    Raises OSError on systems without Linux' /proc.
    """
    trace: Any = program.trace
    with jax.set_mesh(mesh):
        made = trace().lower().compile()
        memory = made.memory_analysis()
        before = resident("VmRSS")
        CLEAR.write_text(RESET_PEAK)
        params, sums, batch = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), trace.args)
        times = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            sums = jax.block_until_ready(made(params, sums, batch))  # donated, as in a step
            times.append(time.perf_counter() - began)
        grown = resident("VmHWM") - before
    fresh = memory.output_size_in_bytes - memory.alias_size_in_bytes
    predicted = memory.argument_size_in_bytes + fresh + memory.temp_size_in_bytes
    return Observed(float(predicted), float(grown), median(times[1:]))


def resident(name: str) -> int:
    """Bytes of this process in memory: VmRSS now, VmHWM at most since the peak was reset."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
