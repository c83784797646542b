#!/usr/bin/env bash
# Scores stored rollouts with Apache Beam: on this machine, or on Dataflow.
#
#   tpu_scripts/score_beam.sh local [--workers N] [--dry-run] OPTIONS of tpu-orch score
#   tpu_scripts/score_beam.sh image [--dry-run]
#   tpu_scripts/score_beam.sh dataflow [--workers N] [--dry-run] OPTIONS of tpu-orch score
#
#   local     Beam's own runner in N processes here (2)
#   image     builds the container that Dataflow's workers run, and pushes it
#   dataflow  a job of N workers at most (10); every file, the output too, then lies in a bucket (gs://...)
#
# Settings of image and dataflow, as environment variables: PROJECT, REGION, IMAGE, and BUCKET for what is there for a while.
# TPU_ORCH is the command. The same command goes on from what is scored already.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tpu_scripts/shown.sh
source "$here/tpu_scripts/shown.sh"

take_dry_run "$@"
set -- "${words[@]}"
[ $# -gt 0 ] || refuse "local, image or dataflow?"
what=$1 workers=''
shift
case $what in -h | --help) usage; exit 0 ;; esac
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --workers) workers=${2:?}; shift 2 ;;
        *) break ;;
    esac
done
orch=${TPU_ORCH:-$here/.venv/bin/tpu-orch}

options=()
case $what in
    local)
        options=(--runner=FnApiRunner "--direct_num_workers=${workers:-2}" --direct_running_mode=multi_processing)
        ;;
    image | dataflow)
        for setting in PROJECT REGION IMAGE BUCKET; do
            [ -n "${!setting:-}" ] || refuse "$what needs $setting"
        done
        options=(--runner=DataflowRunner "--project=$PROJECT" "--region=$REGION" "--temp_location=$BUCKET/temporary"
            "--sdk_container_image=$IMAGE" --sdk_location=container "--max_num_workers=${workers:-10}" --job_name=tpu-orch-score)
        ;;
    *) refuse "$what is none of local, image and dataflow" ;;
esac
if [ "$what" = image ]; then
    run docker build --file "$here/tpu_scripts/beam.Dockerfile" --tag "$IMAGE" "$here"
    run docker push "$IMAGE"
    exit
fi
[ $# -gt 0 ] || refuse "which files? tpu-orch score --help lists the options"
run "$orch" score "$@" --runner beam "${options[@]/#/--beam-options=}"
