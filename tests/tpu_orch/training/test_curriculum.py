"""Tasks are drawn by what there is to learn, and always the same ones for the same seed."""

from collections import Counter

from data_pipeline.words import Task
from tpu_orch.training.curriculum import Curriculum, as_shares, choose, learn, start, with_levels_of

TASKS = [
    Task(id=f"{depth}-{n}", query="", tools=(), reference=(), calls=depth) for depth in (1, 2, 3) for n in range(40)
]


def test_levels_in_between_are_drawn_most_and_none_is_forgotten() -> None:
    curriculum = Curriculum({1: 1.0, 2: 0.4, 3: 0.0})
    drawn = Counter(task.calls for step in range(60) for task in choose(curriculum, TASKS, 10, (0, step)))
    assert drawn[2] > drawn[3] > drawn[1] > 0


def test_the_same_seed_draws_the_same_tasks_once_each() -> None:
    chosen = choose(start(TASKS), TASKS, 30, (5, 1))
    assert chosen == choose(start(TASKS), TASKS, 30, (5, 1))
    assert chosen != choose(start(TASKS), TASKS, 30, (5, 2))
    assert len({task.id for task in chosen}) == 30
    assert len(choose(start(TASKS), TASKS, 500, (5, 1))) == len(TASKS)


def test_new_tasks_bring_new_levels() -> None:
    learnt = with_levels_of(Curriculum({2: 0.9, 7: 0.1}), TASKS)
    assert learnt.success == {1: 0.5, 2: 0.9, 3: 0.5, 7: 0.1}
    assert len(choose(learnt, TASKS, 500, (5, 1))) == len(TASKS)
    assert learn(learnt, {1: [1.0], 7: [0.0]}).success[1] > 0.5  # a batch that waited may be of levels that are gone


def test_means_move_towards_what_was_earned() -> None:
    curriculum = learn(start(TASKS), {2: [1.0, 1.0], 3: [0.0]})
    assert curriculum.success[1] == 0.5
    assert 0.5 < curriculum.success[2] < 1
    assert 0 < curriculum.success[3] < 0.5


def test_rewards_of_another_range_are_brought_to_shares() -> None:
    assert as_shares({2: [-3.0, 0.5, 4.0]}, -3.0, 4.0) == {2: [0.0, 0.5, 1.0]}
    curriculum = learn(start(TASKS), as_shares({1: [-3.0] * 4}, -3.0, 4.0))
    assert choose(curriculum, TASKS, 5, (0,))
