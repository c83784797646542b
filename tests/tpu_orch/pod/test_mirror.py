"""A new machine takes up a run from what lies beside its checkpoints."""

import os
import sys
from pathlib import Path

import pytest
from etils import epath

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.pod.mirror import bring_back, put_beside, put_policy_beside
from tpu_orch.runs.folder import CONFIG, METRICS
from tpu_orch.runs.metrics import MetricsFile, read_metrics


def test_a_lost_machine_takes_nothing_with_it(tmp_path: Path) -> None:
    first, second, elsewhere = tmp_path / "first", tmp_path / "second", str(tmp_path / "bucket")
    first.mkdir()
    (first / CONFIG).write_text('{"seed": 3}')
    with MetricsFile(first / METRICS) as metrics:
        metrics.append({"step": 1})
        position = metrics.sync()
        put_beside(first, elsewhere)
        metrics.append({"step": 2})  # after the checkpoint: lost
    assert bring_back(second, elsewhere)
    assert (second / CONFIG).read_text() == '{"seed": 3}'
    with MetricsFile(second / METRICS, position) as metrics:
        metrics.append({"step": 2})
    assert read_metrics(second / METRICS) == [{"step": 1}, {"step": 2}]


def test_a_full_disk_leaves_what_the_older_checkpoint_counts_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, elsewhere = tmp_path / "first", tmp_path / "bucket"
    first.mkdir()
    (first / METRICS).write_text("1\n2\n")
    put_beside(first, str(elsewhere))
    (first / METRICS).write_text("1\n2\n3\n")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        put_beside(first, str(elsewhere))
    assert (elsewhere / METRICS).read_text() == "1\n2\n"
    monkeypatch.undo()
    (tmp_path / "older").hardlink_to(elsewhere / METRICS)
    put_beside(first, str(elsewhere))
    assert (elsewhere / METRICS).read_text() == "1\n2\n3\n"
    assert (tmp_path / "older").read_text() == "1\n2\n", "another file under the same name, never half of one"


def test_what_came_with_released_weights_lies_beside_them_too(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "bucket"
    files = ("tokenizer.model", "model.json", "base.json", "published/config.json", "published/tokenizer.json")
    for name in (*files, "store.sqlite", "rollouts/step-1.jsonl"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    put_policy_beside(run, "")
    put_policy_beside(run, str(elsewhere))
    found = {str(path.relative_to(elsewhere)): path.read_text() for path in elsewhere.rglob("*") if path.is_file()}
    assert found == {name: name for name in files}


def test_a_folder_that_has_a_run_is_left_alone(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "run", tmp_path / "bucket"
    for place, text in ((folder, "mine"), (elsewhere, "theirs")):
        place.mkdir()
        (place / CONFIG).write_text(text)
    assert not bring_back(folder, str(elsewhere)) and (folder / CONFIG).read_text() == "mine"
    assert not bring_back(tmp_path / "new", str(tmp_path / "nothing"))
    assert not bring_back(tmp_path / "new", "") and not (tmp_path / "new").exists()
    put_beside(folder, "")


@pytest.mark.parametrize(("elsewhere", "told"), [("ftp://host/run", "no kind of place"), ("gs://bucket/run", "gcsfs")])
def test_a_place_that_cannot_be_is_said_at_once(
    tmp_path: Path, elsewhere: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    epath.backend.fsspec_backend._get_filesystem.cache_clear()
    with pytest.raises(InputError, match=told):
        bring_back(tmp_path / "run", elsewhere)


def test_a_bucket_that_does_not_answer_is_said(
    tmp_path: Path, google_bucket: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: object, **named: object) -> None:
        raise RuntimeError("403: nobody may list this bucket")

    for asked in ("exists", "info"):
        monkeypatch.setattr(type(google_bucket), asked, refused)
    with pytest.raises(WorkFailed, match="gs://bucket/run cannot be reached: 403"):
        bring_back(tmp_path / "run", "gs://bucket/run")


def test_a_folder_may_be_spelled_as_a_url(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / CONFIG).write_text("theirs")
    assert bring_back(tmp_path / "run", f"file://{tmp_path}/elsewhere")
    assert (tmp_path / "run" / CONFIG).read_text() == "theirs"
