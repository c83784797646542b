"""Which sequences share a row of a micro-batch, and which share a prompt: arithmetic on lengths, without arrays.

A unit is what must stand together: one sequence, or several with the same prompt, of which the row holds the prompt once:

    unit of one     p p p p a a
    unit of three   p p p . a a . b . c c c      `.` is the prompt's last token, which each member keeps for itself, since
                                                 what it predicts is the member's own first token
"""

from collections.abc import Sequence
from typing import NamedTuple


class Unit(NamedTuple):
    members: tuple[int, ...]
    """Numbers of the sequences."""
    shared: int
    """Tokens at the start that all members have in common and the row holds once; 0 for a unit of one."""
    width: int
    """Places that the unit takes in a row."""


def single_units(widths: Sequence[int]) -> list[Unit]:
    """Every sequence by itself."""
    return [Unit((n,), 0, width) for n, width in enumerate(widths)]


def shared_units(widths: Sequence[int], prompts: Sequence[bytes], shared: Sequence[int], room: int) -> list[Unit]:
    """Sequences with the same prompt together, as many as fit into a row.

    Args:
      widths: places that each sequence takes by itself.
      prompts: what makes prompts the same.
      shared: places of the prompt that can be shared.
      room: places in a row.
    """
    together: dict[bytes, list[int]] = {}
    for n in longest_first(widths):
        together.setdefault(prompts[n], []).append(n)
    units = []
    for members in together.values():
        prefix = shared[members[0]]
        if prefix < 1:
            units += [Unit((n,), 0, widths[n]) for n in members]
            continue
        chosen: list[int] = []
        width = prefix
        for n in members:
            own = widths[n] - prefix
            if chosen and width + own > room:
                units.append(_unit(chosen, prefix, width))
                chosen, width = [], prefix
            chosen.append(n)
            width += own
        units.append(_unit(chosen, prefix, width))
    return units


def _unit(members: Sequence[int], prefix: int, width: int) -> Unit:
    return Unit(tuple(members), prefix if len(members) > 1 else 0, width)


def longest_first(widths: Sequence[int]) -> list[int]:
    """Numbers by falling width, equal ones in order."""
    return sorted(range(len(widths)), key=lambda n: (-widths[n], n))


def rows_of(units: Sequence[Unit], room: int, *, pack: bool) -> list[list[Unit]]:
    """Units laid into rows: one each, or first fit of the widest first. Rows come fullest first, so that they share buckets."""
    ordered = [units[n] for n in longest_first([unit.width for unit in units])]
    if not pack:
        return [[unit] for unit in ordered]
    rows: list[list[Unit]] = []
    left: list[int] = []
    for unit in ordered:
        row = next((r for r, free in enumerate(left) if free >= unit.width), None)
        if row is None:
            row = len(rows)
            rows.append([])
            left.append(room)
        rows[row].append(unit)
        left[row] -= unit.width
    return [rows[r] for r in sorted(range(len(rows)), key=lambda r: (left[r], r))]
