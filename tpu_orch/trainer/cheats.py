"""Before reinforcement learning begins: would cheating pay on these tasks, with this reward?"""

from rewards.audit import SAMPLE, audit_sample, warnings
from rewards.cheats import World, referred_arguments
from rewards.reward import Reward
from tpu_orch.reports.messages import say
from tpu_orch.trainer.material import Material

MOST = 4
"""Cheats that are told one by one."""


def warn_of_cheats(material: Material, reward: Reward) -> None:
    """Says which cheating policies come within 0.2 of the honest replay, on a sample of the training tasks, and whether the
    references of these tasks are answered at all."""
    tasks = material.train_tasks
    world = World(tasks, material.tools, material.environment, referred_arguments(tasks))
    found = audit_sample(world, reward)
    if found.left_out:
        say(
            f"warning: {found.left_out} of {min(len(tasks), SAMPLE)} references have a call that gets no answer of its tool "
            "(`tpu-orch tasks check` says which)"
        )
    lines = warnings(found)
    for line in lines[:MOST]:
        say(f"warning: {line} (`tpu-orch audit` says more)")
    if lines[MOST:]:
        say(f"warning: {len(lines) - MOST} more cheats earn nearly as much as the honest replay")
