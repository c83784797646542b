"""The safetensors format: eight bytes of header length, a JSON header of names, types, shapes and offsets, then the bytes.

Reading maps the file, so that only the parts asked for are touched; writing streams one tensor at a time. Both ways follow
the published format (https://github.com/huggingface/safetensors#format); nothing is ever unpickled.
"""

import json
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from models.errors import WeightsError

DTYPES = {"F32": np.dtype(np.float32), "F16": np.dtype(np.float16), "BF16": np.dtype(jnp.bfloat16)}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
HEADER_LIMIT = 100_000_000
"""bytes of header that the format allows"""
ONE_FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"


class Tensor(NamedTuple):
    """Where one tensor lies."""

    name: str
    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int

    def map(self) -> np.ndarray:
        """The tensor as a read-only view of its file."""
        if 0 in self.shape:  # there is nothing to map
            return np.zeros(self.shape, self.dtype)
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)


class Planned(NamedTuple):
    """A tensor to be written."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of one file, in the file's order; raises WeightsError if the file is damaged or of types unknown here."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else HEADER_LIMIT + 1
        if length > min(HEADER_LIMIT, size - 8):
            raise WeightsError(f"{path}: no safetensors file, or cut short: its header does not fit into it")
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            tensors = {name: _tensor(path, name, entry, 8 + length) for name, entry in header.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, WeightsError):
                raise
            raise WeightsError(f"{path}: damaged safetensors header ({error})") from error
    end = max((t.offset + t.dtype.itemsize * math.prod(t.shape) for t in tensors.values()), default=8 + length)
    if end != size:
        raise WeightsError(f"{path}: {size} bytes, but its header describes {end}: the file is cut short or damaged")
    return dict(sorted(tensors.items(), key=lambda item: item[1].offset))


def _tensor(path: Path, name: str, entry: dict, base: int) -> Tensor:
    first, last = entry["data_offsets"]
    shape = tuple(int(size) for size in entry["shape"])
    if entry["dtype"] not in DTYPES:
        known = ", ".join(DTYPES)
        raise WeightsError(f"{path}: tensor {name} is of type {entry['dtype']}, known are {known}: convert it first")
    dtype = DTYPES[entry["dtype"]]
    if min((first, *shape)) < 0 or last - first != dtype.itemsize * math.prod(shape):
        raise WeightsError(f"{path}: tensor {name} of shape {list(shape)} does not fill bytes {first} to {last}")
    return Tensor(name, path, dtype, shape, base + first)


def read_folder(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder, file by file: one file, or those of its index. Raises WeightsError if they disagree."""
    if not (folder / INDEX).exists():
        if not (folder / ONE_FILE).exists():
            raise WeightsError(f"{folder}: holds neither {ONE_FILE} nor {INDEX}")
        return read_header(folder / ONE_FILE)
    try:
        promised: dict[str, str] = json.loads((folder / INDEX).read_bytes())["weight_map"]
        files = sorted(set(promised.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{folder / INDEX}: damaged index ({error})") from error
    for name in files:  # of this folder, never a path elsewhere
        if Path(name).name != name or not (folder / name).is_file():
            raise WeightsError(f"{folder / INDEX}: names {name!r}, which is no file of this folder: fetch it again")
    found: dict[str, Tensor] = {}
    for name in files:
        for tensor, place in read_header(folder / name).items():
            if promised.get(tensor) != name:
                raise WeightsError(f"{folder / name}: holds tensor {tensor}, which the index does not place there")
            found[tensor] = place
    lost = [name for name in promised if name not in found]
    if lost:
        raise WeightsError(f"{folder / promised[lost[0]]}: lacks tensor {lost[0]}, which the index places there")
    return found


def write_file(path: Path, plan: Sequence[Planned], arrays: Iterable[np.ndarray]) -> None:
    """Writes tensors as planned, taking each array only when its turn comes."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, dtype, shape in plan:
        size = dtype.itemsize * math.prod(shape)
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for entry, array in zip(plan, arrays, strict=True):
            if (array.dtype, array.shape) != (entry.dtype, entry.shape):
                raise ValueError(f"{entry.name}: planned {entry.dtype}{entry.shape}, given {array.dtype}{array.shape}")
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def split_files(plan: Sequence[Planned], limit: int) -> list[list[Planned]]:
    """The plan cut into files of at most `limit` bytes, in order; a larger tensor has its own file."""
    files: list[list[Planned]] = [[]]
    room = limit
    for entry in plan:
        if files[-1] and entry.size > room:
            files.append([])
            room = limit
        files[-1].append(entry)
        room -= entry.size
    return files


def write_folder(folder: Path, plan: Sequence[Planned], arrays: Iterator[np.ndarray], limit: int) -> None:
    """Writes the tensors into one file, or into several and their index."""
    files = split_files(plan, limit)
    if len(files) == 1:
        write_file(folder / ONE_FILE, files[0], arrays)
        return
    names = [f"model-{number:05d}-of-{len(files):05d}.safetensors" for number in range(1, len(files) + 1)]
    for name, part in zip(names, files, strict=True):
        write_file(folder / name, part, (next(arrays) for _ in part))
    places = {entry.name: name for name, part in zip(names, files, strict=True) for entry in part}
    index = {"metadata": {"total_size": sum(entry.size for entry in plan)}, "weight_map": places}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
