"""Folders and files on a disk or in a bucket (gs://...), read and written alike."""

from pathlib import Path

from etils import epath

from data_pipeline.errors import InputError, WorkFailed, first_line
from tpu_orch.runs.files import write_whole

Place = Path | epath.Path


ON_DISK = "file://"


def in_bucket(place: Place | str) -> bool:
    """Whether something lies in a bucket."""
    return "://" in str(place) and not str(place).startswith(ON_DISK)


def place_of(place: Place | str) -> epath.Path:
    """The same as what reads disks and buckets alike; absolute. Raises InputError for what is neither."""
    if not in_bucket(place):
        return epath.Path(Path(str(place).removeprefix(ON_DISK)).absolute())
    try:
        return epath.Path(place)
    except KeyError as error:
        raise InputError(
            f"{place}: {first_line(error)} is no kind of place; there are folders, gs:// and s3://"
        ) from None


def require_reachable(place: Place | str) -> None:
    """Returns where a place can be looked at, whether or not something is there yet.

    Raises:
      InputError: it is no place, or the package that reads its kind is missing.
      WorkFailed: its bucket does not answer, or refuses.
    """
    found = place_of(place)
    try:
        found.exists()
    except ImportError as error:
        raise InputError(f"{place}: {first_line(error)} (the extra `tpu` brings gcsfs)") from None
    except Exception as error:  # each kind of bucket has its own
        raise WorkFailed(f"{place} cannot be reached: {first_line(error):.200}") from error


def put_whole(place: Place, content: bytes) -> None:
    """Writes a file that is there whole or not at all; objects of a bucket are so by themselves."""
    if in_bucket(place):
        place_of(place).write_bytes(content)
    else:
        write_whole(Path(place), content)
