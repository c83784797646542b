"""`tpu-orch experiment map --seeds 3`: when does an execution reward beat outcome and trajectory matching, and when not?

Four things are varied, each alone around a middle and start success against the three others: how well the start does (120,
250 and 500 warm-up steps), how many routes lead to an answer (0 or 8 shortcuts in the world), rollouts a group (4, 16),
and how much of the world the store answers in training (the references alone, half, everything; tests are always executable).
In each cell `tier`, `outcome` and `toolrl` train from the same start on the same tasks; heat maps show `tier` minus each of
the others.

Time: an estimate of 60 minutes a seed on two cores.

Decision rule, fixed before any run: a cell counts as won or lost if the 95 % t-interval of the paired difference (share of
test tasks of four to six calls answered rightly) leaves out 0 over at least five seeds; with fewer the map shows means alone
and decides nothing.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tpu_orch.experiments.frame import Arm, Contrast, Experiment, Grid, with_changes
from tpu_orch.experiments.settings import common, start

REWARDS = {"tier": "tier", "outcome": "outcome", "toolrl": "toolrl=1"}
STEPS, SHORTCUTS, GROUPS, OPENNESS = (120, 250, 500), (0, 8), (4, 16), (0.0, 0.5, 1.0)


class Cell(NamedTuple):
    steps: int = 250
    shortcuts: int = 8
    group: int = 16
    openness: float = 1.0

    @property
    def name(self) -> str:
        return f"w{self.steps}-r{self.shortcuts}-g{self.group}-o{self.openness:g}"

    @property
    def start(self) -> str:
        return f"start-w{self.steps}-r{self.shortcuts}"


def cells() -> list[Cell]:
    """Start success against each of the other three, which stay at their middle meanwhile; each cell once."""
    found = [Cell(steps, shortcuts=routes) for steps in STEPS for routes in SHORTCUTS]
    found += [Cell(steps, group=group) for steps in STEPS for group in GROUPS]
    found += [Cell(steps, openness=openness) for steps in STEPS for openness in OPENNESS]
    return list(dict.fromkeys(found))


def grids() -> list[Grid]:
    """Start success against each of the other three, `tier` minus each of the other rewards."""
    made = []
    varied: tuple[tuple[str, Sequence[float], Callable[[int, float], Cell]], ...] = (
        ("shortcuts", SHORTCUTS, lambda steps, choice: Cell(steps, shortcuts=int(choice))),
        ("rollouts a group", GROUPS, lambda steps, choice: Cell(steps, group=int(choice))),
        ("share answered", OPENNESS, lambda steps, choice: Cell(steps, openness=choice)),
    )
    for label, choices, cell in varied:
        for other in ("outcome", "toolrl"):
            laid = {(str(steps), f"{choice:g}"): cell(steps, choice).name for steps in STEPS for choice in choices}
            made.append(
                Grid(
                    f"tier - {other}, by {label}",
                    "warm-up steps",
                    label,
                    [str(steps) for steps in STEPS],
                    [f"{choice:g}" for choice in choices],
                    {place: Contrast(f"{name}-tier", f"{name}-{other}") for place, name in laid.items()},
                )
            )
    return made


def map_of_rewards() -> Experiment:
    arms = [
        Arm(
            f"{cell.name}-{name}",
            f"{name}: {cell.steps} warm-up steps, {cell.shortcuts} shortcuts, groups of {cell.group}, openness {cell.openness:g}",
            {
                "reward": reward,
                "trainer.group": cell.group,
                "trainer.prompts": 128 // cell.group,
                "world.openness": cell.openness,
            },
            start=cell.start,
        )
        for cell in cells()
        for name, reward in REWARDS.items()
    ]
    starts = {
        cell.start: with_changes(start(), {"warmup.steps": cell.steps, "world.shortcuts": cell.shortcuts})
        for cell in cells()
    }
    return Experiment(
        name="map",
        says=__doc__ or "",
        common=with_changes(common(), {"trainer.steps": 12, "eval.every": 12}),
        starts=starts,
        arms=arms,
        contrasts=[
            Contrast(f"{cell.name}-tier", f"{cell.name}-{other}") for cell in cells() for other in ("outcome", "toolrl")
        ],
        start_seconds=150,
        arm_seconds=60,
        measured=False,
        grids=grids(),
    )
