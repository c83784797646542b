"""What is wrong in a file of the user's, with the place."""

from pathlib import Path

from data_pipeline.errors import InputError


class FormatError(InputError):
    """`FILE:LINE: field X: problem`; line and field are left out where there is none."""

    def __init__(self, problem: str, path: str | Path, line: int | None = None, field: str = "") -> None:
        self.problem = problem
        self.path = str(path)
        self.line = line
        self.field = field
        place = self.path if line is None else f"{self.path}:{line}"
        super().__init__(f"{place}: field {field}: {problem}" if field else f"{place}: {problem}")
