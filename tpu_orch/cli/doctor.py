"""`tpu-orch doctor`: is this machine all right?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from data_pipeline.errors import InputError
from tpu_orch.runs.doctor import Finding, examine

MARKS = {"ok": ("✓ ok", "green"), "note": ("· note", "dim"), "care": ("! care", "yellow"), "bad": ("✗ bad", "red")}


@dataclass(frozen=True)
class Args:
    """Looks at this machine: Python, packages, devices, memory, disk, optional extras, and whether a small program compiles and
    computes right. Exits 1 if something keeps runs from working.

    For example: tpu-orch doctor
    """

    folder: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs")
    """Where runs are to be written; it need not be there yet."""


def run(args: Args) -> int:
    if args.folder.exists() and not args.folder.is_dir():
        raise InputError(f"{args.folder} is no folder")
    findings = examine(args.folder)
    console = Console(width=120)
    console.print(table(findings))
    bad = [one.what for one in findings if one.state == "bad"]
    print(f"to be mended: {', '.join(bad)}" if bad else "this machine is all right")
    return 1 if bad else 0


def table(findings: list[Finding]) -> Table:
    """For people; the first column says in words what its colour says."""
    made = Table("", "what", "found", "what to do")
    for one in findings:
        mark, style = MARKS[one.state]
        made.add_row(f"[{style}]{mark}[/{style}]", one.what, one.found, one.advice)
    return made
