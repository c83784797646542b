"""`tpu-orch store get`: one recorded response."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.errors import InputError
from data_pipeline.formats import response_row
from data_pipeline.jsontext import JsonError, read_json, spaced_json
from data_pipeline.schemas import problems
from data_pipeline.store import Store
from data_pipeline.words import JsonObject, ToolCall


@dataclass(frozen=True)
class Args:
    """Prints the recorded response of one call as JSON; exit code 1 if none is recorded. For example:
    tpu-orch store get responses.store Search_Taxi '{"from": "x"}'
    """

    store: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="STORE")]
    """A store file."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TOOL")]
    """The tool's name."""

    arguments: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="JSON")] = "{}"
    """The call's arguments, a JSON object."""

    context: Annotated[str, tyro.conf.arg(metavar="JSON")] = "{}"
    """Hidden context of the call (a user's location or clock), a JSON object."""


def run(args: Args) -> int:
    store = Store.open(args.store)
    tool = store.tools.get(args.name)
    if tool is None:
        raise InputError(f"{args.store}: no tool named {args.name!r}; `tpu-orch store stats` lists them")
    arguments = json_object(args.arguments, "arguments")
    record = store.get(ToolCall(args.name, arguments), json_object(args.context, "--context"))
    if record is not None:
        print(spaced_json(response_row(record)))
        return 0
    found = [f"{problem.argument} {problem.message}".strip() for problem in problems(tool, arguments)]
    why = f": {'; '.join(found)}" if found else ""
    print(f"no response of {args.name} is recorded for these arguments{why}", file=sys.stderr)
    return 1


def json_object(text: str, name: str) -> JsonObject:
    """The JSON object that an option spells. Raises `InputError`."""
    try:
        value = read_json(text)
    except JsonError as error:
        raise InputError(f"{name}: {error}") from None
    if type(value) is not dict:
        raise InputError(f"{name}: expected a JSON object")
    return value
