"""Two processes that share the episodes make the rollouts of one, to the bit, and each answers its own slots' calls."""

import json
from pathlib import Path

import numpy as np
from other_processes import QUICK, free_port, start_on_devices

from data_pipeline.words import Task
from tpu_orch.engine import Episode
from tpu_orch.engine.hosts import shares

PROGRAM = Path(__file__).with_name("hosts_run.py")


def test_two_processes_make_the_rollouts_of_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    port = free_port()
    running = [start_on_devices(PROGRAM, 4, str(two), str(n), "2", port, flags=QUICK) for n in range(2)]
    running.append(start_on_devices(PROGRAM, 8, str(one), flags=QUICK))
    for process in running:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said
    alone = (one / "rollouts-0.jsonl").read_bytes()
    assert alone.count(b"\n") == 20 and alone.count(b'"role":"tool"') >= 8
    told = [json.loads((two / f"told-{n}.json").read_text()) for n in range(2)]
    for n in range(2):
        assert (two / f"rollouts-{n}.jsonl").read_bytes() == alone
    assert all(one["calls"] > 0 for one in told), "each process answers its own slots' calls"
    assert sum(one["calls"] for one in told) == json.loads((one / "told-0.json").read_text())["calls"]
    assert told[0]["visits"] == told[1]["visits"], "what is asked at a visit is asked equally often everywhere"


def test_groups_stay_together_and_shares_are_alike() -> None:
    prompt = np.zeros(1, np.int32)
    episodes = [
        Episode(Task(f"t{g}", "", (), ()), prompt, n) for g, size in enumerate((3, 1, 4, 2)) for n in range(size)
    ]
    assert shares(episodes, 2) == [[0, 1, 2, 8, 9], [3, 4, 5, 6, 7]]
    assert shares(episodes[:3], 2) == [[0, 1, 2], []]
