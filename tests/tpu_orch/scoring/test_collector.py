"""The pause of Python's collector: over when the batch is, however it ends."""

import gc

import pytest

from tpu_orch.scoring.collector import collector_paused


def test_off_within_and_on_after() -> None:
    assert gc.isenabled()
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            pass
        assert not gc.isenabled()  # who found it off leaves it off
    with pytest.raises(KeyError), collector_paused():
        raise KeyError
    assert gc.isenabled()
