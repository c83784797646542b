"""What a run needs of a machine, looked at one by one; each look is a function that gives one finding."""

import fcntl
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline.errors import InputError
from data_pipeline.formats import Recorded
from data_pipeline.store import build_store, verify_store
from data_pipeline.tokenizers import load_tokenizer, train_sentencepiece
from data_pipeline.words import Tool
from tpu_orch.config import MeshOptions
from tpu_orch.runs.chips import all_chips
from tpu_orch.runs.findings import Finding
from tpu_orch.runs.machine import core_count, no_device, processor

OLDEST_PYTHON = (3, 11)
NEEDED = ("jax", "flax", "optax", "orbax-checkpoint", "numpy", "sentencepiece", "zstandard", "tyro", "matplotlib")
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "hf": ("tokenizers", "safetensors"),
    "fast": ("jsonschema_rs",),
    "mcp": ("mcp",),
    "beam": ("apache_beam",),
    "data": ("tensorflow_datasets", "grain"),
}
GIB = 1 << 30
LITTLE_MEMORY = 3 * GIB  # the sandbox preset takes about two
LITTLE_DISK = 2 * GIB
ACCELERATORS: Mapping[str, str] = {"/dev/nvidia0": "cuda", "/dev/accel0": "tpu", "/dev/vfio/0": "tpu"}
TEXT = 'find {"id": 20, "name": "Zürich"}'
"""What a tokenizer has to give back."""
SIDE = 256
"""Rows and columns of the product that is compiled."""


def examine(
    folder: Path, stored: Path | None = None, pieces: Path | None = None, mesh: MeshOptions | None = None
) -> list[Finding]:
    """Every finding. Where processes work together, each of them calls it.

    Args:
      folder: where runs are to be written.
      stored: a store file to read; None: a small one is made and read.
      pieces: a tokenizer's file; None: a small one is trained.
      mesh: that a run is to have; None: one axis over all devices.
    """
    return [
        python(sys.version_info[:2]),
        packages(),
        cores(),
        memory(available_memory()),
        *disk(folder),
        *computing(mesh or MeshOptions()),
        store(stored),
        tokenizer(pieces),
        *(extra(name, modules) for name, modules in EXTRAS.items()),
    ]


def computing(mesh: MeshOptions) -> Iterator[Finding]:
    """Devices and all that needs them; where JAX finds none, that alone."""
    if trouble := no_device():
        asked = os.environ.get("JAX_PLATFORMS")
        advice = f"JAX_PLATFORMS is {asked}: unset it, or " if asked else ""
        told = f"JAX starts none: {trouble[:160]}"
        yield Finding("devices", "bad", told, f"{advice}install the driver and the extra cuda or tpu")
        return
    yield devices(jax.default_backend(), [one.device_kind for one in jax.devices()], there(ACCELERATORS))
    yield compilation()
    yield from all_chips(mesh.sizes(), mesh.slices)


def python(version: tuple[int, int]) -> Finding:
    """Whether Python is new enough."""
    told = f"{platform.python_implementation()} {'.'.join(map(str, version))}"
    if version >= OLDEST_PYTHON:
        return Finding("Python", "ok", told)
    return Finding("Python", "bad", told, f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer")


def packages() -> Finding:
    """Whether what every command needs is installed."""
    versions, missing = [], []
    for name in NEEDED:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "bad", f"missing: {', '.join(missing)}", "make venv")
    return Finding("packages", "ok", ", ".join(versions[:4]))


def cores() -> Finding:
    """Cores that this process may use."""
    number = core_count()
    told = f"{number} x {processor()}"
    return (
        Finding("processor", "ok", told)
        if number > 1
        else Finding("processor", "care", told, "two cores halve the time")
    )


