"""What tests of several rooms need: a bucket of Google's storage, in memory."""

from collections.abc import Iterator
from typing import ClassVar

import pytest
from etils import epath


@pytest.fixture
def google_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A file system of fsspec that answers for gs://."""
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Bucket(MemoryFileSystem):
        protocol = ("gcs", "gs")
        store: ClassVar[dict] = {}
        pseudo_dirs: ClassVar[list] = [""]

        def makedirs(self, path: str, exist_ok: bool = False) -> None:
            """A bucket has no folders, only names: an empty one is not there."""

        def mkdir(self, path: str, create_parents: bool = True, **given: object) -> None:
            pass

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return super()._strip_protocol(path.removeprefix("gcs://").removeprefix("gs://"))

    found = fsspec.get_filesystem_class

    def class_of(name: str) -> type:
        return Bucket if name in Bucket.protocol else found(name)

    monkeypatch.setattr("fsspec.core.get_filesystem_class", class_of)
    for place in ("fsspec.filesystem", "fsspec.core.filesystem"):
        monkeypatch.setattr(place, lambda name, **given: class_of(name)(**given))
    epath.backend.fsspec_backend._get_filesystem.cache_clear()
    yield Bucket()
    epath.backend.fsspec_backend._get_filesystem.cache_clear()
