"""The launch scripts: what they would run, said by --dry-run; and `local.sh` with real processes."""

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import tyro
import yaml

from tpu_orch.cli import score
from tpu_orch.cli.main import COMMANDS
from tpu_orch.cli.train import parse

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "tpu_scripts"
LAUNCHERS = ("local.sh", "gpu.sh", "tpu_vm.sh", "gke.sh", "score_beam.sh", "own_tools.sh")
CLOUD = {"NAME": "run-1", "ZONE": "us-west4-a", "IMAGE": "registry/image:1", "BUCKET": "gs://bucket"}


def call(script: str, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, "TPU_ORCH": "tpu-orch", **settings}
    return subprocess.run([str(SCRIPTS / script), *words], env=environment, capture_output=True, text=True, timeout=120)


def dry(script: str, *words: str, **settings: str) -> list[list[str]]:
    """The commands that a script would run, as words."""
    found = call(script, *words, **settings)
    assert found.returncode == 0, found.stderr
    return [shlex.split(line) for line in found.stdout.splitlines()]


@pytest.mark.parametrize("script", LAUNCHERS)
def test_help_and_wrong_usage(script: str) -> None:
    told = call(script, "--help")
    assert told.returncode == 0 and f"tpu_scripts/{script}" in told.stdout and "--dry-run" in told.stdout
    assert not told.stdout.startswith("#") and "set -euo" not in told.stdout
    wrong = call(script)
    assert wrong.returncode == 2 and wrong.stdout == "" and wrong.stderr.startswith(f"{script}: ")


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_short_and_sound(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 80
    assert path.name == "shown.sh" or ("set -euo pipefail" in text and os.access(path, os.X_OK))
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


def test_shellcheck_finds_nothing() -> None:
    program = shutil.which("shellcheck", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert program is not None, "shellcheck comes with the extra test"
    found = subprocess.run(
        [program, "-x", *map(str, sorted(SCRIPTS.glob("*.sh")))], capture_output=True, text=True, cwd=ROOT
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("at", [0, 1, 3])
def test_dry_run_may_stand_anywhere(at: int) -> None:
    words = ["sandbox", "--out", "runs/two"]
    words.insert(at, "--dry-run")
    assert [line[-4:] for line in dry("local.sh", *words)] == [["train", "sandbox", "--out", "runs/two"]] * 2


def test_own_tools_step_by_step() -> None:
    lines = dry("own_tools.sh", "my api.yaml", "own", "--dry-run")
    assert [line[1:3] for line in lines[1:]] == [
        ["tools", "import"],
        ["explore", "--tools"],
        ["store", "export"],
        ["workflows", "mine"],
        ["synth", "--tools"],
    ]
    assert lines[1][3] == "my api.yaml" and not (ROOT / "own").exists()


def test_local_processes() -> None:
    lines = dry("local.sh", "--processes", "3", "--devices", "2", "--dry-run", "sandbox", "--out", "a b", PORT="1234")
    assert len(lines) == 3
    for number, words in enumerate(lines):
        assert words[0] == "env" and words[-4:] == ["train", "sandbox", "--out", "a b"]
        assert {f"JAX_PROCESS_ID={number}", "JAX_NUM_PROCESSES=3", "JAX_COORDINATOR_ADDRESS=127.0.0.1:1234"} <= set(
            words
        )


def test_one_gpu_host() -> None:
    (words,) = dry("gpu.sh", "host", "--dry-run", "sandbox", DETERMINISTIC="1", MEMORY="0.5")
    assert words == [
        "env",
        "XLA_PYTHON_CLIENT_MEM_FRACTION=0.5",
        "XLA_FLAGS=--xla_gpu_deterministic_ops=true",
        "tpu-orch",
        "train",
        "sandbox",
    ]


def test_what_is_to_be_seen_on_a_new_gpu() -> None:
    made, *lines = dry("gpu.sh", "check", "my gpu", "--trainer.steps", "2", "--dry-run")
    assert made == ["mkdir", "-p", "my gpu"]
    assert [line[3:5] for line in lines] == [
        ["doctor", "--json"],
        ["train", "sandbox"],
        ["bench", "device"],
        ["bench", "rollout"],
        ["bench", "step"],
    ]
    assert lines[1][-4:] == ["--out", "my gpu/run", "--trainer.steps", "2"] and lines[2][5] == "my gpu/run"
    for line in lines[2:]:
        module = importlib.import_module(COMMANDS[line[3], line[4]][0])
        assert tyro.cli(module.Args, args=line[5:]).json == Path("my gpu") / f"{line[4]}.json"


def test_all_is_looked_at_though_something_fails(tmp_path: Path) -> None:
    told = program(tmp_path, f'echo "$*" >> {tmp_path}/told; [ "$1" != doctor ]')
    assert call("gpu.sh", "check", str(tmp_path / "seen"), TPU_ORCH=told).returncode == 1
    assert len((tmp_path / "told").read_text().splitlines()) == 5


def test_slurm() -> None:
    words = ["slurm", "--nodes", "2", "--gpus", "8", "--dry-run", "booking", "--data", "my data"]
    (batch,) = dry("gpu.sh", *words, SBATCH="--partition=gpu --time=8:00:00")
    assert batch[0] == "sbatch" and {"--nodes=2", "--ntasks-per-node=8", "--requeue", "--partition=gpu"} <= set(batch)
    step = shlex.split(batch[-1].removeprefix("--wrap="))
    assert step[:2] == ["srun", "--kill-on-bad-exit=1"] and step[-2:] == ["--data", "my data"]
    assert call("gpu.sh", "slurm", "--nodes", "2", "sandbox").returncode == 2


def test_a_slice_is_asked_for_used_and_given_back() -> None:
    (created,) = dry("tpu_vm.sh", "create", "--dry-run", **CLOUD, SPOT="1", TYPE="v6e-16", RUNTIME="v2-alpha-tpuv6e")
    assert created[:5] == ["gcloud", "compute", "tpus", "queued-resources", "create"]
    assert {"--spot", "--accelerator-type=v6e-16", "--runtime-version=v2-alpha-tpuv6e", "--zone=us-west4-a"} <= set(
        created
    )
    archive, copied, installed = dry("tpu_vm.sh", "install", "--dry-run", **CLOUD)
    assert archive[0] == "git" and "scp" in copied and "--worker=all" in installed
    assert "--require-hashes -r tpu_scripts/requirements.tpu.lock" in installed[-1]
    (given_back,) = dry("tpu_vm.sh", "delete", "--dry-run", **CLOUD)
    assert "delete" in given_back and "--force" in given_back


def test_every_host_of_a_slice_starts_the_run() -> None:
    (started,) = dry("tpu_vm.sh", "run", "--dry-run", "sandbox", "--faults", "slow=0.1@2s; x", **CLOUD)
    assert "--worker=all" in started
    (line,) = [word.removeprefix("--command=") for word in started if word.startswith("--command=")]
    assert "JAX_COMPILATION_CACHE_DIR=gs://bucket/programs" in line and "echo $! > run.pid" in line
    assert r"--faults slow=0.1@2s\;\ x --checkpoint.folder gs://bucket/run-1/checkpoints" in line
    assert subprocess.run(["bash", "-n", "-c", line], check=False).returncode == 0
    assert len(dry("tpu_vm.sh", "keep", "--dry-run", "sandbox", **CLOUD)) == 5
    assert call("tpu_vm.sh", "keep", "sandbox", NAME="a", ZONE="z").returncode == 2


CLOUD_OF_A_TEST = """#!/bin/sh
echo "$*" >> "$PLACE/asked"
case "$*" in
    *describe*) head -n 1 "$PLACE/states"; sed -i 1d "$PLACE/states" ;;
esac
"""


def test_a_run_that_left_a_slice_which_is_then_taken_away_is_begun_again(tmp_path: Path) -> None:
    for name, text in (("gcloud", CLOUD_OF_A_TEST), ("git", "#!/bin/sh\n"), ("sleep", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    lost, stays = ["ACTIVE", "ACTIVE", "SUSPENDED", "SUSPENDED"], ["ACTIVE", "ACTIVE", "ACTIVE"]
    (tmp_path / "states").write_text("\n".join([*lost, *stays]) + "\n")
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = call("tpu_vm.sh", "keep", "sandbox", **CLOUD, PLACE=str(tmp_path), PATH=path)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    whats = ("create", "tpu-orch train sandbox", "delete", "tail -n 5 run.log")
    assert [what for line in asked for what in whats if what in line] == [*whats[:3], *whats[:2], whats[3]]


def test_a_jobset(capsys: pytest.CaptureFixture[str]) -> None:
    told = call("gke.sh", "submit", "--dry-run", "sandbox", "--faults", 'a $(b) "c"', **CLOUD, SPOT="1", HOSTS="2")
    assert told.returncode == 0, told.stderr
    command, _, manifest = told.stdout.partition("\n")
    assert shlex.split(command) == ["kubectl", "apply", "--filename", "-"]
    jobset = yaml.safe_load(manifest)
    assert jobset["kind"] == "JobSet" and jobset["metadata"]["name"] == "run-1"
    assert jobset["spec"]["failurePolicy"]["maxRestarts"] == 100
    job = jobset["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert job["parallelism"] == job["completions"] == 2
    pod = job["template"]["spec"]
    assert pod["nodeSelector"]["cloud.google.com/gke-spot"] == "true"
    (container,) = pod["containers"]
    assert container["args"][:3] == ["sandbox", "--faults", 'a $$(b) "c"']
    assert container["args"][-1] == "gs://bucket/run-1/checkpoints"
    assert container["command"][2].startswith('tpu-orch train "$@" && ')
    on_demand = yaml.safe_load(call("gke.sh", "submit", "--dry-run", "sandbox", **CLOUD).stdout.partition("\n")[2])
    selector = on_demand["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["nodeSelector"]
    assert set(selector) == {"cloud.google.com/gke-tpu-accelerator", "cloud.google.com/gke-tpu-topology"}


def test_a_pod_is_done_only_with_a_summary(tmp_path: Path) -> None:
    text = (SCRIPTS / "gke_jobset.yaml").read_text().replace("/run-folder", str(tmp_path)).replace("$$", "$")
    (shell,) = re.findall(r"-c, '(.*)', tpu-orch\]", text)

    def ends(process: str, code: int = 0) -> int:
        (tmp_path / "tpu-orch").write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / "tpu-orch").chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", shell, "x"], env={"PATH": path, "TPU_WORKER_ID": process}, check=False
        ).returncode

    assert ends("0") == 1 and ends("1") == 0 and ends("1", 3) == 3
    (tmp_path / "summary.json").write_text("{}")
    assert ends("0") == 0


def test_names_that_a_cluster_refuses_are_refused() -> None:
    wrong = call("gke.sh", "submit", "--dry-run", "sandbox", **{**CLOUD, "NAME": "Run_1"})
    assert wrong.returncode == 2 and "NAME Run_1" in wrong.stderr


def test_xpk() -> None:
    (words,) = dry("gke.sh", "xpk", "--dry-run", "sandbox", **CLOUD, CLUSTER="pool")
    assert words[:3] == ["xpk", "workload", "create"] and "--max-restarts" in words
    inner = shlex.split(words[words.index("--command") + 1])
    assert inner[2:5] == ["tpu-orch", "train", "sandbox"]


def test_beam_here_and_on_dataflow() -> None:
    files = ["--tools", "a b", "--tasks", "t", "--rollouts", "r", "--out", "o", "--reward", "tier"]
    settings = {"PROJECT": "p", "REGION": "r", **CLOUD}
    asked = {}
    for where in ("local", "dataflow"):
        (words,) = dry("score_beam.sh", where, "--workers", "3", "--dry-run", *files, **settings)
        assert words[:2] == ["tpu-orch", "score"]
        asked[where] = tyro.cli(score.Args, args=words[2:])
        assert (asked[where].tools, asked[where].runner) == ("a b", "beam")
    beam = pytest.importorskip("apache_beam.options.pipeline_options", reason="needs the extra `beam`")
    here, there = (beam.PipelineOptions(list(asked[where].beam_options)) for where in ("local", "dataflow"))
    assert here.view_as(beam.StandardOptions).runner == "FnApiRunner"
    assert here.view_as(beam.DirectOptions).direct_num_workers == 3
    assert here.view_as(beam.DirectOptions).direct_running_mode == "multi_processing"
    assert there.view_as(beam.StandardOptions).runner == "DataflowRunner"
    assert there.view_as(beam.WorkerOptions).sdk_container_image == "registry/image:1"
    assert there.view_as(beam.WorkerOptions).max_num_workers == 3
    cloud = there.view_as(beam.GoogleCloudOptions)
    assert (cloud.project, cloud.region, cloud.temp_location) == ("p", "r", "gs://bucket/temporary")
    assert call("score_beam.sh", "dataflow", "--tools", "x").returncode == 2


def test_runs_are_started_with_words_that_the_command_reads() -> None:
    asked = ["sandbox", "--mesh.fsdp", "4", "--faults", "slow=0.1@200ms,error=0.05"]
    (vm,) = dry("tpu_vm.sh", "run", "--dry-run", *asked, **CLOUD)
    line = shlex.split(next(word for word in vm if word.startswith("--command=")).removeprefix("--command="))
    begin = line.index("train") + 1
    told = call("gke.sh", "submit", "--dry-run", *asked, **CLOUD).stdout.partition("\n")[2]
    (container,) = yaml.safe_load(told)["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"][
        "containers"
    ]
    for words in (line[begin : line.index(">>")], container["args"]):
        config = parse("train", words)
        assert config is not None and (config.mesh.fsdp, config.faults) == (4, asked[-1])
        assert config.checkpoint.folder == "gs://bucket/run-1/checkpoints"


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.Dockerfile")), ids=lambda path: path.name)
def test_images_copy_what_is_there_and_pin_what_they_install(path: Path) -> None:
    copied = [line.split()[1:-1] for line in path.read_text().splitlines() if line.startswith("COPY")]
    assert {"data_pipeline", "rewards", "models", "tpu_orch"} <= {name for names in copied for name in names}
    assert all((ROOT / name).exists() for names in copied for name in names)
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all(any(fnmatch(name, one) for one in sent) for names in copied for name in names)
    assert "--require-hashes" in path.read_text()


@pytest.mark.parametrize("kind", ["tpu", "cuda"])
def test_locks_agree_on_versions(kind: str) -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(), re.MULTILINE))

    main, other = pins(ROOT / "requirements.lock"), pins(SCRIPTS / f"requirements.{kind}.lock")
    assert {"jax", "flax", "optax", "orbax-checkpoint", "numpy", "tyro"} <= set(other)
    assert {name: other[name] for name in main.keys() & other.keys()} == {
        name: main[name] for name in main.keys() & other.keys()
    }


def test_beam_image_has_the_locked_version() -> None:
    (locked,) = re.findall(r"^apache-beam==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert f"beam_python3.11_sdk:{locked}" in (SCRIPTS / "beam.Dockerfile").read_text()


def program(folder: Path, text: str) -> str:
    """A stand-in for the command."""
    path = folder / "program"
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_local_processes_run_beside_each_other(tmp_path: Path) -> None:
    told = program(tmp_path, f'echo "$JAX_PROCESS_ID/$JAX_NUM_PROCESSES $*" > {tmp_path}/told.$JAX_PROCESS_ID')
    assert call("local.sh", "--processes", "2", "sandbox", "--seed", "3", TPU_ORCH=told).returncode == 0
    assert [(tmp_path / f"told.{n}").read_text() for n in range(2)] == [
        f"{n}/2 train sandbox --seed 3\n" for n in range(2)
    ]


def test_one_that_fails_ends_the_others(tmp_path: Path) -> None:
    text = """cd FOLDER
    [ "$JAX_PROCESS_ID" = 1 ] && { until [ -e ready ]; do sleep 0.05; done; exit 7; }
    trap "echo > told; exit 0" TERM
    echo > ready
    while true; do sleep 0.05; done"""
    assert (
        call("local.sh", "sandbox", TPU_ORCH=program(tmp_path, text.replace("FOLDER", str(tmp_path)))).returncode == 7
    )
    assert (tmp_path / "told").exists()
