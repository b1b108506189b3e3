"""Times of a pass over k tokens, ours and those of llama.cpp or its forks, in turns on the same GGUF: the ratios.

    python3 tests/bench/llama_cpp.py MODEL.gguf PEER... [-t THREADS] [-k 1,2,4,...] [-r ROUNDS] [--prefill N]

A PEER is a folder with llama-bench in it, and arguments for it if there are any: "ik_llama.cpp/build/bin -rtr 1". Nothing of
others is built here. A round runs `harness bench` and each peer's llama-bench once, so that all see the same minutes of a
shared machine. A ratio is theirs / ours of one round, above 1 where we are faster; printed are its median and quartiles
over the rounds. llama-bench asks for the logits of the last token alone, and so do we here; checking a draft needs them all.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HARNESS = os.environ.get("HARNESS", str(ROOT / "harness"))


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"llama_cpp.py: {' '.join(map(str, command))}: exit status {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


def ours(args):
    command = [HARNESS, "bench", "-m", args.model, "-k", args.k, "-t", str(args.threads), "-r", "3", "--last",
               "--json"]
    got = run(command + (["--prefill", str(args.prefill)] if args.prefill else []))
    empty, = got["contexts"]
    times = {row["k"]: row["median_ns"] for row in empty["T"]}
    if args.prefill:
        times[args.prefill] = got["prefill_ns"]
    return got["isa"], empty["bytes"] / times[1] * 1e9 / got["read_bytes_per_s"], times


def theirs(peer, args):
    folder, *more = peer.split()
    sizes = args.k + (f",{args.prefill}" if args.prefill else "")
    got = run([pathlib.Path(folder) / "llama-bench", "-m", args.model, "-p", sizes, "-n", "0", "-t", str(args.threads), "-r",
               "3", "-o", "json", *more])
    return got[0]["build_commit"], {row["n_prompt"]: statistics.median(row["samples_ns"]) for row in got}


def quartiles(values):
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def column(rounds, k):
    """The median over the rounds of T(k), and how many times T(1) it is."""
    return tuple(statistics.median(of) for of in ([times[k] for times in rounds],
                                                  [times[k] / times[1] for times in rounds]))


def main():
    parser = argparse.ArgumentParser(description="ours beside llama-bench of llama.cpp or its forks, in turns")
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("peers", metavar="PEER", nargs="+", help='a folder with llama-bench, and arguments for it')
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("-k", default="1,2,3,4,6,8,12,16,24,32,48,64")
    parser.add_argument("-r", "--rounds", type=int, default=5)
    parser.add_argument("--prefill", type=int, default=512, help="0: none")
    args = parser.parse_args()
    if "1" not in args.k.split(","):
        parser.error(f"-k {args.k} has no 1, which all others are divided by")
    for peer in args.peers:
        if not peer.split() or not (pathlib.Path(peer.split()[0]) / "llama-bench").is_file():
            parser.error(f"{peer!r} names no folder with llama-bench (llama.cpp's CMake builds it in build/bin)")
    our, shares, their, commits = [], [], {peer: [] for peer in args.peers}, {}
    for _ in range(args.rounds):
        isa, share, times = ours(args)
        our.append(times)
        shares.append(share)
        for peer in args.peers:
            commits[peer], times = theirs(peer, args)
            their[peer].append(times)
    print(f"{args.model}: {isa}, {args.threads} threads, {args.rounds} rounds; ours reads at {statistics.median(shares):.0%} "
          "of the bandwidth at k = 1\n")
    for peer in args.peers:
        print(f"{peer} at {commits[peer]}\n    k   ours ms  T(k)/T(1)  their ms  T(k)/T(1)  ratio  quartiles")
        for k in our[0]:
            (a, a_first), (b, b_first) = column(our, k), column(their[peer], k)
            low, middle, high = quartiles([t[k] / o[k] for o, t in zip(our, their[peer])])
            print(f"{k:5d} {a / 1e6:9.2f} {a_first:10.2f} {b / 1e6:9.2f} {b_first:10.2f} {middle:6.2f}  {low:.2f}-{high:.2f}")
        print()


if __name__ == "__main__":
    main()
