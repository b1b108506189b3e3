#!/bin/sh
# npm_llama_cpp.sh - fetches llama.cpp's sources and libraries from npm's node-llama-cpp into a new folder, as a build leaves
# them there. Nothing is installed, and nothing of the packages is run. Needs npm, tar and git.
#
#     tests/peers/npm_llama_cpp.sh DIR [VERSION]
#     make peer LLAMA_CPP=DIR
set -eu
[ $# -ge 1 ] && [ $# -le 2 ] || { echo "usage: npm_llama_cpp.sh DIR [VERSION]" >&2; exit 2; }
[ ! -e "$1" ] || { echo "npm_llama_cpp.sh: $1 is there already" >&2; exit 2; }
version=${2:-3.22.1}
case $(uname -m) in
x86_64) kind=linux-x64 ;;
aarch64) kind=linux-arm64 ;;
*) echo "npm_llama_cpp.sh: npm has no llama.cpp for $(uname -m)" >&2; exit 1 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for package in node-llama-cpp "@node-llama-cpp/$kind"; do
    echo "$package $version"
    file=$(npm pack --silent --pack-destination "$work" "$package@$version")
    tar -xzf "$work/$file" -C "$work" # both into package/
done
git -c advice.detachedHead=false clone -q "$work/package/llama/gitRelease.bundle" "$1"
mkdir -p "$1/build/bin"
mv "$work/package/bins/$kind"/*.so "$1/build/bin"
echo "llama.cpp $(sed 's/.*"release": *"\([^"]*\)".*/\1/' "$work/package/bins/$kind/_nlcBuildMetadata.json") is in $1"
