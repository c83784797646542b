"""Seconds from work and the chip's figures, with the shares of its peaks that are taken to be reached.

A program takes as long as the slowest of three: its products at a share of the chip's peak, its memory traffic at a share of the
bandwidth, its collectives at a share of the links; the other two are taken to run beside it. One measured run replaces the shares
(`calibrated`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from tpu_orch.planning.slices import Slice


class Assumptions(NamedTuple):
    """Shares of the peak that are reached, and costs of the host."""

    compute: float = 0.5
    memory: float = 0.7
    network: float = 0.7
    launch: float = 1e-3
    """seconds of each call of a program that the host waits for"""
    host_link: float = 16e9
    """bytes a second between a device and the memory of its host"""


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


def calibrated(assume: Assumptions, predicted: float, observed: float) -> Assumptions:
    """The shares scaled so that a run predicted at `predicted` seconds takes the observed ones."""
    ratio = predicted / observed
    return assume._replace(compute=assume.compute * ratio, memory=assume.memory * ratio, network=assume.network * ratio)
