"""Run folders for the tests of reports, without any training: references of the built-in world replayed with mistakes."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_pipeline.backends import StoreBackend
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.environment.reference_replay import reference_turns
from data_pipeline.formats import rollout_to_row, write_tasks, write_tools
from data_pipeline.formats.rows import write_rows
from data_pipeline.parsing.hermes import render_call
from data_pipeline.sandbox import make_world, record_world, sandbox_tasks
from data_pipeline.store import Store
from data_pipeline.tokenizers import ByteTokenizer, Tokenizer
from data_pipeline.words import JsonObject, Ledger, Rollout, StopReason, Task, ToolCall, Turn
from rewards.scoring import Score, find_reward, score
from tpu_orch.config import RunConfig, TrainerOptions, WarmupOptions, to_json
from tpu_orch.evaluation.evaluate import is_solved
from tpu_orch.evaluation.summary import result_counts, summarise
from tpu_orch.runs.files import write_json

# Share of calls with a mistake at each stage.
MISTAKES = {"before": 0.97, "after_sft": 0.4, "after": 0.12}


class Actor:
    """Plays tasks of the world with mistakes, as a policy in training would."""

    def __init__(self, folder: Path, depths: Sequence[int], per_depth: int, seed: int, tokenizer: Tokenizer) -> None:
        world = make_world(0)
        self.tasks = sandbox_tasks(world, "test", depths, per_depth, seed=2)
        record_world(world, folder / "store.sqlite", self.tasks)
        self.environment = Environment(world.tools, StoreBackend(Store.open(folder / "store.sqlite")))
        self.chat = Chat(tokenizer)
        self.rng = random.Random(seed)

    def play(self, task: Task, mistakes: float, place: int = 0) -> Rollout:
        """One rollout; `mistakes` is the share of its messages that go wrong somehow."""
        session = self.environment.session(task)
        turns: list[Turn] = []
        for number, text in enumerate(reference_turns(task)):
            wrong = self.rng.random() < mistakes
            turns.append(session.respond(self._spoilt(task, number, text) if wrong else text))
        ledger = self._ledger(task, turns)
        return Rollout(task.id, tuple(turns), place, StopReason.ANSWER, seed=1, ledger=ledger)

    def _spoilt(self, task: Task, number: int, text: str) -> str:
        if number >= len(task.reference):
            return "<answer>17</answer>"
        step = task.reference[number]
        changed = dict.fromkeys(step.arguments, "A1Z9")
        return self.rng.choice(
            [
                render_call(ToolCall(step.name, changed)),
                render_call(ToolCall(step.name, {**step.arguments, "verbose": True})),
                render_call(ToolCall("look_up", step.arguments)),
                text.replace("}}", "}"),
            ]
        )

    def _ledger(self, task: Task, turns: Sequence[Turn]) -> Ledger:
        tokens = self.chat.demonstration(task, self.environment.tools, turns)
        sampled = np.asarray(tokens.sampled, np.bool_)
        drawn = [-self.rng.expovariate(3.0) if mark else 0.0 for mark in sampled]
        return Ledger(
            np.asarray(tokens.ids, np.int32),
            sampled,
            np.asarray(drawn, np.float32),
            np.where(sampled, 0, -1).astype(np.int32),
            weights_version=7,
        )


def make_run(
    folder: Path,
    *,
    seed: int = 0,
    depths: Sequence[int] = (0, 1, 2, 3),
    per_depth: int = 2,
    steps: int = 3,
    group: int = 2,
    tokenizer: Tokenizer | None = None,
    learning_rate: float = 5e-4,
) -> Path:
    """A whole run: 4 steps of warm-up, some of reinforcement learning, three evaluations."""
    (folder / "rollouts").mkdir(parents=True)
    tokenizer = tokenizer or ByteTokenizer()
    tokenizer.save(folder / "tokenizer.model")
    actor = Actor(folder, depths, per_depth, seed, tokenizer)
    config = RunConfig(
        preset="sandbox",
        out=folder,
        seed=seed,
        warmup=WarmupOptions(steps=4, batch=8),
        trainer=TrainerOptions(steps=steps, prompts=2, group=group, learning_rate=learning_rate),
    )
    write_json(folder / "config.json", to_json(config))
    write_tools(folder / "tools.json", actor.environment.tools)
    write_tasks(folder / "tasks.jsonl", actor.tasks)
    evaluations = {stage: evaluate(folder, actor, stage, mistakes) for stage, mistakes in MISTAKES.items()}
    metrics = [warmup_row(step) for step in range(1, 5)]
    metrics += [reinforce(folder, actor, step, group, 0.4 - 0.28 * (step - 5) / steps) for step in range(5, 5 + steps)]
    write_rows(folder / "metrics.jsonl", metrics)
    write_json(
        folder / "summary.json",
        {
            "preset": "sandbox",
            "seed": seed,
            "reward": "tier",
            "seconds": {
                "setup": 4.0,
                "sft": 60.0,
                "rl": 30.0,
                "eval": 9.0,
                "total": 103.0,
                "rl_by_part": {"sampling": 20.0, "tools": 0.5, "rewards": 0.1, "update": 8.0},
            },
            "eval": evaluations,
            "tokens_per_s": 1234.5,
            "machine": "a processor, 2 cores",
        },
    )
    return folder


def judged(actor: Actor, rollouts: Sequence[Rollout]) -> list[Score]:
    return score(rollouts, {task.id: task for task in actor.tasks}, actor.environment.tools, find_reward("tier"))


def keep(folder: Path, name: str, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> None:
    """As the trainer keeps them."""
    rows = [
        {
            **rollout_to_row(rollout),
            "reward": one.reward,
            "components": dict(one.components),
            "calls": [call.row() for call in one.calls],
            "why": list(one.why),
        }
        for rollout, one in zip(rollouts, scores, strict=True)
    ]
    write_rows(folder / "rollouts" / f"{name}.jsonl", rows)


def evaluate(folder: Path, actor: Actor, stage: str, mistakes: float) -> JsonObject:
    rollouts = [actor.play(task, mistakes) for task in actor.tasks]
    scores = judged(actor, rollouts)
    keep(folder, f"eval-{stage}", rollouts, scores)
    solved = [is_solved(one, task) for one, task in zip(scores, actor.tasks, strict=True)]
    return summarise(actor.tasks, rollouts, solved, [one.reward for one in scores])


def warmup_row(step: int) -> JsonObject:
    return {"step": step, "phase": "warmup", "loss": 6.0 / step, "seconds": {"update": 0.5}}


def reinforce(folder: Path, actor: Actor, step: int, group: int, mistakes: float) -> JsonObject:
    tasks = actor.rng.sample(actor.tasks, 2)
    rollouts = [actor.play(task, mistakes, place) for task in tasks for place in range(group)]
    scores = judged(actor, rollouts)
    keep(folder, f"step-{step:06d}", rollouts, scores)
    names = list(scores[0].components)
    calls = [task.calls for task in tasks for _ in range(group)]
    earned = {depth: [one.reward for one, n in zip(scores, calls, strict=True) if n == depth] for depth in set(calls)}
    sampled = int(sum(one.ledger.sampled.sum() for one in rollouts if one.ledger is not None))
    return {
        "step": step,
        "phase": "rl",
        "reward": float(np.mean([one.reward for one in scores])),
        "components": {name: float(np.mean([one.components[name] for one in scores])) for name in names},
        "reward_by_depth": {str(depth): float(np.mean(values)) for depth, values in sorted(earned.items())},
        "loss": 0.1,
        "entropy": 1.0 / step,
        "mismatch": 1e-6,
        "informative_groups": 1.0,
        "results": result_counts(rollouts),
        "tokens": {"sampled": sampled, "fed": 3 * sampled},
        "tokens_per_s": 1000.0 + step,
        "seconds": {"sampling": 1.0, "tools": 0.1, "rewards": 0.01, "update": 0.4},
    }
