"""Tokenizers behind one protocol: text to ids and back, with marks that data can never spell.

A tokenizer here round-trips every UTF-8 text exactly and keeps two kinds of text apart: trusted scaffolding, in which
marks such as `<|im_end|>` become their own piece, and data (queries, tool results), in which the same characters stay
ordinary text.
"""

from data_pipeline.tokenizers.bytes import ByteTokenizer
from data_pipeline.tokenizers.files import load_tokenizer, released_tokenizer
from data_pipeline.tokenizers.marks import MARKS
from data_pipeline.tokenizers.parts import encode_parts
from data_pipeline.tokenizers.pieces import SentencePieceTokenizer
from data_pipeline.tokenizers.protocol import Tokenizer
from data_pipeline.tokenizers.released import ReleasedTokenizer
from data_pipeline.tokenizers.train import train_sentencepiece

__all__ = [
    "MARKS",
    "ByteTokenizer",
    "ReleasedTokenizer",
    "SentencePieceTokenizer",
    "Tokenizer",
    "encode_parts",
    "load_tokenizer",
    "released_tokenizer",
    "train_sentencepiece",
]
