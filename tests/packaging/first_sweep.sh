#!/bin/sh
# first_sweep.sh HARNESS CONFIG [OPTION]... - a first sweep in a new folder, as after an installation: there must be a results
# file, of which tables can be made. `harness sweep` itself ends with 1 when a trial's tokens are not plain decoding's. RUN is
# what runs the program where this machine cannot.
set -eu
program=$1
case $program in */*) program=$(realpath "$program") ;; esac
config=$(realpath "$2")
shift 2
name=$(basename "$config" .ini)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# shellcheck disable=SC2086 # RUN is words
${RUN:-} "$program" sweep -q -o results "$config" "$@"
# shellcheck disable=SC2086
${RUN:-} "$program" tables summary "results/$name.h5" >summary.txt
test -s summary.txt
