"""Two processes that share the devices give the metrics and the checkpoint of one."""

import json
from pathlib import Path

import numpy as np
from other_processes import QUICK, free_port, start_on_devices

from tpu_orch.checkpoints.manifest import verify

PROGRAM = Path(__file__).with_name("sharded_run.py")


def test_two_processes_equal_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    port = free_port()
    running = [start_on_devices(PROGRAM, 4, str(two), str(n), "2", port, flags=QUICK) for n in range(2)]
    running.append(start_on_devices(PROGRAM, 8, str(one), flags=QUICK))
    for process in running:
        _, said = process.communicate(timeout=180)
        assert process.returncode == 0, said
    alone = json.loads((one / "metrics-0.json").read_text())
    for n in range(2):
        shared = json.loads((two / f"metrics-{n}.json").read_text())
        for a, b in zip(shared, alone, strict=True):
            assert a.keys() == b.keys()
            np.testing.assert_allclose([a[name] for name in b], list(b.values()), rtol=1e-6, atol=1e-6)
    assert verify(two / "checkpoints" / "3").arrays == verify(one / "checkpoints" / "3").arrays