def available_memory() -> int | None:
    """Bytes of memory that a program may still take; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else None


def memory(available: int | None) -> Finding:
    """Whether there is enough memory for the smallest preset."""
    if available is None:
        return Finding("memory", "note", "this system does not tell")
    told = f"{available / GIB:.1f} GiB available"
    if available >= LITTLE_MEMORY:
        return Finding("memory", "ok", told)
    return Finding("memory", "care", told, "close other programs, or lower --micro-tokens and --engine.rows")


def disk(folder: Path) -> list[Finding]:
    """Whether runs can be written: room, and the locks and renames that a run folder relies on."""
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(place).free
    room = Finding("disk", "ok", f"{free / GIB:.1f} GiB free at {place}")
    if free < LITTLE_DISK:
        room = room._replace(state="care", advice="checkpoints and rollouts may not fit")
    try:
        with tempfile.TemporaryDirectory(dir=place) as temporary:
            first = Path(temporary) / "a"
            with first.open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.write(b"x")
                os.fsync(file.fileno())
            first.replace(Path(temporary) / "b")
    except OSError as error:
        return [room, Finding("run folder", "bad", f"{place}: {error.strerror}", "choose another folder with --out")]
    return [room, Finding("run folder", "ok", "can be written, locked and renamed")]


def there(paths: Mapping[str, str]) -> list[str]:
    """The extras whose device files exist."""
    return sorted({name for path, name in paths.items() if Path(path).exists()})


def devices(backend: str, kinds: list[str], seen: list[str]) -> Finding:
    """What JAX computes on, and whether an accelerator of this machine is left unused."""
    told = f"{backend}: {len(kinds)} x {kinds[0]}"
    if backend != "cpu" or not seen:
        return Finding("devices", "ok", told)
    advice = " or ".join(f"pip install 'tpu-orch[{name}]'" for name in seen)
    return Finding(
        "devices", "care", f"{told}; the machine has a device for {' or '.join(seen)} that JAX does not use", advice
    )


def compilation() -> Finding:
    """Compiles a small program, runs it, and compares with NumPy. Its time is told, never judged."""
    values = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32)
    began = time.perf_counter()
    try:
        with jax.default_matmul_precision("highest"):
            found = np.asarray(jax.jit(lambda x: jnp.tanh(x @ x.T / SIDE))(values))
    except Exception as error:  # whatever a compiler or a driver raises is the finding
        return Finding(
            "compilation",
            "bad",
            f"{type(error).__name__}: {error}".splitlines()[0][:90],
            "reinstall jax for this machine",
        )
    seconds = time.perf_counter() - began
    return judged(found, np.tanh(values @ values.T / SIDE), seconds)


def judged(found: np.ndarray, expected: np.ndarray, seconds: float) -> Finding:
    """Whether the device computes what NumPy does."""
    worst = float(np.abs(found - expected).max())
    if not worst < 1e-4:
        return Finding(
            "compilation",
            "bad",
            f"results differ from NumPy's by {worst:.2g}",
            "the device or its driver computes wrongly",
        )
    return Finding("compilation", "ok", f"compiled and right within {worst:.1g} in {seconds:.1f} s")


def store(path: Path | None) -> Finding:
    """Whether a store can be read: every record of the one given, or of one that is made."""
    try:
        if path is not None:
            stats = verify_store(path)
            return Finding("store", "ok", f"{stats.records} records, all whole, {stats.content_hash}")
        with tempfile.TemporaryDirectory() as folder:
            records = [Recorded("find", {"id": number}, {"found": number}, True) for number in range(20)]
            tool = Tool("find", "", {"type": "object", "properties": {"id": {"type": "integer"}}})
            build_store(Path(folder) / "x.store", records, {"find": tool})
            stats = verify_store(Path(folder) / "x.store")
    except (InputError, OSError, sqlite3.Error) as error:
        return Finding("store", "bad", f"{error}"[:160], "build it anew with tpu-orch store build, or copy it again")
    return Finding("store", "ok", f"{stats.records} records written and read, SQLite {sqlite3.sqlite_version}")


def tokenizer(path: Path | None) -> Finding:
    """Whether a tokenizer gives back the text that it takes apart: the one given, or one that is trained."""
    try:
        read = load_tokenizer(path) if path else train_sentencepiece([TEXT] * 20, vocab_size=400)
        ids = read.encode(TEXT)
        back = read.decode(ids)
    except (InputError, OSError, ValueError, RuntimeError) as error:
        return Finding(
            "tokenizer", "bad", f"{error}"[:160], "make it anew with tpu-orch tokenizer train, or fetch it again"
        )
    if back != TEXT:
        return Finding("tokenizer", "bad", f"gives back {back!r:.60} for {TEXT!r:.60}", "fetch or train it again")
    return Finding("tokenizer", "ok", f"{read.vocab_size} tokens, text comes back")


def extra(name: str, modules: tuple[str, ...]) -> Finding:
    """Whether an optional extra is installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if not missing:
        return Finding(f"extra {name}", "ok", "installed")
    return Finding(
        f"extra {name}", "note", f"without {', '.join(missing)}", f"if wanted: pip install 'tpu-orch[{name}]'"
    )
