"""The story of a run: prepare, evaluate, warm up, evaluate, reinforce, evaluate; and after any interruption go on from there.

What it promises: SIGKILL anywhere and the same command again gives the weights and metrics of the uninterrupted run, bit for bit
(times apart), on the same devices and versions. SIGTERM drops what is in flight, saves the last completed step and returns.
"""

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax

from data_pipeline.errors import InputError
from data_pipeline.formats.rollouts import rollout_to_row
from data_pipeline.formats.rows import write_rows
from data_pipeline.words import JsonObject
from rewards.scoring import Score
from tpu_orch.checkpoints import Checkpoints
from tpu_orch.config import RunConfig, to_json, unset
from tpu_orch.evaluation.evaluate import evaluate
from tpu_orch.evaluation.passing import try_out
from tpu_orch.pod.agreement import code_version, library_versions, require_agreement
from tpu_orch.pod.mirror import bring_back, put_beside, put_policy_beside
from tpu_orch.presets import find_preset
from tpu_orch.reports.display import Display
from tpu_orch.reports.figure import save_figure
from tpu_orch.reports.messages import say
from tpu_orch.reports.page import write_report
from tpu_orch.runs.files import write_json
from tpu_orch.runs.folder import CHECKPOINTS, METRICS, REPORT, ROLLOUTS, SUMMARY, open_run
from tpu_orch.runs.loggers import loggers
from tpu_orch.runs.machine import describe_machine, peak_bytes
from tpu_orch.runs.metrics import MetricsFile, read_metrics
from tpu_orch.runs.processes import barrier, first_before_others, first_process
from tpu_orch.runs.stop import StopFlag
from tpu_orch.trainer import failed
from tpu_orch.trainer.ahead import compile_ahead, run_programs
from tpu_orch.trainer.build import Built, build, run_mesh
from tpu_orch.trainer.cheats import warn_of_cheats
from tpu_orch.trainer.experience import Experience, gather
from tpu_orch.trainer.material import write_material
from tpu_orch.trainer.places import Place, extra_of, find_place, frozen, keeps_reference, parts_of
from tpu_orch.trainer.progress import Progress, Watch
from tpu_orch.trainer.sampling import warn_of_truncation
from tpu_orch.trainer.steps import Step, reinforce_step, warmup_step
from tpu_orch.trainer.watching import Watching
from tpu_orch.training import curriculum as levels
from tpu_orch.training.update import require_finite

# What a resumed run may change: how it is watched and kept, and the devices that it lies on. On another mesh it goes on from
# equal values, and rounds otherwise from there.
MAY_DIFFER = ("checkpoint", "samples", "watch", "out", "mesh")


class Stopped(Exception):
    """SIGTERM arrived: the step in flight is dropped."""


def train(config: RunConfig) -> JsonObject | None:
    """Runs to the end and returns the summary; None if SIGTERM ended it before (the same command goes on).

    Raises:
      InputError: configuration, data or an existing run folder do not fit.
      WorkFailed: the loss is not finite, or a checkpoint could not be written.
    """
    watch = Watch()
    require_agreement({"configuration": to_json(config), "code": code_version(), **library_versions()})
    with StopFlag() as stop, _opened(config) as folder:
        with first_before_others("material"):
            material = find_preset(config.preset).prepare(config, folder)
        require_agreement(dict(material.identity))
        mesh = run_mesh(config)

        def on_visit() -> None:
            if stop.agreed():
                raise Stopped

        with jax.set_mesh(mesh):  # what does not fit together is told before Orbax begins its threads
            built = build(config, material, mesh, on_visit)
        with (
            jax.set_mesh(mesh),
            Checkpoints(
                config.checkpoint.folder or folder / CHECKPOINTS,
                keep=config.checkpoint.keep,
                keep_best=bool(config.eval.every),
                tell=say,
            ) as checkpoints,
        ):
            if jax.default_backend() != "cpu":  # whose compiler uses all cores for each program
                say(f"{compile_ahead(run_programs(built), mesh)} programs of the updates are compiled")
            place, position = find_place(built, checkpoints, say, config.checkpoint.adopt)
            last = built.abstract(config.warmup.steps + config.trainer.steps)
            checkpoints.require_room(parts_of(last, last.params if keeps_reference(built) else None))
            if first_process():
                if config.trainer.steps:
                    warn_of_truncation(config.engine)
                    warn_of_cheats(material, built.run.reward)
                write_material(folder, material)
                put_policy_beside(folder, config.checkpoint.folder)
            place = place._replace(progress=place.progress.spent("setup", watch.lap()))
            with MetricsFile(folder / METRICS, position, writes=first_process()) as metrics, Display(config) as display:
                story = Story(built, folder, checkpoints, Watching(config, folder, metrics, display), watch)
                try:
                    return story.tell(place)
                finally:
                    story.watching.close()


