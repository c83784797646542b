"""Seconds from work and the chip's figures, with the shares of its peaks that are taken to be reached.

A program takes as long as the slowest of three: its products at a share of the chip's peak, its memory traffic at a share of the
bandwidth, its collectives at a share of the links; the other two are taken to run beside it. Where a run has been measured, give
the shares that it reached.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tpu_orch.planning.slices import Slice


@dataclass(frozen=True)
class Assumptions:
    """What programs reach of a chip's published figures, and costs of the host."""

    compute: float = 0.5
    """Share of the peak of matrix products."""
    memory: float = 0.7
    """Share of the memory's bandwidth."""
    network: float = 0.7
    """Share of the links between chips."""
    launch: float = 1e-3
    """Seconds of each call of a program that the host waits for."""
    host_link: float = 16e9
    """Bytes a second between a device and the memory of its host."""


class Work(NamedTuple):
    """Of one call of a program."""

    flops: float
    """over all devices"""
    memory: float
    """bytes that each device reads and writes"""
    network: Mapping[int, float]
    """bytes that each device sends, by the size of the ring"""


class Seconds(NamedTuple):
    compute: float
    memory: float
    network: float

    @property
    def total(self) -> float:
        return max(self)

    @property
    def bound(self) -> str:
        """what takes longest"""
        return self._fields[self.index(max(self))]


def seconds(work: Work, where: Slice, assume: Assumptions) -> Seconds:
    """Of one call on a slice."""
    sent = sum(size / where.collective_bandwidth(ring) for ring, size in work.network.items())
    return Seconds(
        work.flops / where.devices / where.chip.flops / assume.compute,
        work.memory / where.chip.bandwidth / assume.memory,
        sent / assume.network,
    )
