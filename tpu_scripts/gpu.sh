#!/usr/bin/env bash
# A run on GPUs: those of this host, or of a SLURM cluster.
#
#   tpu_scripts/gpu.sh host [--dry-run] PRESET [OPTIONS of tpu-orch train]
#   tpu_scripts/gpu.sh slurm --nodes N --gpus G [--dry-run] PRESET [OPTIONS of tpu-orch train]
#   tpu_scripts/gpu.sh install [--dry-run]
#   tpu_scripts/gpu.sh check [--dry-run] FOLDER [OPTIONS of tpu-orch train]
#
#   host     one process that uses every GPU of this host
#   slurm    a job of N nodes with G GPUs each, a process a GPU; one that is pre-empted is put into the queue again and goes on
#   install  the pinned versions for CUDA 13 into .venv
#   check    everything that wants to be seen once on a new kind of GPU, its figures in FOLDER: doctor, a run of the preset sandbox,
#            its log-probs and gradients beside the processor's, tokens a second, seconds of a step
#
# Settings, as environment variables: MEMORY share of a GPU's memory that is taken at the start (0.9), DETERMINISTIC=1 for kernels
# that give the same bits every time (slower), SBATCH further words for sbatch (such as "--partition=gpu --time=8:00:00"),
# PYTHON for the installation (python3), TPU_ORCH the command. On a cluster the checkout and --out must be where every node sees
# them.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tpu_scripts/shown.sh
source "$here/tpu_scripts/shown.sh"

take_dry_run "$@"
set -- "${words[@]}"
[ $# -gt 0 ] || refuse "host, slurm, install or check?"
what=$1 nodes='' gpus=''
case $what in
    -h | --help) usage; exit 0 ;;
    host | slurm | install | check) shift ;;
    *) refuse "$what is none of host, slurm, install and check" ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --nodes) nodes=${2:?}; shift 2 ;;
        --gpus) gpus=${2:?}; shift 2 ;;
        *) break ;;
    esac
done
orch=${TPU_ORCH:-$here/.venv/bin/tpu-orch}

settings=("XLA_PYTHON_CLIENT_MEM_FRACTION=${MEMORY:-0.9}")
if [ -n "${DETERMINISTIC:-}" ]; then
    settings+=("XLA_FLAGS=--xla_gpu_deterministic_ops=true")
fi

case $what in
    install)
        run "${PYTHON:-python3}" -m venv "$here/.venv"
        run "$here/.venv/bin/python" -m pip install --quiet --require-hashes -r "$here/tpu_scripts/requirements.cuda.lock"
        run "$here/.venv/bin/python" -m pip install --quiet --no-deps --editable "$here"
        ;;
    host)
        [ $# -gt 0 ] || refuse "which preset?"
        run env "${settings[@]}" "$orch" train "$@"
        ;;
    check)
        [ $# -gt 0 ] || refuse "into which folder?"
        folder=$1 worst=0
        shift
        seen() { run env "${settings[@]}" "$orch" "$@" || worst=$?; }
        run mkdir -p "$folder"
        seen doctor --json "$folder/doctor.json"
        seen train sandbox --out "$folder/run" "$@"
        seen bench device "$folder/run" --json "$folder/device.json"
        seen bench rollout --json "$folder/rollout.json"
        seen bench step --json "$folder/step.json"
        exit "$worst"
        ;;
    slurm)
        [ $# -gt 0 ] || refuse "which preset?"
        [ -n "$nodes" ] && [ -n "$gpus" ] || refuse "slurm needs --nodes and --gpus"
        # SLURM tells each process who it is; one that fails ends all. SIGTERM comes a minute early, time to save.
        step=$(printf '%q ' srun --kill-on-bad-exit=1 env "${settings[@]}" "$orch" train "$@")
        # shellcheck disable=SC2086  # SBATCH is a list of words
        run sbatch --job-name=tpu-orch --nodes="$nodes" --ntasks-per-node="$gpus" --gpus-per-node="$gpus" --requeue \
            --signal=TERM@60 --open-mode=append ${SBATCH:-} --wrap="$step"
        ;;
esac
