"""Files that are there whole or not at all, and what tells a file from what it was before."""

import json
import os
from pathlib import Path

from data_pipeline.formats.rows import replacing
from data_pipeline.words import Json


def write_whole(path: Path, content: bytes) -> None:
    """Writes to a temporary name beside the file, then renames: a kill leaves the old content or the new.

    Of several writers at once the last one's content stays.
    """
    with replacing(path) as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def stamp(path: Path) -> list[str | int]:
    """What changes when a file does."""
    found = path.stat()
    return [str(path.resolve()), found.st_size, found.st_mtime_ns]


def write_json(path: Path, value: Json) -> None:
    """`write_whole` of indented JSON, keys in the order given."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
