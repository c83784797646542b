"""What bench rollout measures: the work is as it says, on a model small enough to compile at once."""

import pytest

from models.config import tiny
from tpu_orch.engine import EngineOptions, decoder_policy, workloads
from tpu_orch.engine.forcing import forced_policy


def test_rollouts_with_tools_share_their_tokens_over_three_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(workloads.SIZES, "5M", tiny(4096))
    config, weights = workloads.model()
    work = workloads.with_tools(weights, 64)
    engine = workloads.Engine(
        forced_policy(decoder_policy(config)),
        workloads.CHAT,
        EngineOptions(rows=32, capacity=960, visit_steps=32, max_new_tokens=128, max_turns=9),
    )
    rollouts = engine.run(work.params, work.episodes, workloads.ENVIRONMENT)
    assert len(rollouts) == 32
    for rollout in rollouts:
        assert [len(turn.steps) for turn in rollout.turns] == [1, 1, 0]
        assert all(16 <= len(step.result.content) <= 200 for step in rollout.steps if step.result)
        assert rollout.ledger is not None and rollout.ledger.sampled.sum() == 3 * (128 // 3)
    assert len({rollout.ledger.ids.tobytes() for rollout in rollouts if rollout.ledger is not None}) == 32


def test_shares_of_a_step_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(workloads.SIZES, "5M", tiny(4096))
    monkeypatch.setattr(workloads, "NEW", 16)
    monkeypatch.setattr(workloads, "LONG", 256)
    rows = workloads.shares("5M")()
    for name, parts in (("decode", 4), ("prefill", 3)):
        found = [row for row in rows if row["of"] == name]
        assert len(found) == parts
        assert sum(row["share"] for row in found) == pytest.approx(1)
        assert all(row["ms a step"] > 0 for row in found if row["part"] != "the rest")
