"""What `tpu-orch eval` refuses before its work: options that it would not use, and files that it could not write."""

from dataclasses import MISSING, fields
from pathlib import Path

from data_pipeline.errors import InputError
from tpu_orch.cli.eval_options import Args
from tpu_orch.cli.inputs import check_limit, policy_files
from tpu_orch.cli.outputs import Output, check_chart, check_outputs, growing

WRITTEN = {"compare", "out", "chart", "seed"}
ALWAYS = WRITTEN | {"model", "endpoint", "rollouts", "attempts", "suite", "data", "limit"}
TASKS = {"tools", "store", "tasks", "split", "reward"}
BENCHMARK = {"category", "bfcl_executor", "calling", "shots", "max_turns"}
REQUESTS = {"endpoint_model", "concurrency", "retries", "timeout", "key_variable"}
DRAWN = {"samples", "max_tokens", "temperature"}
USED = {
    "--compare": WRITTEN,
    "--model on tasks": ALWAYS | TASKS | {"temperature"},
    "--model on a public suite": ALWAYS | BENCHMARK | DRAWN | {"context"},
    "--endpoint on tasks": ALWAYS | TASKS | REQUESTS | DRAWN | {"calling", "shots", "max_turns", "examples"},
    "--endpoint on a public suite": ALWAYS | BENCHMARK | REQUESTS | DRAWN,
    "--rollouts alone on tasks": ALWAYS | TASKS,
    "--rollouts alone on a public suite": ALWAYS | BENCHMARK,
}
"""By the way of evaluating, the options that say anything there."""


def check(args: Args) -> None:
    """Raises InputError for options that are not used, numbers that make no sense, and files that cannot be written."""
    way = way_of(args)
    for name in given(args):
        if name not in USED[way]:
            raise InputError(f"--{name.replace('_', '-')} is of no use with {way}")
    args.endpoint.check()
    check_limit(args.world.limit)
    if args.context is not None and args.context < 1:
        raise InputError("--context must be 1 or more")
    check_chart("--chart", args.chart)
    outputs: list[Output] = [("--out", args.out), ("--attempts", args.attempts), ("--chart", args.chart)]
    if args.compare is not None:
        check_outputs(outputs, args.compare)
        return
    read = [*args.world.paths(args.suite), args.endpoint.examples, *policy_files(args.model)]
    if args.model is None and args.endpoint.endpoint is None:
        read.append(args.rollouts)
    else:
        outputs.append(("--rollouts", args.rollouts))
    if args.endpoint.endpoint is not None:
        outputs += growing("--endpoint", journal_of(args))
    check_outputs(outputs, read)


def way_of(args: Args) -> str:
    """What is evaluated, on what. Raises InputError where that is not one thing."""
    if args.compare is not None:
        return "--compare"
    acting = [
        name for name, value in (("--model", args.model), ("--endpoint", args.endpoint.endpoint)) if value is not None
    ]
    if len(acting) > 1 or (not acting and args.rollouts is None):
        raise InputError("give one of --model RUN, --endpoint URL, --rollouts FILE (or --compare FIRST SECOND)")
    who = acting[0] if acting else "--rollouts alone"
    return f"{who} on {'a public suite' if args.suite.public else 'tasks'}"


def given(args: Args) -> list[str]:
    """The options that are not as they are by default."""
    return [
        item.name
        for group in (args, args.world, args.suite, args.endpoint)
        for item in fields(group)
        if item.default is not MISSING and getattr(group, item.name) != item.default
    ]


def journal_of(args: Args) -> Path:
    """Where what an endpoint answered so far stands. Raises InputError where there is no output that it could stand beside."""
    place = args.attempts or args.rollouts or args.out
    if place is None:
        raise InputError("--endpoint needs --attempts, --rollouts or --out: beside it stands what was answered so far")
    return place.parent / f"{place.name}.asked"
