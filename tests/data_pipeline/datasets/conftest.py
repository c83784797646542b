"""Without the extra `data` there is nothing to test here."""

import importlib.util

if any(importlib.util.find_spec(name) is None for name in ("tensorflow_datasets", "grain")):
    collect_ignore = ["test_datasets.py"]
