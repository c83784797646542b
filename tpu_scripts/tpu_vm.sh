#!/usr/bin/env bash
# A run on the hosts of a TPU slice, through Google Cloud's queued resources.
#
#   tpu_scripts/tpu_vm.sh create|install|doctor|logs|stop|delete [--dry-run]
#   tpu_scripts/tpu_vm.sh run|keep [--dry-run] PRESET [OPTIONS of tpu-orch train]
#
#   create   asks for the slice and waits until it is there     doctor   looks at every host and chip
#   install  this commit and pinned versions, on every host     run      starts the run on every host, in the background
#   logs     shows what the first host says, as it says it      stop     the run saves and ends; `run` goes on
#   delete   gives the slice back                               keep     create, install and run, again whenever the slice was lost
#
# Settings, as environment variables. NAME and ZONE are needed; TYPE of slice (v5litepod-16), RUNTIME of its hosts
# (v2-alpha-tpuv5-lite), SPOT=1 for cheap slices that may be taken away, BUCKET (gs://...) for checkpoints and compiled programs:
# several hosts need one, and so does `keep`.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tpu_scripts/shown.sh
source "$here/tpu_scripts/shown.sh"

take_dry_run "$@"
set -- "${words[@]}"
[ $# -gt 0 ] || refuse "what is to be done?"
what=$1
shift
case "$what ${1:-}" in -h* | --help* | *" -h" | *" --help") usage; exit 0 ;; esac
name=${NAME:-} zone=${ZONE:-} bucket=${BUCKET:-}
[ -n "$name" ] && [ -n "$zone" ] || refuse "NAME and ZONE must be set"
queued=(gcloud compute tpus queued-resources)

# on HOSTS COMMAND: runs a command in the folder of the project on some hosts (0, 1, ... or all).
on() { run gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker="$1" --command="mkdir -p tpu-orch && cd tpu-orch && $2"; }
state() { "${queued[@]}" describe "$name" --zone="$zone" --format='value(state.state)' 2>/dev/null || echo NONE; }

create() {
    run "${queued[@]}" create "$name" --node-id="$name" --zone="$zone" --accelerator-type="${TYPE:-v5litepod-16}" \
        --runtime-version="${RUNTIME:-v2-alpha-tpuv5-lite}" ${SPOT:+--spot}
    [ -z "$dry" ] || return 0
    until [ "$(state)" = ACTIVE ]; do
        case $(state) in FAILED | SUSPENDED | NONE) echo "$name: $(state)" >&2; return 1 ;; esac
        sleep 20
    done
}
install() {
    run git -C "$here" archive --format=tar.gz -o /tmp/tpu-orch.tar.gz HEAD
    run gcloud compute tpus tpu-vm scp /tmp/tpu-orch.tar.gz "$name:" --zone="$zone" --worker=all
    on all "tar xzf ../tpu-orch.tar.gz && sudo apt-get -qq update \
&& sudo apt-get -qq -o DPkg::Lock::Timeout=600 install -y python3.11-venv && python3.11 -m venv .venv \
&& .venv/bin/pip install -q --require-hashes -r tpu_scripts/requirements.tpu.lock && .venv/bin/pip install -q --no-deps ."
}
start() {
    [ $# -gt 0 ] || refuse "which preset?"
    local words=("$@")
    if [ -n "$bucket" ]; then words+=(--checkpoint.folder "$bucket/$name/checkpoints"); fi
    on all "{ env ${bucket:+JAX_COMPILATION_CACHE_DIR=$bucket/programs} setsid nohup .venv/bin/tpu-orch train \
$(printf '%q ' "${words[@]}")>> run.log 2>&1 < /dev/null & echo \$! > run.pid; }"
}
keep() {
    [ -n "$bucket" ] || refuse "keep needs BUCKET: what lies on a slice goes with it"
    while true; do
        create && install && start "$@"
        [ -z "$dry" ] || return 0
        while [ "$(state)" = ACTIVE ]; do
            sleep 60
            if on 0 "! kill -0 \$(cat run.pid) 2>/dev/null"; then
                sleep 120  # a slice that is being taken away is still called active when its run has saved and left
                if [ "$(state)" = ACTIVE ]; then on 0 "tail -n 5 run.log" && return; fi
            fi
        done
        run "${queued[@]}" delete "$name" --zone="$zone" --force --quiet
    done
}
case $what in
    create | install | keep) "$what" "$@" ;;
    run) start "$@" ;;
    doctor) on all ".venv/bin/tpu-orch doctor" ;;
    logs) on 0 "tail -n 100 -f run.log" ;;
    stop) on all "kill -TERM \$(cat run.pid)" ;;
    delete) run "${queued[@]}" delete "$name" --zone="$zone" --force --quiet ;;
    *) refuse "$what is not known" ;;
esac
