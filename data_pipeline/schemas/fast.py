"""The compiled validator library, where the extra `fast` is installed."""

from typing import Any


def _load() -> Any:
    try:
        import jsonschema_rs
    except ImportError:
        return None
    return jsonschema_rs


LIBRARY: Any = _load()
"""The module `jsonschema_rs`, or None."""
