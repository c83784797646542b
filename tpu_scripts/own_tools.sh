#!/usr/bin/env bash
# From a description of your tools to a folder that training reads, in five steps, with no traces and no workflows at hand.
#
#   tpu_scripts/own_tools.sh [--dry-run] FROM OUT [VALUES.yaml]
#
#   FROM         an OpenAPI 3 file or URL, or a live MCP server: mcp:URL, or "mcp:COMMAND" for one started on stdio
#   OUT          folder for everything; the same command goes on from what is there
#   VALUES.yaml  values to start from, as `parameter: [values]`; two or three known ids are often enough
#
# Settings, as environment variables: BUDGET calls that exploring may make (500), PER_SECOND most calls a second (5),
# TASKS of each workflow (10), CALLS least and most calls of a task (1:4), SPLITS (train=0.8,test=0.2), TPU_ORCH the command.
# Secrets of your API: step 1 says which variables it expects them in. Tools that change things are never called.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tpu_scripts/shown.sh
source "$here/tpu_scripts/shown.sh"

take_dry_run "$@"
set -- "${words[@]}"
case ${1:-} in -h | --help) usage; exit 0 ;; esac
[ $# -eq 2 ] || [ $# -eq 3 ] || refuse "where from, and where to?"
from=$1 out=$2 values=${3:-}
orch=${TPU_ORCH:-$here/.venv/bin/tpu-orch}
calls=${CALLS:-1:4}
run mkdir -p "$out"

case $from in
    mcp:*) backend=$from ;;
    *) backend=http ;;
esac

echo "1/5 tools import: the catalogue" >&2
run "$orch" tools import "$from" --out "$out/tools.json"

echo "2/5 explore: real responses, reads only" >&2
run "$orch" explore --tools "$out/tools.json" --backend "$backend" --out "$out/explored" \
    --budget "${BUDGET:-500}" --per-second "${PER_SECOND:-5}" ${values:+--seeds "$values"}

echo "3/5 store export: the responses beside the catalogue" >&2
run "$orch" store export "$out/explored/responses.store" --responses "$out/responses.jsonl"

echo "4/5 workflows mine: which result feeds which argument" >&2
run "$orch" workflows mine --tools "$out/tools.json" --store "$out/explored/responses.store" \
    --calls "${calls%%:*}" "${calls##*:}" --out "$out/workflows.yaml"

echo "5/5 synth: tasks, each checked against the responses" >&2
run "$orch" synth --tools "$out/tools.json" --store "$out/explored/responses.store" --workflows "$out/workflows.yaml" \
    --calls "$calls" --per-workflow "${TASKS:-10}" --splits "${SPLITS:-train=0.8,test=0.2}" \
    --out "$out/tasks.jsonl" --report "$out/synth.json"

[ -n "$dry" ] || printf '%s\n' "$out is ready; train on it with: $orch train own --model MODEL --tools $out/tools.json \\" \
    "    --store $out/explored/responses.store --tasks $out/tasks.jsonl --reward tier-progress" >&2
