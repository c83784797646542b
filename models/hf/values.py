"""Values of a published `config.json`, which anybody may have written: of the kind that is asked for, or refused by key."""

from typing import Any

from models.errors import ConfigError

Json = dict[str, Any]


def number(settings: Json, key: str, where: str) -> float:
    """Raises ConfigError with the key where there is none."""
    if settings.get(key) is None:
        raise ConfigError(f"{where}: key {key} is missing")
    if type(settings[key]) not in (int, float):
        raise ConfigError(f"{where}: {key} = {settings[key]!r:.80} is no number")
    return float(settings[key])


def whole(settings: Json, key: str, where: str) -> int:
    """Raises ConfigError with the key where there is no whole number."""
    if not number(settings, key, where).is_integer():
        raise ConfigError(f"{where}: {key} = {settings[key]!r} is no whole number")
    return int(settings[key])


def part(settings: Json, key: str, where: str) -> Json:
    """What stands under a key; nothing where it is absent. Raises ConfigError with the key where it is no JSON object."""
    value = settings.get(key) or {}
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: {key} = {value!r:.80} is no JSON object")
    return value
