"""Errors that speak to the user: one line that says what was wrong, where, and what to do."""


class InputError(ValueError):
    """Wrong input or usage: the command line prints the message and exits with 2, without a traceback."""


class WorkFailed(RuntimeError):
    """The work itself failed (a diverged loss, a full disk): printed in one line, exit 1."""


def first_line(error: BaseException) -> str:
    """What an error says first; its kind where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
