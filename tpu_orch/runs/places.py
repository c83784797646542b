"""Folders and files on a disk or in a bucket (gs://...), read and written alike."""

from pathlib import Path

from etils import epath

from tpu_orch.runs.files import write_whole

Place = Path | epath.Path


def in_bucket(place: Place | str) -> bool:
    """Whether something lies in a bucket."""
    return "://" in str(place)


def place_of(place: Place | str) -> epath.Path:
    """The same as what reads disks and buckets alike; absolute."""
    return epath.Path(place) if in_bucket(place) else epath.Path(Path(place).absolute())


def put_whole(place: Place, content: bytes) -> None:
    """Writes a file that is there whole or not at all; objects of a bucket are so by themselves."""
    if in_bucket(place):
        place_of(place).write_bytes(content)
    else:
        write_whole(Path(place), content)
