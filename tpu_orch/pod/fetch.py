"""Inputs that lie elsewhere (gs://, s3://, https://, whatever fsspec reads), copied once to each host and checked by hash.

Beside the files may lie `SHA256SUMS`, as the program sha256sum writes it; a single file's hash may also follow its location as
`#sha256=...`. Without either the copy is what was there when it was fetched, and the processes of a run compare what they have.
A copy is made under a lock, under another name until whole, and looked at again at every start.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from data_pipeline.errors import InputError, WorkFailed, first_line
from data_pipeline.words import JsonObject
from tpu_orch.runs.files import write_json
from tpu_orch.runs.locks import claimed

SUMS = "SHA256SUMS"
NOTE = "fetched.json"
"""Of a copy, beside the folder `DATA` that holds it: where it lies in the copy's folder, and the hash of each file."""
DATA = "data"
SUM = re.compile(r"([0-9a-fA-F]+)[ \t]+\*?(?:\./)?(.+)")
LOCATION = re.compile(r"[a-z][a-z0-9+.-]*://.+")
HASH = re.compile(r"sha256=([0-9a-fA-F]{64})")
INPUTS = ("--data", "--tools", "--store", "--tasks", "--weights", "--model")
"""Options of a run that name inputs."""


class Source(NamedTuple):
    """A file or a folder elsewhere, as it is now."""

    system: Any
    """Of fsspec."""
    root: str
    """Its path there."""
    files: tuple[str, ...]
    """Paths under the root; of a single file its own name."""
    stamp: str
    """Changes when any of the files does: sizes and what the system tells of versions."""
    single: bool


def is_remote(text: str) -> bool:
    """Whether a word names something that has to be fetched."""
    return LOCATION.fullmatch(text) is not None


def local_arguments(argv: Sequence[str], cache: Path) -> list[str]:
    """The arguments of a run with the inputs that lie elsewhere fetched, and named by their copies."""
    found: list[str] = []
    for word in argv:
        option, sign, value = word.partition("=")
        if sign and option in INPUTS and is_remote(value):
            found.append(f"{option}={fetch(value, cache)}")
        elif found and found[-1] in INPUTS and is_remote(word):
            found.append(str(fetch(word, cache)))
        else:
            found.append(word)
    return found


def fetch(location: str, cache: Path) -> Path:
    """The copy of a file or folder in this host's cache, made now if it is not there.

    Raises:
      InputError: nothing lies there, or its hash is another than the one given.
      WorkFailed: it could not be read.
    """
    place, _, said = location.partition("#")
    wanted = HASH.fullmatch(said) if said else None
    if said and wanted is None:
        raise InputError(f"{location}: after # only sha256= and 64 digits can follow")
    try:
        source = look(place)
        key = hashlib.sha256(json.dumps([place, source.stamp]).encode()).hexdigest()[:16]
        folder = cache / "fetched" / key
        with claimed(cache / "fetched" / f"{key}.lock", wait=True):
            if not _whole(folder):
                _copy(source, folder)
            note = json.loads((folder / NOTE).read_bytes())
    except (InputError, WorkFailed):
        raise
    except Exception as error:  # each file system has its own
        raise WorkFailed(f"{place} could not be read: {first_line(error):.200}") from error
    name = source.files[0]
    if wanted and (not source.single or note["files"][name] != wanted[1].lower()):
        what = f"its sha256 is {note['files'][name]}" if source.single else "it is a folder"
        raise InputError(f"{place}: {what}, not {wanted[1]}")
    return folder / note["under"] / (name if source.single else "")


def look(place: str) -> Source:
    """What lies at a location. Raises InputError where nothing does, or where a package is missing to look."""
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise InputError(f"{place}: {first_line(error):.200}") from None
    root = root.rstrip("/")
    try:
        told = system.info(root)
    except FileNotFoundError:
        raise InputError(f"{place}: nothing lies there") from None
    single = told["type"] == "file"
    found = {root: told} if single else system.find(root, detail=True)
    if not found:
        raise InputError(f"{place}: nothing lies there")
    files = sorted(_name(path) if single else path[len(root) :].lstrip("/") for path in found)
    if any(".." in name.split("/") or name.startswith("/") for name in files):
        raise InputError(f"{place}: a name in it leads out of the folder")
    stamp = json.dumps([[path, _version(told)] for path, told in sorted(found.items())])
    return Source(system, root, tuple(files), stamp, single)


def _version(told: JsonObject) -> list[str]:
    """What a file system tells of a file that changes with its content."""
    names = ("size", "etag", "ETag", "generation", "md5Hash", "mtime", "LastModified", "last_modified", "created")
    return [str(told[name]) for name in names if told.get(name) is not None]


def _name(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _whole(folder: Path) -> bool:
    """Whether an earlier copy is there and unchanged."""
    try:
        note = json.loads((folder / NOTE).read_bytes())
        return all(_digest(folder / note["under"] / name) == digest for name, digest in note["files"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _copy(source: Source, folder: Path) -> None:
    """Copies and checks everything, then gives the folder its name."""
    under = DATA if source.single else f"{DATA}/{_name(source.root)}"
    growing = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(growing, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    for name in source.files:
        target = growing / under / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source.system.get_file(source.root if source.single else f"{source.root}/{name}", str(target))
    digests = {name: _digest(growing / under / name) for name in source.files}
    _check(source, digests)
    write_json(growing / NOTE, {"under": under, "files": digests})
    growing.replace(folder)


def _check(source: Source, digests: Mapping[str, str]) -> None:
    """Raises InputError where SHA256SUMS says otherwise, or is none."""
    sums = f"{source.root.rpartition('/')[0] if source.single else source.root}/{SUMS}"
    if not source.system.exists(sums):
        return
    for number, line in enumerate(source.system.cat_file(sums).decode("utf-8-sig").split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        said = SUM.fullmatch(line)
        if said is None:
            raise InputError(
                f"{sums}:{number}: expected a sha256 and a name, as sha256sum writes them, found {line!r:.80}"
            )
        digest, name = said[1].lower(), said[2]
        if name in digests and digests[name] != digest:
            raise InputError(f"{source.root}: sha256 of {name} is {digests[name]}, {SUMS} says {digest}")
        if name not in digests and not source.single:
            raise InputError(f"{source.root}: {SUMS} names {name}, which is not there")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
