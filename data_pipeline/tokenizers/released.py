"""A released `tokenizer.json` (Qwen, Llama 3, Gemma 3) behind the tokenizer protocol; needs the extra `hf`.

Ids are those of the `tokenizers` library, with one rule of ours: marks come out of trusted text only. Data that spells a
mark is cut inside it and encoded in parts. Two kinds of files are read: BPE over bytes (Qwen, Llama 3) and SentencePiece
vocabularies with byte pieces (Gemma). Qwen's files compose characters (NFC), so there a text comes back composed.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.formats.rows import write_document
from data_pipeline.jsontext import without_surrogates
from data_pipeline.tokenizers.marks import MarkSplitter, is_mark

SPACE = "\u2581"  # how a SentencePiece piece spells a space
PADS = ("<|endoftext|>", "<|finetune_right_pad_id|>", "<pad>", "<|end_of_text|>", "<|eot_id|>")
"""what fills rows where no configuration says so: the first that the file has"""


class ReleasedTokenizer:
    """The content of a `tokenizer.json`. pad: the padding token's text, where tokenizer_config.json names one.

    rows: of the model's table. Special tokens beyond it are left out, as `<image_soft_token>` of Gemma's text models; data that
    spells one is ordinary text. None: every token has a row.

    Raises InputError if the library is missing, the file is damaged, or its tokens cannot be told as bytes.
    """

    def __init__(self, content: bytes, pad: str | None = None, rows: int | None = None) -> None:
        self._file = content
        self.identity = hashlib.blake2b(content, digest_size=16).hexdigest()
        self._model = _library_model(content)
        added = {t.content: number for number, t in self._model.get_added_tokens_decoder().items()}
        special = {t.content for t in self._model.get_added_tokens_decoder().values() if t.special}
        whole = {text: number for text, number in added.items() if text in special or is_mark(text)}
        self.pad_id = _pad(whole, pad)
        beyond = {text for text in special if rows is not None and rows <= added[text] != self.pad_id}
        self._pieces = {text: number for text, number in whole.items() if text not in beyond}
        self._ids = {text: number for text, number in self._pieces.items() if number != self.pad_id}
        self.marks = tuple(self._ids)
        self._splitter, self._breaker = MarkSplitter(self.marks), MarkSplitter(tuple(whole))
        everything = self._model.get_vocab(with_added_tokens=True)
        vocabulary = {piece: number for piece, number in everything.items() if piece not in beyond}
        self.vocab_size = max(vocabulary.values()) + 1
        spell, self._spaced = _spelling(json.loads(content))
        self._bytes = [b""] * self.vocab_size
        for piece, number in vocabulary.items():
            if number != self.pad_id:
                literal = piece in whole or (piece in added and not self._spaced)
                self._bytes[number] = piece.encode() if literal else spell(piece)
        self._space_ids = [vocabulary.get(f"<0x{byte:02X}>", 0) for byte in SPACE.encode()]
        self._check()

    def _check(self) -> None:
        for text in (" a  b ", "x\ny\tz\r\n", "\U0001f600é", "12 + 34"):
            if self.decode(self.encode(text)) != text:
                raise InputError(f"its tokens change {text!r}: only files whose tokens spell the text itself are read")

    def piece_id(self, text: str) -> int | None:
        return self._pieces.get(text)

    def encode(self, text: str, *, marks: bool = False) -> list[int]:
        text = without_surrogates(text)
        if not marks:
            return self._data(text)
        ids: list[int] = []
        for part, is_a_mark in self._splitter.split(text):
            ids += [self._ids[part]] if is_a_mark else self._data(part)
        return ids

    def _data(self, text: str) -> list[int]:
        ids: list[int] = []
        for place, piece in enumerate(text.split(SPACE) if self._spaced else (text,)):
            ids += self._space_ids if place else []
            for part in self._breaker.broken(piece):
                ids += self._model.encode(part, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return b"".join(self.token_bytes(token_id) for token_id in ids).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        if not 0 <= token_id < self.vocab_size:
            raise IndexError(f"token {token_id} is outside the vocabulary of {self.vocab_size}")
        return self._bytes[token_id]

    def save(self, path: Path | str) -> None:
        write_document(path, self._file)


def _library_model(content: bytes) -> Any:
    try:
        import tokenizers
    except ImportError:
        raise InputError("a released tokenizer.json needs the extra hf: pip install 'tpu-orch[hf]'") from None
    try:
        model = tokenizers.Tokenizer.from_str(content.decode("utf-8"))
    except Exception as error:  # the library raises plain Exception
        raise InputError(f"no tokenizer.json: {str(error)[:200]}") from None
    model.no_truncation()
    model.no_padding()
    return model


def _pad(marks: dict[str, int], wanted: str | None) -> int:
    if wanted is not None and wanted not in marks:
        raise InputError(f"the padding token {wanted!r:.80} is no special token of the file")
    for text in PADS if wanted is None else (wanted,):
        if text in marks:
            return marks[text]
    raise InputError(f"it has no padding token: none of {', '.join(PADS)}")


def _spelling(document: Any) -> tuple[Any, bool]:
    """(the bytes of a piece, whether spaces are spelled as U+2581), from the file's decoder."""
    decoder = json.dumps(document.get("decoder"))
    if '"ByteLevel"' in decoder:
        return _byte_level, False
    if '"ByteFallback"' in decoder:
        return _sentencepiece, True
    raise InputError("neither BPE over bytes nor a SentencePiece vocabulary with byte pieces")


def _sentencepiece(piece: str) -> bytes:
    if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:5], 16)])
    return piece.replace(SPACE, " ").encode()


def _byte_level(piece: str) -> bytes:
    return bytes(_letters()[letter] for letter in piece)


@cache
def _letters() -> dict[str, int]:
    """The letter that stands for each byte in byte-level BPE files: printable ones for themselves, the others from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + n): b for n, b in enumerate(others)}
