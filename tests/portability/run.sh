#!/bin/sh
# run.sh NATIVE_PROGRAM WORK_FOLDER - compares the numbers of logits_hash.c over instruction sets and machines.
#
# Runs the native program for every instruction set it has, then builds the same sources for AArch64 and runs them under
# qemu, portable code and NEON. What is missing is named and left out. Exit status 1 when any hash differs.
set -eu
native=$1
work=$2
cross=aarch64-linux-gnu-gcc
emulator=qemu-aarch64
sysroot=/usr/aarch64-linux-gnu
mkdir -p "$work"
failed=0

compare() { # NAME: its output against the portable build's
    if cmp -s "$work/portable.txt" "$work/$1.txt"; then
        echo "  $1: equal"
    else
        echo "  $1: DIFFERS"
        diff "$work/portable.txt" "$work/$1.txt" || true
        failed=1
    fi
}

compare_isa() { # NAME ISA PROGRAM...: compares, unless the program says that this processor lacks ISA
    name=$1
    isa=$2
    shift 2
    if HARNESS_ISA=$isa "$@" >"$work/$name.txt" 2>"$work/$name.err"; then
        compare "$name"
    elif grep -q "cannot run here" "$work/$name.err"; then
        echo "  $name: left out ($(cat "$work/$name.err"))"
    else
        echo "  $name: FAILS ($(cat "$work/$name.err"))"
        failed=1
    fi
}

HARNESS_ISA=portable "$native" >"$work/portable.txt" 2>/dev/null
echo "$(wc -l <"$work/portable.txt") hashes from portable code on $(uname -m)"
for isa in avx2 avx512 avx512bf16 neon; do
    compare_isa "$isa" "$isa" "$native"
done

if ! command -v "$cross" >/dev/null || ! command -v "$emulator" >/dev/null || [ ! -e $sysroot/include/stdio.h ]; then
    echo "  aarch64: left out (it needs packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user)"
    exit $failed
fi
# xxhash.h is all there is to that library when inlined; the cross compiler does not look where it lies.
cp "$(pkg-config --variable=includedir libxxhash)/xxhash.h" "$work/"
flags="-std=c17 -D_GNU_SOURCE -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -fopenmp -I. -I$work"
neon="-DISA_NEON -march=armv8.2-a+dotprod"
# shellcheck disable=SC2086 # flags are words
{
    "$cross" $flags -DKERNEL_ISA=portable -c -o "$work/generic_portable.o" engine/kernels/generic.c
    "$cross" $flags $neon -DKERNEL_ISA=neon -c -o "$work/generic_neon.o" engine/kernels/generic.c
    for kernels in panel floats; do
        "$cross" $flags $neon -c -o "$work/${kernels}_neon.o" engine/kernels/${kernels}_neon.c
    done
    "$cross" $flags -o "$work/logits_hash_aarch64" tests/portability/logits_hash.c \
        "$work/generic_portable.o" "$work/generic_neon.o" "$work/panel_neon.o" "$work/floats_neon.o" \
        engine/kernels/kernels.c engine/kernels/answers.c engine/kernels/detmath.c engine/base/err.c engine/base/mem.c engine/base/suggest.c \
        engine/base/parallel.c engine/kernels/dtype.c engine/kernels/quants.c engine/kernels/quants_fit.c \
        engine/kernels/panel.c engine/kernels/panel_portable.c engine/kernels/floats.c engine/kernels/floats_portable.c \
        engine/model/matrix.c engine/model/shape.c engine/model/rope.c engine/model/products.c engine/model/attention.c \
        engine/model/feed_forward.c engine/model/transformer.c engine/model/tree.c -lm
}
for isa in portable neon; do
    compare_isa "aarch64-$isa" "$isa" "$emulator" -L $sysroot "$work/logits_hash_aarch64"
done
exit $failed
