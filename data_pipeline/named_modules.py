"""Modules that a user names on the command line, as `module:name`: told apart by their source, so that a change is noticed."""

import hashlib
import importlib.util
from pathlib import Path


def source_digest(named: str) -> str:
    """A digest of the file of the module in `module:name`; "" where it has none (it is built in, or cannot be found)."""
    try:
        found = importlib.util.find_spec(named.partition(":")[0])
    except (ImportError, ValueError):
        return ""
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return ""
    return hashlib.blake2b(Path(found.origin).read_bytes(), digest_size=16).hexdigest()
