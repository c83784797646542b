"""Devices of a slice that is not there: libtpu describes and compiles for any topology without having one."""

import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Mapping

import jax

from data_pipeline.errors import InputError, first_line
from models.sharding import make_mesh
from tpu_orch.planning.slices import Slice

QUIET = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # several plans at one time
    "TPU_SKIP_MDS_QUERY": "1",  # no questions to a cloud that this machine is not in
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
}
INSTALL = "planning for TPUs needs libtpu, which compiles for slices that are not there: pip install 'tpu-orch[tpu]'"


def has_libtpu() -> bool:
    return importlib.util.find_spec("libtpu") is not None


def other_libtpu() -> str | None:
    """One line where the installed libtpu is not the one that this jax names in its extra `tpu`; None where it is."""
    named = [re.match(r"libtpu==([0-9.]+)", line) for line in importlib.metadata.requires("jax") or ()]
    wanted = next((found[1].rstrip(".") for found in named if found), None)
    there, jax_version = importlib.metadata.version("libtpu"), importlib.metadata.version("jax")
    if wanted is None or f"{there}.".startswith(f"{wanted}."):
        return None
    return (
        f"libtpu {there} is not the one for jax {jax_version} ({wanted}): what it compiles may not be read back, and bytes "
        f"between chips are then by formula; pip install 'jax[tpu]=={jax_version}'"
    )


def slice_devices(where: Slice) -> list[jax.Device]:
    """Every device of a TPU slice, for compiling only.

    Raises InputError if libtpu is not installed or knows no such slice.
    """
    if not has_libtpu():
        raise InputError(INSTALL)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from jax.experimental import topologies

    # v4 chips run as one device each, as they do where no one says otherwise; the compiler's own default is two.
    options = {"chip_config_name": "megacore"} if where.chip.name == "v4" else {}
    try:
        found = topologies.get_topology_desc(topology_name=where.name, platform="tpu", **options)
    except Exception as error:
        raise InputError(f"libtpu knows no slice {where.name}: {first_line(error):.200}") from None
    return list(found.devices)


def slice_mesh(where: Slice, shape: Mapping[str, int]) -> jax.sharding.Mesh:
    """A mesh over a slice. Raises InputError or ConfigError where shape and slice do not fit."""
    return make_mesh(shape, slice_devices(where))
