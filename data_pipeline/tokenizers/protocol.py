"""What every tokenizer offers; engine, chat and trainer know no more than this."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class Tokenizer(Protocol):
    @property
    def vocab_size(self) -> int:
        """Ids are 0 to vocab_size - 1."""

    @property
    def pad_id(self) -> int:
        """Fills rows up to a common length; stands for no bytes and is never part of a text."""

    @property
    def identity(self) -> str:
        """Digest of everything that decides ids: equal identities give equal ids for every text."""

    @property
    def marks(self) -> tuple[str, ...]:
        """The strings that become one piece in trusted text, and in no other."""

    def piece_id(self, text: str) -> int | None:
        """The id of a mark, or of the padding where that is what its file calls it; None where there is no such piece."""

    def encode(self, text: str, *, marks: bool = False) -> list[int]:
        """Ids of a text. marks=True: trusted scaffolding, marks become pieces. marks=False: data, no mark piece ever
        comes out.
        """

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids, for people and parsers; bytes that are no UTF-8 become U+FFFD."""

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token adds to the text: b"" for padding, a mark's own text for a mark. Raises IndexError
        outside the vocabulary.
        """

    def save(self, path: Path | str) -> None:
        """Writes the file that `load_tokenizer` reads."""
