"""T(k), the time of a pass over k tokens with k rows of logits: ours and llama.cpp's, in turns.

    python3 tests/peers/compare_times.py MODEL.gguf... [-t THREADS] [-k 1,2,4,...] [-r ROUNDS]

In every round each k is timed in one engine and then in the other, so that both see the same moments of a shared machine; the
order alternates. A ratio is theirs / ours of one round, above 1 where we are faster; printed are medians, and the ratio's quartiles.
llama.cpp runs with its defaults: a cache in f16 and flash attention where it can.
"""
import argparse
import statistics
import time

import peers


def ask(program, k):
    program.stdin.write(b"%d\n" % k)
    program.stdin.flush()
    answer = program.stdout.readline()
    if not answer:
        peers.end(program)
    time.sleep(0.01)  # its threads may still wait actively
    return int(answer) / 1e6


def measure(model, ks, args):
    """The times of each engine in milliseconds, [k][round]."""
    both = [peers.begin(who, "times", model, "-t", args.threads, "-c", max(ks)) for who in (peers.OURS, peers.THEIRS)]
    times = [{k: [] for k in ks} for _ in both]
    for round_ in range(args.rounds + 1):
        for k in ks:
            for who in ((0, 1), (1, 0))[round_ % 2]:
                ms = ask(both[who], k)
                if round_ > 0:  # the first is not counted
                    times[who][k].append(ms)
    for program in both:
        program.stdin.close()
        peers.end(program)
    return times


def show(ks, ours, theirs):
    print("    k   ours ms  T(k)/T(1)  llama.cpp ms  T(k)/T(1)  ratio  quartiles")
    first = [statistics.median(times[ks[0]]) for times in (ours, theirs)]
    for k in ks:
        a, b = statistics.median(ours[k]), statistics.median(theirs[k])
        ratios = [t / o for o, t in zip(ours[k], theirs[k])]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
        print(f"{k:5d} {a:9.2f} {a / first[0]:10.2f} {b:13.2f} {b / first[1]:10.2f} {middle:6.2f}  {low:.2f}-{high:.2f}")


def main():
    parser = argparse.ArgumentParser(description="our passes beside llama.cpp's, in turns")
    parser.add_argument("models", metavar="MODEL.gguf", nargs="+")
    parser.add_argument("-t", "--threads", type=int, default=1)
    parser.add_argument("-k", default="1,2,3,4,6,8,12,16,24,32,48,64")
    parser.add_argument("-r", "--rounds", type=int, default=11)
    args = parser.parse_args()
    ks = sorted({int(k) for k in args.k.split(",")} | {1})
    for model in args.models:
        print(f"{model}, threads = {args.threads}, rounds = {args.rounds}", flush=True)
        show(ks, *measure(model, ks, args))


if __name__ == "__main__":
    main()
