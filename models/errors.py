"""Errors of this room that speak to the user: one line that says what does not fit and what to do."""


class ConfigError(ValueError):
    """A configuration that cannot be built, or does not fit the mesh or the weights at hand."""
