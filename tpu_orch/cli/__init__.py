"""The command line: one module a command, each a frozen dataclass of arguments and a `run` that returns the exit code."""
