"""The seal of a store file: a digest of its every byte, so that no flipped one goes unnoticed.

SQLite's own checks, and the records' hashes, say nothing about bytes that no record uses. The digest stands in the file
itself, in the `meta` table, and is taken of the file with zeros in the digest's place.
"""

import hashlib
from pathlib import Path

from data_pipeline.store.protocol import StoreError

SIZE = 32
"""Bytes of a seal."""
UNSEALED = hashlib.blake2b(b"the place of a seal", digest_size=SIZE, person=b"tpu-orch/seal").digest()
"""Stands in a file that is not sealed yet."""
_CHUNK = 1 << 20


def seal(path: Path) -> None:
    """Puts the digest into its place in a file that was just made. Raises `StoreError` if the place is not plain."""
    place = _only_place(path, UNSEALED)
    digest = _digest(path, place)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(digest)


def is_intact(path: Path, digest: bytes) -> bool:
    """Whether the file's bytes are those that were sealed; `digest` is what its `meta` table says."""
    if len(digest) != SIZE:
        return False
    try:
        return _digest(path, _only_place(path, digest)) == digest
    except StoreError:
        return False


def _only_place(path: Path, wanted: bytes) -> int:
    """Where 32 bytes stand in a file. Raises `StoreError` unless they stand there exactly once."""
    found: list[int] = []
    with path.open("rb") as file:
        kept, start = b"", 0
        while chunk := file.read(_CHUNK):
            text = kept + chunk
            at = text.find(wanted)
            while at >= 0:
                found.append(start + at)
                at = text.find(wanted, at + 1)
            kept = text[-(SIZE - 1) :]  # too short to hold the bytes whole, so nothing is found twice
            start += len(text) - len(kept)
    if len(found) != 1:
        raise StoreError(f"{path}: the place of its seal is not plain ({len(found)} found)")
    return found[0]


def _digest(path: Path, place: int) -> bytes:
    """blake2b of the file with zeros where the seal stands."""
    digest = hashlib.blake2b(digest_size=SIZE, person=b"tpu-orch/seal")
    with path.open("rb") as file:
        left = place
        while left > 0 and (chunk := file.read(min(left, _CHUNK))):
            digest.update(chunk)
            left -= len(chunk)
        file.seek(place + SIZE)
        digest.update(bytes(SIZE))
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()
