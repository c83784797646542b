"""The kinds of change by their names on the command line."""

import random
from collections.abc import Callable
from typing import Literal, TypeAlias

from data_pipeline.errors import InputError
from data_pipeline.mutation.bundle import Bundle, Change
from data_pipeline.mutation.deprecating import deprecate
from data_pipeline.mutation.renaming import rename
from data_pipeline.mutation.reordering import reorder
from data_pipeline.mutation.requiring import require
from data_pipeline.mutation.retyping import retype
from data_pipeline.mutation.splitting import split

Kind: TypeAlias = Literal["rename", "retype", "require", "split", "deprecate", "reorder"]

KINDS: dict[Kind, Callable[[Bundle, float, random.Random], tuple[Bundle, list[Change]]]] = {
    "rename": rename,
    "retype": retype,
    "require": require,
    "split": split,
    "deprecate": deprecate,
    "reorder": reorder,
}


def mutate(bundle: Bundle, kind: Kind, seed: int, share: float = 0.5) -> tuple[Bundle, list[Change]]:
    """An evolved interface: (the bundle after the change, what changed). The same seed, the same change.

    share: of the tools or parameters that can change in this way. Raises `InputError` where nothing can.
    """
    if not 0 < share <= 1:
        raise InputError("share must be above 0 and at most 1")
    made, changes = KINDS[kind](bundle, share, random.Random(f"{kind}/{seed}"))
    if not changes:
        raise InputError(f"no tool of this catalogue can change in the way of {kind}")
    return made, changes
