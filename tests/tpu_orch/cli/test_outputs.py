"""What a command writes is looked at before its work: no input is written over, by any name, and every place can be written."""

import shlex
from pathlib import Path

import pytest

from data_pipeline.errors import InputError
from tpu_orch.cli.main import main
from tpu_orch.cli.outputs import check_chart, check_outputs, growing

WORLD = "--tools tools.json --store responses.jsonl --tasks tasks.jsonl"
CATALOGUE = "--tools tools.json"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, the current one, in which every file holds its own name."""
    names = ["tools.json", "responses.jsonl", "tasks.jsonl", "o.jsonl.part", "s.journal", "rows/toolrl.jsonl"]
    names += ["t.written", "explored/edges.jsonl", "explored/responses.store"]
    for name in [*names, "run/config.json", "run/metrics.jsonl", "run/checkpoints/1/manifest.json"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        f"rollout {WORLD} --policy replay --out tasks.jsonl",
        f"rollout {WORLD} --policy replay --tasks o.jsonl.part --out o.jsonl",
        f"rollout {WORLD} --model run --out run/checkpoints/1/manifest.json",
        f"eval {WORLD} --rollouts o.jsonl.part --attempts o.jsonl.part",
        f"eval {WORLD} --model run --rollouts r.jsonl --attempts r.jsonl",
        f"eval {WORLD} --model run --out run/config.json",
        f"eval {WORLD} --endpoint http://localhost --endpoint-model m --attempts tasks.jsonl",
        "eval --suite cfb --data rows --rollouts tasks.jsonl --attempts rows/toolrl.jsonl",
        "eval --compare tasks.jsonl o.jsonl.part --out tasks.jsonl",
        f"audit {WORLD} --reward tier --json tasks.jsonl",
        f"score {WORLD} --rollouts tasks.jsonl --reward tier --out o.jsonl --graph o.jsonl.part",
        "judge toolrl tasks.jsonl --out tasks.jsonl",
        f"tasks check {WORLD} --out responses.jsonl",
        f"tools mutate {CATALOGUE} --kind rename --out .",
        "tools import tools.json --out tools.json",
        f"store build {CATALOGUE} --responses responses.jsonl --out responses.jsonl",
        f"store build {CATALOGUE} --responses responses.jsonl --out s --tasks-out s",
        "store export responses.jsonl --responses responses.jsonl",
        "store merge responses.jsonl --out responses.jsonl",
        f"store record {CATALOGUE} --backend http --calls s.journal --out s",
        f"store record {CATALOGUE} --backend store:responses.jsonl --calls tasks.jsonl --out responses.jsonl",
        f"workflows mine {WORLD} --out tasks.jsonl",
        f"tokenizer train {CATALOGUE} --tasks tasks.jsonl --out tasks.jsonl",
        f"synth {CATALOGUE} --store responses.jsonl --workflows tasks.jsonl --out responses.jsonl",
        f"synth {CATALOGUE} --store responses.jsonl --workflows tasks.jsonl --out o.jsonl --report o.jsonl",
        f"synth {CATALOGUE} --store responses.jsonl --workflows tasks.jsonl --out o.jsonl --report tools.json",
        f"synth {CATALOGUE} --store responses.jsonl --workflows t.written --out t --writer http://localhost",
        "explore --tools explored/edges.jsonl --backend http --out explored",
        f"explore {CATALOGUE} --backend store:explored/responses.store --out explored",
        f"explore {CATALOGUE} --backend http --seeds explored/edges.jsonl --out explored",
        f"synth report {CATALOGUE} --tasks tasks.jsonl --out tasks.jsonl",
        "doctor --store responses.jsonl --json responses.jsonl",
        "replay run 1 task --out run/metrics.jsonl",
        "report run --out run/metrics.jsonl",
        "bench device run --json run/config.json",
        "bench judge --rows rows --json rows/toolrl.jsonl",
        f"bench synth {CATALOGUE} --json tools.json",
    ],
)
def test_no_command_writes_over_what_it_reads(words: str, kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_text() for path in kept.rglob("*") if path.is_file()}
    assert main(shlex.split(words)) == 2
    told = capsys.readouterr().err
    assert "would be written over" in told and told.count("\n") == 1
    assert {path: path.read_text() for path in kept.rglob("*") if path.is_file()} == before


def test_a_file_is_known_by_every_name(kept: Path) -> None:
    tasks = kept / "tasks.jsonl"
    (kept / "link").symlink_to(tasks)
    (kept / "again").hardlink_to(tasks)
    for name in ("tasks.jsonl", "link", "again", "rows/../tasks.jsonl", "none/../tasks.jsonl"):
        with pytest.raises(InputError, match=r"--out .* would be written over .*tasks.jsonl, which is read"):
            check_outputs([("--out", Path(name))], [None, tasks])
    with pytest.raises(InputError, match="--json link would be written over what --out writes"):
        check_outputs([("--out", tasks), ("--json", Path("link"))], [])
    check_outputs([("--out", Path("new/folder/tasks.jsonl")), ("--json", None)], [tasks])
    assert not (kept / "new").exists()


def test_what_cannot_be_written_is_said(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept / "world/tasks.jsonl").mkdir(parents=True)
    assert main(["world", "record", "--out", "world"]) == 2
    assert "--out world/tasks.jsonl is a folder" in capsys.readouterr().err
    assert not (kept / "world/tools.json").exists()
    for name in (".", "rows"):
        with pytest.raises(InputError, match=r"--out .* is a folder; give the name of a file"):
            check_outputs(growing("--out", Path(name)), [])
    with pytest.raises(InputError, match=r"--out tools.json/x/y: nothing can be written in .*tools.json"):
        check_outputs([("--out", Path("tools.json/x/y"))], [])
    with pytest.raises(InputError, match=r"--chart c.xyz: the name must end in \.png or \.svg"):
        check_chart("--chart", Path("c.xyz"))
