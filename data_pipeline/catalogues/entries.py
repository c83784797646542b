"""What an importer finds: tools, how to reach them, and what is wrong with those that cannot be used."""

from typing import Literal, NamedTuple

from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool


class Secret(NamedTuple):
    """One way in which a server wants to know who calls. The secret itself is only ever in the environment."""

    scheme: str
    """Its name in the API's description."""
    kind: Literal["bearer", "basic", "header", "query", "cookie"]
    name: str
    """Of the header, query field or cookie; "" for bearer and basic."""
    variable: str
    """Environment variable that holds it (for basic: user:password)."""


Style = Literal["form", "simple", "spaceDelimited", "pipeDelimited", "deepObject", "content"]
"""How lists and objects are written, in OpenAPI's words; content: as JSON."""


class HttpParameter(NamedTuple):
    """Where an argument goes in a request."""

    argument: str
    place: Literal["path", "query", "header", "cookie", "field", "body"]
    """field: of a JSON body; body: the whole body."""
    name: str
    """In the request; the argument may be called otherwise where two places use one name."""
    explode: bool = True
    """In a query a list becomes name=a&name=b and an object its fields side by side; False: name=a,b."""
    style: Style = "form"


class HttpOperation(NamedTuple):
    """How a tool is called over HTTP."""

    method: str
    server: str
    """Base URL, without a trailing slash."""
    path: str
    """With `{name}` for each path parameter."""
    parameters: tuple[HttpParameter, ...] = ()
    secrets: tuple[tuple[Secret, ...], ...] = ()
    """Alternatives; all of one alternative are sent. The first whose variables are all set is taken."""


class Entry(NamedTuple):
    tool: Tool
    http: HttpOperation | None = None


class Fault(NamedTuple):
    """Something that keeps a tool from being imported."""

    tool: str
    place: str
    problem: str

    def line(self) -> str:
        return f"tool {self.tool}: {self.place}: {self.problem}" if self.place else f"tool {self.tool}: {self.problem}"


class Catalogue(NamedTuple):
    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...] = ()
    """Tools left out. An importer that is asked to be strict refuses a catalogue with any."""

    @property
    def tools(self) -> dict[str, Tool]:
        return {entry.tool.name: entry.tool for entry in self.entries}


def http_row(operation: HttpOperation) -> JsonObject:
    """The `http` field of a tool in tools.json."""
    return {
        "method": operation.method,
        "server": operation.server,
        "path": operation.path,
        "parameters": [parameter._asdict() for parameter in operation.parameters],
        "secrets": [[secret._asdict() for secret in way] for way in operation.secrets],
    }
