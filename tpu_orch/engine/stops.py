"""Where a turn pauses: byte markers recognised on the device, whatever tokens spell them.

The markers become one automaton over bytes (Aho and Corasick 1975), and that becomes a table over token ids: from state s,
token t leads to next_state[s, t]. A marker is complete when its last byte is drawn, alone or in the middle of a token, so the
same table serves a vocabulary in which `</tool_call>` is one piece and one in which it is twelve bytes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RUNNING = 0  # a turn starts in state 0, and no marker is complete in a state whose `marker` is 0


class StopTable(NamedTuple):
    """next_state: int16 [states, V]. marker: int32 [states], 1 + the number of the marker completed in that state, or 0."""

    next_state: np.ndarray
    marker: np.ndarray


def byte_automaton(markers: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Transitions int16 [states, 256] of the markers' automaton, and which marker each state completes [states].

    States that complete a marker lead to themselves: what follows in the same token changes nothing.
    """
    children: list[dict[int, int]] = [{}]
    complete = [0]
    for number, marker in enumerate(markers, start=1):
        state = 0
        for byte in marker:
            if byte not in children[state]:
                children[state][byte] = len(children)
                children.append({})
                complete.append(0)
            state = children[state][byte]
        complete[state] = number
    table = np.zeros((len(children), 256), np.int16)
    fallback = [0] * len(children)
    queue = list(children[0].values())
    table[0, list(children[0])] = queue
    for state in queue:  # breadth first: the queue grows while it is walked
        table[state] = table[fallback[state]]
        complete[state] = complete[state] or complete[fallback[state]]
        for byte, child in children[state].items():
            fallback[child] = int(table[fallback[state], byte])
            table[state, byte] = child
            queue.append(child)
    completed = np.array(complete, np.int32)
    absorbing = np.flatnonzero(completed)
    table[absorbing] = absorbing[:, None]
    return table, completed


def also_completed(table: StopTable, marker: int, tokens: Sequence[int]) -> StopTable:
    """The table in which each of these token ids, whatever it spells, completes the marker as well."""
    next_state = table.next_state.copy()
    goes_on = np.flatnonzero(table.marker == RUNNING)
    next_state[np.ix_(goes_on, np.asarray(tokens, np.int32))] = np.flatnonzero(table.marker == marker)[0]
    return table._replace(next_state=next_state)


def stop_table(pieces: Sequence[bytes], markers: Sequence[bytes]) -> StopTable:
    """The automaton over token ids.

    Args:
      pieces: bytes of each token id, in order; b"" for ids that spell nothing.
      markers: byte strings, each of which ends a stretch of sampling. The first one completed wins.
    """
    if not all(markers):
        raise ValueError("a stop marker needs at least one byte")
    by_byte, marker = byte_automaton(markers)
    longest = max((len(piece) for piece in pieces), default=0)
    padded = np.zeros((len(pieces), max(longest, 1)), np.uint8)
    lengths = np.array([len(piece) for piece in pieces])
    for token, piece in enumerate(pieces):
        padded[token, : len(piece)] = np.frombuffer(piece, np.uint8)
    states = np.repeat(np.arange(len(marker), dtype=np.int16)[:, None], len(pieces), axis=1)
    for place in range(longest):
        stepped = by_byte[states, padded[None, :, place]]
        states = np.where(place < lengths[None, :], stepped, states)
    return StopTable(states, marker)
