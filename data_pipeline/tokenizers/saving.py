"""Files that are whole or absent."""

from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that its name never stands for half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
