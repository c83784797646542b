"""Where metrics go beside metrics.jsonl, behind one protocol of three methods; each needs a package that is not required."""

import importlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject
from tpu_orch.runs.files import write_whole
from tpu_orch.runs.folder import WANDB_ID


@runtime_checkable
class Logger(Protocol):
    """What a run tells its metrics to."""

    def start(self, folder: Path, config: JsonObject) -> None: ...

    def log(self, step: int, scalars: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in RUN/tensorboard."""

    def __init__(self) -> None:
        self._module = _first_of(("tensorboardX", "torch.utils.tensorboard"), "--watch.tensorboard", "tensorboardX")

    def start(self, folder: Path, config: JsonObject) -> None:
        self._writer = self._module.SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """One run of the project, gone on with when ours is; its own settings say whether it goes online."""

    def __init__(self, project: str) -> None:
        self._project, self._module = project, _first_of(("wandb",), "--watch.wandb", "wandb")

    def start(self, folder: Path, config: JsonObject) -> None:
        self._run = self._module.init(
            project=self._project, config=config, dir=str(folder), id=kept_id(folder), resume="allow"
        )

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        self._run.log(dict(scalars), step=step)

    def close(self) -> None:
        self._run.finish()


def kept_id(folder: Path) -> str:
    """A run's own id, made once and kept in its folder, so that it stays when the folder moves, and other folders of the same
    name have another. A run that an older version began has its folder's name for an id."""
    path = folder / WANDB_ID
    if not path.exists():
        name = folder.absolute().name
        begun = (folder / "wandb").is_dir()
        write_whole(path, (name if begun else f"{name}-{secrets.token_hex(4)}").encode())
    return path.read_text(encoding="utf-8").strip()


def loggers(tensorboard: bool, wandb: str) -> list[Logger]:
    """Those asked for. Raises InputError where a package is missing."""
    asked: list[Logger] = [TensorBoard()] if tensorboard else []
    return [*asked, WeightsAndBiases(wandb)] if wandb else asked


def scalars(row: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a row of metrics by path: `seconds/update`."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from scalars(value, f"{above}{name}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{above}{name}", float(value)


def _first_of(names: tuple[str, ...], option: str, package: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise InputError(f"{option} needs the package {package}: pip install {package}")
