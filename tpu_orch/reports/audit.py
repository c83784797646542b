"""An audit for people: a table in the terminal, and a chart of what each cheat earns beside the honest replay."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display needed
import matplotlib.pyplot as plt
from rich.table import Table

from data_pipeline.words import JsonObject
from rewards.audit import Audit, RewardAudit

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
HATCHES = ("", "///", "..", "xx")


def tables(found: Audit) -> list[Table]:
    """One table a reward, best-paid cheat first."""
    return [_table(reward) for reward in found.rewards]


def _table(reward: RewardAudit) -> Table:
    table = Table(title=f"{reward.reward}: the honest replay earns {reward.honest:.3f}", title_justify="left")
    for heading in ("cheat", "tasks", "mean", "most", "honest there", "answers that say something", ""):
        table.add_column(heading, justify="left" if heading in ("cheat", "") else "right")
    for one in sorted(reward.cheats, key=lambda one: one.mean - one.honest, reverse=True):
        told = "-" if one.informative is None else f"{one.informative:.3f}"
        near = "NEAR" if one.near else ""
        table.add_row(one.cheat, str(one.tasks), f"{one.mean:.3f}", f"{one.most:.3f}", f"{one.honest:.3f}", told, near)
    return table


def lines(found: Audit) -> list[str]:
    """What the data can and cannot tell."""
    ceiling, answers, coverage = found.ceiling, found.answers, found.coverage
    told = [
        f"tasks: {ceiling.tasks} audited, {ceiling.left_out} left out ({ceiling.misses} calls without a record)",
        f"honest ceiling: {ceiling.recoverable:.0%} of the tasks are recoverable; {ceiling.with_repeats} have identical"
        f" steps, {ceiling.with_inexact} bindings that disagree with the record",
        f"coverage: of {coverage.tried} calls that differ from the reference in one argument {coverage.answered:.1%}"
        " are answered",
    ]
    if answers.with_answer:
        told.append(
            f"answers: {answers.with_answer} tasks have one; {answers.uninformative} of these say nothing (empty or an"
            f" error), {answers.no_call} want no call; a recorded call of an offered tool gives the answer by chance in"
            f" {answers.by_chance:.1%}"
        )
    return told


def audit_json(found: Audit) -> JsonObject:
    """The audit as plain JSON."""
    return {
        "rewards": [
            {**reward._asdict(), "cheats": [one._asdict() for one in reward.cheats]} for reward in found.rewards
        ],
        "ceiling": found.ceiling._asdict(),
        "answers": found.answers._asdict(),
        "coverage": found.coverage._asdict(),
    }


def draw_audit(found: Audit, path: Path) -> None:
    """A bar for each cheat and reward, as a share of the reward's range, with a mark where the honest replay stands.

    The best-paid cheat is on top; the format follows the file's name.
    """
    most: dict[str, float] = {}
    for reward in found.rewards:
        for one in reward.cheats:
            most[one.cheat] = max(most.get(one.cheat, 0.0), _share(one.mean, reward))
    cheats = sorted(most, key=lambda cheat: -most[cheat])
    figure, axes = plt.subplots(figsize=(8.5, 1.8 + (0.16 + 0.18 * len(found.rewards)) * len(cheats)))
    for place, reward in enumerate(found.rewards):
        _draw_bars(axes, reward, cheats, place, len(found.rewards))
    axes.set(
        yticks=range(len(cheats)), yticklabels=cheats, xlim=(0, 1.08), xlabel="mean reward, as a share of its range"
    )
    axes.set_title("What cheating earns; black marks: the honest replay of the same tasks", fontsize=11, pad=28)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=max(1, len(found.rewards)), frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw_bars(axes: plt.Axes, reward: RewardAudit, cheats: list[str], place: int, rewards: int) -> None:
    """One reward's bars, the `place`th of `rewards` beside each cheat's name; a figure in bold comes near the honest one."""
    height = 0.8 / rewards
    played = {one.cheat: one for one in reward.cheats}
    rows = {cheat: at + (place - (rewards - 1) / 2) * height for at, cheat in enumerate(cheats) if cheat in played}
    colour, hatch = COLOURS[place % len(COLOURS)], HATCHES[place % len(HATCHES)]
    earned = [_share(played[cheat].mean, reward) for cheat in rows]
    axes.barh(
        list(rows.values()),
        earned,
        height,
        color=colour,
        hatch=hatch,
        edgecolor="black",
        linewidth=0.5,
        label=f"{reward.reward} (honest {_share(reward.honest, reward):.2f} over all tasks)",
    )
    for cheat, row in rows.items():
        honest, share = _share(played[cheat].honest, reward), _share(played[cheat].mean, reward)
        axes.plot([honest, honest], [row - height / 2, row + height / 2], color="black", linewidth=1.6)
        weight = "bold" if played[cheat].near else "normal"
        axes.text(
            max(share, honest if share > honest - 0.08 else 0) + 0.01,
            row,
            f"{share:.2f}",
            va="center",
            fontsize=7,
            weight=weight,
        )


def _share(value: float, reward: RewardAudit) -> float:
    return (value - reward.low) / (reward.high - reward.low)
