"""Modules that a user names on the command line, as `module:name`: imported, and told apart by their source."""

import hashlib
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from data_pipeline.errors import InputError


def source_digest(named: str) -> str:
    """A digest of the file of the module in `module:name`; "" where it has none (it is built in, or cannot be found)."""
    try:
        found = importlib.util.find_spec(named.partition(":")[0])
    except (ImportError, ValueError):
        return ""
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return ""
    return hashlib.blake2b(Path(found.origin).read_bytes(), digest_size=16).hexdigest()


def import_named(module: str, asked: str) -> ModuleType:
    """The module, imported.

    Args:
      asked: what it is wanted for and as what it was given, for the message: "reward mine:brief".
    Raises:
      InputError: it cannot be imported, whatever it raised.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise InputError(
            f"{asked:.80}: cannot import {module:.60} ({type(error).__name__}: {error!s:.120}); it must lie in this folder or on"
            " PYTHONPATH"
        ) from None
