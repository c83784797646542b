"""Pickles of plain data. Unpickling can run code, so whatever asks for a class or a function, by whatever opcode, is
refused: containers and scalars are all that is left."""

import pickle
from typing import Any, BinaryIO, NoReturn


class _PlainUnpickler(pickle.Unpickler):
    """Refuses every class, function and persistent object."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"asks for {module}.{name}; only plain data are read")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("asks for an object from elsewhere; only plain data are read")


def read_plain_pickle(file: BinaryIO) -> Any:
    """The value of a pickle made of plain data. Raises `pickle.UnpicklingError` for anything else."""
    try:
        return _PlainUnpickler(file).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise pickle.UnpicklingError(f"not a whole pickle ({type(error).__name__})") from None
