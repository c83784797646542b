"""Batches of a dataset through grain: shuffled anew each epoch, split over hosts, with a position that is saved and
restored exactly.

Every epoch is one permutation of the split, cut into global batches (what is left over is another part each epoch);
host h of H takes every H-th row of each. So batch k is the same rows however many hosts share it, a position is the
same on every host, and a run may go on with another number of hosts.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Int

from data_pipeline.datasets.examples import demonstration_of_example, task_of_example
from data_pipeline.datasets.folder import Dataset, needed
from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject, Task

T = TypeVar("T")


class Order(NamedTuple):
    """What decides the batches."""

    batch: int
    """Rows of a batch over all hosts together."""
    seed: int = 0
    shuffle: bool = True
    epochs: int | None = None
    """Times through the split; None: without end."""
    host: int = 0
    hosts: int = 1


class TokenBatch(NamedTuple):
    """Demonstrations of one host, padded to one length."""

    ids: Int[np.ndarray, "B T"]
    """int32; the padding id beyond `lengths`."""
    sampled: Bool[np.ndarray, "B T"]
    """True where the loss falls; False on padding."""
    lengths: Int[np.ndarray, "B"]


class Loader(Generic[T]):
    """An iterator over the batches of one host.

    `position` is JSON; `restore` goes on from it with the very next batch, in this process or another one.
    """

    def __init__(self, dataset: Dataset, split: str, order: Order, collate: Callable[[Sequence[Any]], T]) -> None:
        """Raises InputError for a split that is not there, a batch that hosts cannot share, or too few rows."""
        if split not in dataset.splits:
            raise InputError(f"split '{split}': the dataset has {', '.join(dataset.splits)}")
        rows = dataset.splits[split]
        _check(order, len(rows), split)
        self.batches_per_epoch = len(rows) // order.batch
        self._whose = {"dataset": dataset.identity, "split": split, **_of_order(order)}
        self._batches: Any = iter(_pipeline(rows, order, collate))

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        found: T = next(self._batches)
        return found

    @property
    def position(self) -> JsonObject:
        """Where the next batch is, and in what."""
        return {**self._whose, "state": dict(self._batches.get_state())}

    def restore(self, position: JsonObject) -> None:
        """Raises InputError where the position belongs to other data, another seed or another batch."""
        for name, value in self._whose.items():
            if position.get(name) != value:
                raise InputError(f"position: its {name} is {position.get(name)!r:.60}, here it is {value!r:.60}")
        self._batches.set_state(position["state"])


def demonstration_batches(
    dataset: Dataset, split: str, order: Order, *, length: int, pad_id: int
) -> Loader[TokenBatch]:
    """Padded demonstrations; length: T of every batch. A longer one raises InputError when it is met."""

    def collate(rows: Sequence[Any]) -> TokenBatch:
        return padded(rows, length, pad_id)

    return Loader(dataset, split, order, collate)


def task_batches(dataset: Dataset, split: str, order: Order) -> Loader[list[Task]]:
    return Loader(dataset, split, order, lambda rows: [task_of_example(row) for row in rows])


def padded(rows: Sequence[Any], length: int, pad_id: int) -> TokenBatch:
    """Rows of a demonstrations dataset as one batch [B, length]."""
    found = [demonstration_of_example(row) for row in rows]
    ids = np.full((len(found), length), pad_id, np.int32)
    sampled = np.zeros((len(found), length), bool)
    for place, item in enumerate(found):
        size = len(item.tokens.ids)
        if size > length:
            raise InputError(f"demonstration {item.task_id} has {size} tokens; batches are {length} long")
        ids[place, :size] = item.tokens.ids
        sampled[place, :size] = item.tokens.sampled
    return TokenBatch(ids, sampled, np.asarray([len(item.tokens.ids) for item in found], np.int32))


def _pipeline(rows: Sequence[Any], order: Order, collate: Callable[[Sequence[Any]], Any]) -> Any:
    grain = needed("grain")
    data = grain.MapDataset.source(rows)
    if order.shuffle:
        data = data.shuffle(seed=order.seed)
    data = data[: len(rows) // order.batch * order.batch][order.host :: order.hosts]
    data = data.batch(order.batch // order.hosts, drop_remainder=True, batch_fn=collate).repeat(order.epochs)
    return data.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4))


def _check(order: Order, rows: int, split: str) -> None:
    if order.batch < 1 or order.hosts < 1 or order.batch % order.hosts or not 0 <= order.host < order.hosts:
        raise InputError(f"batch {order.batch}, host {order.host} of {order.hosts}: hosts must share a batch evenly")
    if rows < order.batch:
        raise InputError(f"split '{split}' has {rows} rows, fewer than a batch of {order.batch}")


def _of_order(order: Order) -> JsonObject:
    return {"batch": order.batch, "seed": order.seed, "shuffle": order.shuffle}
