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

# Takes --dry-run out of the words of the command line, wherever it stands; the others are left in `words`.
take_dry_run() {
    dry='' words=()
    for word in "$@"; do
        if [ "$word" = --dry-run ]; then dry=1; else words+=("$word"); fi
    done
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
