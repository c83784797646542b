"""Where the files of a job lie: on this machine, or elsewhere and fetched once to each machine that needs them."""

from pathlib import Path

from tpu_orch.pod.fetch import fetch, is_remote, look
from tpu_orch.runs import files
from tpu_orch.scoring.job import Spec
from tpu_orch.trainer.platform import cache_folder


def near(location: str) -> str:
    """The file itself, or this machine's copy of it. Raises as `fetch` does."""
    return str(fetch(location, cache_folder())) if is_remote(location) else location


def near_spec(spec: Spec) -> Spec:
    """The job with every file on this machine."""
    return spec._replace(
        tools=near(spec.tools),
        tasks=near(spec.tasks),
        store=None if spec.store is None else near(spec.store),
        graph=None if spec.graph is None else near(spec.graph),
    )


def stamp(location: str) -> list[str | int]:
    """What changes when a file does."""
    if is_remote(location):
        return [location, look(location).stamp]
    return files.stamp(Path(location))
