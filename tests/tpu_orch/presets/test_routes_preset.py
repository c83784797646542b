"""The preset of experiments: what is drawn, who answers, what an evolved or half-recorded world changes of it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from data_pipeline.chat.families import in_form
from data_pipeline.environment import replay
from data_pipeline.errors import InputError
from data_pipeline.sandbox.plans import planned
from data_pipeline.words import ResultKind, Rollout, Task, ToolCall
from rewards.scoring import find_reward, score
from tpu_orch.experiments.frame import with_changes
from tpu_orch.presets.routes import drawings, prepare, routes
from tpu_orch.runs.folder import TOKENIZER
from tpu_orch.trainer.material import Material

SMALL = {"tokens": 1024, "world.shown_per_depth": 6, "world.trained_per_depth": 4, "eval.per_depth": 2}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Material]:
    folder: Path = tmp_path_factory.mktemp("plain")
    return folder, prepare(with_changes(replace(routes(), out=folder), SMALL), folder)


def made(plain: tuple[Path, Material], folder: Path, **change) -> Material:
    """The material with some of the world changed, by the tokenizer that is there already."""
    shutil.copyfile(plain[0] / TOKENIZER, folder / TOKENIZER)
    config = with_changes(
        replace(routes(), out=folder), {**SMALL, **{f"world.{name}": value for name, value in change.items()}}
    )
    return prepare(replace(config, schemas="signatures"), folder)


def all_ok(material: Material) -> bool:
    tasks = [*material.train_tasks, *material.eval_tasks]
    results = [step.result for task in tasks for step in replay(task, material.environment).steps]
    return all(result is not None and result.ok for result in results)


def test_every_depth_is_drawn_and_answered(plain) -> None:
    _, material = plain
    assert [task.calls for task in material.eval_tasks] == [d for d in range(7) for _ in range(2)]
    assert {task.calls for task in material.train_tasks} == {3, 4, 5, 6} and all_ok(material)
    assert material.demonstrations


def test_a_few_deeper_tasks_can_be_demonstrated(plain) -> None:
    config = with_changes(replace(routes(), out=plain[0]), SMALL)
    (shown,), _, _ = drawings(config)
    (same, deeper), _, _ = drawings(with_changes(config, {"world.shown_deeper": 2}))
    assert same == shown and deeper.depths == (3, 4, 5, 6) and deeper.per_depth == 2
    more = prepare(with_changes(config, {"world.shown_deeper": 2}), plain[0]).demonstrations
    assert len(more) > len(plain[1].demonstrations) > 0


def test_the_arms_of_an_experiment_share_what_is_drawn(plain) -> None:
    config = with_changes(replace(routes(), out=plain[0]), SMALL)
    again = prepare(with_changes(config, {"reward": "outcome"}), plain[0])
    assert again.demonstrations is prepare(config, plain[0]).demonstrations
    assert again.train_tasks == plain[1].train_tasks and again.identity == plain[1].identity
    other = prepare(with_changes(config, {"seed": 1}), plain[0])
    assert other.train_tasks != again.train_tasks and other.demonstrations is not again.demonstrations


def test_a_world_that_holds_the_references_alone_misses_the_rest(plain, tmp_path: Path) -> None:
    closed = made(plain, tmp_path, openness=0.0)
    assert all_ok(closed)
    task = closed.train_tasks[0]
    known = {str(value) for t in closed.train_tasks for step in t.reference for value in step.arguments.values()}
    session = closed.environment.session(task)
    unknown = next(
        ToolCall("customer_wish", {"customer": entity})
        for entity in (f"{a}{n}N{m}" for a in "ABCDEFGHIJKLM" for n in range(10) for m in range(10))
        if entity not in known
    )
    assert session.resolve([unknown])[0].result.kind is ResultKind.MISS
    with pytest.raises(InputError, match="openness"):
        made(plain, tmp_path, openness=1.5)


def test_an_evolved_world_offers_its_new_names_and_answers_to_them(plain, tmp_path: Path) -> None:
    evolved = made(plain, tmp_path, evolved="rename", distractors=2)
    assert all_ok(evolved) and evolved.demonstrations
    assert [task.id for task in evolved.eval_tasks] == [task.id for task in plain[1].eval_tasks]
    before = {step.name for task in plain[1].eval_tasks for step in task.reference}
    after = {step.name for task in evolved.eval_tasks for step in task.reference}
    assert after - before
    task = next(task for task in evolved.eval_tasks if task.reference)
    prompt = evolved.chat.tokenizer.decode(evolved.chat.prompt(task, evolved.tools))
    assert all(f"{name}(" in prompt for name in task.tools)


@pytest.mark.parametrize("form", ["turns", "parameters", "plan"])
def test_what_is_shown_in_each_form_is_read_again_and_right(plain, tmp_path: Path, form: str) -> None:
    material = made(plain, tmp_path, form=form, distractors=0)
    assert {task.mode for task in material.train_tasks} == {"plan" if form == "plan" else "multi_turn"}
    assert (0 in {task.calls for task in material.eval_tasks}) == (form != "plan")
    texts = [material.chat.tokenizer.decode(one.ids) for one in material.demonstrations]
    assert any('"parameters": {' in text for text in texts) == (form == "parameters")
    assert any('{"$ref": "0.' in text for text in texts) == (form == "plan")
    tasks = {task.id: task for task in (*material.train_tasks, *material.eval_tasks)}
    rollouts = [spelled(replay(task, material.environment), task, material) for task in tasks.values()]
    assert all(one.reward == 1.0 for one in score(rollouts, tasks, material.tools, find_reward("tier")))


def spelled(rollout: Rollout, task: Task, material: Material) -> Rollout:
    """The same turns as the chat's family writes them, read again."""
    session = material.environment.session(task)
    texts = [in_form(turn, material.chat.family) for turn in rollout.turns]
    return rollout._replace(turns=tuple(session.respond(text, material.chat.form) for text in texts))


def test_plans_are_of_calls_and_of_an_interface_that_stays(plain, tmp_path: Path) -> None:
    nothing = next(task for task in plain[1].eval_tasks if not task.reference)
    with pytest.raises(InputError, match="nothing is called"):
        planned(nothing, plain[1].environment)
    with pytest.raises(InputError, match=r"world\.evolved"):
        made(plain, tmp_path, form="plan", evolved="rename")
