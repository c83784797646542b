"""`tpu-orch doctor`: is this machine all right?"""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import jax
import tyro
from rich.table import Table
from rich.text import Text

from data_pipeline.errors import InputError
from tpu_orch.cli.outputs import check_outputs, placed
from tpu_orch.config import MeshOptions
from tpu_orch.pod.cluster import join_cluster
from tpu_orch.reports.terminal import terminal
from tpu_orch.runs.doctor import examine
from tpu_orch.runs.files import write_json
from tpu_orch.runs.findings import Finding
from tpu_orch.runs.machine import describe_machine, processor

MARKS = {"ok": ("✓ ok", "green"), "note": ("· note", "dim"), "care": ("! care", "yellow"), "bad": ("✗ bad", "red")}


@dataclass(frozen=True)
class Args:
    """Looks at this machine: Python, packages, devices, memory, disk, store, tokenizer, optional extras; how fast the host
    reaches each chip, and whether a small update and a small rollout come out right and alike on every one. Exits 1 if
    something keeps runs from working. On a pod, start it on every host at once.

    For example: tpu-orch doctor
    """

    folder: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs")
    """Where runs are to be written; it need not be there yet."""

    store: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """A store file to read through; left out, a small one is made."""

    tokenizer: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A tokenizer's file to try; left out, a small one is trained."""

    mesh: MeshOptions = field(default_factory=MeshOptions)

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the findings are written for programs."""


def run(args: Args) -> int:
    if args.folder.exists() and not args.folder.is_dir():
        raise InputError(f"{args.folder} is no folder")
    check_outputs([("--json", args.json)], [args.store, args.tokenizer])
    join_cluster()
    findings = examine(args.folder, args.store, args.tokenizer, args.mesh)
    bad = [one.what for one in findings if one.state == "bad"]
    process = 0 if "devices" in bad else jax.process_index()
    console = terminal(width=120)
    console.print(table(findings, process))
    if args.json is not None:
        whole = {
            "machine": processor() if "devices" in bad else describe_machine(),
            "host": socket.gethostname(),
            "process": process,
            "bad": bad,
        }
        write_json(placed(args.json), {**whole, "findings": [one._asdict() for one in findings]})
    print(f"to be mended: {', '.join(bad)}" if bad else "this machine is all right")
    return 1 if bad else 0


def table(findings: list[Finding], process: int) -> Table:
    """For people; the first column says in words what its colour says."""
    made = Table("", "what", "found", "what to do", title=f"{socket.gethostname()}, process {process}")
    for one in findings:
        mark, style = MARKS[one.state]
        made.add_row(Text(mark, style), one.what, one.found, one.advice)
    return made
