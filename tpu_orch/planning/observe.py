"""What a program really takes on this machine, beside what its plan says: peak memory and seconds.

XLA's CPU compiler tells arguments, outputs and temporaries. What the products' kernels allocate while they run it does not tell:
of those, the gradients of attention are the largest, and are added here from the compiled text.
"""

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tpu_orch.planning.collectives import ARRAY, SIZES, computations
from tpu_orch.planning.programs import Program
from tpu_orch.reports.turns import medians_in_turn, seconds_of

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # what Linux takes as: forget the highest resident size so far
EXACT = {"GLIBC_TUNABLES": "", "MALLOC_PERTURB_": "85", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
"""Environment in which resident memory is what is allocated: glibc touches every page at once, and gives it back at once."""
CALLS = 3  # whose peaks are taken, of which the median is given
AT_ONCE = 2
"""Products of the largest kind that run at one time: keys' and values' gradients are made side by side."""
IN_FLIGHT = 3 * 256
"""Places of a contraction that are packed at one time: Eigen cuts it into slices of about 256, and is at some three of them
(jaxlib 0.10.2 on two cores; read off the peaks of five shapes, with contractions of 256 to 2,048 places)."""
MADE = re.compile(r"^\s*(?:ROOT )?%([\w.\-]+) = ([a-z]+[0-9]+\[[0-9,]*\])")
PAIR = re.compile(r" dot\(%([\w.\-]+), %([\w.\-]+)\)")
CONTRACTED = re.compile(r"lhs_contracting_dims=\{([0-9]+)\}")


class Observed(NamedTuple):
    predicted_bytes: float
    """arguments, new outputs, temporaries, and what the kernels allocate"""
    observed_bytes: float
    """by how much the process grew at most, from before its arguments were made"""


def observe_memory(program: Program, mesh: jax.sharding.Mesh) -> Observed:
    """Calls a program of `training_programs` on zeros; of a process that was started in the environment EXACT.

    Raises OSError on systems without Linux' /proc.
    """
    trace: Any = program.trace
    with jax.set_mesh(mesh):
        made = trace().lower().compile()
        _call(made, *_zeros(trace.args))  # libraries and small programs are loaded now
        before = _settled()
        params, sums, batch = _zeros(trace.args)
        peaks = []
        for _ in range(CALLS):
            _settled()
            CLEAR.write_text(RESET_PEAK)
            sums = _call(made, params, sums, batch)
            peaks.append(resident("VmHWM") - before)
    memory = made.memory_analysis()
    fresh = memory.output_size_in_bytes - memory.alias_size_in_bytes
    told = memory.argument_size_in_bytes + fresh + memory.temp_size_in_bytes
    return Observed(float(told + kernel_bytes(made.as_text())), float(median(peaks)))


def observe_seconds(programs: Sequence[Program], mesh: jax.sharding.Mesh, rounds: int) -> list[float]:
    """Median seconds of each program's calls after the first. They take turns: what slows the machine for a while slows all."""
    with jax.set_mesh(mesh):
        sides = {str(number): partial(seconds_of, _caller(program)) for number, program in enumerate(programs)}
        return list(medians_in_turn(sides, rounds).values())


def _caller(program: Program) -> Callable[[], None]:
    """Calls it on zeros, and after that on the sums of the call before."""
    trace: Any = program.trace
    made = trace().lower().compile()
    params, sums, batch = _zeros(trace.args)

    def once() -> None:
        nonlocal sums
        sums = _call(made, params, sums, batch)

    return once


def _zeros(arguments: Any) -> Any:
    return jax.block_until_ready(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), arguments))


def _call(made: jax.stages.Compiled, params: Any, sums: Any, batch: Any) -> Any:
    """New sums; the old ones are donated, as in a step."""
    return jax.block_until_ready(made(params, sums, batch))


def _settled() -> int:
    """Bytes in memory once they stay the same: a call's temporaries are given back by another thread, after it."""
    now, earlier = resident("VmRSS"), -1
    while now != earlier:
        time.sleep(0.2)
        now, earlier = resident("VmRSS"), now
    return now


def kernel_bytes(hlo: str) -> int:
    """What the kernels of a program compiled for a CPU allocate at most beside its temporaries.

    A product of many pairs of matrices starts all of them, and each packs both of its sides, slice by slice of what they share.
    """
    lines = [line for body in computations(hlo)[0].values() for line in body]
    shapes = {made[1]: ARRAY.findall(made[2])[0] for line in lines if (made := MADE.match(line))}
    largest = max((_packed(line, shapes) for line in lines if "lhs_batch_dims" in line), default=(0, 1))
    return int(AT_ONCE * largest[0] * min(1.0, IN_FLIGHT / largest[1]))


def _packed(line: str, shapes: Mapping[str, tuple[str, str]]) -> tuple[int, int]:
    """(bytes of both sides of a product, places that it contracts)"""
    pair, contracted = PAIR.search(line), CONTRACTED.search(line)
    if pair is None or contracted is None:
        return 0, 1
    return _bytes(*shapes[pair[1]]) + _bytes(*shapes[pair[2]]), _dims(shapes[pair[1]][1])[int(contracted[1])]


def _dims(shape: str) -> list[int]:
    return list(map(int, re.findall("[0-9]+", shape)))


def _bytes(kind: str, shape: str) -> int:
    return math.prod(_dims(shape)) * SIZES.get(kind, 1)


def resident(name: str) -> int:
    """Bytes of this process in memory: VmRSS now, VmHWM at most since the peak was reset."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
