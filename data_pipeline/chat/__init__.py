"""Chat: one ChatML template that turns tasks, results and demonstrations into ids, trusted scaffolding and data kept
apart.
"""

from data_pipeline.chat.chat import Chat, Tokens
from data_pipeline.chat.limits import ResultLimit
from data_pipeline.chat.offers import Schemas
from data_pipeline.chat.template import JSON_PIECES, SCAFFOLDING
from data_pipeline.chat.vocabulary import chat_texts, train_chat_tokenizer

__all__ = [
    "JSON_PIECES",
    "SCAFFOLDING",
    "Chat",
    "ResultLimit",
    "Schemas",
    "Tokens",
    "chat_texts",
    "train_chat_tokenizer",
]