def _opened(config: RunConfig) -> Any:
    """The run's folder, held for this process."""
    if config.trainer.overlap and jax.process_count() > 1:
        raise InputError("trainer.overlap works with one process: two threads would start programs in different orders")
    loggers(config.watch.tensorboard, config.watch.wandb)  # a missing package is told before anything is begun
    if bring_back(config.out, config.checkpoint.folder):
        say(f"{config.out} is new: going on with the run of {config.checkpoint.folder}")
    return open_run(
        config.out,
        to_json(config),
        defaults=unset(config),
        may_differ=MAY_DIFFER,
        adopt=config.checkpoint.adopt,
        tell=say,
    )


class Story:
    """One sitting of a run."""

    def __init__(self, built: Built, folder: Path, checkpoints: Checkpoints, watching: Watching, watch: Watch) -> None:
        self.built, self.folder, self.checkpoints = built, folder, checkpoints
        self.watching, self.watch = watching, watch
        self.config = built.run.config
        self.ahead = ThreadPoolExecutor(1, thread_name_prefix="ahead") if self.config.trainer.overlap else None

    def tell(self, place: Place) -> JsonObject | None:
        """From where it stands to the end."""
        warmup = self.config.warmup.steps
        total = warmup + self.config.trainer.steps
        try:
            while True:
                place = self.at_a_boundary(place)
                if place.step == total or place.progress.ended is not None:
                    return self.finish(place)
                place = self.one_step(place)
                if place.step in (warmup, total) or due(place.step, self.config.checkpoint.every):
                    self.save(place)
        except Stopped:
            self.save(place)
            say(f"stopped after step {place.step}; the same command goes on from there")
            return None

    def at_a_boundary(self, place: Place) -> Place:
        """Evaluations before, between and after the phases; the beginning of reinforcement learning."""
        warmup, steps = self.config.warmup.steps, self.config.trainer.steps
        if place.step == 0:
            place = self.evaluated(place, "before")
            if self.config.eval.every:
                metric_of(place.progress.evaluations["before"], self.config.eval.metric)  # a wrong name is told now
            place = self.tried_out(place)
        if place.step == warmup and warmup:
            place = self.evaluated(place, "after_sft")
        if place.step == warmup + steps and steps:
            place = self.compared(place, "after")
        elif place.step > warmup and due(place.step - warmup, self.config.eval.every):
            place = self.compared(place, f"step_{place.step:06d}")
        return place

    def evaluated(self, place: Place, stage: str) -> Place:
        """The place with the stage's evaluation, made unless it is there."""
        if stage in place.progress.evaluations:
            return place
        run = self.built.run
        tasks = run.material.eval_tasks
        with self.watching.display.phase(f"evaluating, {stage.replace('_', ' ')}", len(tasks)) as tick:
            found = evaluate(
                run.engine,
                place.state.params,
                tasks,
                run.material.environment,
                run.reward,
                weights_version=place.step,
                on_rollout=lambda *_: tick(),
                on_visit=run.on_visit,
            )
        self.keep_rollouts(f"eval-{stage}", found.rollouts, found.scores)
        progress = place.progress
        evaluations = {**progress.evaluations, stage: found.summary}
        self.watching.evaluation(place.step, stage, found.summary)
        say(f"{stage.replace('_', ' ')}: accuracy {found.summary['accuracy']:.3f} on {len(tasks)} tasks")
        return place._replace(progress=self.spent(progress._replace(evaluations=evaluations), "eval"))

    def compared(self, place: Place, stage: str) -> Place:
        """An evaluation while weights are reinforced: the best one's are kept, and too many that are no better end the run."""
        if stage in place.progress.evaluations:
            return place
        place = self.evaluated(place, stage)
        if not self.config.eval.every:
            return place
        found = place.progress.evaluations[stage]
        progress = place.progress.judged(place.step, metric_of(found, self.config.eval.metric))
        if stage != "after" and self.config.eval.patience and progress.worse >= self.config.eval.patience:
            say(f"stopping early: {self.config.eval.metric} did not rise in {progress.worse} evaluations")
            progress = progress._replace(ended=place.step, evaluations={**progress.evaluations, "after": found})
            if first_process():
                shutil.copyfile(*(self.folder / ROLLOUTS / f"eval-{name}.jsonl" for name in (stage, "after")))
        place = place._replace(progress=progress)
        self.save(place)
        return place

    def tried_out(self, place: Place) -> Place:
        """Samples of the untrained policy on training tasks: pass@k, and whether reinforcement can start."""
        if not self.config.eval.samples or "try_out" in place.progress.evaluations:
            return place
        run = self.built.run
        found = try_out(
            run.engine,
            place.state.params,
            run.material.train_tasks,
            run.material.environment,
            run.reward,
            samples=self.config.eval.samples,
            seed=self.config.seed,
            on_visit=run.on_visit,
        )
        say(found["says"])
        evaluations = {**place.progress.evaluations, "try_out": found}
        return place._replace(progress=self.spent(place.progress._replace(evaluations=evaluations), "eval"))

    def spent(self, progress: Progress, part: str) -> Progress:
        """The time since the last look, and the memory so far, booked to a part of the run."""
        peaks = {**progress.peaks, part: peak_bytes()}
        return progress._replace(peaks=peaks).spent(part, self.watch.lap())

    def one_step(self, place: Place) -> Place:
        """One step of the phase that the place is in, with its row of metrics."""
        run, step = self.built.run, place.step
        run.on_visit()
        self.watching.before_step()
        if step < self.config.warmup.steps:
            made = warmup_step(run, place.state, step)
            after = place._replace(state=made.state, progress=self.spent(place.progress, "sft"))
        else:
            made, after = self.reinforced(place)
        if made.failed:
            failed.keep(self.config, self.folder, step + 1, made.state.params, made.failed)
        require_finite(made.row, step + 1)
        self.watching.step(step + 1, {name: value for name, value in made.row.items() if name != "finite"})
        return after._replace(step=step + 1)

    def reinforced(self, place: Place) -> tuple[Step, Place]:
        """A step of reinforcement learning, the next one's rollouts sampled beside it where that is asked for."""
        run, step, progress = self.built.run, place.step, place.progress
        if step == self.config.warmup.steps:
            place = self.begun(place)
        experience = place.pending or gather(run, place.state.params, progress.curriculum, step)
        if not self.config.trainer.even:
            earned = levels.as_shares(experience.earned, run.reward.low, run.reward.high)
            progress = progress._replace(curriculum=levels.learn(progress.curriculum, earned))
        progress = progress._replace(
            sampled=progress.sampled + experience.counts["sampled"],
        )
        total = self.config.warmup.steps + self.config.trainer.steps
        future: Future[Experience] | None = None
        if self.ahead is not None and step + 1 < total:
            future = self.ahead.submit(self.sampled_ahead, frozen(place.state.params), progress, step + 1)
        # What is in flight is waited for before the weights change: a stop until then leaves the place as it was.
        made = reinforce_step(
            run, place.state, place.reference, experience, step, None if future is None else future.result
        )
        for part, seconds in made.row["seconds"].items():
            progress = progress.spent(part, seconds)
        if due(step - self.config.warmup.steps, self.config.samples.every):
            kept = self.config.trainer.group * self.config.samples.tasks
            self.keep_rollouts(f"step-{step + 1:06d}", experience.rollouts[:kept], experience.scores[:kept])
        pending = None if future is None else future.result()
        return made, place._replace(state=made.state, progress=self.spent(progress, "rl"), pending=pending)

    def begun(self, place: Place) -> Place:
        """Where reinforcement learning begins: a fresh optimiser, and a copy of the policy where it is the reference."""
        reference = frozen(place.state.params) if keeps_reference(self.built) else None
        return place._replace(state=self.built.restart(place.state), reference=reference)

    def sampled_ahead(self, params: Any, progress: Progress, step: int) -> Experience:
        """In the other thread, which has no mesh of its own."""
        with jax.set_mesh(run_mesh(self.config)):
            return gather(self.built.run, params, progress.curriculum, step)

    def save(self, place: Place) -> None:
        best = place.progress.best
        score = best[1] if best is not None and best[0] == place.step else None
        extra = extra_of(self.built, place, self.watching.metrics.sync())
        put_beside(self.folder, self.config.checkpoint.folder)
        self.checkpoints.save(place.step, parts_of(place.state, place.reference), extra, score)

    def keep_rollouts(self, name: str, rollouts: list, scores: list[Score]) -> None:
        """rollouts/NAME.jsonl, for people: messages, ledger, reward, and what was judged of each call."""
        if first_process():
            (self.folder / ROLLOUTS).mkdir(exist_ok=True)
            rows = [
                {
                    **rollout_to_row(rollout),
                    "reward": one.reward,
                    "components": dict(one.components),
                    "calls": [call.row() for call in one.calls],
                    "why": list(one.why),
                }
                for rollout, one in zip(rollouts, scores, strict=True)
            ]
            write_rows(self.folder / ROLLOUTS / f"{name}.jsonl", rows)

    def finish(self, place: Place) -> JsonObject:
        """Saves the last state and writes summary, figure and report."""
        self.save(place)
        self.checkpoints.wait()
        summary = self.summary(place.progress.spent("report", self.watch.lap()))
        if first_process():
            title = f"{self.config.preset}, seed {self.config.seed}: {self.config.reward} reward"
            if self.config.watch.report:
                save_figure(read_metrics(self.folder / METRICS), place.progress.evaluations, self.folder, title)
            write_json(self.folder / SUMMARY, summary)
            if self.config.watch.report:
                write_report([self.folder], self.folder / REPORT)
        barrier("report written")  # a process that leaves early would wait for the first one only so long
        return summary

    def summary(self, progress: Progress) -> JsonObject:
        seconds = {part: round(spent, 2) for part, spent in sorted(progress.seconds.items())}
        whole = ("setup", "sft", "rl", "eval", "report")
        sampling = progress.seconds.get("sampling", 0.0) + progress.seconds.get("tools", 0.0)
        return {
            "preset": self.config.preset,
            "seed": self.config.seed,
            "reward": self.config.reward,
            "seconds": {
                **{part: seconds.get(part, 0.0) for part in ("setup", "sft", "rl", "eval")},
                "total": round(sum(progress.seconds.get(part, 0.0) for part in whole), 2),
                "rl_by_part": {part: seconds.get(part, 0.0) for part in ("sampling", "tools", "rewards", "update")},
            },
            "eval": progress.evaluations,
            **({} if progress.best is None else {"best": {"step": progress.best[0], "score": progress.best[1]}}),
            "peak_bytes": progress.peaks,
            "tokens_per_s": round(progress.sampled / sampling, 1) if sampling else 0.0,
            "machine": describe_machine(),
        }


def due(step: int, every: int) -> bool:
    """Whether it is time for what comes every so many steps; 0: never."""
    return bool(every) and step % every == 0


def metric_of(summary: JsonObject, path: str) -> float:
    """The number at a dotted path of an evaluation. Raises InputError if there is none."""
    value: Any = summary
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(
            f"eval.metric {path!r:.60}: an evaluation has no such number; try accuracy, reward or by_depth.1"
        )
    return float(value)
