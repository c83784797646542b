"""What goes into the engine: episodes to play, and the options that every episode shares."""

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from data_pipeline.words import Resolved, Task, Turn
from tpu_orch.engine.sampling import require_draw


@dataclass(frozen=True)
class EngineOptions:
    """How rollouts are made. Budgets and temperature are values: changing them compiles nothing."""

    rows: int = 32
    """Sequences that the device works on at once, rounded up to whole lanes."""
    capacity: int = 512
    """Tokens that one sequence may hold, prompt and results included."""
    chunk: int = 32
    """Prompts and tool results are fed in chunks of this many tokens, counted from where each begins; on a CPU what is left, if
    it is no more than a quarter of that, in one of a quarter."""
    visit_steps: int = 64
    """Tokens that the device draws for a row at most before the host looks."""
    temperature: float = 1.0
    """0 means greedy: the most likely token."""
    max_new_tokens: int = 256
    """Tokens that the policy may draw in one rollout, over all its turns."""
    max_turns: int = 10
    """Messages that the policy may write in one rollout."""
    calls_in_a_turn: Literal["one", "many"] = "one"
    """one: a turn pauses at its first finished call. many: it goes on to its end, and all its calls are answered in order."""
    top_k: int = 0
    """For evaluation: draw from the k most likely tokens only; 0: from all."""
    top_p: float = 1.0
    """For evaluation: draw from the most likely tokens that together hold this share of the probability only."""
    min_p: float = 0.0
    """For evaluation: draw from tokens only that are at least this share as likely as the most likely one."""
    prompt_rows: int = 0
    """So many rows hold one copy of their prompt's keys and values together and attend to it at once: for groups of at least this
    size, above all with long prompts. It divides the rows (on a CPU: 16). 0, and always over a mesh: every row holds its prompt
    itself."""
    cache_dtype: Literal["float32", "bfloat16"] | None = None
    """Of keys and values in the cache; bfloat16 halves its memory. Unset: that of the model's activations."""
    memory_gb: float = 0.0
    """Memory that the cache may take; more slots or capacity than fit are refused. 0: whatever there is."""

    def __post_init__(self) -> None:
        require_draw(self.temperature, self.top_k, self.top_p, self.min_p)

    @property
    def truncates(self) -> bool:
        """Whether tokens are drawn from less than the whole distribution: the update's ratio would then be biased."""
        return self.top_k > 0 or self.top_p < 1 or self.min_p > 0

    def stops_of(self, mode: str) -> str:
        """The row of stops for a task's mode: a turn that may hold many calls stops where a plan does."""
        return "plan" if self.calls_in_a_turn == "many" else mode


class History(NamedTuple):
    """What a forked rollout begins with: arrays as long as its prompt, and the turns that they hold."""

    logprobs: np.ndarray
    """float32 [P], of tokens that the parent drew; 0 where fed"""
    turn: np.ndarray
    """int32 [P], turn of tokens that the parent drew; -1 where fed"""
    turns: tuple[Turn, ...]

    @property
    def steps(self) -> list[Resolved]:
        """What the turns resolved, in order."""
        return [step for turn in self.turns for step in turn.steps]


class Episode(NamedTuple):
    """One rollout to be made. Its tokens depend on the weights and on these fields only."""

    task: Task
    prompt: np.ndarray
    """int32 [P], ids of the prompt up to and including the opening of the assistant's turn."""
    group_index: int = 0
    seed: int = 0
    history: History | None = None
    """Of a fork (`tpu_orch.engine.forks`): what of the prompt is an earlier part of the rollout itself."""


def identity_words(episode: Episode) -> np.ndarray:
    """The episode's identity as uint32 [3] (seed, task, place in the group), folded into its random key.

    A digest stands for the task, since Python's own hash of a string changes from process to process.
    """
    task = int.from_bytes(hashlib.blake2b(episode.task.id.encode(), digest_size=4).digest(), "little")
    return np.array([episode.seed & 0xFFFFFFFF, task, episode.group_index], np.uint32)
