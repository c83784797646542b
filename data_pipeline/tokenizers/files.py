"""Tokenizer files: a SentencePiece model as it is, or a line of JSON for the byte tokenizer."""

import json
from pathlib import Path

from data_pipeline.errors import InputError
from data_pipeline.tokenizers.bytes import ByteTokenizer
from data_pipeline.tokenizers.pieces import SentencePieceTokenizer
from data_pipeline.tokenizers.protocol import Tokenizer


def load_tokenizer(path: Path | str) -> Tokenizer:
    """Reads what a tokenizer's `save` wrote. Raises InputError naming the file if it is none."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no tokenizer file here; `tpu-orch tokenizer train` makes one")
    content = path.read_bytes()
    try:
        if content.startswith(b"{"):
            return ByteTokenizer(_marks(content))
        return SentencePieceTokenizer(content)
    except (InputError, ValueError) as error:
        raise InputError(f"{path}: not a usable tokenizer: {error}") from None


def _marks(content: bytes) -> list[str]:
    row = json.loads(content)
    marks = row.get("marks")
    if (
        row.get("tokenizer") != "bytes"
        or not isinstance(marks, list)
        or not all(isinstance(m, str) and m for m in marks)
    ):
        raise InputError('a byte tokenizer is {"tokenizer": "bytes", "marks": [...]}')
    return marks
