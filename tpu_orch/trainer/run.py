"""The story of a run: prepare, evaluate, warm up, evaluate, reinforce, evaluate; and after any interruption go on from there.

What it promises: SIGKILL anywhere and the same command again gives the weights and metrics of the uninterrupted run, bit for bit
(times apart), on the same devices and versions. SIGTERM drops what is in flight, saves the last completed step and returns.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from data_pipeline.errors import InputError
from data_pipeline.formats.rollouts import rollout_to_row
from data_pipeline.formats.rows import write_rows
from data_pipeline.words import JsonObject
from rewards.scoring import Score
from tpu_orch.checkpoints import Checkpoints
from tpu_orch.config import RunConfig, to_json
from tpu_orch.evaluation.evaluate import evaluate
from tpu_orch.presets import find_preset
from tpu_orch.reports.display import Display
from tpu_orch.reports.figure import save_figure
from tpu_orch.reports.messages import say
from tpu_orch.runs.files import write_json
from tpu_orch.runs.folder import CHECKPOINTS, METRICS, ROLLOUTS, SUMMARY, open_run
from tpu_orch.runs.metrics import MetricsFile, read_metrics
from tpu_orch.runs.processes import first_process
from tpu_orch.runs.stop import StopFlag
from tpu_orch.trainer.build import Built, build, run_mesh
from tpu_orch.trainer.cheats import warn_of_cheats
from tpu_orch.trainer.machine import describe_machine
from tpu_orch.trainer.material import write_material
from tpu_orch.trainer.progress import Progress, Watch, from_json
from tpu_orch.trainer.steps import reinforce_step, warmup_step
from tpu_orch.training import curriculum as levels
from tpu_orch.training.state import TrainState

# What a resumed run may change: how it is watched and kept, never what it computes.
MAY_DIFFER = ("checkpoint", "samples", "out")


class Stopped(Exception):
    """SIGTERM arrived: the step in flight is dropped."""


class Place(NamedTuple):
    """Where a run stands: everything that a checkpoint holds."""

    step: int
    state: TrainState
    reference: Any
    """The policy as reinforcement learning began, where a KL term needs it; else None."""
    progress: Progress


def train(config: RunConfig) -> JsonObject | None:
    """Runs to the end and returns the summary; None if SIGTERM ended it before (the same command goes on).

    Raises:
      InputError: configuration, data or an existing run folder do not fit.
      WorkFailed: the loss is not finite, or a checkpoint could not be written.
    """
    watch = Watch()
    with StopFlag() as stop, open_run(config.out, to_json(config), may_differ=MAY_DIFFER) as folder:
        material = find_preset(config.preset).prepare(config, folder)
        mesh = run_mesh(config)

        def on_visit() -> None:
            if stop.agreed():
                raise Stopped

        with (
            jax.set_mesh(mesh),
            Checkpoints(folder / CHECKPOINTS, keep=config.checkpoint.keep, warn=say) as checkpoints,
        ):
            built = build(config, material, mesh, on_visit)
            place, position = find_place(built, checkpoints)
            if first_process():
                write_material(folder, material)
                if config.trainer.steps:
                    warn_of_cheats(material, built.run.reward)
            place = place._replace(progress=place.progress.spent("setup", watch.lap()))
            with MetricsFile(folder / METRICS, position, writes=first_process()) as metrics, Display(config) as display:
                return Story(built, folder, checkpoints, metrics, display, watch).tell(place)


def find_place(built: Built, checkpoints: Checkpoints) -> tuple[Place, int]:
    """Where the run goes on (step 0 if it is new), and how much of metrics.jsonl belongs to it.

    Raises InputError if the checkpoint was made with other material.
    """
    material = built.run.material
    loaded = checkpoints.load(
        parts_of(built.abstract, built.abstract.params if built.run.objective.kl_weight else None)
    )
    if loaded is None:
        progress = Progress(levels.start(material.train_tasks), {}, {})
        state = built.create()
        return Place(0, state, frozen(state.params) if built.run.objective.kl_weight else None, progress), 0
    require_same_material(loaded.extra["identity"], dict(material.identity))
    say(f"going on from the checkpoint of step {loaded.step}")
    parts = loaded.parts
    step_of, opt_state, key = parts["training"]
    state = TrainState(step_of, parts["params"], opt_state, key)
    return Place(loaded.step, state, parts.get("reference"), from_json(loaded.extra["progress"])), loaded.extra[
        "metrics"
    ]


def require_same_material(stored: JsonObject, current: JsonObject) -> None:
    """Raises InputError naming what changed under a run."""
    for name in sorted({*stored, *current}):
        if stored.get(name) != current.get(name):
            raise InputError(
                f"the {name} of this run changed since its checkpoint: restore it, or start in another folder"
            )


def parts_of(state: TrainState, reference: Any) -> dict[str, Any]:
    """A checkpoint's parts: the weights apart, so that evaluation and export read them alone."""
    parts = {"params": state.params, "training": (state.step, state.opt_state, state.key)}
    return parts if reference is None else {**parts, "reference": reference}


