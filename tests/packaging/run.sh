#!/usr/bin/env bash
# run.sh SUITE [arm64] - builds Debian's packages in a new system of this suite (bookworm, trixie), installs them in another
# and uses them as a user would, as root and with debootstrap. Prints each step's wall time, and ends with 1 at the first that
# fails, with its log. What is committed is what is built.
#
# With arm64 the packages are built by a cross compiler and the program is run under qemu.
#
# WORK names a folder for the systems (default: a new one, removed at the end), MIRROR where packages come from (default: where
# this machine gets its own). FRESH=no keeps the bare system of an earlier run in WORK.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=${1:-} arch=${2:-native}
case $suite-$arch in
    bookworm-native | trixie-native | bookworm-arm64 | trixie-arm64) ;;
    *) echo "usage: run.sh bookworm|trixie [arm64]" >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo "run.sh: only root may start another system (sudo $0 $*)" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "run.sh: no debootstrap (apt-get install debootstrap)" >&2; exit 2; }
mirror=${MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | head -n 1)}
[ -n "$mirror" ] || { echo "run.sh: MIRROR=URL is needed: apt has no list of Debian's packages (apt-get update)" >&2; exit 2; }
eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
[ -z "${http_proxy:-}" ] || export http_proxy

work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
chmod 755 "$work"
base=$work/$suite builds=$work/$suite-build runs=$work/$suite-run
log=$work/$suite-$arch.log
: >"$log"
tidy() {
    rm -rf --one-file-system "$builds" "$runs"
    [ -n "${WORK:-}" ] || rm -rf --one-file-system "$work"
}
trap tidy EXIT

# step NAME COMMAND...: its time, and its log where it fails.
step() {
    local name=$1 start=$SECONDS
    shift
    if "$@" >>"$log" 2>&1 </dev/null; then
        printf '  %-44s %5d s\n' "$name" $((SECONDS - start))
    else
        printf '  %-44s FAILED\n' "$name"
        tail -n 40 "$log" >&2
        exit 1
    fi
}

# Runs in a system, with namespaces of its own, so that nothing stays mounted and no process is left.
inside() { # SYSTEM COMMAND...
    unshare -mpf sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" env -i "$@"' "$1" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive ${http_proxy:+http_proxy="$http_proxy"} OMP_WAIT_POLICY=passive "${@:2}"
}
# The same as a user who may write into the folder /home/user alone.
user() { # SYSTEM COMMAND
    inside "$1" setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/home/user sh -euc "cd /home/user; $2"
}
new_system() { # SYSTEM
    cp -a --one-file-system "$base" "$1"
    mkdir -p "$1/home/user"
    chown 1000:1000 "$1/home/user"
    cp /etc/resolv.conf "$1/etc/resolv.conf"
    inside "$1" apt-get update -qq
}
get() { # SYSTEM PACKAGE...
    inside "$1" apt-get install -y -qq --no-install-recommends "${@:2}"
}

version=$(sed -n 's/^#define HARNESS_VERSION "\(.*\)"/\1/p' experiments/sweep/provenance.h)
source=/home/user/harness-$version
host=$(dpkg --print-architecture)
[ "$arch" = native ] || host=$arch
options="parallel=$(nproc)"

dependencies() {
    if [ "$arch" = arm64 ]; then
        inside "$builds" dpkg --add-architecture arm64
        inside "$builds" apt-get update -qq
        get "$builds" build-essential fakeroot crossbuild-essential-arm64
        inside "$builds" apt-get build-dep -y -qq --no-install-recommends -a arm64 -P cross,nocheck "$source"
    else
        get "$builds" build-essential fakeroot
        inside "$builds" apt-get build-dep -y -qq --no-install-recommends "$source"
    fi
}
unpack() {
    make dist
    tar -C "$builds/home/user" --no-same-owner -xf "build/harness-$version.tar.gz"
    chown -R 1000:1000 "$builds/home/user"
}
packages() {
    local flags=-F
    [ "$arch" = native ] || flags="-b -a$arch -Pcross"
    user "$builds" "cd $source; DEB_BUILD_OPTIONS=$options dpkg-buildpackage -us -uc $flags"
}
lint() {
    get "$builds" lintian
    user "$builds" "lintian --fail-on error,warning *.changes"
}
install() {
    cp "$builds"/home/user/*.deb "$runs/root/"
    rm -f "$runs"/root/*-dbgsym_*.deb
    cp tests/packaging/first_*.sh "$runs/home/user/"
    inside "$runs" sh -c 'apt-get install -y -qq --no-install-recommends /root/*.deb'
}
manual() {
    get "$runs" man-db
    user "$runs" 'man -P cat harness | grep "harness-sweep"; man -P cat harness-sweep >/dev/null; man -P cat 5 harness-sweep-config >/dev/null'
}
completion() {
    get "$runs" bash-completion zsh fish
    user "$runs" "bash --norc -c '. /usr/share/bash-completion/bash_completion; _comp_load -- harness || _completion_loader harness; complete -p harness'"
    user "$runs" "zsh -f -c 'autoload -Uz compinit && compinit -u -D && print \$_comps[harness]' | grep -x _harness"
    user "$runs" "fish -c 'complete -C \"harness swe\"' | grep sweep"
}
removal() {
    inside "$runs" sh -euc 'apt-get purge -y -qq "*inference-harness*"
        left=$(find /etc /usr /var /opt -path /var/lib/dpkg -prune -o -name "*harness*" -print); echo "$left"; test -z "$left"'
}
# The program that was built, with the libraries that the cross compiler has linked it with.
emulated() {
    user "$builds" "dpkg-deb -x inference-harness_${version}_arm64.deb program; dpkg-deb -x inference-harness-data_${version}_all.deb program
        qemu-aarch64 program/usr/bin/harness --version
        RUN=qemu-aarch64 $source/tests/packaging/first_sweep.sh program/usr/bin/harness program/usr/share/harness/configs/replay.ini
        RUN=qemu-aarch64 $source/tests/packaging/first_sweep.sh program/usr/bin/harness program/usr/share/harness/configs/quick.ini --set 'dataset scenarios.limit=2'"
}

echo "inference-harness $version for $host on $suite, $(nproc) processors"
if [ ! -e "$base/etc/debian_version" ] || [ "${FRESH:-yes}" = yes ]; then
    rm -rf --one-file-system "$base"
    step "a bare system" debootstrap --variant=minbase "$suite" "$base" "$mirror"
fi
step "a copy to build in" new_system "$builds"
step "make dist" unpack
step "what debian/control asks for" dependencies
step "dpkg-buildpackage" packages
if [ "$arch" = arm64 ]; then
    step "sweeps under qemu" emulated
    exit 0
fi
step "lintian" lint
step "another copy to run in" new_system "$runs"
step "the packages and what they depend on" install
step "the manual" manual
step "completion in bash, zsh and fish" completion
step "harness sweep quick.ini" user "$runs" 'harness sweep /usr/share/harness/configs/quick.ini; test -s results/quick.h5'
step "figures" user "$runs" './first_figures.sh'
step "removal" removal
