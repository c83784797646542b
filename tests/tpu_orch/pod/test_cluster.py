"""How processes find each other: by the environment alone, and never where there is nobody to find."""

import pytest

from data_pipeline.errors import InputError
from tpu_orch.pod.cluster import Cluster, find_cluster

EXPLICIT = {"JAX_COORDINATOR_ADDRESS": "host0:1234", "JAX_NUM_PROCESSES": "4", "JAX_PROCESS_ID": "3"}
SLURM = {
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_NODELIST": "node[001-002]",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "0",
}


def test_alone() -> None:
    assert find_cluster({}, tpu=False) is None
    assert find_cluster({"SLURM_JOB_ID": "77"}, tpu=False) is None  # a shell inside an allocation
    assert find_cluster({**SLURM, "SLURM_NTASKS": "1"}, tpu=False) is None
    assert find_cluster({"JAX_PLATFORMS": "cpu"}, tpu=True) is None


def test_each_way() -> None:
    assert find_cluster(EXPLICIT, tpu=False) == Cluster("explicit", "host0:1234", 4, 3)
    assert find_cluster(SLURM, tpu=False) == Cluster("slurm")
    assert find_cluster({}, tpu=True) == Cluster("tpu")


def test_what_is_said_goes_first() -> None:
    everything = {**SLURM, **EXPLICIT}
    assert find_cluster(everything, tpu=True) == Cluster("explicit", "host0:1234", 4, 3)
    assert find_cluster(SLURM, tpu=True) == Cluster("slurm")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"JAX_PROCESS_ID": ""}, "without JAX_PROCESS_ID"),
        ({"JAX_PROCESS_ID": "4"}, "the numbers are 0 to 3"),
        ({"JAX_NUM_PROCESSES": "four"}, "JAX_NUM_PROCESSES is 'four'"),
    ],
)
def test_contradictions_are_refused(change: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        find_cluster({**EXPLICIT, **change}, tpu=False)
