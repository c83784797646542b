"""Before reinforcement learning begins: would cheating pay on these tasks, with this reward?"""

from rewards.audit import audit_sample, warnings
from rewards.cheats import World, referred_arguments
from rewards.reward import Reward
from tpu_orch.reports.messages import say
from tpu_orch.trainer.material import Material


def warn_of_cheats(material: Material, reward: Reward) -> None:
    """Says which cheating policies come within 0.2 of the honest replay, on a sample of the training tasks."""
    tasks = material.train_tasks
    world = World(tasks, material.tools, material.environment, referred_arguments(tasks))
    for line in warnings(audit_sample(world, reward)):
        say(f"warning: {line} (`tpu-orch audit` says more)")
