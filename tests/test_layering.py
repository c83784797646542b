"""Imports point one way: two leaves, rewards on data_pipeline, tpu_orch on all three, nothing on tpu_orch."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"data_pipeline", "models", "rewards", "tpu_orch"}
MAY_IMPORT = {
    "data_pipeline": set(),
    "models": set(),
    "rewards": {"data_pipeline"},
    "tpu_orch": {"data_pipeline", "models", "rewards"},
}
NEVER = {
    "data_pipeline": {"jax", "flax", "optax", "tensorflow"},
    "models": {"tensorflow"},
    "rewards": {"tensorflow"},
    "tpu_orch": {"tensorflow"},
}


def imported(path: Path) -> set[str]:
    """Top-level names that a module imports, wherever in the file the import stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room that they reach into"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_rooms_import_only_what_they_may(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"no files under {room}/"
    for path in files:
        names = imported(path)
        assert not (names & ROOMS) - MAY_IMPORT[room] - {room}, f"{path.relative_to(ROOT)} reaches into another room"
        assert not names & NEVER[room], f"{path.relative_to(ROOT)} imports {names & NEVER[room]}"


def test_the_check_sees_a_forbidden_import(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from tpu_orch.cli import main\n    return main\n")
    assert imported(bad) & ROOMS == {"tpu_orch"}


def test_one_place_makes_consoles() -> None:
    """Which read no text as markup; a console made elsewhere would."""
    makers = set()
    for path in sorted((ROOT / "tpu_orch").rglob("*.py")):
        called = [
            node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
        ]
        if "Console" in {one.id if isinstance(one, ast.Name) else getattr(one, "attr", "") for one in called}:
            makers.add(path.relative_to(ROOT).as_posix())
    assert makers == {"tpu_orch/reports/terminal.py"}
