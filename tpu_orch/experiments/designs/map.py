"""`tpu-orch experiment map --seeds 5 --jobs 2`: when does an execution reward beat outcome and trajectory matching, and when not?

Four things are varied, each of three against how well the start does (it was shown up to two or up to three calls): how many
routes lead to an answer (0 or 8 shortcuts in the world), rollouts a group (8, 32; as many a step), and how much of the world
the store answers in training (the references alone, half, everything; tests are always executable). In each cell `tier`,
`outcome` and `toolrl` train from the same start on the same tasks, for half of `depth`'s updates; heat maps show `tier` minus
each of the others.

Time: 59 minutes a seed on two cores with `--jobs 2` (measured; 66 beside other work on them).

Decision rule, fixed before any run: a cell counts as won or lost if the 95 % t-interval of the paired difference (share of
test tasks of four to six calls answered rightly) leaves out 0 over at least five seeds; with fewer the map shows means alone
and decides nothing.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tpu_orch.experiments.designs.settings import common, start
from tpu_orch.experiments.frame import Arm, Contrast, Experiment, Grid, with_changes

REWARDS = {"tier": "tier", "outcome": "outcome", "toolrl": "toolrl=1"}
SHOWN, SHORTCUTS, GROUPS, OPENNESS = (2, 3), (0, 8), (8, 32), (0.0, 0.5, 1.0)
ROLLOUTS = 384  # of a step
KEPT = 4  # one of so many


class Cell(NamedTuple):
    shown: int = 2
    """most calls of a demonstration of its start"""
    shortcuts: int = 8
    group: int = 8
    openness: float = 1.0

    @property
    def name(self) -> str:
        return f"s{self.shown}-r{self.shortcuts}-g{self.group}-o{self.openness:g}"

    @property
    def shown_depths(self) -> tuple[int, ...]:
        """what its start was shown, and arms replay"""
        return tuple(range(self.shown + 1))

    @property
    def start(self) -> str:
        return f"start-s{self.shown}-r{self.shortcuts}"


def cells() -> list[Cell]:
    """Start success against each of the other three, which stay at their middle meanwhile; each cell once."""
    found = [Cell(shown, shortcuts=routes) for shown in SHOWN for routes in SHORTCUTS]
    found += [Cell(shown, group=group) for shown in SHOWN for group in GROUPS]
    found += [Cell(shown, openness=openness) for shown in SHOWN for openness in OPENNESS]
    return list(dict.fromkeys(found))


def grids() -> list[Grid]:
    """Start success against each of the other three, `tier` minus each of the other rewards."""
    made = []
    varied: tuple[tuple[str, Sequence[float], Callable[[int, float], Cell]], ...] = (
        ("shortcuts", SHORTCUTS, lambda shown, choice: Cell(shown, shortcuts=int(choice))),
        ("rollouts a group", GROUPS, lambda shown, choice: Cell(shown, group=int(choice))),
        ("share answered", OPENNESS, lambda shown, choice: Cell(shown, openness=choice)),
    )
    for label, choices, cell in varied:
        for other in ("outcome", "toolrl"):
            laid = {(str(shown), f"{choice:g}"): cell(shown, choice).name for shown in SHOWN for choice in choices}
            made.append(
                Grid(
                    f"tier - {other}, by {label}",
                    "calls shown to the start",
                    label,
                    [str(shown) for shown in SHOWN],
                    [f"{choice:g}" for choice in choices],
                    {place: Contrast(f"{name}-tier", f"{name}-{other}") for place, name in laid.items()},
                )
            )
    return made


def map_of_rewards() -> Experiment:
    arms = [
        Arm(
            f"{cell.name}-{name}",
            f"{name}: shown {cell.shown} calls, {cell.shortcuts} shortcuts, groups of {cell.group}, openness {cell.openness:g}",
            {
                "reward": reward,
                "trainer.group": cell.group,
                "trainer.prompts": ROLLOUTS // cell.group,
                "trainer.kept_of_group": cell.group // KEPT,
                "world.openness": cell.openness,
                "world.shown_depths": cell.shown_depths,
            },
            start=cell.start,
        )
        for cell in cells()
        for name, reward in REWARDS.items()
    ]
    starts = {
        cell.start: with_changes(start(), {"world.shown_depths": cell.shown_depths, "world.shortcuts": cell.shortcuts})
        for cell in cells()
    }
    return Experiment(
        name="map",
        says=__doc__ or "",
        common=with_changes(common(), {"trainer.steps": 24}),
        starts=starts,
        arms=arms,
        contrasts=[
            Contrast(f"{cell.name}-tier", f"{cell.name}-{other}") for cell in cells() for other in ("outcome", "toolrl")
        ],
        start_seconds=108,
        arm_seconds=213,
        measured=True,
        grids=grids(),
    )
