"""Bytes that each device exchanges with others in a compiled program, loops weighted by their turns.

Read from the partitioned HLO. A ring over n devices moves (n - 1) / n of an array for a gather or a scatter, twice that for an
all-reduce (Patarasuk and Yuan 2009). The TPU compiler splits a collective into pieces that run beside other work and keep the
channel, some of them inside loops that only give it time: each channel is counted once, with the fewest turns of its pieces.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

SIZES = {
    "pred": 1,
    "s8": 1,
    "u8": 1,
    "bf16": 2,
    "f16": 2,
    "s16": 2,
    "u16": 2,
    "f32": 4,
    "s32": 4,
    "u32": 4,
    "f64": 8,
    "s64": 8,
}
KINDS = "all-gather|all-reduce|reduce-scatter|all-to-all|ragged-all-to-all|collective-permute|collective-broadcast"
OPERATION = re.compile(rf"= (.*?) ({KINDS})(-start)?\(")
ARRAY = re.compile(r"\b([a-z]+[0-9]+|pred)\[([0-9,]*)\]")
HEADER = re.compile(r"^(ENTRY )?%?([^\s(]+) \(.*\{$")
CALLED = re.compile(r"\b(?:calls|to_apply|body|condition)=%?([\w.\-]+)")
LISTED = re.compile(r"\b(?:branch_computations|called_computations)=\{([^}]*)\}")
TRIPS = re.compile(r'"known_trip_count":\{"n":"([0-9]+)"')
CONSTANT = re.compile(r"%?([\w.\-]+) = [su]32\[\]\S* constant\(([0-9]+)\)")


class Collective(NamedTuple):
    kind: str
    devices: int
    """of the ring"""
    bytes: float
    """that each device sends, of one turn"""
    turns: float
    """how often it runs"""


class _Operation(NamedTuple):
    key: tuple[str, str, str]
    """kind, channel, shapes: pieces of one operation share it"""
    what: Collective


def collectives(hlo: str, devices: int, turns: Sequence[float] = ()) -> list[Collective]:
    """The collectives of a compiled program's text.

    Args:
      devices: of the program.
      turns: of loops whose number of turns the text does not tell, outermost first; 1 beyond its end.
    """
    bodies, entry = computations(hlo)
    found: dict[tuple[str, str, str], Collective] = {}

    def visit(name: str, times: float, depth: int) -> None:
        for line in bodies.get(name, ()):
            made = _operation(line, name, devices)
            if made is not None:
                what = made.what._replace(turns=times)
                if made.key not in found or found[made.key].turns > times:
                    found[made.key] = what
            listed = [one.strip(" %") for names in LISTED.findall(line) for one in names.split(",")]
            called = [*CALLED.findall(line), *listed]
            if " while(" in line:
                known = _turns(line, bodies)
                inner = times * (known if known is not None else turns[depth] if depth < len(turns) else 1.0)
                for one in called:
                    visit(one, inner, depth + (known is None))
            else:
                for one in called:
                    visit(one, times, depth)

    visit(entry, 1.0, 0)
    return list(found.values())


def bytes_by_ring(found: Sequence[Collective]) -> dict[int, float]:
    """Bytes that each device sends, by the size of the ring."""
    total: dict[int, float] = {}
    for one in found:
        total[one.devices] = total.get(one.devices, 0.0) + one.bytes * one.turns
    return total


def computations(hlo: str) -> tuple[dict[str, list[str]], str]:
    """The lines of each computation of a compiled program's text, and the name of the one that is entered."""
    bodies: dict[str, list[str]] = {}
    entry, current = "", ""
    for line in hlo.splitlines():
        header = HEADER.match(line)
        if header:
            current = header[2]
            bodies[current] = []
            entry = current if header[1] else entry
        elif current:
            bodies[current].append(line)
    return bodies, entry


def _turns(line: str, bodies: dict[str, list[str]]) -> int | None:
    """Of a loop: as XLA tells it, else the constant that its condition compares the counter with."""
    told = TRIPS.search(line)
    if told:
        return int(told[1])
    condition = re.search(r"condition=%?([\w.\-]+)", line)
    lines = bodies.get(condition[1], []) if condition else []
    constants = {name: int(value) for text in lines for name, value in CONSTANT.findall(text)}
    root = next((text for text in lines if "ROOT" in text), "")
    if "compare(" in root and "direction=LT" in root:
        operands = re.findall(r"%?([\w.\-]+)[,)]", root.split("compare(", 1)[1].split(")", 1)[0] + ")")
        return next((constants[name] for name in operands if name in constants), None)
    return next(iter(constants.values())) if len(constants) == 1 and "fusion(" in root else None


def _operation(line: str, computation: str, devices: int) -> _Operation | None:
    found = OPERATION.search(line)
    if not found:
        return None
    result, kind, starts = found.groups()
    arrays = [
        math.prod(map(int, filter(None, shape.split(",")))) * SIZES.get(kind_, 1)
        for kind_, shape in ARRAY.findall(result)
    ]
    if kind == "collective-permute" and starts:
        arrays = arrays[:1]
    elif starts and result.startswith("(") and kind == "all-gather":
        arrays = arrays[len(arrays) // 2 :]
    size = _ring(line, devices)
    whole = float(sum(arrays))
    if size < 2 and kind != "collective-permute":
        return None
    share = (size - 1) / size
    scattered = (
        "all-reduce-scatter" in computation
    )  # the compiler's own reduce-scatter, written as a reduction that is then cut
    moved = {
        "all-reduce": whole * share * (1 if scattered else 2),
        "reduce-scatter": whole * (size - 1),
        "collective-permute": whole,
    }.get(kind, whole * share)
    channel = re.search(r"channel_id=([0-9]+)", line)
    name = line.split("=", 1)[0].strip()
    shapes = str(ARRAY.findall(result))  # without layouts: pieces differ in those
    return _Operation((kind, channel[1] if channel else name, shapes), Collective(kind, size, moved, 1.0))


def _ring(line: str, devices: int) -> int:
    """How many devices take part with each: the forms in which XLA writes groups."""
    named = re.search(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}", line)
    if named:
        sizes = dict(re.findall(r"'([^']+)'=([0-9]+)", named[1]))
        return math.prod(int(sizes.get(axis, 1)) for axis in re.findall(r"'([^']+)'", named[2]))
    listed = re.search(r"replica_groups=\{\{([0-9,]+)\}", line)
    if listed:
        return len(listed[1].split(","))
    strided = re.search(r"replica_groups=\[([0-9]+),([0-9]+)\]", line)
    return int(strided[2]) if strided else devices
