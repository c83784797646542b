"""Which call would have been right, and when two rollouts are the same; whole runs are replayed in test_run.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from untrained_run import untrained_run

from data_pipeline.errors import InputError
from data_pipeline.words import Ledger, ReferenceStep, Resolved, Rollout, StopReason, Task, ToolCall, Turn
from tpu_orch.config import CheckpointOptions, to_json
from tpu_orch.runs.files import write_json
from tpu_orch.trainer.again import equal, open_actor, right_call
from tpu_orch.trainer.devices import forced

STEPS = tuple(ReferenceStep(name, {"x": x}) for name, x in (("find", 1), ("find", 1), ("book", 2)))
TASK = Task("t", "", ("find", "book"), STEPS)


def rollout(*calls: tuple[str, int]) -> Rollout:
    steps = [Resolved(ToolCall(name, {"x": x}), None) for name, x in calls]
    turns = tuple(Turn(f"{n}", (step,)) for n, step in enumerate(steps))
    ids = np.arange(4, dtype=np.int32)
    ledger = Ledger(ids, ids > 1, ids.astype(np.float32), ids, 3)
    return Rollout("t", turns, stop=StopReason.ANSWER, ledger=ledger)


def test_the_right_call_is_the_first_that_was_not_made() -> None:
    made = rollout(("find", 1), ("book", 9), ("book", 2), ("find", 1), ("find", 1))
    assert [right_call(TASK, made, call) for call in range(4)] == [STEPS[0], STEPS[1], STEPS[1], STEPS[1]]
    with pytest.raises(InputError, match="before call 4 every call of the reference was made"):
        right_call(TASK, made, 4)


def test_weights_that_lie_elsewhere_are_found(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    made = untrained_run(run, 3)
    (run / "checkpoints").rename(elsewhere)
    write_json(run / "config.json", to_json(replace(made.config, checkpoint=CheckpointOptions(folder=str(elsewhere)))))
    with pytest.raises(InputError, match="keeps no weights of step 2; it has 3"):
        open_actor(run, 2)
    with pytest.raises(InputError, match="no rollouts with their ids"):
        forced(run, 1, 1)


def test_a_bit_or_a_word_makes_another_rollout() -> None:
    one = rollout(("find", 1))
    assert one.ledger is not None
    assert equal(one, rollout(("find", 1)))
    nudged = one.ledger._replace(logprobs=np.nextafter(one.ledger.logprobs, np.float32(9)))
    others = (
        one._replace(ledger=nudged),
        one._replace(stop=StopReason.MAX_TURNS),
        one._replace(turns=(one.turns[0]._replace(text="other"),)),
        one._replace(ledger=None),
    )
    for other in others:
        assert not equal(one, other)
