"""`tpu-orch explore`: from a catalogue alone to a store, edges between tools, candidate workflows and a coverage report."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.backends.live import Manners, PolitelyBackend, ReadsOnly
from data_pipeline.backends.opening import open_backend
from data_pipeline.errors import InputError
from data_pipeline.exploration import (
    Coverage,
    EndpointProposer,
    Exploration,
    Proposer,
    RememberingProposer,
    coverage,
    explore,
    found_edges,
    found_workflows,
    read_seeds,
    unused_seeds,
)
from data_pipeline.exploration.proposals import SECRET
from data_pipeline.formats import Recorded, read_tools
from data_pipeline.formats.rows import write_document, write_rows
from data_pipeline.jsontext import write_json
from data_pipeline.recording import Redacting, told, unstable_tools
from data_pipeline.store import build_store
from data_pipeline.store.journal import Journal
from data_pipeline.words import Json
from data_pipeline.workflows.files import NamedWorkflow, write_workflows
from tpu_orch.cli.inputs import backend_files
from tpu_orch.cli.outputs import check_outputs
from tpu_orch.reports.counting import counter

WRITTEN = ("responses.store", "edges.jsonl", "workflows.yaml", "coverage.json", "journal.jsonl", "proposals.jsonl")


@dataclass(frozen=True)
class Args:
    """Explores tools that only read: starts from schemas and seed values, follows what results say, records everything.

    Writes into OUT: responses.store, edges.jsonl, workflows.yaml, coverage.json, and the journal that an interrupted
    exploration goes on from. Tools that write are never called. For example:
    tpu-orch explore --tools tools.json --backend http --seeds values.yaml --budget 500 --out explored
    """

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools; for the backend `http` as `tools import` wrote it."""

    backend: Annotated[str, tyro.conf.arg(metavar="BACKEND")]
    """Who answers: store:FILE, python:MODULE:NAME, http, http:BASE_URL, mcp:URL or mcp:COMMAND."""

    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Where everything is written."""

    budget: int = 500
    """Calls to make in all, over every run that goes on from the same journal; one made again after a timeout or a passing
    failure counts once."""

    seeds: Annotated[Path | None, tyro.conf.arg(metavar="VALUES.yaml")] = None
    """Values to start from: parameter: [values], or tool.parameter: [values]."""

    proposer: Annotated[str | None, tyro.conf.arg(metavar="URL")] = None
    """An OpenAI-compatible endpoint that proposes arguments for tools that nothing else gets an answer from, such as
    http://localhost:8000/v1. Its key is read from the environment variable TPU_ORCH_SECRET_PROPOSER."""

    proposer_model: str = "default"
    """The model to name to the endpoint."""

    per_second: float = 5.0
    """Most calls a second; 0: as fast as they come."""

    retries: int = 3
    """Tries again after a timeout or a passing failure, waiting longer each time."""

    timeout_s: float = 30.0
    """Seconds that one call may take."""

    redact: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FIELD ...")] = ()
    """Fields of responses whose values are replaced before anything is followed or written, wherever they stand."""

    ask_again: int = 2
    """Calls of each tool that are made a second time, to find tools whose answers depend on earlier calls; 0: none."""


def run(args: Args) -> int:
    if args.budget < 1:
        raise InputError("--budget must be at least 1")
    written = [("--out", args.out / name) for name in WRITTEN]
    check_outputs(written, [args.tools, args.seeds, *backend_files(args.backend)])
    tools = read_tools(args.tools)
    seeds = read_seeds(args.seeds) if args.seeds is not None else {}
    for name, why in unused_seeds(tools, seeds).items():
        print(f"{args.seeds}: {name}: {why}", file=sys.stderr)
    args.out.mkdir(parents=True, exist_ok=True)
    with (
        Journal(args.out / "journal.jsonl") as journal,
        open_backend(args.backend, tools, args.tools, os.environ, args.timeout_s) as live,
        counter("exploring", args.budget) as advance,
    ):
        polite = PolitelyBackend(live, Manners(args.per_second, args.retries))
        backend = ReadsOnly(Redacting(polite, args.redact), tools)
        exploration = explore(
            tools,
            backend,
            journal,
            budget=args.budget,
            seeds=seeds,
            proposer=proposer_of(args),
            on_answer=lambda made: advance(),
        )
        unstable = unstable_tools(exploration.answers, backend, per_tool=args.ask_again) if args.ask_again else {}
    for name, (call, _, _) in unstable.items():
        print(f"{name}: unsupported by a store, left out: {told(call)} was answered differently again", file=sys.stderr)
    print_passing(exploration)
    covered = coverage(exploration, tools)
    kept = [record for record in records_of(exploration, args) if record.name not in unstable]
    stats = build_store(args.out / "responses.store", kept, tools, "last")
    write_findings(args.out, exploration, covered, sorted(unstable))
    print_summary(covered, exploration)
    print(f"{args.out / 'responses.store'}: {stats.records} records, {stats.content_hash}")
    return 0


def proposer_of(args: Args) -> Proposer | None:
    if args.proposer is None:
        return None
    endpoint = EndpointProposer(args.proposer, args.proposer_model, os.environ.get(SECRET))
    return RememberingProposer(endpoint, args.out / "proposals.jsonl")


def records_of(exploration: Exploration, args: Args) -> list[Recorded]:
    """The answers that belong into the store."""
    source = args.backend.partition(":")[0]
    made = [answer.record(source) for answer in exploration.answers]
    return [record for record in made if record is not None]


def write_findings(folder: Path, exploration: Exploration, covered: Coverage, unstable: list[str]) -> None:
    """edges.jsonl, workflows.yaml and coverage.json."""
    write_rows(folder / "edges.jsonl", (edge._asdict() for edge in found_edges(exploration)))
    named = [
        NamedWorkflow(workflow, " > ".join(workflow.tools), (), frequency)
        for workflow, frequency in found_workflows(exploration)
    ]
    write_workflows(folder / "workflows.yaml", named)
    report: dict[str, Json] = {**covered._asdict(), "unstable": unstable}
    write_document(folder / "coverage.json", write_json(report) + b"\n")


def print_passing(exploration: Exploration) -> None:
    """Calls that failed in passing, with what the first one met, on stderr."""
    failed = exploration.passing
    if failed:
        first = f"{told(failed[0].call)}: {failed[0].result.content['message']}"
        print(f"no answer to {len(failed)} calls, which the next run makes again; the first: {first}", file=sys.stderr)


def print_summary(covered: Coverage, exploration: Exploration) -> None:
    """The report for people."""
    reads = covered.tools - len(covered.writes)
    print(
        f"calls        {covered.calls}, {covered.error_rate:.0%} not ok"
        + ("" if covered.finished else "; budget spent")
    )
    print(
        f"reached      {len(covered.reached)} of {reads} tools that read; {len(covered.writes)} that write left alone"
    )
    for name, missing in covered.never_called.items():
        print(f"  never called  {name}" + (f": no value known for {', '.join(missing)}" if missing else ""))
    for name in covered.never_ok:
        print(f"  never ok      {name}: {covered.kinds[name]}")
    edges, workflows = found_edges(exploration), found_workflows(exploration)
    print(f"edges        {len(edges)} supported by an ok answer")
    print(f"workflows    {len(workflows)} candidate shapes")
    if covered.parameters_never_filled:
        print(f"never filled {', '.join(covered.parameters_never_filled)}")
    if covered.dead_ends:
        print(f"dead ends    {', '.join(covered.dead_ends)}")
