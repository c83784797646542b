"""The simulated APIs of one entry, side by side: calls are carried out as text, states are told as JSON.

Follows the executor of BFCL's multi-turn categories (gorilla, v4): names of methods that stand before a bracket are replaced
in the text by `object.name`, inside string literals too; a result is text; whatever is raised becomes
"Error during execution: ...".
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.simulators.arithmetic import MathAPI
from data_pipeline.simulators.base import Filler, Shared, Simulator, public_state, tool_names
from data_pipeline.simulators.expressions import evaluate, parse_expression
from data_pipeline.simulators.files import GorillaFileSystem
from data_pipeline.simulators.messages import MessageAPI
from data_pipeline.simulators.posts import TwitterAPI
from data_pipeline.simulators.sizes import check_size
from data_pipeline.simulators.states import as_json
from data_pipeline.simulators.tickets import TicketAPI
from data_pipeline.simulators.trading import TradingBot
from data_pipeline.simulators.travel import TravelAPI
from data_pipeline.simulators.vehicle import VehicleControlAPI
from data_pipeline.words.json import JsonObject

SIMULATORS: Mapping[str, type[Simulator]] = {
    kind.__name__: kind
    for kind in (
        GorillaFileSystem,
        MathAPI,
        MessageAPI,
        TwitterAPI,
        TicketAPI,
        TradingBot,
        TravelAPI,
        VehicleControlAPI,
    )
}
_TOOLS = {name: tool_names(kind) for name, kind in SIMULATORS.items()}
_FORBIDDEN = frozenset(("kill", "exit", "quit", "remove", "unlink", "popen", "Popen", "run"))
_CALLED = re.compile(r"\b([a-zA-Z_]\w*)\s*(?=\()")


class World:
    """Instances of the classes that an entry involves."""

    def __init__(
        self,
        classes: Sequence[str],
        config: JsonObject,
        *,
        owner: str,
        shared: Shared | None = None,
        filler: Filler | None = None,
    ) -> None:
        """Args:
          classes: names of the classes, in the entry's order.
          config: class -> initial configuration.
          owner: names the side (model or reference); it shows in texts that happen to spell a call, as it does there.
          shared: see `Shared`; the other side's, or a new one.
          filler: for the long-context category.

        Raises InputError for a class that is not simulated.
        """
        unknown = [name for name in classes if name not in SIMULATORS]
        if unknown:
            raise InputError(f"no simulator for {', '.join(unknown)}; there are {', '.join(SIMULATORS)}")
        shared = shared or Shared()
        self.instances = {name: SIMULATORS[name](config.get(name, {}), shared, filler) for name in classes}
        self._objects: dict[str, dict[str, Callable[..., Any]]] = {}
        self._owners: dict[str, str] = {}
        for name, instance in self.instances.items():
            label = re.sub(r"\W", "_", f"{owner}_{name}_instance")
            self._objects[label] = {tool: getattr(instance, tool) for tool in _TOOLS[name]}
            self._owners.update(dict.fromkeys(_TOOLS[name], label))

    def execute(self, text: str) -> str:
        """The result of one call as text."""
        text = _CALLED.sub(self._labelled, text)
        head = text.split("(")[0] if "(" in text else text
        head = head.split(".")[1] if "." in head else head
        try:
            if head in _FORBIDDEN:
                raise PermissionError(f"Function call {head} is not allowed.")
            result = evaluate(parse_expression(text), self._objects)
            check_size(result)
            return result if type(result) is str else _as_text(result)
        except Exception as error:  # the benchmark answers with whatever was raised
            return f"Error during execution: {error}"

    def _labelled(self, found: re.Match[str]) -> str:
        name = found.group(1)
        return f"{self._owners[name]}.{name}" if name in self._owners else name

    def differs(self, other: "World") -> str | None:
        """The first class whose public state is not the other's, or None."""
        for name, instance in other.instances.items():
            mine, theirs = public_state(self.instances[name]), public_state(instance)
            try:
                differ = any(mine[attribute] != value for attribute, value in theirs.items())
            except RecursionError:  # both hold themselves
                differ = True
            if differ:
                return name
        return None

    def state(self) -> JsonObject:
        """class -> its public attributes, as JSON."""
        return {
            name: {attribute: as_json(value) for attribute, value in public_state(instance).items()}
            for name, instance in self.instances.items()
        }


def _as_text(result: Any) -> str:
    if isinstance(result, dict):
        try:
            return json.dumps(result)
        except (TypeError, ValueError, RecursionError):
            return str(result)
    return str(result)
