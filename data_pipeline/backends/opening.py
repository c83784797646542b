"""Backends by name, as the command line spells them: `store:FILE`, `python:MODULE:NAME`, `http`, `http://HOST`, `mcp:TARGET`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_pipeline.backends.functions import PythonBackend
from data_pipeline.backends.http import HttpBackend
from data_pipeline.backends.protocol import Backend
from data_pipeline.backends.stored import StoreBackend
from data_pipeline.catalogues.files import read_operations
from data_pipeline.errors import InputError
from data_pipeline.named_modules import import_named
from data_pipeline.store.opening import open_any
from data_pipeline.words.tools import Tool

LONGEST_TIMEOUT_S = 86_400
FORMS = "store:FILE, python:MODULE:NAME, http, http://HOST, https://HOST, mcp:URL or mcp:COMMAND"


@contextmanager
def open_backend(
    text: str,
    tools: Mapping[str, Tool],
    tools_path: str | Path,
    environment: Mapping[str, str],
    timeout_s: float = 30.0,
) -> Iterator[Backend]:
    """The backend that the text names, closed at the end.

    tools_path: the tools.json whose `http` fields an HTTP backend follows. environment: where secrets are.
    timeout_s: how long a call over a network may take.
    Raises `InputError` for a text of no known form or a time out of range, `WorkFailed` for a server that cannot be reached.
    """
    if not 0 < timeout_s <= LONGEST_TIMEOUT_S:
        raise InputError(f"a call's timeout must be above 0 and at most {LONGEST_TIMEOUT_S} seconds, found {timeout_s}")
    kind, _, rest = text.partition(":")
    if kind == "store" and rest:
        yield StoreBackend(open_any(rest, tools))
    elif kind == "python" and rest:
        yield PythonBackend(load_functions(rest))
    elif kind == "http" or (kind == "https" and rest):
        operations = read_operations(tools_path)
        if not operations:
            raise InputError(f"{tools_path}: no tool says how it is called over HTTP; import it from an OpenAPI file")
        if rest:
            base = text if rest.startswith("//") else rest
            operations = {name: one._replace(server=base) for name, one in operations.items()}
        yield HttpBackend(operations, environment, timeout_s)
    elif kind == "mcp" and rest:
        from data_pipeline.backends.mcp import McpBackend

        with McpBackend(rest, environment, timeout_s) as backend:
            yield backend
    else:
        raise InputError(f"{text!r:.80} names no backend; expected {FORMS}")


def load_functions(text: str) -> Mapping[str, Callable[..., Any]]:
    """The functions that `module:name` leads to: a mapping of tools to callables, or one callable that is the tool `name`.

    A module without `:name` gives its public functions.
    """
    module_name, _, name = text.partition(":")
    module = import_named(module_name, f"functions {text}")
    if not name:
        public = {key: value for key, value in vars(module).items() if callable(value) and not key.startswith("_")}
        return {key: value for key, value in public.items() if getattr(value, "__module__", "") == module_name}
    found = getattr(module, name, None)
    if isinstance(found, Mapping):
        return found
    if callable(found):
        return {name: found}
    raise InputError(f"functions {text:.80}: {module_name} has no mapping or callable named {name!r:.60}")
