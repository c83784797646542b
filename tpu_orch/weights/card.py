"""What a run says of the policy that it started from, so that evaluation and export open the run without being told again.

model.json   our configuration of the decoder, as the run has it
published/   config.json, tokenizer files and chat template, as they came
base.json    of a run that trains adapters: the folder of the frozen weights, and a digest of them
"""

import shutil
from pathlib import Path

from data_pipeline.jsontext import read_json
from data_pipeline.words import JsonObject
from models.hf.configs import as_json
from tpu_orch.runs.files import write_json
from tpu_orch.weights.kinds import BASE, MODEL, PUBLISHED, weights_digest
from tpu_orch.weights.open import PolicySource


def write_card(source: PolicySource, adapters: bool, folder: Path) -> None:
    """Writes the files into the run's folder, model.json last; where they say the same already, nothing.

    Args:
      adapters: the run trains adapters, and needs the source's weights whenever it is opened.
    """
    said: dict[str, JsonObject] = {MODEL: as_json(source.config)}
    if adapters:
        digest = weights_digest(source.folder, source.kind, source.config)
        said = {BASE: {"folder": str(source.folder.resolve()), "weights": digest}, **said}
    if all((folder / name).exists() and read_json((folder / name).read_bytes()) == told for name, told in said.items()):
        return
    (folder / MODEL).unlink(missing_ok=True)
    shutil.rmtree(folder / PUBLISHED, ignore_errors=True)
    (folder / PUBLISHED).mkdir()
    write_json(folder / PUBLISHED / "config.json", source.published)
    for file in source.files:
        shutil.copyfile(file, folder / PUBLISHED / file.name)
    for name, told in said.items():
        write_json(folder / name, told)
