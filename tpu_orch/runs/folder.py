"""A run's folder: one process group at a time, and one configuration for its whole life.

config.json  metrics.jsonl  summary.json  report.html  checkpoints/  rollouts/
tools.json  tasks.jsonl  store.sqlite  tokenizer.model
"""

import fcntl
import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.words import Json, JsonObject
from tpu_orch.config import RunConfig, from_json
from tpu_orch.runs.files import write_json
from tpu_orch.runs.processes import first_process

CONFIG = "config.json"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
TOOLS = "tools.json"
TASKS = "tasks.jsonl"
STORE = "store.sqlite"
TOKENIZER = "tokenizer.model"
CHECKPOINTS = "checkpoints"
ROLLOUTS = "rollouts"
REPORT = "report.html"
LOCK = ".lock"
WANDB_ID = "wandb.id"
"""Its id at Weights & Biases, where it is told there."""


@contextmanager
def open_run(
    folder: Path,
    config: JsonObject,
    *,
    defaults: JsonObject | None = None,
    may_differ: Collection[str] = (),
    adopt: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Path]:
    """Holds the run's folder for this process, and makes sure that it is a run of this configuration.

    A new folder gets the configuration written into it, and so does one in which nothing but a configuration lies: what ended
    before it made anything may be corrected. Every difference to the one that is there is told. The lock goes with the process,
    however that ends.

    Args:
      config: the resolved configuration, as JSON.
      defaults: what a field means that an older version did not know and so did not write.
      may_differ: dotted names of fields, or of groups of fields, that a resumed run may change.
      adopt: take the new configuration whatever differs.
    Raises:
      InputError: another process runs in the folder, or its configuration differs where it may not (each difference is named).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        path = folder / CONFIG
        if path.exists() and _begun(folder):
            found = _differing(path, config, defaults or {})
            refused = [line for name, line in found if not _allowed(name, may_differ)]
            if refused and not adopt:
                raise InputError(
                    f"{folder} holds a run of another configuration: {'; '.join(refused)} "
                    "(choose another --out; --checkpoint.adopt goes on anyway)"
                )
            for _, line in found:
                tell(f"configuration: {line}")
        if first_process():
            write_json(path, config)
        yield folder


def _begun(folder: Path) -> bool:
    """Whether a run has left anything there beside its configuration."""
    return any(path.is_file() and path.name != CONFIG and not path.name.endswith(LOCK) for path in folder.rglob("*"))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if not first_process():
        yield
        return
    with (folder / LOCK).open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise InputError(
                f"{folder}: process {stream.read().strip()} is running in it; wait for it or choose another folder"
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def _differing(path: Path, config: JsonObject, defaults: JsonObject) -> list[tuple[str, str]]:
    """(dotted name, what it was and is) of every field that differs."""
    try:
        stored = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); restore it or choose another folder") from None
    return differences(completed(stored, defaults), config)


def completed(stored: Json, defaults: Json) -> Json:
    """The stored configuration with the fields that it lacks, in groups too, as the defaults have them."""
    if not isinstance(stored, dict) or not isinstance(defaults, dict):
        return stored
    known = {name: completed(value, defaults.get(name)) for name, value in stored.items()}
    return {**defaults, **known}


def _allowed(name: str, may_differ: Collection[str]) -> bool:
    return any(name == allowed or name.startswith(f"{allowed}.") for allowed in may_differ)


def run_config(folder: Path) -> RunConfig:
    """The configuration of a run. Raises InputError where the folder is none."""
    path = folder / CONFIG
    try:
        return from_json(RunConfig, read_json(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: no run folder, it has no {CONFIG}; give the --out of a train command") from None
    except (JsonError, TypeError) as error:
        raise InputError(f"{path}: no configuration of a run: {error}") from None


def differences(stored: Json, current: Json, name: str = "") -> list[tuple[str, str]]:
    """(dotted name, what it was and is) of every leaf that differs between two JSON values."""
    if isinstance(stored, dict) and isinstance(current, dict):
        found = []
        for key in sorted({*stored, *current}):
            inner = f"{name}.{key}" if name else key
            found += differences(stored.get(key), current.get(key), inner)
        return found
    same = json.dumps(stored, sort_keys=True) == json.dumps(current, sort_keys=True)
    return [] if same else [(name, f"{name} was {json.dumps(stored)} and is {json.dumps(current)}")]
