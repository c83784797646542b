"""One token a byte and a few marks: exact, tiny, needs no training; for tests and for debugging."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from data_pipeline.formats.rows import write_document
from data_pipeline.jsontext import without_surrogates
from data_pipeline.tokenizers.marks import MARKS, MarkSplitter

BYTES = 256


class ByteTokenizer:
    """Ids 0 to 255 are bytes, 256 is padding, then the marks in order."""

    def __init__(self, marks: Sequence[str] = MARKS) -> None:
        self.marks = tuple(marks)
        self.pad_id = BYTES
        self.vocab_size = BYTES + 1 + len(self.marks)
        self._ids = {mark: BYTES + 1 + place for place, mark in enumerate(self.marks)}
        self._bytes = [bytes([byte]) for byte in range(BYTES)] + [b""] + [mark.encode() for mark in self.marks]
        self._splitter = MarkSplitter(self.marks)
        self.identity = hashlib.blake2b(self._file(), digest_size=16).hexdigest()

    def piece_id(self, text: str) -> int | None:
        return self._ids.get(text)

    def encode(self, text: str, *, marks: bool = False) -> list[int]:
        text = without_surrogates(text)
        if not marks:
            return list(text.encode("utf-8"))
        ids: list[int] = []
        for part, is_mark in self._splitter.split(text):
            ids += [self._ids[part]] if is_mark else list(part.encode("utf-8"))
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return b"".join(self.token_bytes(token_id) for token_id in ids).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        if not 0 <= token_id < self.vocab_size:
            raise IndexError(f"token {token_id} is outside the vocabulary of {self.vocab_size}")
        return self._bytes[token_id]

    def _file(self) -> bytes:
        return json.dumps({"tokenizer": "bytes", "marks": self.marks}).encode()

    def save(self, path: Path | str) -> None:
        write_document(path, self._file())
