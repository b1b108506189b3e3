#!/bin/sh
# first_figures.sh - figures by the Python package as it is installed, from a sweep of the installed config replay.ini.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
harness sweep -q /usr/share/harness/configs/replay.ini
MPLCONFIGDIR=$folder python3 -m harness_plots results/replay.h5 figures svg
test -s figures/speedup.svg
