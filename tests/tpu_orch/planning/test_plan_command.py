"""`tpu-orch plan` as people use it; what needs libtpu is skipped where it is not installed."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from models.released import released
from tpu_orch.cli.main import main
from tpu_orch.cli.plan import Args, configured
from tpu_orch.planning import abstract_devices
from tpu_orch.planning.compiled import compile_program, device_bytes
from tpu_orch.planning.formulas import useful_flops
from tpu_orch.planning.programs import Program, rollout_programs, training_programs
from tpu_orch.planning.setting import make_setting
from tpu_orch.planning.slices import parse_slice

GIB = 2**30
needs_libtpu = pytest.mark.skipif(not abstract_devices.has_libtpu(), reason="libtpu is not installed")


def planned(tmp_path: Path, *argv: str) -> tuple[int, dict]:
    path = tmp_path / "plan.json"
    code = main(["plan", *argv, "--json", str(path)])
    return code, json.loads(path.read_text())


def test_full_training_of_8b_does_not_fit_one_gpu_and_adapters_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--topology", "h100:1", "--model", "qwen3-8b", "--micro-tokens", "4096", "--rows", "16")
    code, full = planned(tmp_path, *asked, "--optimizer-on-host", "False")
    said = capsys.readouterr().out
    assert code == 1 and not full["fits"] and full["how"] == "formula"
    assert "by formula, an estimate" in said and "--lora 16" in said and "--optimizer-on-host True" in said
    count = 8_190_735_360
    assert full["kinds_bytes"]["weights"] == 4 * count
    assert full["kinds_bytes"]["optimiser"] == pytest.approx(8 * count, rel=1e-6)
    assert full["checkpoint_bytes"] == pytest.approx(12 * count, rel=1e-6)
    code, adapters = planned(tmp_path, *asked, "--lora", "16")
    assert code == 0 and adapters["fits"]
    assert adapters["kinds_bytes"]["frozen weights"] == 2 * count


def test_a_slice_is_called_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planned(tmp_path, "--topology", "h100:100", "--model", "qwen3-0.6b", "--mesh", "data=25,fsdp=4")
    assert "h100:100: 100 chips" in capsys.readouterr().out


def test_mfu_counts_the_tokens_of_rollouts_and_no_padding(tmp_path: Path) -> None:
    """Two rollouts in a micro-batch of 8 rows of 8,192 tokens, or many."""
    asked = (
        "--topology",
        "h100:8",
        "--model",
        "qwen3-8b",
        "--formula",
        "--lora",
        "16",
        "--capacity",
        "8192",
        "--workload.calls",
        "0",
    )
    _, few = planned(tmp_path, *asked, "--prompts", "1", "--group", "2")
    step, played = few["step"], few["step"]["rollout"]
    length = (played["sampled"] + played["fed"]) / 2
    assert step["micro_batches"] == 1 and length < 8192 and played["pairs"] == pytest.approx(length**2, rel=0.2)
    config = released("qwen3-8b")
    useful = useful_flops(config, 2 * length, played["pairs"] / (2 * length))
    seconds = step["seconds"]["update"] + step["seconds"]["apply"]
    assert step["mfu"] == pytest.approx(useful / seconds / 8 / parse_slice("h100:8").chip.flops)
    _, full = planned(tmp_path, *asked, "--prompts", "8", "--group", "16")
    assert full["step"]["mfu"] > 4 * step["mfu"]


def test_search_ranks_meshes_that_divide_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "found.json"
    asked = ["plan", "--topology", "v6e:1x2", "--model", "qwen3-0.6b", "--search", "--formula", "--price", "1.2"]
    assert main([*asked, "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert len(found) == 3 and len({json.dumps(one["mesh"]) for one in found}) == 3
    assert found[0]["fits"] and found[0]["cost_a_step"] > 0
    times = [one["step"]["seconds"]["total"] for one in found if one["fits"]]
    assert times == sorted(times)
    said = capsys.readouterr().out
    assert "by formula" in said and "assumed: 50% of the peak of products" in said
    assert found[0]["assumed"]["compute"] == 0.5


def test_the_least_sizes_are_planned(tmp_path: Path) -> None:
    least = [word for name in ("micro-tokens", "rows", "capacity", "prompts", "group") for word in (f"--{name}", "1")]
    _, plan = planned(tmp_path, "--topology", "h100:1", "--model", "qwen3-0.6b", *least, "--workload.turn-p95", "1e300")
    assert plan["step"]["seconds"]["total"] > 0
    assert main(["plan", "--topology", "h100:1", "--model", "qwen3-0.6b", *least, "--search"]) in (0, 1)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--topology", "v9:2x2"], "is no slice"),
        (["--topology", "h100:8", "--model", "qwen9"], "model 'qwen9' is none of"),
        (["--topology", "h100:8", "--mesh", "fsdp=3"], "does not make 8 devices"),
        (["--topology", "h100:8", "--mesh", "rows=8"], "give axes as fsdp=16,model=4"),
        (["--topology", "h100:64", "--mesh", "model=64"], "cannot be split over"),
        (["--topology", "h100:8", "--preset", "nosuch"], "unknown preset"),
        (["--topology", "h100:8", "--mesh", "fsdp=--1"], "give axes as fsdp=16,model=4"),
        (["--topology", "h100:8", "--mesh", "fsdp=4,fsdp=8"], "give axes as fsdp=16,model=4"),
        (
            ["--topology", "h100:8", "--search", "--mesh", "fsdp=8"],
            "--search tries every mesh: leave out --mesh 'fsdp=8'",
        ),
        (["--topology", "h100:8", "--rows", "0"], "--rows 0: give 1 or more"),
        (["--topology", "h100:8", "--capacity", "-5"], "--capacity -5: give 1 or more"),
        (["--topology", "h100:8", "--micro-tokens", "0"], "--micro-tokens 0: give 1 or more"),
        (["--topology", "h100:8", "--price", "-1"], "--price -1: give 0 or more"),
        (["--topology", "h100:8", "--assume.compute", "0"], "--assume.compute 0: give a share above 0 and at most 1"),
        (["--topology", "h100:8", "--assume.compute", "5"], "--assume.compute 5: give a share above 0 and at most 1"),
        (["--topology", "h100:8", "--assume.host-link", "nan"], "--assume.host-link nan: give a number above 0"),
        (["--topology", "h100:8", "--workload.calls", "-7"], "--workload.calls -7: give a number of calls, or -1"),
        (["--topology", "h100:8", "--workload.response-p50", "0"], "--workload.response-p50 0: give a number above 0"),
        (["--topology", "h100:8", "--workload.turn-p50", "700"], "give at most --workload.turn-p95, which is 600"),
        (["--topology", "h100:8", "--json", "/dev/null/x"], "--json /dev/null/x: nothing can be written in /dev/null"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *argv]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_without_libtpu_one_line_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(abstract_devices, "has_libtpu", lambda: False)
    assert main(["plan", "--topology", "v5e:2x2"]) == 2
    told = capsys.readouterr().err
    assert "pip install 'tpu-orch[tpu]'" in told and told.count("\n") == 1


@pytest.mark.parametrize(
    ("there", "other"), [("0.0.42", False), ("0.0.42.1", False), ("0.0.51", True), ("0.0.4", True)]
)
def test_a_libtpu_that_jax_does_not_name_is_said(monkeypatch: pytest.MonkeyPatch, there: str, other: bool) -> None:
    versions = {"libtpu": there, "jax": "0.10.2"}
    monkeypatch.setattr(abstract_devices.importlib.metadata, "version", versions.__getitem__)
    monkeypatch.setattr(
        abstract_devices.importlib.metadata, "requires", lambda _: ["numpy>=2", 'libtpu==0.0.42.*; extra == "tpu"']
    )
    said = abstract_devices.other_libtpu()
    assert (said is not None) == other
    if said:
        assert f"libtpu {there} is not the one for jax 0.10.2 (0.0.42)" in said and "jax[tpu]==0.10.2" in said


@needs_libtpu
@pytest.mark.slow
def test_a_small_preset_is_compiled_for_four_chips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, plan = planned(tmp_path, "--topology", "v5e:2x2", "--preset", "sandbox")
    assert code == 0 and plan["fits"] and plan["how"] == "compiled" and plan["chips"] == 4
    programs = {one["name"]: one for one in plan["programs"]}
    assert set(programs) == {"update", "apply", "reshard", "prefill", "decode"}
    assert all(one["compile_seconds"] > 0 for one in programs.values())
    assert sum(one["turns"] * one["bytes"] for one in programs["update"]["collectives"]) > 0
    said = capsys.readouterr().out
    assert "4 chips" in said and "compiled" in said and "FITS" in said


@needs_libtpu
@pytest.mark.slow
@pytest.mark.parametrize(("shape", "rows", "most"), [({"fsdp": 4}, 256, 1.1), ({"model": 4}, 64, 1.3)])
def test_the_rollout_programs_hold_the_cache_once(shape: dict[str, int], rows: int, most: float) -> None:
    where = parse_slice("v5e:2x2")
    setting = make_setting(configured(Args(topology=where.name, rows=rows, capacity=4096)), "qwen3-0.6b")
    setting = setting._replace(model=replace(setting.model, layers=2, vocab_size=4096))
    mesh = abstract_devices.slice_mesh(where, shape)
    rollout, held = rollout_programs(setting, mesh, training_programs(setting, mesh)[1])
    cache = device_bytes(held.slots.cache)
    assert cache == pytest.approx(2 * 2 * rows * 4096 * 8 * 128 * 2 / 4, rel=1e-6)
    for program in rollout[1:]:
        made = compile_program(program, mesh)
        assert made.fits and cache < made.arguments < most * cache, program.name
        assert made.temporaries + made.outputs < 0.3 * cache, program.name


@needs_libtpu
def test_a_mesh_may_split_an_axis_of_the_chips() -> None:
    mesh = abstract_devices.slice_mesh(parse_slice("v6e:8x8"), {"fsdp": 16, "model": 4})
    assert mesh.shape["fsdp"] == 16 and mesh.shape["model"] == 4 and len(set(mesh.devices.flat)) == 64


@needs_libtpu
def test_a_program_that_is_too_large_is_measured() -> None:
    mesh = abstract_devices.slice_mesh(parse_slice("v5e:2x2"), {"fsdp": 4})
    place = NamedSharding(mesh, PartitionSpec("fsdp"))
    large = jax.ShapeDtypeStruct((64, GIB), jnp.bfloat16, sharding=place)
    program = Program("twice", partial(jax.jit(lambda x: x * 2).trace, large), {"x": large})
    made = compile_program(program, mesh)
    assert not made.fits and made.available == 15.75 * GIB
    assert made.arguments == 32 * GIB
    assert made.bytes == pytest.approx(64 * GIB, rel=0.01)
