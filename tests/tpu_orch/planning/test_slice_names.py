"""Names of slices and GPUs, as Google's and the vendors' pages count them."""

import pytest

from data_pipeline.errors import InputError
from tpu_orch.planning.slices import chip_of, parse_slice


@pytest.mark.parametrize(
    ("text", "shape", "chips", "devices"),
    [
        ("v5p-64", (2, 4, 4), 32, 32),
        ("v5p-8", (2, 2, 1), 4, 4),
        ("v4-32", (2, 2, 4), 16, 16),
        ("v5litepod-16", (4, 4), 16, 16),
        ("v5e-8", (2, 4), 8, 8),
        ("v6e-1", (1, 1), 1, 1),
        ("v6e-256", (16, 16), 256, 256),
        ("tpu7x-128", (4, 4, 4), 64, 128),
        ("v5p:4x4x4", (4, 4, 4), 64, 64),
        ("tpu7x:2x2x1", (2, 2, 1), 4, 8),
        ("h100:8", (8,), 8, 8),
    ],
)
def test_a_name_gives_its_chips(text: str, shape: tuple[int, ...], chips: int, devices: int) -> None:
    where = parse_slice(text)
    assert (where.shape, where.chips, where.devices) == (shape, chips, devices)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("v9:2x2", "is no slice"),
        ("v5e:2x2x2", "has 2 axes"),
        ("v5p-63", "named by their cores"),
        ("v6e-12", "no slice of 12 chips"),
        ("h100:2x4", "counted by one number"),
        ("v5e:0x2", "at least one chip"),
        ("", "is no slice"),
    ],
)
def test_another_name_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_slice(text)


def test_a_ring_uses_as_many_axes_of_the_torus_as_it_needs() -> None:
    v5p, v5e, h100 = parse_slice("v5p:4x4x4"), parse_slice("v5e:4x4"), parse_slice("h100:16")
    assert v5p.collective_bandwidth(4) == 2 * 90e9
    assert v5p.collective_bandwidth(16) == 4 * 90e9
    assert v5p.collective_bandwidth(64) == 6 * 90e9
    assert v5e.collective_bandwidth(16) == 4 * 45e9
    assert h100.collective_bandwidth(8) > h100.collective_bandwidth(16)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("TPU v4", "v4"),
        ("TPU v5 lite", "v5e"),
        ("TPU v5", "v5p"),
        ("TPU v6 lite", "v6e"),
        ("TPU7x", "tpu7x"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
    ],
)
def test_a_device_is_known_by_its_kind(kind: str, name: str) -> None:
    chip = chip_of(kind)
    assert chip is not None and chip.name == name


def test_other_devices_are_not_known() -> None:
    assert chip_of("cpu") is None and chip_of("TPU v4 lite") is None
