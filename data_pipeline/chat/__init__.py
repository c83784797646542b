"""Chat: one ChatML template that turns tasks, results and demonstrations into ids, trusted scaffolding and data kept
apart.
"""

from data_pipeline.chat.chat import Chat, Tokens
from data_pipeline.chat.offers import Schemas
from data_pipeline.chat.template import SCAFFOLDING

__all__ = ["SCAFFOLDING", "Chat", "Schemas", "Tokens"]
