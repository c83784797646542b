"""Many episodes at one endpoint: each is a generator that asks and is answered, so only the asking happens in threads.

An episode's own work (reading calls, answering them from a store, judging) runs in the calling thread, one at a time.
Finished attempts are kept in a journal beside the output: the same command goes on after a cut, and asks again only what
was not finished or could not be asked.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple, TypeAlias

from data_pipeline.errors import WorkFailed
from data_pipeline.formats.rows import Fields
from data_pipeline.jsontext import read_json, write_json
from data_pipeline.words import JsonObject
from tpu_orch.evaluation.attempts import Attempt, attempt_from
from tpu_orch.evaluation.endpoint import Endpoint, EndpointFailed, Reply, Request
from tpu_orch.runs.parts import alone, note_of, part_of, whole_lines


class Finished(NamedTuple):
    attempt: Attempt
    record: JsonObject
    """What the model did: a rollout, or its calls or text with the verdict."""


Episode: TypeAlias = Generator[Request, Reply, Finished]


class Item(NamedTuple):
    """A task to attempt."""

    task: str
    start: Callable[[int], Episode]
    """From the number of the sample."""


def ask_all(
    items: Sequence[Item],
    endpoint: Endpoint,
    journal: Path,
    *,
    samples: int,
    concurrency: int,
    seed: int,
    identity: str,
    on_finished: Callable[[], None],
) -> list[Finished]:
    """Every attempt, in the order of items and samples.

    Args:
      journal: names the job's files beside it; they go when all is done.
      identity: of the job; another one starts over.
      on_finished: called after each attempt, those of an earlier run included.

    Raises WorkFailed if attempts could not be asked; what was finished is kept for the next run. Raises InputError while another
    process writes the journal.
    """
    done: dict[tuple[str, int], Finished] = {}
    failed: list[str] = []
    with alone(journal):
        for line in whole_lines(journal, identity):
            finished = _from_line(line)
            done[finished.attempt.task, finished.attempt.sample] = finished
            on_finished()
        wanted = [(item, sample) for item in items for sample in range(samples) if (item.task, sample) not in done]
        with part_of(journal).open("ab") as file:
            for finished in _run(wanted, endpoint, concurrency, seed, failed):
                done[finished.attempt.task, finished.attempt.sample] = finished
                file.write(write_json({"attempt": finished.attempt.row(), "record": finished.record}) + b"\n")
                file.flush()
                on_finished()
        if failed:
            told = f"{len(failed)} of {len(items) * samples} attempts could not be asked; the first: {failed[0]}"
            raise WorkFailed(f"{told}; the same command asks only these again")
        part_of(journal).unlink(missing_ok=True)
        note_of(journal).unlink(missing_ok=True)
    return [done[item.task, sample] for item in items for sample in range(samples)]


def _run(
    wanted: Sequence[tuple[Item, int]], endpoint: Endpoint, concurrency: int, seed: int, failed: list[str]
) -> Generator[Finished, None, None]:
    """Attempts as they finish; of those that could not be asked, why."""
    waiting = list(reversed(wanted))
    asked: dict[Future[Reply], tuple[Episode, int]] = {}
    pool = ThreadPoolExecutor(max_workers=concurrency)
    try:
        while waiting or asked:
            while waiting and len(asked) < concurrency:
                item, sample = waiting.pop()
                episode = item.start(sample)
                number = sample_seed(seed, item.task, sample)
                asked[pool.submit(endpoint.ask, next(episode), number)] = (episode, number)
            for future in wait(asked, return_when=FIRST_COMPLETED).done:
                episode, number = asked.pop(future)
                try:
                    request = episode.send(future.result())
                    asked[pool.submit(endpoint.ask, request, number)] = (episode, number)
                except EndpointFailed as error:
                    failed.append(str(error))
                    episode.close()
                except StopIteration as end:
                    yield end.value
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def sample_seed(seed: int, task: str, sample: int) -> int:
    """A seed that depends on nothing but these."""
    digest = hashlib.blake2b(json.dumps([seed, task, sample]).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") & 0x7FFFFFFF


def _from_line(line: bytes) -> Finished:
    row = read_json(line)
    return Finished(attempt_from(Fields(row["attempt"], "journal", None)), row["record"])
