#!/usr/bin/env bash
# A run as several processes on this machine's CPU: what hosts of a pod do, without a pod.
#
#   tpu_scripts/local.sh [--processes N] [--devices D] [--dry-run] PRESET [OPTIONS of tpu-orch train]
#
#   --processes N  how many (2)
#   --devices D    CPU devices that each makes believe to have (1)
#   --dry-run      prints every command instead of running it
#
# SIGTERM and Ctrl-C go to all processes, which save and end; if one fails or is killed, the others end too, and the same
# command goes on from the last checkpoint. Settings, as environment variables: PORT of the first process (taken by chance),
# TPU_ORCH the command.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tpu_scripts/shown.sh
source "$here/tpu_scripts/shown.sh"

processes=2 devices=1
take_dry_run "$@"
set -- "${words[@]}"
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --processes) processes=${2:?}; shift 2 ;;
        --devices) devices=${2:?}; shift 2 ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || refuse "which preset?"
orch=${TPU_ORCH:-$here/.venv/bin/tpu-orch}
port=${PORT:-$((20000 + RANDOM % 20000))}

children=()
trap 'for child in "${children[@]}"; do kill -TERM "$child" 2>/dev/null || true; done' TERM INT
for ((n = 0; n < processes; n++)); do
    settings=(JAX_PLATFORMS=cpu "XLA_FLAGS=--xla_force_host_platform_device_count=$devices"
        "JAX_COORDINATOR_ADDRESS=127.0.0.1:$port" "JAX_NUM_PROCESSES=$processes" "JAX_PROCESS_ID=$n")
    if [ -n "$dry" ]; then
        run env "${settings[@]}" "$orch" train "$@"
    else
        env "${settings[@]}" "$orch" train "$@" &
        children+=("$!")
    fi
done

# The first that ends badly decides, and ends the rest: they would wait for it.
worst=0 left=${#children[@]}
while [ "$left" -gt 0 ]; do
    code=0
    wait -n || code=$?
    # A signal to this script wakes `wait` although no child has ended.
    still=0
    for child in "${children[@]}"; do if kill -0 "$child" 2>/dev/null; then still=$((still + 1)); fi; done
    [ "$still" -lt "$left" ] || continue
    left=$still
    if [ "$code" -ne 0 ] && [ "$worst" -eq 0 ]; then
        worst=$code
        for child in "${children[@]}"; do kill -TERM "$child" 2>/dev/null || true; done
    fi
done
exit "$worst"
