"""Finds out from the environment whether this process is one of several, and joins the others.

Three ways, the first that applies: said explicitly (JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID), SLURM, or the
hosts of a TPU slice (GKE tells them in variables, a TPU VM's metadata server is asked; JAX knows both). Else it is alone.
"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import jax

from data_pipeline.errors import InputError, WorkFailed, first_line

EXPLICIT = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
PATIENCE = "TPU_ORCH_HEARTBEAT"
"""Variable: seconds without a sign of life after which a process counts as lost and the others end."""
HEARTBEAT = 60
JOINING = 600
"""Seconds to wait for the others: hosts of a pod do not start at the same time."""
LEAVING = 30
"""Seconds to wait for the others at the end; after an error they may never come."""
TPU_DEVICES = ("/dev/accel0", "/dev/vfio/0")


class Cluster(NamedTuple):
    """The processes of a run as one of them sees them. None: JAX finds it out itself."""

    kind: Literal["explicit", "slurm", "tpu"]
    coordinator: str | None = None
    """Host and port of the process with number 0."""
    processes: int | None = None
    process: int | None = None
    """Number of this one, from 0."""


def find_cluster(environment: Mapping[str, str], tpu: bool) -> Cluster | None:
    """What the environment says; None where this process is alone.

    Args:
      tpu: whether this machine has TPU chips and the library to use them.
    Raises:
      InputError: only some of the explicit variables are set, or one is no number in its range.
    """
    given = [name for name in EXPLICIT if environment.get(name)]
    if given:
        missing = [name for name in EXPLICIT if name not in given]
        if missing:
            raise InputError(f"{', '.join(given)} without {', '.join(missing)}: all three name the processes of a run")
        count, number = (_whole(environment, name) for name in EXPLICIT[1:])
        if not 0 <= number < count:
            raise InputError(f"JAX_PROCESS_ID is {number}: of {count} processes the numbers are 0 to {count - 1}")
        return Cluster("explicit", environment[EXPLICIT[0]], count, number)
    if all(environment.get(name) for name in SLURM):
        return Cluster("slurm") if _whole(environment, "SLURM_NTASKS") > 1 else None
    return Cluster("tpu") if tpu and environment.get("JAX_PLATFORMS", "tpu") in ("", "tpu", "tpu,cpu") else None


def _whole(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise InputError(f"{name} is {environment[name]!r:.40}, not a whole number") from None


def has_tpu() -> bool:
    """Whether this machine has TPU chips and the library to use them; nothing is initialised."""
    return any(Path(path).exists() for path in TPU_DEVICES) and importlib.util.find_spec("libtpu") is not None


def join_cluster(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """Joins the other processes, where there are any; to be called before the first array.

    Raises:
      InputError: the environment contradicts itself.
      WorkFailed: the others did not come.
    """
    cluster = find_cluster(environment, has_tpu())
    if cluster is None:
        return None
    # SIGTERM is the run's own flag, which processes agree on (tpu_orch.runs.stop): JAX must not take the signal.
    jax.config.update("jax_enable_preemption_service", False)
    patience = _whole(environment, PATIENCE) if environment.get(PATIENCE) else HEARTBEAT
    try:
        jax.distributed.initialize(
            cluster.coordinator,
            cluster.processes,
            cluster.process,
            cluster_detection_method={"explicit": "deactivate", "slurm": "slurm", "tpu": None}[cluster.kind],
            initialization_timeout=JOINING,
            heartbeat_timeout_seconds=patience,
            shutdown_timeout_seconds=LEAVING,
        )
    except Exception as error:  # whatever the runtime raises
        raise WorkFailed(
            f"the processes of this run ({cluster.kind}) did not find each other: {first_line(error):.200}"
        ) from error
    return cluster
