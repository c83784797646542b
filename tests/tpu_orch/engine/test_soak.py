"""Many episodes with injected faults: each ends with a reason, memory stays flat, no thread is left."""

import threading
from pathlib import Path

import jax
import numpy as np
import pytest
from test_contract import CHAT, ENVIRONMENT, TINY, task

import models.decoder
from data_pipeline.backends.faults import FaultyBackend, parse_faults
from data_pipeline.words import StopReason
from tpu_orch.engine import Engine, EngineOptions, Episode, decoder_policy
from tpu_orch.engine.forcing import ForcedParams, forced_policy

FAULTS = parse_faults("timeout=0.2,error=0.2,raise=0.1,miss=0.1")
FIRST_FREE = 0  # every byte and mark may be drawn: what comes out is noise, hostile by accident


def resident_mb() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the process's memory from /proc")
@pytest.mark.parametrize("episodes", [600, pytest.param(20_000, marks=pytest.mark.slow)])
def test_every_episode_ends_and_nothing_is_left(episodes: int) -> None:
    environment = ENVIRONMENT._replace(backend=FaultyBackend(ENVIRONMENT.backend, FAULTS))
    said = CHAT.turn('<tool_call>\n{"name": "double", "arguments": {"x": 4}}\n</tool_call>')
    table = np.full((2, 200), -1, np.int32)
    table[1, 40 : 40 + len(said)] = said  # script 1 calls first, script 0 says what it likes
    params = ForcedParams(models.decoder.init(TINY, jax.random.key(0)), table, np.int32(FIRST_FREE))
    options = EngineOptions(rows=64, capacity=250, chunk=32, visit_steps=32, max_new_tokens=90, max_turns=3)
    engine = Engine(forced_policy(decoder_policy(TINY)), CHAT, options)
    threads, stops, kinds, used = threading.active_count(), set(), set(), []
    for start in range(0, episodes, 200):
        numbers = range(start, start + 200)
        prompts = [np.array([n % 2, *[65] * (39 if n % 2 else n % 300)], np.int32) for n in numbers]
        made = [Episode(task(n % 7), prompt, n) for n, prompt in zip(numbers, prompts, strict=True)]
        rollouts = engine.run(params, made, environment)
        stops |= {rollout.stop for rollout in rollouts}
        kinds |= {step.result.kind.value for rollout in rollouts for step in rollout.steps if step.result}
        assert [rollout.group_index for rollout in rollouts] == list(numbers)
        used.append(resident_mb())
    assert StopReason.UNKNOWN not in stops
    assert {StopReason.ANSWER, StopReason.MAX_TOKENS, StopReason.CONTEXT_FULL} <= stops
    assert {"ok", "timeout", "error", "raised", "miss"} <= kinds
    assert threading.active_count() == threads
    assert used[-1] - used[len(used) // 2] < 60
