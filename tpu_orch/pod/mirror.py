"""A run whose checkpoints lie elsewhere keeps its small files beside them: a machine that is lost takes nothing with it.

With them the place is a run of its own to whatever reads its policy. Rollouts for people, figures and the report stay where the
run writes them; they are made again or done without.
"""

from collections.abc import Sequence
from pathlib import Path

from tpu_orch.runs.files import write_whole
from tpu_orch.runs.folder import CONFIG, METRICS, TOKENIZER, WANDB_ID
from tpu_orch.runs.places import place_of, put_whole, require_reachable
from tpu_orch.runs.processes import first_process
from tpu_orch.weights.kinds import BASE, MODEL, PUBLISHED

MIRRORED = (METRICS, WANDB_ID, CONFIG)
"""What a run needs to go on, beside its checkpoints; the configuration last, for it says that the others are there."""
OF_THE_POLICY = (TOKENIZER, MODEL, BASE)
"""What its policy needs to be opened; what came with released weights, too (`tpu_orch.weights.card`)."""


def put_beside(folder: Path, elsewhere: str) -> None:
    """Copies the small files as they are now; to be called before a checkpoint that counts on them."""
    _copy(folder, elsewhere, MIRRORED)


def put_policy_beside(folder: Path, elsewhere: str) -> None:
    """Copies what is to be known of the policy beside its weights, which stays as it is while the run lasts."""
    _copy(folder / PUBLISHED, f"{elsewhere}/{PUBLISHED}" if elsewhere else "", None)
    _copy(folder, elsewhere, OF_THE_POLICY)


def _copy(folder: Path, elsewhere: str, names: Sequence[str] | None) -> None:
    """Copies the files of these names that there are, or all of a folder, if there is one."""
    if not elsewhere or not first_process() or not folder.is_dir():
        return
    there = place_of(elsewhere)
    there.mkdir(parents=True, exist_ok=True)
    for name in sorted(path.name for path in folder.iterdir()) if names is None else names:
        if (folder / name).is_file():
            put_whole(there / name, (folder / name).read_bytes())


def bring_back(folder: Path, elsewhere: str) -> bool:
    """Gives a new run folder the small files of the run that it goes on with; whether there were any.

    Raises InputError and WorkFailed in every process that cannot look there.
    """
    if elsewhere:
        require_reachable(elsewhere)
    if not elsewhere or not first_process() or (folder / CONFIG).exists():
        return False
    there = place_of(elsewhere)
    if not (there / CONFIG).exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for name in MIRRORED:
        if (there / name).exists():
            write_whole(folder / name, (there / name).read_bytes())
    return True
