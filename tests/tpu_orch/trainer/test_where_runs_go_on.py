"""Where a run goes on: with new material, from a batch that waits, and anew where there is no checkpoint."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from test_forking import TASKS, game_run

from data_pipeline.errors import InputError
from tpu_orch.checkpoints import Checkpoints
from tpu_orch.config import CheckpointOptions, EvaluationOptions, SampleOptions
from tpu_orch.trainer.build import Built
from tpu_orch.trainer.experience import gather, play
from tpu_orch.trainer.parts import Run
from tpu_orch.trainer.places import Place, begin_anew, extra_of, find_place, parts_of
from tpu_orch.trainer.progress import Progress
from tpu_orch.trainer.run import due
from tpu_orch.training.curriculum import Curriculum
from tpu_orch.training.state import TrainState


def gone_on(folder: Path, tasks: list, tell: Any) -> tuple[Run, Place]:
    """The run with these tasks, where the run of `TASKS` left it."""
    run = game_run(steps=9)
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    state = TrainState(jnp.int32(4), {"w": jnp.ones(3)}, (), jnp.zeros(2, jnp.uint32))
    abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), state)
    built = Built(run, lambda step: abstract, lambda: state, lambda state: state)
    left = Place(4, state, None, Progress(Curriculum({1: 0.75}), {}, {}), play(run, None, TASKS, step=4))
    material = run.material._replace(train_tasks=tasks, identity={"tasks": "others"})
    changed = built._replace(run=run._replace(material=material))
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(4, parts_of(state, None), extra_of(built, left, 77))
        place, position = find_place(changed, checkpoints, tell, adopt=True)
    assert (place.step, position) == (4, 77)
    return changed.run, place


def test_new_tasks_are_adopted_with_their_levels_and_a_batch_of_others_is_dropped(tmp_path: Path) -> None:
    said: list[str] = []
    tasks = [*TASKS[1:], TASKS[0]._replace(id="c", calls=5)]
    run, place = gone_on(tmp_path, tasks, said.append)
    assert place.progress.curriculum == Curriculum({1: 0.75, 5: 0.5}) and place.pending is None
    assert said[-1] == "the batch that waited is dropped and another sampled: task 'a' is not there any more"
    drawn = gather(run, None, place.progress.curriculum, 4)
    assert {task.id for task in drawn.tasks} == {"b", "c"}


def test_a_batch_of_tasks_that_are_still_there_is_learnt_from(tmp_path: Path) -> None:
    said: list[str] = []
    _, place = gone_on(tmp_path, [*TASKS, TASKS[0]._replace(id="c", calls=3)], said.append)
    assert place.pending is not None and [task.id for task in place.pending.tasks] == ["a"] * 3 + ["b"] * 3
    assert said[-1] == "going on from the checkpoint of step 4"


def test_a_run_without_a_checkpoint_begins_anew_unless_it_had_ended(tmp_path: Path) -> None:
    said: list[str] = []
    config = replace(game_run().config, out=tmp_path)
    begin_anew(config, said.append)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    assert not said
    begin_anew(config, said.append)
    assert said == ["no checkpoint is there: beginning anew at step 0, the steps that were made are made again"]
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(InputError, match=r"none of its checkpoints is in .*checkpoints: give the --checkpoint.folder"):
        begin_anew(config, said.append)


def test_every_0_steps_is_never_and_fewer_are_refused() -> None:
    assert [step for step in range(7) if due(step, 3)] == [0, 3, 6] and not any(due(step, 0) for step in range(7))
    for options, name in ((CheckpointOptions, "checkpoint"), (SampleOptions, "samples"), (EvaluationOptions, "eval")):
        assert options(every=0).every == 0
        with pytest.raises(InputError, match=rf"{name}\.every is -1, and must be at least 0"):
            options(every=-1)
