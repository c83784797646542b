"""Files that are there whole or not at all."""

import json
import os
from pathlib import Path

from data_pipeline.words import Json


def write_whole(path: Path, content: bytes) -> None:
    """Writes to a temporary name beside the file, then renames: a kill leaves the old content or the new."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def write_json(path: Path, value: Json) -> None:
    """`write_whole` of indented JSON, keys in the order given."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
