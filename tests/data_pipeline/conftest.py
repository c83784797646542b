"""A live city guide for the tests of importers, backends, recording and exploring."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from guide_api import Guide, openapi


@pytest.fixture
def guide() -> Iterator[Guide]:
    running = Guide()
    yield running
    running.close()


@pytest.fixture
def guide_file(guide: Guide, tmp_path: Path) -> Path:
    """The guide's OpenAPI file."""
    path = tmp_path / "guide.json"
    path.write_text(json.dumps(openapi(guide.url)))
    return path
