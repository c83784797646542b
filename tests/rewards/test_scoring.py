"""The array form of every reward: one row or many, padded or not, NumPy or JAX, one weight setting or ten thousand."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import FAULTS, TOOLS, calls_of, play, spoil, tasks

from data_pipeline.errors import InputError
from data_pipeline.words import Rollout, Task
from rewards import graduated, outcome, tier
from rewards.custom import wrap_function
from rewards.reward import Reward, stacked
from rewards.scoring import REWARDS, find_reward, score

OURS = {"graduated": graduated, "tier": tier, "outcome": outcome}
ANSWERLESS = {"graduated": {"atomic": 1.0, "orchestration": 2.0}}


@st.composite
def batches(draw) -> tuple[list[Rollout], dict[str, Task]]:
    """Spoilt rollouts of several tasks."""
    rollouts, by_id = [], {}
    for number in range(draw(st.integers(1, 6))):
        task = draw(tasks())._replace(id=str(number))
        faults = st.lists(st.sampled_from(FAULTS), max_size=2)
        texts = [spoil(call, draw(faults)) for call in calls_of(task)]
        closing = draw(st.sampled_from([None, "", "<answer>{", '<answer>{"data": 1}</answer>']))
        by_id[task.id] = task
        rollouts.append(play(task, texts, closing))
    return rollouts, by_id


def rows_of(rollouts: list[Rollout], by_id: dict[str, Task], reward: Reward) -> list:
    return [reward.judge(rollout, by_id[rollout.task_id], TOOLS).features for rollout in rollouts]


@pytest.mark.parametrize("name", OURS)
@settings(max_examples=40)
@given(batch=batches())
def test_vectorised_equals_scalar_and_lies_in_the_unit_interval(name: str, batch) -> None:
    rollouts, by_id = batch
    together = score(rollouts, by_id, TOOLS, REWARDS[name])
    alone = [score([rollout], by_id, TOOLS, REWARDS[name])[0] for rollout in rollouts]
    assert [one.row(0) for one in together] == [one.row(0) for one in alone]  # to the last bit
    for one in together:
        assert 0.0 <= one.reward <= 1.0
        assert all(0.0 <= value <= 1.0 for value in one.components.values())


@pytest.mark.parametrize("name", ["graduated", "tier"])
@settings(max_examples=30)
@given(batch=batches(), more=st.integers(1, 9))
def test_padding_of_arrays_never_changes_a_row(name: str, batch, more: int) -> None:
    reward, rows = REWARDS[name], rows_of(*batch, REWARDS[name])
    tight = reward.batch(rows)
    width = max(array.shape[-1] for array in tight if array.ndim == 2)
    wide = OURS[name].batch(rows, width + more)
    np.testing.assert_array_equal(stacked(reward.components(tight)), stacked(reward.components(wide)))


@pytest.mark.parametrize("name", OURS)
@settings(max_examples=10)
@given(batch=batches())
def test_jit_gives_what_numpy_gives(name: str, batch) -> None:
    reward = REWARDS[name]
    features = reward.batch(rows_of(*batch, reward))
    weights = reward.weight_vector()

    @jax.jit
    def totals(features, weights):
        return reward.total(stacked(reward.components(features)), weights)

    expected = reward.total(stacked(reward.components(features)), weights)
    got = totals(jax.tree.map(jnp.asarray, features), jnp.asarray(weights, jnp.float32))
    np.testing.assert_allclose(got, expected, atol=1e-6)


@settings(max_examples=5)
@given(batch=batches())
def test_ten_thousand_weight_settings_are_one_call(batch) -> None:
    reward = REWARDS["tier"]
    parts = stacked(reward.components(reward.batch(rows_of(*batch, reward))))
    settings_ = np.random.default_rng(0).uniform(0.01, 1.0, (10_000, parts.shape[1]))
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    totals = reward.total(parts, settings_)
    sys.setprofile(None)
    assert calls < 200  # the same few array operations as for one setting
    assert totals.shape == (10_000, len(parts))
    for row in (0, 4_999, 9_999):
        np.testing.assert_array_equal(totals[row], reward.total(parts, settings_[row]))
        expected = (parts @ settings_[row]) / settings_[row].sum()
        np.testing.assert_allclose(totals[row], expected, rtol=1e-12)


def test_weights_are_those_named_and_nothing_else() -> None:
    reward = REWARDS["graduated"]
    np.testing.assert_array_equal(reward.weight_vector({"atomic": 2.0}), [0, 0, 0, 2.0, 0, 0])
    np.testing.assert_array_equal(reward.weight_vector(), [0, 0, 0, 0.5, 0.5, 0])
    for wrong in ({"speed": 1.0}, {"atomic": -1.0}, {"atomic": float("nan")}, {"atomic": 0.0}, {}):
        with pytest.raises(InputError):
            reward.weight_vector(wrong)


@settings(max_examples=10)
@given(batch=batches())
def test_a_component_alone_is_a_weight_vector(batch) -> None:
    for reward in map(REWARDS.get, OURS):
        for component in reward.weights:
            for one in score(*batch, TOOLS, reward, {component: 3.0}):
                assert one.reward == pytest.approx(one.components[component], abs=1e-12)


def test_unknown_names_are_one_clear_line() -> None:
    with pytest.raises(InputError, match="unknown reward 'nope'; there are graduated, tier"):
        find_reward("nope")
    with pytest.raises(InputError, match="'ghost', which the tasks do not have"):
        score([Rollout("ghost", ())], {}, TOOLS, REWARDS["graduated"])


def test_no_rollouts_no_scores() -> None:
    assert score([], {}, TOOLS, REWARDS["tier"]) == []


@pytest.mark.parametrize("name", REWARDS)
def test_a_task_that_needs_calls_but_has_no_reference_is_refused_where_one_is_compared_with(name: str) -> None:
    reward = REWARDS[name]
    task = Task("t", "", tuple(TOOLS), (), calls=2, answer={"id": 5}, has_answer=True)
    by_answer = ("tier", "outcome", "tier-parsing", "tier-execution")
    if name in by_answer:
        assert score([Rollout("t", ())], {"t": task}, TOOLS, reward)[0].reward < 1.0
        return
    with pytest.raises(
        InputError, match=f"task t has no reference, which reward {name} needs for .*; score it with tier"
    ):
        score([Rollout("t", ())], {"t": task}, TOOLS, reward)
    none_needed = task._replace(calls=0, answer=None)
    score([Rollout("t", ())], {"t": none_needed}, TOOLS, reward)
    with pytest.raises(InputError, match="no reference"):
        score([Rollout("t", ())], {"t": task}, TOOLS, find_reward(f"outcome=1+{name}=1"))


@settings(max_examples=30)
@given(batch=batches())
def test_levels_of_calls_are_shares(batch) -> None:
    rollouts, by_id = batch
    for reward in REWARDS.values():
        for rollout in rollouts:
            for call in reward.judge(rollout, by_id[rollout.task_id], TOOLS).calls:
                assert all(0.0 <= value <= 1.0 for value in call.levels.values()), reward.name
                assert reward.judges_calls or not call.levels, reward.name


def test_wrong_weights_and_mixes_are_one_clear_line() -> None:
    with pytest.raises(InputError, match="a mix has reward graduated twice"):
        find_reward("graduated=0.5+graduated=0.5")
    with pytest.raises(InputError, match="too large to be added up"):
        REWARDS["graduated"].weight_vector({"atomic": 1e308, "orchestration": 1e308})
    for weights, says in (
        ({}, "must be a mapping"),
        ([1], "must be a mapping"),
        ({"a": "1"}, "at least 0"),
        ({"a": 0}, "above 0"),
    ):
        function = lambda rollout, task, tools: {"a": 1.0}  # noqa: E731
        function.weights = weights
        with pytest.raises(InputError, match=says):
            wrap_function("mine:f", function)
