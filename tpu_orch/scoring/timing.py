"""How fast one reward scores a sample: from text to scores, the reward alone, and whole files in one process and in two."""

import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from data_pipeline.environment import Environment
from data_pipeline.formats.rollouts import rollout_row_from_fields
from data_pipeline.formats.rows import Fields, iter_rows
from rewards.scoring import Options, find_reward, total
from tpu_orch.scoring.collector import collector_paused
from tpu_orch.scoring.job import Job, Spec, open_job
from tpu_orch.scoring.rollouts import resolved_rollout
from tpu_orch.scoring.runners import CHUNK, Scored, read_pieces, run_in, run_local
from tpu_orch.scoring.samples import Sample

PROCESSES = 2


class Seconds(NamedTuple):
    """CPU seconds of one pass over a sample in this process."""

    reading: float
    """From the text of the messages to rollouts with results."""
    judging: float
    """From rollouts to scores."""


def job_of(sample: Sample, reward: str) -> Job:
    """The sample's job with one reward, answered by the sample's own backend where it has one."""
    job = open_job(one_reward(sample, reward))
    if sample.backend is None:
        return job
    options = Options(execute=sample.backend.answer)
    return job._replace(environment=Environment(job.tools, sample.backend), rewards=(find_reward(reward, options),))


def one_reward(sample: Sample, reward: str) -> Spec:
    return sample.spec._replace(rewards=(reward,))


def read_rows(sample: Sample) -> list[Fields]:
    """The rows as a program holds them that has just made them: JSON is read, the text of the messages is not."""
    return list(iter_rows(sample.rollouts))


def time_scores(job: Job, rows: Sequence[Fields]) -> tuple[Seconds, list[float]]:
    """One pass, and the rewards that it gave."""
    (reward,) = job.rewards
    reading = judging = 0.0
    values: list[float] = []
    for at in range(0, len(rows), CHUNK):
        with collector_paused():
            start = time.process_time()
            read = [rollout_row_from_fields(fields) for fields in rows[at : at + CHUNK]]
            tasks = [job.tasks[row.task_id] for row in read]
            rollouts = [
                resolved_rollout(row, task, job.environment, plans_as_text=job.plans_as_text)
                for row, task in zip(read, tasks, strict=True)
            ]
            middle = time.process_time()
            verdicts = [reward.judge(rollout, task, job.tools) for rollout, task in zip(rollouts, tasks, strict=True)]
            scores = total(rollouts, verdicts, reward)
            judging += time.process_time() - middle
            reading += middle - start
        values.extend(score.reward for score in scores)
    return Seconds(reading, judging), values


def time_file(job: Job, path: str) -> float:
    """Wall seconds from the file of rollouts to the lines of scores, in this process."""
    return _drained(run_local(job, path, read_pieces(path)))


def warm_up(pool: ProcessPoolExecutor, path: str) -> None:
    """Until every process has opened the job and scored: they are started one by one, as work comes."""
    while len(set(pool.map(_own_id, range(4 * PROCESSES)))) < PROCESSES:
        pass
    for _ in range(PROCESSES):
        time_file_in(pool, path)


def _own_id(_: int) -> int:
    time.sleep(0.02)  # leaves the next one to another process
    return os.getpid()


def time_file_in(pool: ProcessPoolExecutor, path: str) -> float:
    """The same in processes that are started."""
    return _drained(run_in(pool, path, read_pieces(path), PROCESSES))


def _drained(parts: Iterable[Scored]) -> float:
    start = time.perf_counter()
    for _ in parts:
        pass
    return time.perf_counter() - start
