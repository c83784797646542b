"""The few bytes of a SentencePiece model file that decide whether data can spell a mark, or gains a space.

A model file is a protocol-buffer message: field 1 a piece {1: text, 2: score, 3: kind}, field 3 the normaliser. Released files
(Gemma) declare their marks as user-defined pieces, which are matched in every text; here they become control pieces, which
are matched in none. Llama 2's file puts a space before every text; here it does not, so that texts can be joined from parts.
"""

from collections.abc import Iterator

from data_pipeline.errors import InputError
from data_pipeline.tokenizers.marks import is_mark

PIECE, TEXT, KIND = 1, 1, 3
CONTROL, USER_DEFINED = 3, 4
# Appended to a message, a field wins over what stands before it: normaliser {add_dummy_prefix: false}.
NO_DUMMY_PREFIX = b"\x1a\x02\x18\x00"


def trusted_marks(model: bytes) -> bytes:
    """The model with its marks as control pieces and no space before a text. Raises InputError if it is no such file."""
    changed = bytearray(model)
    for number, start, end in _fields(model, 0, len(model)):
        if number != PIECE:
            continue
        inside = {n: (first, last) for n, first, last in _fields(model, start, end)}
        if TEXT not in inside or KIND not in inside:
            continue
        text = model[slice(*inside[TEXT])].decode("utf-8", errors="replace")
        place = inside[KIND][0]
        if model[place] == USER_DEFINED and is_mark(text):
            changed[place] = CONTROL
    return bytes(changed) + NO_DUMMY_PREFIX


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(number, first byte, byte behind the last) of each field of a message; raises InputError where it is cut short."""
    while at < end:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        if kind == 2:
            size, start = _varint(data, at, end)
            stop = start + size
        elif kind == 0:
            start, stop = at, _varint(data, at, end)[1]
        elif kind in (1, 5):
            start, stop = at, at + (8 if kind == 1 else 4)
        else:
            raise InputError("not a SentencePiece model: a field of unknown kind")
        if stop > end:
            raise InputError("not a SentencePiece model, or cut short")
        yield tag >> 3, start, stop
        at = stop


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(the number, the byte behind it)."""
    value = shift = 0
    while at < end and shift < 64:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7
    raise InputError("not a SentencePiece model, or cut short")
