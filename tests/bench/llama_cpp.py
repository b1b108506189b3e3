"""Times of a pass over k tokens, ours and llama.cpp's, in turns on the same GGUF: the ratios.

    python3 tests/bench/llama_cpp.py LLAMA_CPP_BIN MODEL.gguf [-t THREADS] [-k 1,2,4,...] [-r ROUNDS] [--prefill N]

LLAMA_CPP_BIN is a folder with llama-bench in it; nothing of llama.cpp is built here. A round runs `harness bench` and
llama-bench once each, so that both see the same minutes of a shared machine. A ratio is theirs / ours of one round, above
1 where we are faster; printed are its median and quartiles over the rounds. llama-bench asks for the logits of the last
token alone, and so do we here; checking a draft needs them all.
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
    times = {row["k"]: row["median_ns"] for row in got["T"]}
    if args.prefill:
        times[args.prefill] = got["prefill_ns"]
    return got["isa"], times


def theirs(args):
    sizes = args.k + (f",{args.prefill}" if args.prefill else "")
    got = run([args.folder / "llama-bench", "-m", args.model, "-p", sizes, "-n", "0", "-t", str(args.threads), "-r", "3",
               "-o", "json"])
    return got[0]["build_commit"], {row["n_prompt"]: statistics.median(row["samples_ns"]) for row in got}


def quartiles(values):
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def main():
    parser = argparse.ArgumentParser(description="ours beside llama.cpp's llama-bench, in turns")
    parser.add_argument("folder", type=pathlib.Path, metavar="LLAMA_CPP_BIN")
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("-k", default="1,2,3,4,6,8,12,16,24,32,48,64")
    parser.add_argument("-r", "--rounds", type=int, default=5)
    parser.add_argument("--prefill", type=int, default=512)
    args = parser.parse_args()
    if not (args.folder / "llama-bench").is_file():
        sys.exit(f"llama_cpp.py: {args.folder} has no llama-bench (it is built by llama.cpp's CMake, in build/bin)")
    rounds = []
    for _ in range(args.rounds):
        (isa, our), (commit, their) = ours(args), theirs(args)
        rounds.append((our, their))
    print(f"{args.model}: {isa}, llama.cpp {commit}, {args.threads} threads, {args.rounds} rounds\n")
    print("    k   ours ms  T(k)/T(1)  llama.cpp ms  T(k)/T(1)  ratio  quartiles")
    first = [statistics.median(pair[side][1] for pair in rounds) for side in (0, 1)]
    for k in rounds[0][0]:
        a, b = (statistics.median(pair[side][k] for pair in rounds) for side in (0, 1))
        low, middle, high = quartiles([their[k] / our[k] for our, their in rounds])
        print(f"{k:5d} {a / 1e6:9.2f} {a / first[0]:10.2f} {b / 1e6:13.2f} {b / first[1]:10.2f} {middle:6.2f}  "
              f"{low:.2f}-{high:.2f}")


if __name__ == "__main__":
    main()
