"""The machine: its cores, its processor, and all in one line, so that a figure says where it was measured; memory held."""

import os
import platform
import resource
from pathlib import Path

import jax

from data_pipeline.errors import first_line


def describe_machine() -> str:
    """Processor, cores, accelerators, and the versions that decide speed."""
    devices = jax.devices()
    kinds = (
        f"{len(devices)} x {devices[0].device_kind}" if devices[0].platform != "cpu" else f"{len(devices)} CPU device"
    )
    return f"{processor()}, {core_count()} cores, {kinds}, jax {jax.__version__}, Python {platform.python_version()}"


def no_device() -> str | None:
    """Why JAX starts no device, in one line; None where it starts one."""
    try:
        jax.devices()
    except (
        RuntimeError,
        AssertionError,
    ) as error:  # a driver or a library is missing, or another program holds the device
        return first_line(error)
    return None


def peak_bytes() -> dict[str, int]:
    """The most memory that this process has held so far: on its first device where that is counted, and on the host."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    device = {"device": int(statistics["peak_bytes_in_use"])} if "peak_bytes_in_use" in statistics else {}
    return {**device, "host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def cores() -> list[int]:
    """Cores that this process may use, by their numbers."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def core_count() -> int:
    """How many these are."""
    return len(cores())


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
