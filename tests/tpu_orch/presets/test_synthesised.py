"""Tasks drawn from a store by joins and blindly: the same records, other tasks; never an entity of the evaluation."""

from dataclasses import replace
from pathlib import Path

import pytest

from data_pipeline.environment import replay
from tpu_orch.experiments.frame import with_changes
from tpu_orch.presets.synthesised import prepare, synthesised
from tpu_orch.trainer.material import Material


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Material]:
    made = {}
    for side in ("constrained", "unconstrained"):
        folder: Path = tmp_path_factory.mktemp(side)
        config = with_changes(
            replace(synthesised(), out=folder),
            {
                "world.drawn": side,
                "world.shown_per_depth": 20,
                "world.attempts": 1000,
                "eval.per_depth": 3,
                "tokens": 1024,
            },
        )
        made[side] = prepare(config, folder)
    return made


def test_joins_find_every_depth_and_blind_draws_do_not(materials) -> None:
    depths = {side: {task.calls for task in one.train_tasks} for side, one in materials.items()}
    assert depths["constrained"] == {1, 2, 3, 4} and 1 in depths["unconstrained"] and 4 not in depths["unconstrained"]
    assert len(materials["constrained"].train_tasks) == 80
    assert len(materials["constrained"].demonstrations) > len(materials["unconstrained"].demonstrations) > 0


def test_both_are_evaluated_on_the_same_tasks_of_other_entities(materials) -> None:
    one, other = materials.values()
    assert one.eval_tasks == other.eval_tasks and {task.calls for task in one.eval_tasks} == {1, 2, 3, 4, 5, 6}
    asked = {v for task in one.eval_tasks for step in task.reference for v in step.arguments.values()}
    shown = {
        v for m in (one, other) for task in m.train_tasks for step in task.reference for v in step.arguments.values()
    }
    assert asked and not asked & shown


def test_every_task_is_answered_and_its_answer_is_what_the_last_call_finds(materials) -> None:
    for material in materials.values():
        for task in [*material.train_tasks[:20], *material.eval_tasks]:
            last = replay(task, material.environment).steps[-1].result
            assert last is not None and last.ok and task.answer in last.content.values()
