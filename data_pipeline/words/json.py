"""JSON values as Python holds them: int, float and bool are distinct everywhere in this project."""

from typing import Any, TypeAlias

# A recursive alias costs every reader a cast and catches nothing here: values come from parsers, not from our own code.
Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]
