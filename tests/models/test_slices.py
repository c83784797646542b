"""Devices of several slices in a mesh: only the data axis leaves a slice."""

from dataclasses import dataclass

import jax
import numpy as np
import pytest

from models.errors import ConfigError
from models.sharding import MESH_AXES, make_mesh, over_slices


@dataclass(frozen=True)
class FakeDevice:
    """What the arrangement asks of a device."""

    id: int
    slice_index: int
    process_index: int
    platform: str = "cpu"
    device_kind: str = "fake"


@dataclass(frozen=True)
class FakeHostDevice:
    """One that does not say which slice it is of."""

    id: int
    process_index: int
    platform: str = "cpu"
    device_kind: str = "fake"


def in_slices(slices: int, each: int) -> list[FakeDevice]:
    """In an order that mixes the slices, as no run may count on one."""
    devices = [FakeDevice(n, n % slices, n // 4) for n in range(slices * each)]
    return [devices[n] for n in np.random.default_rng(0).permutation(len(devices))]


@pytest.mark.parametrize(("sizes", "slices"), [((2, 4, 2, 1), 2), ((4, 2, 1, 2), 2), ((4, 1, 4, 1), 4)])
def test_all_axes_but_data_stay_inside_a_slice(sizes: tuple[int, ...], slices: int) -> None:
    each = int(np.prod(sizes)) // slices
    found = over_slices(sizes, slices, in_slices(slices, each))
    assert found.shape == sizes
    assert len({device.id for device in found.flat}) == slices * each
    slice_of = np.vectorize(lambda device: device.slice_index)(found)
    per_row = slice_of.reshape(sizes[0], -1)
    assert (per_row == per_row[:, :1]).all()
    # data runs through one slice after another: neighbours along it share a slice wherever they can
    assert per_row[:, 0].tolist() == sorted(per_row[:, 0].tolist())


def test_processes_stand_for_slices_where_devices_do_not_say() -> None:
    found = over_slices((4, 2, 1, 1), 2, [FakeHostDevice(n, n // 4) for n in range(8)])
    assert np.vectorize(lambda device: device.process_index)(found)[:, 0, 0, 0].tolist() == [0, 0, 1, 1]


def test_what_does_not_fit_the_slices_is_named() -> None:
    with pytest.raises(ConfigError, match="data=3 cannot run over 2 slices"):
        over_slices((3, 2, 1, 1), 2, in_slices(2, 3))
    with pytest.raises(ConfigError, match="over 4 slices, but the devices lie in 2 slices"):
        over_slices((4, 2, 1, 1), 4, in_slices(2, 4))
    with pytest.raises(ConfigError, match="over 2 slices, but the devices lie in 1 processes"):
        make_mesh({"data": -1}, slices=2)


def test_one_slice_is_an_ordinary_mesh() -> None:
    mesh = make_mesh({"data": -1}, slices=1)
    assert mesh.axis_names == MESH_AXES and mesh.size == jax.device_count()
