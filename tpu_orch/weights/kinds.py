"""Which kind of folder holds a policy, and a digest of its weights that needs none of them read."""

import hashlib
from pathlib import Path
from typing import Literal

from data_pipeline.errors import InputError
from data_pipeline.words import Json, JsonObject
from models.config import ModelConfig
from models.hf.configs import read_config
from models.hf.load import match
from models.hf.tensor_files import read_folder
from tpu_orch.checkpoints import checkpoints_of, manifest, newest_step
from tpu_orch.runs.folder import CHECKPOINTS

MODEL = "model.json"
PUBLISHED = "published"
BASE = "base.json"
Kind = Literal["published", "imported", "run"]
"""as downloaded; with a configuration of the decoder beside checkpoints (imports, and runs that started from weights); a run of
the configuration's own shape"""


def kind_of(folder: Path) -> Kind:
    """Raises InputError if it holds no policy."""
    if (folder / MODEL).exists():
        return "imported"
    if checkpoints_of(folder).exists():
        return "run"
    if (folder / "config.json").is_file():
        return "published"
    raise InputError(f"{folder}: no published model (config.json), no import ({MODEL}) and no run ({CHECKPOINTS}/)")


def read_published(folder: Path) -> tuple[ModelConfig, JsonObject, tuple[Path, ...]]:
    """Configuration, config.json and the files beside the weights of a published folder."""
    config, published = read_config(folder)
    beside = [p for p in folder.iterdir() if p.is_file() and p.suffix in (".json", ".model", ".txt", ".jinja")]
    kept = [p for p in beside if p.name != "config.json" and not p.name.endswith(".index.json")]
    return config, published, tuple(sorted(kept))


def weights_digest(folder: Path, kind: Kind, config: ModelConfig) -> Json:
    """What tells these weights from others: the manifest of the newest checkpoint; of published ones names, types and places."""
    if kind != "published":
        return checkpoint_digest(folder)
    tensors = read_folder(folder)
    match(folder, config, tensors)
    return [[t.name, str(t.dtype), list(t.shape), t.path.name, t.offset] for t in tensors.values()]


def checkpoint_digest(folder: Path) -> str:
    """What tells the newest checkpoint of a folder from others."""
    step = newest_step(checkpoints_of(folder))
    return hashlib.blake2b((step / manifest.NAME).read_bytes(), digest_size=16).hexdigest()
