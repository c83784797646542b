# shellcheck shell=bash
# What the scripts of this folder share; sourced, not run.

# The comment at the head of the script that sources this file.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# Wrong usage: a line why, and how it is meant.
refuse() {
    printf '%s: %s\n\n' "$(basename "$0")" "$1" >&2
    usage >&2
    exit 2
}

# Runs a command, or with --dry-run prints it as a line that a shell would take.
run() {
    if [ -n "${dry:-}" ]; then
        printf '%q ' "$@"
        echo
    else
        "$@"
    fi
}
