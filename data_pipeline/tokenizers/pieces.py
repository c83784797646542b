"""A SentencePiece model behind the tokenizer protocol: exact round trip, marks kept apart from data.

Marks are the model's control pieces, which SentencePiece itself never matches in a text: here they come out only of
trusted text. Released files (Gemma, Llama 2) are read as `model_file` says. Decoding joins the bytes of the pieces
instead of asking SentencePiece, so that ids and bytes agree token by token and nothing is normalised.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

from data_pipeline.errors import InputError
from data_pipeline.formats.rows import write_document
from data_pipeline.jsontext import without_surrogates
from data_pipeline.tokenizers.marks import MarkSplitter
from data_pipeline.tokenizers.model_file import trusted_marks

SPACE = "\u2581"  # how a piece spells a space; the character itself goes through its three bytes


class SentencePieceTokenizer:
    """A trained model (`train_sentencepiece`, or a file that normalises nothing and falls back to bytes).

    Raises InputError if the model could not round-trip every text.
    """

    def __init__(self, model: bytes) -> None:
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_proto=trusted_marks(model))
        except RuntimeError as error:
            raise InputError(f"not a SentencePiece model: {error}") from None
        self._proto = model
        self.identity = hashlib.blake2b(model, digest_size=16).hexdigest()
        self.vocab_size = self._model.vocab_size()
        # Llama 2's file has no padding piece: the unknown piece never occurs in a text either.
        self.pad_id = self._model.pad_id() if self._model.pad_id() >= 0 else self._model.unk_id()
        names = [self._model.id_to_piece(token_id) for token_id in range(self.vocab_size)]
        self._ids = {
            name: token_id
            for token_id, name in enumerate(names)
            if self._model.is_control(token_id) and token_id != self.pad_id
        }
        self.marks = tuple(self._ids)
        self._bytes = [self._piece_bytes(token_id, name) for token_id, name in enumerate(names)]
        self._splitter = MarkSplitter(self.marks)
        self._space_bytes = [self._model.piece_to_id(f"<0x{byte:02X}>") for byte in SPACE.encode()]
        self._check()

    def _piece_bytes(self, token_id: int, name: str) -> bytes:
        if token_id == self.pad_id or self._model.is_unknown(token_id):
            return b""
        if token_id in self._ids.values():
            return name.encode()
        if self._model.is_byte(token_id):
            return bytes([int(name[3:5], 16)])
        return name.replace(SPACE, " ").encode()

    def _check(self) -> None:
        for text in ("  a  b ", "a\nb\tc\r\n", "\u00c5\u212b e\u0301", "\U0001f600", SPACE, "\x00"):
            if self.decode(self.encode(text)) != text:
                needs = "byte_fallback, identity normalisation and no dummy prefix"
                raise InputError(f"the SentencePiece model changes {text!r}: train it with {needs}")

    def piece_id(self, text: str) -> int | None:
        return self.pad_id if text == self._model.id_to_piece(self.pad_id) else self._ids.get(text)

    def encode(self, text: str, *, marks: bool = False) -> list[int]:
        text = without_surrogates(text)
        if not marks:
            return self._data(text)
        ids: list[int] = []
        for part, is_mark in self._splitter.split(text):
            ids += [self._ids[part]] if is_mark else self._data(part)
        return ids

    def _data(self, text: str) -> list[int]:
        if SPACE not in text:
            return self._model.encode(text)
        first, *rest = text.split(SPACE)
        ids = self._model.encode(first)
        for part in rest:
            ids += self._space_bytes
            ids += self._model.encode(part)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return b"".join(self.token_bytes(token_id) for token_id in ids).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        if not 0 <= token_id < self.vocab_size:
            raise IndexError(f"token {token_id} is outside the vocabulary of {self.vocab_size}")
        return self._bytes[token_id]

    def save(self, path: Path | str) -> None:
        write_document(path, self._proto)
