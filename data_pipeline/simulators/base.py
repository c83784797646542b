"""What the simulated APIs have in common: public attributes are the state, public methods are the tools.

Names of classes, methods and parameters are those of the benchmark, since calls name them and Python's own messages about
wrong arguments quote them.
"""

import copy
from typing import Any, NamedTuple

from data_pipeline.words.json import Json, JsonObject


class Filler(NamedTuple):
    """The long texts and lists that the benchmark's long-context category pads states and results with."""

    watch_list: list[str]
    transactions: list[JsonObject]
    technology: list[str]
    automobile: list[str]
    order_details: dict[str, str]
    moving_average_5: Json
    moving_average_20: Json
    file_content: str
    file_names: list[str]
    short_files: list[str]
    """Names of files that are left as they are."""
    car: str
    weather: JsonObject
    parking_brake: str
    cities: list[str]
    credit_cards: dict[str, JsonObject]
    bookings: dict[str, JsonObject]


class Shared:
    """What a trajectory's two sides (the model's and the reference's) have in common.

    The benchmark's `post_tweet` has lists as defaults, which Python makes once: a later `mention` writes into the list of
    every tweet that was posted without mentions. Both sides of one trajectory share these lists here, as they do there.
    """

    def __init__(self) -> None:
        self.tags: list[Any] = []
        self.mentions: list[Any] = []


class Simulator:
    """One API with its state."""

    def __init__(self, config: JsonObject, shared: Shared, filler: Filler | None = None) -> None:
        """Args:
        config: the entry's initial configuration of this class; it is copied.
        shared: see `Shared`.
        filler: pads states and results where given (the long-context category).
        """
        self._shared = shared
        self._filler = filler
        self._load(copy.deepcopy(config))

    def _load(self, config: JsonObject) -> None:
        """Sets the state. Nothing to do for an API without one."""

    def _take(self, config: JsonObject, defaults: JsonObject) -> None:
        """Sets each attribute that `defaults` names to what the configuration says, or else to a copy of the default."""
        for name, default in defaults.items():
            setattr(self, name, config.get(name, copy.deepcopy(default)))

    @property
    def _long(self) -> bool:
        return self._filler is not None


def public_state(simulator: Simulator) -> dict[str, Any]:
    """The attributes that the checker compares: private ones, such as the current directory, are not among them."""
    return {name: value for name, value in vars(simulator).items() if not name.startswith("_")}


def tool_names(kind: type[Simulator]) -> frozenset[str]:
    """The methods that a call may name."""
    return frozenset(name for name, value in vars(kind).items() if not name.startswith("_") and callable(value))
