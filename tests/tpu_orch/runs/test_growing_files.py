"""Files that grow over a long time: by one process, which leaves nothing else behind."""

from pathlib import Path

import pytest

from data_pipeline.errors import InputError
from tpu_orch.runs.locks import claimed
from tpu_orch.runs.parts import alone, appended, lock_of, whole_lines


def test_one_at_a_time_makes_a_file_grow(tmp_path: Path) -> None:
    out = tmp_path / "new" / "x.jsonl"
    with alone(out):
        assert list(whole_lines(out, "job")) == []
        with appended(out) as file:
            file.write(b"1\n")
            with pytest.raises(InputError, match=r"another command is writing .*x\.jsonl"), alone(out):
                raise AssertionError
    assert [path.name for path in out.parent.iterdir()] == ["x.jsonl"] and out.read_bytes() == b"1\n"
    with alone(out):
        pass


def test_a_lock_that_its_holder_took_away_is_no_lock(tmp_path: Path) -> None:
    lock = lock_of(tmp_path / "x.jsonl")
    with claimed(lock, kept=False) as first:
        assert first
        lock.unlink()
        with claimed(lock, kept=False) as second:  # another file of this name
            assert second
        assert not lock.exists()
    with claimed(lock) as kept:
        assert kept
    assert lock.exists()
