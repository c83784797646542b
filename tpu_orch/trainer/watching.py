"""How a run is looked at: rows of metrics, warnings, loggers, the profiler. Nothing here changes what is computed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from tpu_orch.config import RunConfig, to_json
from tpu_orch.reports.display import Display
from tpu_orch.reports.messages import say
from tpu_orch.runs.health import Health, examine
from tpu_orch.runs.loggers import Logger, loggers, scalars
from tpu_orch.runs.metrics import MetricsFile
from tpu_orch.runs.processes import first_process

SETTLED = 2  # steps of a sitting before the profiler looks: compilation is over


class Watching:
    """The effects of one sitting's steps. Close it at the end."""

    def __init__(self, config: RunConfig, folder: Path, metrics: MetricsFile, display: Display) -> None:
        self.config, self.folder, self.metrics, self.display = config, folder, metrics, display
        self._health, self._steps, self._profiling = Health(), 0, False
        self._loggers: list[Logger] = []
        if first_process():
            self._loggers = loggers(config.watch.tensorboard, config.watch.wandb)
            for logger in self._loggers:
                logger.start(folder, to_json(config))

    def before_step(self) -> None:
        """Starts the profiler when its time has come."""
        if self.config.watch.profile and self._steps == SETTLED and first_process():
            jax.profiler.start_trace(str(self.folder / "profile"))
            self._profiling = True

    def step(self, step: int, row: dict[str, Any]) -> None:
        """After a step, counted from 1, with its row."""
        self._steps += 1
        if self._profiling and self._steps >= SETTLED + self.config.watch.profile:
            self._stop_profiler()
        self.metrics.append({"step": step, **row})
        self.display.step(step, row)
        for logger in self._loggers:
            logger.log(step, dict(scalars(row)))
        if row["phase"] == "rl":
            judged = {
                name: value for name, value in row.items() if not (self.config.trainer.overlap and name == "mismatch")
            }
            self._health, lines = examine(self._health, judged)
            for line in lines:
                say(f"warning, step {step}: {line}")

    def evaluation(self, step: int, stage: str, summary: Mapping[str, Any]) -> None:
        """An evaluation goes to the loggers as well."""
        for logger in self._loggers:
            logger.log(step, {f"eval/{name}": value for name, value in scalars(summary)})

    def close(self) -> None:
        if self._profiling:
            self._stop_profiler()
        for logger in self._loggers:
            logger.close()

    def _stop_profiler(self) -> None:
        jax.profiler.stop_trace()
        self._profiling = False
        say(f"profile of {self._steps - SETTLED} steps: {self.folder / 'profile'}")
