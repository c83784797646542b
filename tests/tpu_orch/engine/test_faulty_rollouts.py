"""Faults among the tools' answers are a function of the rollout alone: its seed, its task, its place in the group."""

from dataclasses import replace

import numpy as np
import pytest
from scripted import scripted_policy

from data_pipeline.backends import PythonBackend
from data_pipeline.backends.faults import FaultyBackend, parse_faults, rollout_seed
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.words import ReferenceStep, Rollout, Task, Tool
from tpu_orch.engine import Engine, EngineOptions, Episode
from tpu_orch.engine.forks import edited, fork

CHAT = Chat(ByteTokenizer(), schemas="none")
TOOLS = {"tick": Tool("tick", "Ticks.", {"type": "object", "properties": {}})}
FAULTS = parse_faults("timeout=0.2,error=0.2,raise=0.1,miss=0.1")
ENVIRONMENT = Environment(TOOLS, FaultyBackend(PythonBackend({"tick": lambda: 1}), FAULTS))
MESSAGES = ['<tool_call>\n{"name": "tick", "arguments": {}}\n</tool_call>'] * 3 + ["Done.<|im_end|>"]
TASKS = [Task(f"t{number}", "Tick.", ("tick",), (ReferenceStep("tick", {}),)) for number in range(8)]


def expected(task: Task, index: int, seed: int, told: int = 0) -> tuple[list[int], list[str]]:
    """(ids that follow the prompt, kinds of the results) of a policy that ticks three times, `told` of them already."""
    session = ENVIRONMENT.session(task, rollout_seed(seed, task.id, index))
    ids: list[int] = []
    kinds = []
    for message in MESSAGES[:told]:
        session.respond(message)
    for message in MESSAGES[told:]:
        ids += CHAT.turn(message)
        if not message.endswith("<|im_end|>"):
            steps = session.respond(message).steps
            kinds += [step.result.kind.value for step in steps]
            ids += CHAT.results(steps, closed=False)
    return ids, kinds


OPTIONS = EngineOptions(rows=2, capacity=1200, chunk=32, visit_steps=16, max_new_tokens=900, max_turns=6)


@pytest.mark.parametrize("rows", [2, 16])
def test_rollouts_meet_the_faults_of_their_own_rng(rows: int) -> None:
    wanted = [(task, index) for task in TASKS for index in range(2)]
    prompts = [np.array([number, *CHAT.prompt(task, TOOLS)], np.int32) for number, (task, _) in enumerate(wanted)]
    told = [expected(task, index, 5) for task, index in wanted]
    scripts = [np.array([*prompt, *ids], np.int32) for prompt, (ids, _) in zip(prompts, told, strict=True)]
    policy, params = scripted_policy(scripts, CHAT.tokenizer.vocab_size)
    options = replace(OPTIONS, rows=rows)
    episodes = [Episode(task, prompt, index, 5) for (task, index), prompt in zip(wanted, prompts, strict=True)]
    rollouts = Engine(policy, CHAT, options).run(params, episodes, ENVIRONMENT)
    kinds = [[step.result.kind.value for step in rollout.steps] for rollout in rollouts]
    assert kinds == [expected_kinds for _, expected_kinds in told]
    assert len({tuple(one) for one in kinds}) > 8, (
        "rollouts of one task, and tasks of one run, meet faults of their own"
    )
    for rollout, script in zip(rollouts, scripts, strict=True):
        np.testing.assert_array_equal(rollout.ledger.ids, script)


def test_branches_meet_the_faults_of_their_own_rng_from_the_boundary_on() -> None:
    def played(episode: Episode, ids: list[int]) -> Rollout:
        policy, params = scripted_policy([np.array([*episode.prompt, *ids], np.int32)], CHAT.tokenizer.vocab_size)
        return Engine(policy, CHAT, OPTIONS).run(params, [episode], ENVIRONMENT)[0]

    for task in TASKS[:4]:
        episode = Episode(task, np.array([0, *CHAT.prompt(task, TOOLS)], np.int32), 0, 5)
        ids, kinds = expected(task, 0, 5)
        parent = played(episode, ids)
        ids, others = expected(task, 9, 5, told=1)
        branch = played(fork(episode, parent, 0, index=9, after=True), ids)
        assert [step.result.kind.value for step in branch.steps] == [kinds[0], *others]
        history = edited(episode, parent, 1, MESSAGES[1], CHAT, ENVIRONMENT, index=9).history
        assert [step.result.kind.value for step in history.steps] == kinds[:2]  # the same call in the parent's place
