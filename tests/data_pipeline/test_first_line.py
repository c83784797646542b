"""What an error says first."""

import pytest

from data_pipeline.errors import InputError, first_line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("no such file\nlook again"), "no such file"),
        (OSError(28, "disk full"), "[Errno 28] disk full"),
        (RuntimeError(), "RuntimeError"),
        (ValueError("\nbelow an empty line"), "ValueError"),
    ],
)
def test_an_error_in_one_line(error: Exception, said: str) -> None:
    assert first_line(error) == said
