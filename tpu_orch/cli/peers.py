"""Other projects measured in the rounds of a bench: scripts under tests/peers/, run by an interpreter that has the project."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_pipeline.errors import InputError, WorkFailed

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "peers"


def measured(python: Path, scripts: Mapping[str, str], arguments: Sequence[int]) -> dict[str, float]:
    """What the scripts print of the projects that an interpreter has: name -> figure.

    Args:
      scripts: by the module that the interpreter must have, the script's name.
      arguments: of each script; its last line is a JSON object of name -> figure.
    Raises InputError where it has none of them or this is no checkout, WorkFailed with a script's last line if it fails.
    """
    if not FOLDER.is_dir():
        raise InputError(f"--peers needs {FOLDER}: run it from a checkout")
    ask = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
    there = _output([str(python), "-c", ask, *scripts]).split()
    if not there:
        raise InputError(f"--peers {python}: it has none of {', '.join(scripts)}")
    found: dict[str, float] = {}
    for name in there:
        said = _output([str(python), str(FOLDER / scripts[name]), *map(str, arguments)])
        found |= {peer: float(figure) for peer, figure in json.loads(said.splitlines()[-1]).items()}
    return found


def _output(command: list[str]) -> str:
    """What a program prints."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "JAX_PLATFORMS": "cpu"}
        )
    except OSError as error:
        raise InputError(f"--peers {command[0]}: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise WorkFailed(f"{' '.join(command[:2])}: {lines[-1] if lines else 'it ended with an error'}")
    return done.stdout
