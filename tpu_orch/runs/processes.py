"""The few things that processes of one run tell each other; with a single process each is free."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np

NOTHING = -1


def first_process() -> bool:
    """True in the process that writes logs and manifests."""
    return jax.process_index() == 0


def barrier(name: str) -> None:
    """Returns when every process has come here."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)


@contextmanager
def first_before_others(name: str) -> Iterator[None]:
    """The first process goes through the block alone, then the others: what it makes in a shared folder they find made."""
    if not first_process():
        barrier(name)
    yield
    if first_process():
        barrier(name)


def from_first(value: int | None) -> int | None:
    """What the first process says, a number from 0 or None; the others' value is not looked at."""
    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    told = int(multihost_utils.broadcast_one_to_all(np.int32(NOTHING if value is None else value)))
    return None if told == NOTHING else told


def any_process(flag: bool) -> bool:
    """True everywhere if it is true anywhere: how processes agree to stop."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental import multihost_utils

    return bool(np.any(multihost_utils.process_allgather(np.int32(flag))))


def gather_bytes(own: bytes) -> list[bytes]:
    """What each process gives, in the order of the processes: how each comes to hold all rollouts of a step."""
    if jax.process_count() == 1:
        return [own]
    from jax.experimental import multihost_utils

    lengths = np.asarray(multihost_utils.process_allgather(np.int32(len(own)))).reshape(-1)
    padded = np.zeros(max(int(lengths.max()), 1), np.uint8)
    padded[: len(own)] = np.frombuffer(own, np.uint8)
    rows = np.asarray(multihost_utils.process_allgather(padded)).reshape(len(lengths), -1)
    return [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]


def whole_array(array: jax.Array) -> np.ndarray:
    """An array that lies over all processes, whole in each."""
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array, tiled=True))
