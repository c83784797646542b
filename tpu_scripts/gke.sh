#!/usr/bin/env bash
# A run on TPU slices of a GKE cluster, as a JobSet: started again by the cluster if a host is lost.
#
#   tpu_scripts/gke.sh image|logs|delete [--dry-run]
#   tpu_scripts/gke.sh submit|xpk [--dry-run] PRESET [OPTIONS of tpu-orch train]
#
#   image   builds the container from this checkout and the pinned versions, and pushes it
#   submit  hands gke_jobset.yaml, filled in, to the cluster that kubectl is set to (JobSet must be installed there)
#   xpk     the same through XPK, which brings queues: needs CLUSTER, and xpk installed (pip install xpk)
#   logs    what the first host says          delete  ends the run and forgets it; checkpoints stay in the bucket
#
# Settings, as environment variables. NAME, IMAGE and BUCKET (gs://...) are needed; TYPE for xpk (v5litepod-16), and what it means
# for submit: ACCELERATOR (tpu-v5-lite-podslice), TOPOLOGY (4x4), HOSTS of a slice (4), CHIPS of a host (4); SLICES (1),
# SPOT=1 for nodes that may be taken away, RESTARTS (10; with SPOT 100). The pods' account must be allowed to write to the bucket.
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
[ -n "${NAME:-}" ] && [ -n "${IMAGE:-}" ] && [ -n "${BUCKET:-}" ] || refuse "NAME, IMAGE and BUCKET must be set"
[[ $NAME =~ ^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$ ]] || refuse "NAME $NAME: small letters, digits and - only, a letter first, at most 32"
restarts=${RESTARTS:-${SPOT:+100}}
train=("$@" --out /run-folder --checkpoint.folder "$BUCKET/$NAME/checkpoints")

# The words as a list that YAML reads; $ is doubled, for Kubernetes reads $(...).
listed() { python3 -c 'import json, sys; print(json.dumps([word.replace("$", "$$") for word in sys.argv[1:]]))' "$@"; }
filled() {
    NAME=$NAME IMAGE=$IMAGE BUCKET=$BUCKET RESTARTS=${restarts:-10} SLICES=${SLICES:-1} HOSTS=${HOSTS:-4} CHIPS=${CHIPS:-4} \
        ACCELERATOR=${ACCELERATOR:-tpu-v5-lite-podslice} TOPOLOGY=${TOPOLOGY:-4x4} TRAIN=$(listed "${train[@]}") \
        SPOT=${SPOT:+'cloud.google.com/gke-spot: "true"'} \
        python3 -c 'import os, string, sys; print(string.Template(sys.stdin.read()).substitute(os.environ), end="")' \
        < "$here/tpu_scripts/gke_jobset.yaml"
}
case $what in
    image)
        run docker build --file "$here/tpu_scripts/tpu.Dockerfile" --tag "$IMAGE" "$here"
        run docker push "$IMAGE"
        ;;
    submit)
        [ $# -gt 0 ] || refuse "which preset?"
        if [ -n "$dry" ]; then
            run kubectl apply --filename -
            filled
        else
            filled | kubectl apply --filename -
        fi
        ;;
    xpk)
        [ $# -gt 0 ] || refuse "which preset?"
        [ -n "${CLUSTER:-}" ] || refuse "xpk needs CLUSTER"
        run xpk workload create --cluster "$CLUSTER" --workload "$NAME" --docker-image "$IMAGE" --tpu-type "${TYPE:-v5litepod-16}" \
            --num-slices "${SLICES:-1}" --max-restarts "${restarts:-10}" \
            --command "env JAX_COMPILATION_CACHE_DIR=$BUCKET/programs tpu-orch train $(printf '%q ' "${train[@]}")"
        ;;
    logs) run kubectl logs --follow --selector "jobset.sigs.k8s.io/jobset-name=$NAME,batch.kubernetes.io/job-completion-index=0" ;;
    delete) run kubectl delete jobset "$NAME" ;;
    *) refuse "$what is not known" ;;
esac
