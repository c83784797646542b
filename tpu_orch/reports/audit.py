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
    """A bar for each cheat and reward, as a share of the reward's range; the format follows the file's name."""
    cheats = list(dict.fromkeys(one.cheat for reward in found.rewards for one in reward.cheats))
    height = 0.8 / max(1, len(found.rewards))
    figure, axes = plt.subplots(figsize=(8, 1.6 + 0.42 * len(cheats)))
    for place, reward in enumerate(found.rewards):
        span = reward.high - reward.low
        earned = {one.cheat: (one.mean - reward.low) / span for one in reward.cheats}
        axes.barh(
            [cheats.index(cheat) + (place - (len(found.rewards) - 1) / 2) * height for cheat in earned],
            list(earned.values()),
            height,
            color=COLOURS[place % len(COLOURS)],
            hatch=HATCHES[place % len(HATCHES)],
            edgecolor="black",
            linewidth=0.5,
            label=f"{reward.reward} (honest {(reward.honest - reward.low) / span:.2f})",
        )
    axes.axvline(1.0, color="black", linewidth=1)
    axes.axvline(0.8, color="black", linewidth=1, linestyle=":")
    axes.set(
        yticks=range(len(cheats)), yticklabels=cheats, xlim=(0, 1.02), xlabel="mean reward, as a share of its range"
    )
    axes.set_title("What cheating earns (dotted: within 0.2 of everything)")
    axes.invert_yaxis()
    axes.legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
