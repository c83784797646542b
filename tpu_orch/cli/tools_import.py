"""`tpu-orch tools import`: a catalogue of tools from somebody else's description of them."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from data_pipeline.catalogues import Catalogue, Entry, import_catalogue, write_catalogue
from data_pipeline.errors import InputError
from tpu_orch.cli.outputs import check_outputs

SHOWN = 50
"""Problems told one by one."""


@dataclass(frozen=True)
class Args:
    """Imports tools into a tools.json that every other command reads.

    FROM is an OpenAPI 3 description (JSON or YAML), a list of tools in OpenAI's, MCP's or BFCL's form, JSON Lines of them,
    or a live MCP server: mcp:URL, or mcp:COMMAND for one that is started on stdio. Released projects' own files are read
    too: ToolOrchestrationReward's booking_api.json, DepthBench's function_definitions.json, BFCL's questions and NESTFUL's
    specs. Secrets never stand in the catalogue: it names the environment variables that hold them. For example:
    tpu-orch tools import openapi.yaml --out tools.json
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FROM")]
    """A file, a URL, or mcp:URL or mcp:COMMAND."""

    out: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Where the catalogue is written."""

    server: str | None = None
    """Base URL of the API instead of the one that an OpenAPI file names."""

    effects: Annotated[tuple[str, ...], tyro.conf.arg(metavar="TOOL=read|write ...")] = ()
    """Overrides whether a tool reads or writes: a search that is sent by POST, say. `*=read` speaks of all tools."""

    skip_broken: bool = False
    """Import the sound tools where others cannot be used, instead of stopping."""


def run(args: Args) -> int:
    check_outputs([("--out", args.out)], [Path(args.source)])
    catalogue = with_effects(read_catalogue(args.source, args.server), args.effects)
    for fault in catalogue.faults[:SHOWN]:
        print(fault.line(), file=sys.stderr)
    if len(catalogue.faults) > SHOWN:
        print(f"and {len(catalogue.faults) - SHOWN} more problems", file=sys.stderr)
    if catalogue.faults and not args.skip_broken:
        raise InputError(
            f"{args.source}: {len(catalogue.faults)} problems (above); mend them, or leave these tools out with --skip-broken"
        )
    if not catalogue.entries:
        raise InputError(f"{args.source}: describes no usable tool")
    write_catalogue(args.out, catalogue)
    writes = sum(entry.tool.effects == "write" for entry in catalogue.entries)
    print(f"{args.out}: {len(catalogue.entries)} tools, {writes} of them write")
    for variable in secrets_of(catalogue):
        print(f"secret expected in the environment variable {variable}", file=sys.stderr)
    return 0


def read_catalogue(source: str, server: str | None) -> Catalogue:
    """The catalogue of a file, a URL or a live server."""
    if not source.startswith("mcp:"):
        return import_catalogue(source, server)
    from data_pipeline.backends.mcp import McpBackend

    with McpBackend(source.removeprefix("mcp:"), os.environ) as backend:
        return backend.catalogue()


def with_effects(catalogue: Catalogue, overrides: tuple[str, ...]) -> Catalogue:
    """The catalogue with `NAME=read` and `NAME=write` applied in order. Raises `InputError`."""
    effects: dict[str, Literal["read", "write"]] = {entry.tool.name: entry.tool.effects for entry in catalogue.entries}
    for override in overrides:
        name, _, word = override.rpartition("=")
        if word not in ("read", "write") or not (name == "*" or name in effects):
            raise InputError(f"--effects {override!r:.80}: expected NAME=read or NAME=write of a tool that is imported")
        for each in list(effects) if name == "*" else [name]:
            effects[each] = "read" if word == "read" else "write"
    entries = [Entry(entry.tool._replace(effects=effects[entry.tool.name]), entry.http) for entry in catalogue.entries]
    return catalogue._replace(entries=tuple(entries))


def secrets_of(catalogue: Catalogue) -> list[str]:
    """Environment variables that some tool may need."""
    ways = [way for entry in catalogue.entries if entry.http is not None for way in entry.http.secrets]
    return sorted({secret.variable for way in ways for secret in way})
