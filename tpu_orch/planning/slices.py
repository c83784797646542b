"""Accelerators by name: what a chip has, and how many of them a slice or a host is.

Figures are the vendors' published ones, per device as JAX counts them (a tpu7x chip is two devices); the memory of TPUs is what
their compiler lets a program have, which is a little less than what is printed on them.
"""

import math
import re
from typing import NamedTuple

from data_pipeline.errors import InputError

GIB = 2**30


class Chip(NamedTuple):
    """One device."""

    name: str
    memory: float
    """bytes that programs may use"""
    flops: float
    """bfloat16 products a second, a multiply-add counted as two"""
    bandwidth: float
    """bytes a second of its memory"""
    link: float
    """bytes a second of one link, one way"""
    axes: int
    """dimensions of the torus; 0: every device reaches every other through a switch at `link`"""
    devices: int = 1
    """that one chip counts as"""
    cores: int = 1
    """per chip, by which Google's slice names count; 1 where the name counts chips"""
    kind: str = ""
    """the device's name as libtpu gives it to JAX; empty: it holds this name in capitals"""


TPUS = {
    "v4": Chip("v4", 30.75 * GIB, 275e12, 1228e9, 45e9, 3, cores=2, kind="TPU v4"),
    "v5e": Chip("v5e", 15.75 * GIB, 197e12, 819e9, 45e9, 2, kind="TPU v5 lite"),
    "v5p": Chip("v5p", 95.73 * GIB, 459e12, 2765e9, 90e9, 3, cores=2, kind="TPU v5"),
    "v6e": Chip("v6e", 31.24 * GIB, 918e12, 1638e9, 90e9, 2, kind="TPU v6 lite"),
    "tpu7x": Chip("tpu7x", 94.74 * GIB, 1153.5e12, 3690e9, 90e9, 3, devices=2, cores=2, kind="TPU7x"),
}
GPUS = {
    "a100": Chip("a100", 79.2 * GIB, 312e12, 2039e9, 300e9, 0),
    "h100": Chip("h100", 79.2 * GIB, 989e12, 3350e9, 450e9, 0),
    "h200": Chip("h200", 139.8 * GIB, 989e12, 4800e9, 450e9, 0),
    "b200": Chip("b200", 178.0 * GIB, 2250e12, 8000e9, 900e9, 0),
}
GPUS_A_HOST = 8
NETWORK = 50e9
"""bytes a second one way of each GPU to other hosts"""
ALIASES = {"v5litepod": "v5e"}


def chip_of(device_kind: str) -> Chip | None:
    """The chip of a device that JAX found, by `jax.Device.device_kind`; None where it is none of these."""

    def is_one(chip: Chip) -> bool:
        return chip.kind == device_kind if chip.kind else chip.name.upper() in device_kind

    return next(filter(is_one, (*TPUS.values(), *GPUS.values())), None)


class Slice(NamedTuple):
    """What is rented."""

    chip: Chip
    shape: tuple[int, ...]
    """chips along each axis of the torus; (n,) for GPUs"""

    @property
    def name(self) -> str:
        return f"{self.chip.name}:{'x'.join(map(str, self.shape))}"

    @property
    def chips(self) -> int:
        return math.prod(self.shape)

    @property
    def devices(self) -> int:
        return self.chips * self.chip.devices

    @property
    def is_gpu(self) -> bool:
        return self.chip.axes == 0

    def collective_bandwidth(self, devices: int) -> float:
        """Bytes a second that each device sends or receives in a ring over `devices` of the slice, all links of its axes busy.

        A mesh axis takes as many axes of the torus as its size needs, with a link in both directions on each.
        """
        if self.is_gpu:
            return self.chip.link if devices <= GPUS_A_HOST else NETWORK
        sizes, taken, covered = sorted(self.shape, reverse=True), 0, self.chip.devices
        for size in sizes:
            if covered >= devices or size == 1:
                break
            covered *= size
            taken += 1
        return 2 * self.chip.link * max(taken, 1)


def parse_slice(text: str) -> Slice:
    """`v5p:4x4x4`, one of Google's slice names (`v5p-64`: 64 cores, so 32 chips; `v5litepod-16`), or GPUs as `h100:8`.

    Raises InputError with the known ones.
    """
    found = re.fullmatch(r"([a-z0-9]+)([:-])([0-9]+(?:x[0-9]+)*)", text.strip().lower())
    name = ALIASES.get(found[1], found[1]) if found else ""
    if found is None or name not in {**TPUS, **GPUS}:
        raise InputError(
            f"{text!r:.60} is no slice: give a topology such as v5e:4x4 or v5p:4x4x4, a slice name such as v6e-16, or GPUs such "
            f"as h100:8; known are {', '.join([*TPUS, *GPUS])}"
        )
    sizes = tuple(int(size) for size in found[3].split("x"))
    if min(sizes) < 1:
        raise InputError(f"{text!r}: every axis has at least one chip")
    if name in GPUS:
        if len(sizes) > 1:
            raise InputError(f"{text!r}: GPUs are counted by one number, as {name}:8")
        return Slice(GPUS[name], sizes)
    chip = TPUS[name]
    if found[2] == ":":
        if len(sizes) != chip.axes:
            raise InputError(f"{text!r}: a {name} slice has {chip.axes} axes, as {name}:{'x'.join('2' * chip.axes)}")
        return Slice(chip, sizes)
    if len(sizes) > 1:
        raise InputError(f"{text!r}: a slice name ends in one number; a topology is written {name}:{found[3]}")
    if sizes[0] % chip.cores:
        raise InputError(f"{text!r}: {name} slices are named by their cores, {chip.cores} a chip")
    return Slice(chip, usual_shape(sizes[0] // chip.cores, chip.axes))


def usual_shape(chips: int, axes: int) -> tuple[int, ...]:
    """The shape that a slice of so many chips has unless asked otherwise: 32 chips are 2x4x4 or 4x8.

    Raises InputError where there is no such slice.
    """
    shape = [2, 2, 1] if axes == 3 else [1] * axes
    if axes == 3 and chips < 4:
        shape = [1, 1, 1]
    while math.prod(shape) < chips:
        smallest = min(shape)
        place = axes - 1 - shape[::-1].index(smallest)
        shape[place] *= 2
    if math.prod(shape) != chips:
        raise InputError(f"there is no slice of {chips} chips: the number is a power of two; give a topology instead")
    return tuple(shape)
