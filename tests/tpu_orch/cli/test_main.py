"""The command line as people meet it: help, exit codes, one line for what is wrong."""

import importlib
import sys
from pathlib import Path

import pytest

from tpu_orch.cli.main import COMMANDS, main


@pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main([*words, "--help"])
    except SystemExit as left:
        code = left.code
    assert code in (0, None)
    assert "usage" in capsys.readouterr().out
    module = importlib.import_module(COMMANDS[words][0])
    assert hasattr(module, "run_argv") or (hasattr(module, "Args") and hasattr(module, "run"))


def test_without_a_command_the_list_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(" ".join(words) in out for words in COMMANDS)


def test_modules_of_the_folder_where_a_command_is_given_are_found_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    inputs = [*("--tools", "t"), *("--tasks", "x"), *("--rollouts", "r"), *("--out", "o")]
    assert main(["score", *inputs, "--reward", "grading_of_mine:one"]) == 2 and sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["trian"], "unknown command 'trian'"),
        (["store"], "store build"),
        (["store", "frobnicate"], "store build"),
        (["train", "nosuch"], "unknown preset 'nosuch'; there are sandbox, sandbox-long, booking"),
        (["train", "--seed", "3"], "the preset comes first"),
        (["train", "booking", "--out", "{tmp}/run"], "needs --data DIR"),
        (["train", "booking", "--data", "{tmp}/none", "--out", "{tmp}/run"], "tools.json"),
        (
            ["train", "sandbox", "--out", "{tmp}/run", "--model.kv-heads", "3"],
            "model.heads 4 is no multiple of model.kv_heads 3",
        ),
        (["store", "stats", "{tmp}/none"], "none"),
        (["rollout", "--tools", "t", "--store", "s", "--tasks", "x", "--out", "o"], "--policy replay or --model RUN"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(
    argv: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([word.replace("{tmp}", str(tmp_path)) for word in argv])
    except SystemExit as left:
        code = left.code
    captured = capsys.readouterr()
    assert code == 2
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_unknown_and_ill_typed_keys_are_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in (["--trainer.stps", "5"], ["--trainer.steps", "five"]):
        with pytest.raises(SystemExit) as left:
            main(["train", "sandbox", "--out", str(tmp_path / "run"), *option])
        assert left.value.code == 2
    assert not (tmp_path / "run").exists()
