"""`tpu-orch store record`: real answers to a list of calls, into a store."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.backends.live import Manners, PolitelyBackend, ReadsOnly
from data_pipeline.backends.opening import open_backend
from data_pipeline.backends.protocol import Backend
from data_pipeline.formats import Recorded, read_tools
from data_pipeline.recording import Recording, Redacting, read_calls, record_calls, told, unstable_tools
from data_pipeline.store import build_store
from data_pipeline.store.journal import Journal
from tpu_orch.cli.inputs import backend_files
from tpu_orch.cli.outputs import check_outputs
from tpu_orch.reports.counting import counter


@dataclass(frozen=True)
class Args:
    """Asks a backend for a list of calls and records what it answers. Reads only, unless --allow-writes.

    Every answer is written to STORE.journal before the next call is made. Interrupted anywhere, the same command goes
    on where it stopped; the store is built when all calls are answered. For example:
    tpu-orch store record --tools tools.json --backend http --calls calls.jsonl --out api.store
    """

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools; for the backend `http` as `tools import` wrote it."""

    backend: Annotated[str, tyro.conf.arg(metavar="BACKEND")]
    """Who answers: store:FILE, python:MODULE:NAME, http, http:BASE_URL, mcp:URL or mcp:COMMAND."""

    calls: Annotated[Path, tyro.conf.arg(metavar="CALLS.jsonl")]
    """One call a line: {"name", "arguments", "context"?}."""

    out: Annotated[Path, tyro.conf.arg(metavar="STORE")]
    """Where the store is written; the journal stands beside it as STORE.journal."""

    allow_writes: bool = False
    """Also make calls of tools that change things."""

    per_second: float = 5.0
    """Most calls a second; 0: as fast as they come."""

    retries: int = 3
    """Tries again after a timeout or a passing failure, waiting longer each time."""

    timeout_s: float = 30.0
    """Seconds that one call may take."""

    redact: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD ...")] = ()
    """Fields of responses whose values are replaced before anything is written, wherever they stand."""

    ask_again: int = 3
    """Calls of each tool that are made a second time, to find tools whose answers depend on earlier calls; 0: none."""

    keep_unstable: bool = False
    """Keep the records of tools that answered differently the second time."""


def run(args: Args) -> int:
    journal_path = args.out.parent / f"{args.out.name}.journal"
    read = [args.tools, args.calls, *backend_files(args.backend)]
    check_outputs([("--out", args.out), ("--out", journal_path)], read)
    tools = read_tools(args.tools)
    wanted = read_calls(str(args.calls))
    with (
        Journal(journal_path) as journal,
        open_backend(args.backend, tools, args.tools, os.environ, args.timeout_s) as live,
        counter("recording", len(wanted)) as advance,
    ):
        polite = PolitelyBackend(live, Manners(args.per_second, args.retries))
        backend: Backend = Redacting(polite, args.redact)
        if not args.allow_writes:
            backend = ReadsOnly(backend, tools)
        recording = record_calls(
            wanted,
            backend,
            tools,
            journal,
            allow_writes=args.allow_writes,
            on_answer=lambda answer: advance(),
        )
        unstable = find_unstable(recording, backend, args)
    report(recording)
    if args.keep_unstable:
        unstable = frozenset()
    kept = [record for record in records_of(recording, args.backend) if record.name not in unstable]
    stats = build_store(args.out, kept, tools, "last")
    print(f"{args.out}: {stats.records} records, {recording.asked} calls made now, {stats.content_hash}")
    return 0


def records_of(recording: Recording, backend: str) -> list[Recorded]:
    """The answers that belong into a store, with where they come from."""
    source = backend.partition(":")[0]
    made = [answer.record(source) for answer in recording.answers]
    return [record for record in made if record is not None]


def find_unstable(recording: Recording, backend: Backend, args: Args) -> frozenset[str]:
    """Names of tools that answered otherwise when asked again; says so for each."""
    if not args.ask_again:
        return frozenset()
    found = unstable_tools(recording.answers, backend, args.ask_again)
    for name, (call, _, _) in found.items():
        kept = "its records are kept all the same" if args.keep_unstable else "its records are left out"
        print(f"{name}: unsupported by a store: {told(call)} was answered differently again; {kept}", file=sys.stderr)
    return frozenset(found)


def report(recording: Recording) -> None:
    """Calls that gave no record, a line each on stderr."""
    for call, why in recording.refused:
        print(f"not called: {told(call)}: {why}", file=sys.stderr)
    for answer in recording.answers:
        if answer.record("") is None:
            print(f"no record: {told(answer.call)}: {answer.result.content['message']}", file=sys.stderr)
