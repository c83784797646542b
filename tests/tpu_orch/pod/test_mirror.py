"""A new machine takes up a run from what lies beside its checkpoints."""

from pathlib import Path

from tpu_orch.pod.mirror import bring_back, put_beside
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


def test_a_folder_that_has_a_run_is_left_alone(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "run", tmp_path / "bucket"
    for place, text in ((folder, "mine"), (elsewhere, "theirs")):
        place.mkdir()
        (place / CONFIG).write_text(text)
    assert not bring_back(folder, str(elsewhere)) and (folder / CONFIG).read_text() == "mine"
    assert not bring_back(tmp_path / "new", str(tmp_path / "nothing"))
    assert not bring_back(tmp_path / "new", "") and not (tmp_path / "new").exists()
    put_beside(folder, "")
