"""Credit by forks in a game of two moves, played by an engine without a model: where branches begin, and what turns get."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.words import Ledger, ResultKind, Rollout, StopReason, Task, ToolResult
from data_pipeline.words.calls import Resolved, ToolCall
from data_pipeline.words.rollouts import Turn
from rewards.scoring import find_reward
from tpu_orch.config import RunConfig, TrainerOptions
from tpu_orch.engine import Engine, Episode
from tpu_orch.trainer.experience import from_json, joined, learnt_from, only, play, to_json
from tpu_orch.trainer.forking import branches_of, turn_ends
from tpu_orch.trainer.learning import token_advantages
from tpu_orch.trainer.material import Material
from tpu_orch.trainer.parts import Run
from tpu_orch.trainer.policies import objective_of
from tpu_orch.training.advantages import unlike

TASKS = [Task(name, "", ("move",), (), answer=2, has_answer=True, calls=1) for name in ("a", "b")]
GROUP, FORKS = 3, 4
MOVE, RESULT, LAST = 3, 2, 4  # tokens of a call, of its result, of the answer


def move(bit: int) -> Turn:
    text = f'<tool_call>{{"name": "move", "arguments": {{"to": {bit}}}}}</tool_call>'
    result = ToolResult(ResultKind.OK, {"at": bit})
    return Turn(text, (Resolved(ToolCall("move", {"to": bit}), result),))


class Game(Engine):
    """One call, then an answer that is right where call and answer both drew 1: what the engine would do, without a model."""

    def __init__(self) -> None:
        self.statistics = SimpleNamespace(sampled=0, fed=0, tool_seconds=0.25)
        self.asked: list[Episode] = []

    def run(self, params: Any, episodes: Sequence[Episode], environment: Environment, **_: Any) -> list[Rollout]:
        self.asked += episodes
        made = [self.one(episode) for episode in episodes]
        sampled = sum(int(one.ledger.sampled.sum()) for one in made if one.ledger)
        self.statistics = SimpleNamespace(sampled=sampled, fed=0, tool_seconds=0.25)
        return made

    def one(self, episode: Episode) -> Rollout:
        bits = np.random.default_rng([ord(episode.task.id), episode.group_index, episode.seed]).integers(0, 2, 2)
        if episode.history is None:
            first, ids = move(int(bits[0])), [*episode.prompt, *[10 + bits[0]] * MOVE, *[7] * RESULT]
        else:
            (first,), ids = episode.history.turns, [*episode.prompt]
        call = first.steps[0].call
        answer = (call.arguments["to"] if call else 0) + int(bits[1])
        ids += [20 + bits[1]] * LAST
        turn = np.array([-1] * 5 + [0] * MOVE + [-1] * RESULT + [1] * LAST, np.int32)
        ledger = Ledger(np.array(ids, np.int32), turn >= 0, np.where(turn >= 0, -0.5, 0).astype(np.float32), turn, 0)
        turns = (first, Turn(f"<answer>{answer}</answer>"))
        return Rollout(episode.task.id, turns, episode.group_index, StopReason.ANSWER, episode.seed, ledger)


def game_run(**options: Any) -> Run:
    trainer = TrainerOptions(prompts=2, group=GROUP, credit="forks", forks=FORKS, **options)
    chat = SimpleNamespace(prompt=lambda task, tools: [ord(task.id)] * 5)
    material = Material({}, Environment({}, PythonBackend({})), chat, [], TASKS, TASKS, {})
    return Run(
        config=RunConfig("sandbox", Path("out"), trainer=trainer),
        material=material,
        reward=find_reward("outcome"),
        engine=Game(),
        warmup=None,
        reinforce=None,
        objective=objective_of(trainer, 100),
        rollout_shapes=(),
        demonstration_shapes=(),
        on_visit=lambda: None,
    )


def test_branches_begin_where_the_results_were_read() -> None:
    engine = Game()
    episodes = [Episode(TASKS[0], np.full(5, 97, np.int32), n, 3) for n in range(2)]
    rollouts = engine.run(None, episodes, Environment({}, PythonBackend({})))
    assert [list(turn_ends(rollout)) for rollout in rollouts] == [[0], [0]]
    made = branches_of(episodes, rollouts, 2)
    assert [(place, turn, branch.group_index) for place, turn, branch in made] == [
        (0, 1, 2),
        (0, 1, 3),
        (1, 1, 4),
        (1, 1, 5),
    ]
    for place, _, branch in made:
        ledger = rollouts[place].ledger
        assert ledger is not None and branch.history is not None
        np.testing.assert_array_equal(branch.prompt, ledger.ids[: 5 + MOVE + RESULT])
        assert branch.history.turns == rollouts[place].turns[:1]


def test_turns_get_what_they_changed_in_the_rewards_of_the_branches() -> None:
    run = game_run()
    made = play(run, None, TASKS, step=0)
    assert made.counts["forks"] == 2 * GROUP * FORKS
    assert made.counts["sampled"] == 2 * GROUP * (MOVE + LAST) + 2 * GROUP * FORKS * LAST
    assert made.seconds["tools"] == 0.5  # of the rollouts and of their branches
    indices = [(episode.task.id, episode.group_index) for episode in run.engine.asked]
    assert len(set(indices)) == len(indices) == 2 * GROUP * (1 + FORKS)
    got = token_advantages(run, made, made.rewards, None)
    assert len({tuple(np.round(each, 3)) for each in got}) > 1
    for place, (each, rollout) in enumerate(zip(got, made.rollouts, strict=True)):
        begins = GROUP * (place // GROUP)
        others = [made.rewards[n] for n in range(begins, begins + GROUP) if n != place]
        assert made.values[place][0] == pytest.approx(others)
        between = np.mean(made.values[place][1])
        assert rollout.ledger is not None
        np.testing.assert_allclose(each[rollout.ledger.turn == 0], between - np.mean(others), atol=1e-6)
        np.testing.assert_allclose(each[rollout.ledger.turn == 1], made.rewards[place] - between, atol=1e-6)
        assert not each[rollout.ledger.turn < 0].any()


def test_only_what_the_update_looks_at_has_branches_and_the_whole_group_is_its_baseline() -> None:
    run = game_run(kept_of_group=2)
    made = play(run, None, TASKS, step=0)
    looked = unlike(made.rewards, made.groups, 2)
    assert made.counts["forks"] == 2 * 2 * FORKS
    assert [bool(values) for values in made.values] == looked.tolist()
    some = learnt_from(made, 2)
    got = token_advantages(run, some, some.rewards, None)
    for each, rollout, values, place in zip(got, some.rollouts, some.values, np.flatnonzero(looked), strict=True):
        others = [r for n, r in enumerate(made.rewards) if made.groups[n] == made.groups[place] and n != place]
        assert rollout.ledger is not None and len(others) == GROUP - 1
        first = np.mean(values[1]) - np.mean(others)
        np.testing.assert_allclose(each[rollout.ledger.turn == 0], first, atol=1e-6)
    indices = [(episode.task.id, episode.group_index) for episode in run.engine.asked]
    assert len(set(indices)) == len(indices)


def test_a_waiting_batch_keeps_its_branches() -> None:
    run = game_run()
    made = play(run, None, TASKS, step=0)
    back = from_json(run, json.loads(json.dumps(to_json(made))))
    assert list(back.values) == list(made.values)
    second = only(made, made.groups == 1)
    assert list(second.values) == list(made.values)[GROUP:]
    assert list(joined(second, made).values) == [*second.values, *made.values]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"objective": "grpo"}, "no-divide-by-std"),
        ({"objective": "gspo"}, "one ratio a rollout"),
        ({"objective": "rejection"}, "has no advantages"),
        ({"objective": "ppo-clip"}, "takes the place"),
        ({"kl": 0.1, "kl_in": "reward", "kl_kind": "k1"}, "takes the place"),
    ],
)
def test_objectives_that_forks_do_not_fit_are_refused(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        game_run(**options)
    assert objective_of(TrainerOptions(credit="forks", objective="grpo", divide_by_std=False), 9).deviation is False
