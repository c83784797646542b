"""A step's micro-batches survive the file bit for bit."""

from pathlib import Path

import jax
import numpy as np
import pytest

from data_pipeline.errors import InputError
from tpu_orch.training.batch import Shape, demonstration_example, micro_batches, place, shapes
from tpu_orch.training.kept import read_batches, write_batches


def test_round_trip(tmp_path: Path) -> None:
    examples = [demonstration_example(np.arange(n), np.arange(n) > 1, 0.1 * n) for n in (3, 9, 14)]
    batches = micro_batches(examples, [*shapes([8], tokens=16), Shape(1, 16, scored=16)], temperature=0.7)
    batches[0] = place(batches[0]._replace(advantages=np.full_like(batches[0].advantages, np.nan)), None)
    write_batches(tmp_path / "step.npz", batches)
    back = read_batches(tmp_path / "step.npz")
    assert len(back) == len(batches) > 1
    for one, other in zip(back, batches, strict=True):
        assert (one.scored is None) == (other.scored is None)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    assert sum(batch.scored is not None for batch in back) == 1


def test_other_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3), **{"0000.ids": np.zeros(1)})
    (tmp_path / "text.npz").write_text("nothing")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-30])
    for name in ("other.npz", "text.npz", "cut.npz", "absent.npz"):
        with pytest.raises(InputError, match="holds no micro-batches"):
            read_batches(tmp_path / name)
