"""Bodies of records, packed and unpacked, with a dictionary trained on the store's own records."""

from typing import Any

import orjson
import zstandard

from data_pipeline.formats.responses import Recorded
from data_pipeline.store.layout import LEVEL, WIDE, decode_body, encode_body

DICTIONARY_SIZE = 112 * 1024
SAMPLES = 20_000
"""Records that a dictionary is trained on at most, evenly spaced."""
_SMALLEST = 64 * 1024
"""Bytes of samples below which a dictionary is not worth its place in the file."""


def train_dictionary(samples: list[Any]) -> bytes:
    """A zstd dictionary for texts like the samples; b"" where it would not pay."""
    total = sum(map(len, samples))
    if len(samples) < 32 or total < _SMALLEST:
        return b""
    try:
        # At most a tenth of what it was trained on: a dictionary travels with the store.
        return zstandard.train_dictionary(min(DICTIONARY_SIZE, total // 10), samples, level=LEVEL).as_bytes()
    except zstandard.ZstdError:  # the samples have nothing in common
        return b""


class Packer:
    """Bytes of bodies; deterministic for one version of zstd."""

    def __init__(self, dictionary: bytes) -> None:
        shared = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        if shared is not None:
            shared.precompute_compress(level=LEVEL)
        self._compressor = zstandard.ZstdCompressor(
            level=LEVEL, dict_data=shared, write_checksum=True, write_content_size=True, write_dict_id=False
        )

    def pack(self, record: Recorded) -> bytes:
        text, wide = encode_body(record)
        return (WIDE if wide else b"") + self._compressor.compress(text)


class Unpacker:
    """Reads bodies; one to a thread. Raises `ZstdError` or `ValueError` for a damaged one."""

    def __init__(self, dictionary: bytes) -> None:
        shared = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self._decompress = zstandard.ZstdDecompressor(dict_data=shared).decompress

    def unpack(self, body: bytes) -> Recorded:
        if body[0] == WIDE[0]:
            return decode_body(self._decompress(body[1:]), wide=True)
        return Recorded._make(orjson.loads(self._decompress(body)))
