"""The built-in world: typed tools over made-up entities, and tasks of known depth that are answered by calling them.

Everything follows from a seed. Entities come in closed regions (`train`, `dev`, `test`), so a held-out task touches
no entity that a training task ever saw; wordings and compositions (which tool feeds which) are held out too.
"""

from data_pipeline.sandbox.catalogue import DOMAINS, RELATIONS, WIDE_RELATIONS
from data_pipeline.sandbox.ids import ID_PIECES
from data_pipeline.sandbox.record import record_world
from data_pipeline.sandbox.relations import Relation
from data_pipeline.sandbox.renaming import renamed
from data_pipeline.sandbox.tasks import sandbox_tasks
from data_pipeline.sandbox.vocabulary import train_sandbox_tokenizer
from data_pipeline.sandbox.world import SPLITS, World, make_world

__all__ = [
    "DOMAINS",
    "ID_PIECES",
    "RELATIONS",
    "SPLITS",
    "WIDE_RELATIONS",
    "Relation",
    "World",
    "make_world",
    "record_world",
    "renamed",
    "sandbox_tasks",
    "train_sandbox_tokenizer",
]
