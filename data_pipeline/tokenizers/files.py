"""Tokenizer files: a SentencePiece model, a released tokenizer.json, or a line of JSON for the byte tokenizer."""

import json
from pathlib import Path
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.tokenizers.bytes import ByteTokenizer
from data_pipeline.tokenizers.pieces import SentencePieceTokenizer
from data_pipeline.tokenizers.protocol import Tokenizer
from data_pipeline.tokenizers.released import ReleasedTokenizer

RELEASED, PIECES, SETTINGS = "tokenizer.json", "tokenizer.model", "tokenizer_config.json"


def released_tokenizer(folder: Path, rows: int | None = None) -> Tokenizer:
    """The tokenizer of a published folder: its tokenizer.json, else its tokenizer.model. Raises InputError if it has none.

    rows: of the model's table; special tokens of a tokenizer.json beyond it are left out.
    """
    for name in (RELEASED, PIECES):
        if (folder / name).is_file():
            return load_tokenizer(folder / name, rows)
    raise InputError(
        f"{folder}: holds neither {RELEASED} nor {PIECES}: fetch the tokenizer files of the release as well"
    )


def load_tokenizer(path: Path | str, rows: int | None = None) -> Tokenizer:
    """Reads what a tokenizer's `save` wrote, or a released file; rows: as for `released_tokenizer`.

    Raises InputError naming the file if it is none.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no tokenizer file here; `tpu-orch tokenizer train` makes one")
    content = path.read_bytes()
    try:
        if content.lstrip().startswith(b"{"):
            row = json.loads(content)
            if isinstance(row, dict) and "model" in row:
                return ReleasedTokenizer(content, _released_pad(path.with_name(SETTINGS)), rows)
            return ByteTokenizer(_marks(row))
        return SentencePieceTokenizer(content)
    except (InputError, ValueError) as error:
        raise InputError(f"{path}: not a usable tokenizer: {error}") from None


def _released_pad(settings: Path) -> str | None:
    """The padding token that a tokenizer_config.json names, as text or as an object."""
    if not settings.is_file():
        return None
    row = json.loads(settings.read_bytes())
    named = row.get("pad_token") if isinstance(row, dict) else None
    named = named.get("content") if isinstance(named, dict) else named
    return named if isinstance(named, str) else None


def _marks(row: Any) -> list[str]:
    marks = row.get("marks") if isinstance(row, dict) and row.get("tokenizer") == "bytes" else None
    if not isinstance(marks, list) or not all(isinstance(m, str) and m for m in marks):
        raise InputError('a byte tokenizer is {"tokenizer": "bytes", "marks": [...]}')
    return marks