def frozen(params: Any) -> Any:
    """A copy that outlives the donation of the original."""
    return jax.tree.map(jnp.copy, params)


class Story:
    """One sitting of a run."""

    def __init__(
        self, built: Built, folder: Path, checkpoints: Checkpoints, metrics: MetricsFile, display: Display, watch: Watch
    ) -> None:
        self.built, self.folder, self.checkpoints = built, folder, checkpoints
        self.metrics, self.display, self.watch = metrics, display, watch
        self.config = built.run.config

    def tell(self, place: Place) -> JsonObject | None:
        """From where it stands to the end."""
        warmup = self.config.warmup.steps
        total = warmup + self.config.trainer.steps
        try:
            while True:
                place = self.at_a_boundary(place)
                if place.step == total:
                    return self.finish(place)
                place = self.one_step(place)
                if place.step in (warmup, total) or place.step % self.config.checkpoint.every == 0:
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
        if place.step == warmup:
            if warmup:
                place = self.evaluated(place, "after_sft")
            if steps:
                place = place._replace(state=self.built.restart(place.state))
                if self.built.run.objective.kl_weight:
                    place = place._replace(reference=frozen(place.state.params))
        if place.step == warmup + steps and steps:
            place = self.evaluated(place, "after")
        return place

    def evaluated(self, place: Place, stage: str) -> Place:
        """The place with the stage's evaluation, made unless it is there."""
        if stage in place.progress.evaluations:
            return place
        run = self.built.run
        tasks = run.material.eval_tasks
        with self.display.phase(f"evaluating, {stage.replace('_', ' ')}", len(tasks)) as tick:
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
        say(f"{stage.replace('_', ' ')}: accuracy {found.summary['accuracy']:.3f} on {len(tasks)} tasks")
        return place._replace(progress=progress._replace(evaluations=evaluations).spent("eval", self.watch.lap()))

    def one_step(self, place: Place) -> Place:
        """One step of the phase that the place is in, with its row of metrics."""
        run, step, progress = self.built.run, place.step, place.progress
        run.on_visit()
        if step < self.config.warmup.steps:
            state, row = warmup_step(run, place.state, step)
            progress = progress.spent("sft", self.watch.lap())
        else:
            state, curriculum, row, rollouts, scores = reinforce_step(
                run, place.state, progress.curriculum, place.reference, step
            )
            progress = progress._replace(curriculum=curriculum, sampled=progress.sampled + row["tokens"]["sampled"])
            for part, seconds in row["seconds"].items():
                progress = progress.spent(part, seconds)
            if (step - self.config.warmup.steps) % self.config.samples.every == 0:
                kept = self.config.trainer.group * self.config.samples.tasks
                self.keep_rollouts(f"step-{step + 1:06d}", rollouts[:kept], scores[:kept])
            progress = progress.spent("rl", self.watch.lap())
        self.metrics.append({"step": step + 1, **row})
        self.display.step(step + 1, row)
        return Place(step + 1, state, place.reference, progress)

    def save(self, place: Place) -> None:
        extra = {
            "metrics": self.metrics.sync(),
            "progress": place.progress.to_json(),
            "identity": dict(self.built.run.material.identity),
        }
        self.checkpoints.save(place.step, parts_of(place.state, place.reference), extra)

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
        """Saves the last state and writes summary and figure."""
        self.save(place)
        self.checkpoints.wait()
        summary = self.summary(place.progress.spent("report", self.watch.lap()))
        if first_process():
            rows = read_metrics(self.folder / METRICS)
            title = f"{self.config.preset}, seed {self.config.seed}: {self.config.reward} reward"
            save_figure(rows, place.progress.evaluations, self.folder, title)
            write_json(self.folder / SUMMARY, summary)
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
            "tokens_per_s": round(progress.sampled / sampling, 1) if sampling else 0.0,
            "machine": describe_machine(),
        }
