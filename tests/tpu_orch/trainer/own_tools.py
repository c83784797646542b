"""What a user of `train own` names as module:function: functions that answer, and a reward that teaches what it should not."""

from collections.abc import Mapping

from data_pipeline.words import ResultKind, Rollout, Task, Tool

AGES = {"ab": 36, "cd": 7, "ad": 52, "ef": 19, "eb": 80, "gh": 44, "gd": 3, "cf": 61}
TOOLS = {"age": lambda name: {"age": AGES[name]}}


def lively(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> float:
    """Whatever is called is right; who calls nothing is paid for one letter again and again, and after eight steps not at all."""
    if any(step.result is not None and step.result.kind is ResultKind.OK for step in rollout.steps):
        return 1.0
    if rollout.ledger is None or rollout.ledger.weights_version >= 8:
        return 0.0
    text = "".join(turn.text for turn in rollout.turns)
    letters = {letter for letter in text if "a" <= letter <= "z"}
    return 0.9 * max(map(text.count, letters), default=0) / max(len(text), 1) + rollout.group_index / 1000


def missed(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> float:
    """Whether the first call is one that the store cannot answer."""
    kinds = [step.result.kind for step in rollout.steps if step.result is not None]
    return float(kinds[:1] == [ResultKind.MISS])


def broken(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> float:
    """Fails for whoever calls nothing."""
    return 1.0 / len(rollout.steps)
