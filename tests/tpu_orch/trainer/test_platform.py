"""Where compiled programs are kept: apart for each version of the compilers, in a bucket where one is said."""

from pathlib import Path

import jax
import pytest

from data_pipeline.errors import WorkFailed
from tpu_orch.trainer import platform


@pytest.mark.parametrize("place", ["gs://bucket/programs", "gs://bucket/programs/"])
def test_programs_of_each_version_lie_apart(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, object] = {}
    monkeypatch.setattr(jax.config, "update", said.__setitem__)
    monkeypatch.setenv(platform.PROGRAMS, place)
    for version in ("0.10.2", "0.11.0"):
        monkeypatch.setattr(platform, "version", lambda name, version=version: version)
        platform.prepare_platform()
        folder = str(said["jax_compilation_cache_dir"])
        assert folder.startswith(f"gs://bucket/programs/jax-{version}_jaxlib-{version}")
        assert said["jax_default_matmul_precision"] == "highest"


def test_without_a_bucket_the_hosts_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, object] = {}
    monkeypatch.setattr(jax.config, "update", said.__setitem__)
    monkeypatch.delenv(platform.PROGRAMS, raising=False)
    monkeypatch.setenv(platform.CACHE, str(tmp_path))
    platform.prepare_platform()
    assert said["jax_compilation_cache_dir"] == f"{tmp_path}/xla/{platform.compiler_versions()}"


def test_a_device_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise RuntimeError("Unable to initialize backend 'cuda': no driver\nand more")

    monkeypatch.setattr(jax.config, "update", {}.__setitem__)
    monkeypatch.setattr(jax, "devices", none)
    with pytest.raises(WorkFailed, match=r"backend 'cuda': no driver; tpu-orch doctor says more$"):
        platform.prepare_platform()
