"""How fast one reward scores a sample: from text to scores, the reward alone, and whole files in one process and in two."""

import os
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from data_pipeline.environment import Environment
from data_pipeline.formats.rollouts import rollout_row_from_fields
from data_pipeline.formats.rows import Fields, iter_rows
from rewards.scoring import Options, find_reward, total
from tpu_orch.scoring.collector import collector_paused
from tpu_orch.scoring.job import Job, Spec, open_job
from tpu_orch.scoring.pieces import CHUNK, Scored, read_pieces
from tpu_orch.scoring.rollouts import resolved_rollout
from tpu_orch.scoring.runners import run_local
from tpu_orch.scoring.samples import Sample
from tpu_orch.scoring.workers import Worker, run_in

PROCESSES = 2


class Seconds(NamedTuple):
    """CPU seconds of one pass over a sample in this process."""

    reading: float
    """From the text of the messages to rollouts with results."""
    judging: float
    """From rollouts to scores."""


class Pass(NamedTuple):
    """One way from file to file."""

    wall: float
    """Seconds on the clock."""
    here: float
    """CPU seconds of this process: of all the work where it works alone, else of what it takes from its workers' cores."""
    there: float = 0.0
    """CPU seconds of its workers."""

    @property
    def cpu(self) -> float:
        return self.here + self.there


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


def time_file(job: Job, path: str) -> Pass:
    """From the file of rollouts to the lines of scores, in this process."""
    return _drained(run_local(job, path, read_pieces(path)))


def time_file_in(workers: Sequence[Worker], path: str) -> Pass:
    """The same in processes that are started; the first pass also opens the job in each."""
    before = _worked(workers)
    found = _drained(run_in(workers, read_pieces(path)))
    return found._replace(there=_worked(workers) - before)


def _worked(workers: Sequence[Worker]) -> float:
    """CPU seconds of processes so far, in and for them; 0 where the system does not say (it is not Linux)."""
    stats = [Path(f"/proc/{worker.process.pid}/stat") for worker in workers]
    if not all(stat.exists() for stat in stats):
        return 0.0
    ticks = [stat.read_text().rsplit(")", 1)[1].split()[11:13] for stat in stats]  # after the name: see proc(5)
    return sum(map(int, chain(*ticks))) / os.sysconf("SC_CLK_TCK")


def _drained(parts: Iterable[Scored]) -> Pass:
    began, worked = time.perf_counter(), time.process_time()
    for _ in parts:
        pass
    return Pass(time.perf_counter() - began, time.process_time() - worked)
