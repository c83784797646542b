"""`tpu-orch tools mutate`: an evolved interface, with its store and its tasks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.formats import read_tasks, read_tools, write_tasks, write_tools
from data_pipeline.formats.rows import write_rows
from data_pipeline.mutation import Bundle, Kind, mutate
from data_pipeline.store import build_store, open_any
from tpu_orch.cli.outputs import check_outputs


@dataclass(frozen=True)
class Args:
    """Changes tools as a new version of an API would, and their records and tasks alike, so that all still replay.

    rename: other names of tools and parameters. retype: numbers as text, digits as integers. require: defaults must be
    given, new arguments come. split: one tool becomes several, dates become year, month and day. deprecate: a successor
    answers, the old name refuses. reorder: another order of everything. Writes into OUT: tools.json, changes.jsonl,
    and responses.store and tasks.jsonl where these were given. For example:
    tpu-orch tools mutate --tools tools.json --store api.store --tasks tasks.jsonl --kind rename --out renamed
    """

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools."""

    kind: Kind
    """What changes."""

    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Where everything is written."""

    store: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """Recorded responses: a store file or a responses.jsonl."""

    tasks: Annotated[Path | None, tyro.conf.arg(metavar="TASKS.jsonl")] = None
    """Tasks whose references follow the change; one that asks for what has no one name any more is dropped."""

    share: float = 0.5
    """Share of the tools or parameters that change, of those that can."""

    seed: int = 0
    """Which of them, and into what."""


def run(args: Args) -> int:
    names = ["tools.json", "changes.jsonl"]
    names += ["responses.store"] if args.store is not None else []
    names += ["tasks.jsonl"] if args.tasks is not None else []
    check_outputs([("--out", args.out / name) for name in names], [args.tools, args.store, args.tasks])
    tools = read_tools(args.tools)
    records = tuple(open_any(args.store, tools).records()) if args.store is not None else ()
    tasks = tuple(read_tasks(args.tasks)) if args.tasks is not None else ()
    bundle, changes = mutate(Bundle(tools, records, tasks), args.kind, args.seed, args.share)
    args.out.mkdir(parents=True, exist_ok=True)
    write_tools(args.out / "tools.json", bundle.tools)
    write_rows(args.out / "changes.jsonl", (change._asdict() for change in changes))
    if args.store is not None:
        build_store(args.out / "responses.store", bundle.records, bundle.tools)
    if args.tasks is not None:
        write_tasks(args.out / "tasks.jsonl", bundle.tasks)
    print(f"{args.out}: {len(changes)} changes of kind {args.kind}, {len(bundle.tools)} tools")
    if dropped := len(tasks) - len(bundle.tasks):
        print(f"{dropped} of {len(tasks)} tasks dropped: what they ask for has no one name any more")
    return 0
