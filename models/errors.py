"""Errors of this room that speak to the user: one line that says what does not fit and what to do."""


class ModelError(ValueError):
    """Wrong input to this room; the command line prints the message and exits with 2."""


class ConfigError(ModelError):
    """A configuration that cannot be built, or does not fit the mesh."""


class WeightsError(ModelError):
    """A folder of weights that is damaged, incomplete, or of another model."""
