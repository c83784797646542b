"""Processes of one run must run the same code on the same data: what each has is compared before anything is computed.

Two hosts with different versions do not fail by themselves: they wait for each other for ever, or train on different things.
"""

import hashlib
import json
import socket
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from data_pipeline.errors import InputError
from data_pipeline.words import Json
from tpu_orch.runs.processes import gather_bytes

ROOMS = ("data_pipeline", "models", "rewards", "tpu_orch")
LIBRARIES = ("jax", "jaxlib", "libtpu", "flax", "optax", "orbax-checkpoint", "numpy")
SHOWN = 60


@cache
def code_version() -> str:
    """A digest of every source file of this project, as it lies on this host."""
    digest = hashlib.blake2b(digest_size=8)
    above = Path(__file__).parents[2]
    for room in ROOMS:
        for path in sorted((above / room).rglob("*.py")):
            digest.update(path.relative_to(above).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of the libraries that decide what a program computes."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def require_agreement(facts: Mapping[str, Json]) -> None:
    """Returns when every process has come here with equal facts; with a single process at once.

    Raises:
      InputError: in every process, naming the first facts that differ, and whose.
    """
    everyone = [json.loads(told) for told in gather_bytes(json.dumps([socket.gethostname(), facts]).encode())]
    lines = disagreements([(host, flat(stated)) for host, stated in everyone])
    if lines:
        more = f"; and {len(lines) - 3} more" if len(lines) > 3 else ""
        raise InputError(f"the processes of this run do not agree: {'; '.join(lines[:3])}{more}")


def disagreements(everyone: list[tuple[str, dict[str, str]]]) -> list[str]:
    """A line for each fact in which a process differs from the first. Each entry: a host's name, and its facts."""
    first_host, first = everyone[0]
    lines = []
    for number, (host, stated) in enumerate(everyone[1:], start=1):
        for name in sorted({*first, *stated}):
            mine, theirs = first.get(name, "nothing"), stated.get(name, "nothing")
            if mine != theirs:
                lines.append(
                    f"{name} is {mine:.{SHOWN}} in process 0 on {first_host} and {theirs:.{SHOWN}} in process {number} on {host}"
                )
    return lines


def flat(value: Json, name: str = "") -> dict[str, str]:
    """The leaves of a JSON value by their dotted names, as text."""
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= flat(inner, f"{name}.{key}" if name else key)
        return found
    return {name: value if isinstance(value, str) else json.dumps(value)}
