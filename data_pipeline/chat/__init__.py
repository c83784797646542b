"""Chat: conversations of tools, results and demonstrations as ids, in the way that each family of models writes them;
trusted scaffolding and data are kept apart.
"""

from data_pipeline.chat.chat import Chat, ThoughtLimit
from data_pipeline.chat.families import CHATML, FAMILIES, Family, family_of
from data_pipeline.chat.messages import Manner, Message, Part, Tokens, joined_text, tokens_of
from data_pipeline.chat.offers import Schemas
from data_pipeline.chat.template import JSON_PIECES, SCAFFOLDING
from data_pipeline.chat.vocabulary import chat_texts, train_chat_tokenizer

__all__ = [
    "CHATML",
    "FAMILIES",
    "JSON_PIECES",
    "SCAFFOLDING",
    "Chat",
    "Family",
    "Manner",
    "Message",
    "Part",
    "Schemas",
    "ThoughtLimit",
    "Tokens",
    "chat_texts",
    "family_of",
    "joined_text",
    "tokens_of",
    "train_chat_tokenizer",
]
