"""llama.cpp's greedy outputs, plain and with its drafters that need no model, audited: which part, and why?

    python3 tests/peers/audit_llama_cpp.py MODEL.gguf RECORDS.jsonl [-l N] [-n TOKENS] [-o FOLDER] [--keep FOLDER]
                                           [--bug accept|lose] [--drafters NAME...] [-- OPTIONS OF harness render]

Prompts are what `harness render` makes of the records: some of those of at most --longest ids, the same ones each time.
FOLDER gets plain.jsonl, for each drafter its outputs and their audit as CSV; stopped, it goes on where it was. With --bug each drafter
runs with a bug that is planted into the loop around it: an audit must find it. Prints a line for each drafter.
With --keep, a folder gets the outputs without the prompts, and drafters.csv: what experiments/audit_outputs.py reads.
"""
import argparse
import collections
import csv
import io
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import peers

HARNESS = pathlib.Path(__file__).resolve().parents[2] / "harness"
COMPLETE = "peer_complete"
# Type, trigger and draft length, fewest tokens of a draft: llama.cpp's presets, and shorter ones, which draft more often.
DRAFTERS = {
    "ngram-cache": ("ngram-cache", 1, 8, 0),
    "ngram-simple": ("ngram-simple", 12, 48, 0), "ngram-simple-3": ("ngram-simple", 3, 16, 0),
    "ngram-map-k": ("ngram-map-k", 12, 48, 0), "ngram-map-k-3": ("ngram-map-k", 3, 16, 0),
    "ngram-map-k4v": ("ngram-map-k4v", 12, 48, 0), "ngram-map-k4v-3": ("ngram-map-k4v", 3, 8, 0),
    "ngram-mod": ("ngram-mod", 24, 64, 48), "ngram-mod-4": ("ngram-mod", 4, 16, 0),
}
KINDS = ["same", "tie", "rounding", "length", "early", "bug", "unrelated"]


def render(args, options):
    """Names and ids of some prompts that are not too long."""
    done = subprocess.run([HARNESS, "render", "-m", args.model, *options, args.records], stdout=subprocess.PIPE, check=True)
    prompts = [(r["id"], r["prompt_ids"]) for r in map(json.loads, done.stdout.splitlines()) if len(r["prompt_ids"]) <= args.longest]
    random.Random(1).shuffle(prompts)
    return prompts[:args.limit]


def complete(args, prompts, path, *options):
    """Writes outputs as JSONL, after those that an earlier run has made; returns drafted and accepted tokens."""
    context = args.longest + args.tokens + 160  # a draft may go over the end
    ids, log = path.with_suffix(".ids"), path.with_suffix(".log")

    def counts():
        """Of each output that is whole: they come after it."""
        return [list(map(int, pair)) for pair in re.findall(r"^drafted (\d+), accepted (\d+)$", log.read_text(), re.M)]

    with open(ids, "a+b") as out, open(log, "ab") as said:
        out.seek(0)
        whole = out.readlines()[:len(counts())]
        out.truncate(sum(map(len, whole)))
        if len(whole) < len(prompts):
            subprocess.run([peers.BUILD / COMPLETE, args.model, "-t", str(args.threads), "-c", str(context), "-n", str(args.tokens),
                            *map(str, options)], input=peers.lines_of([p for _, p in prompts[len(whole):]]), stdout=out, stderr=said)
    outputs = [list(map(int, line.split())) for line in ids.read_text().splitlines()]
    if min(len(outputs), len(counts())) < len(prompts):
        sys.exit(log.read_text())
    path.write_text("".join(json.dumps({"id": name, "prompt_ids": prompt, "output_ids": output}) + "\n"
                            for (name, prompt), output in zip(prompts, outputs)))
    return [sum(column) for column in zip(*counts()[:len(prompts)])]


def keep(folder, path, row=None):
    """Outputs without their prompts; a drafter's row goes to the end of drafters.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / path.name).write_text("".join(json.dumps({key: record[key] for key in ("id", "output_ids")}, separators=(",", ":")) + "\n"
                                            for record in peers.read_records(path)))
    with open(folder / "drafters.csv", "a" if row else "w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerow(row or ("drafter", "type", "n", "k", "least", "drafted", "accepted"))


def audit(args, plain, other):
    """The audit's rows, which are kept beside the outputs."""
    done = subprocess.run([HARNESS, "audit", plain, other, "-m", args.model, "-t", str(args.threads), "-a", "-f", "csv"],
                          stdout=subprocess.PIPE)
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)
    other.with_suffix(".csv").write_bytes(done.stdout)
    return list(csv.DictReader(io.StringIO(done.stdout.decode())))


def options():
    parser = argparse.ArgumentParser(description="an audit of llama.cpp's drafters")
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("records", metavar="RECORDS.jsonl")
    parser.add_argument("--drafters", nargs="+", choices=DRAFTERS, default=list(DRAFTERS), metavar="NAME", help=", ".join(DRAFTERS))
    parser.add_argument("-l", "--limit", type=int, default=200, help="records (default 200)")
    parser.add_argument("-n", "--tokens", type=int, default=96, help="tokens of an output (default 96)")
    parser.add_argument("-t", "--threads", type=int, default=1)
    parser.add_argument("--longest", type=int, default=300, help="ids of a prompt; others are left out (default 300)")
    parser.add_argument("--bug", choices=["accept", "lose"], help="a bug to plant")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="keeps the files")
    parser.add_argument("--keep", type=pathlib.Path, metavar="FOLDER", help="keeps the outputs without the prompts")
    rest = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    return parser.parse_args(sys.argv[1:rest]), sys.argv[rest + 1:]


def main():
    args, render_options = options()
    prompts = render(args, render_options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(args.output or temporary)
        folder.mkdir(exist_ok=True)
        plain = folder / "plain.jsonl"
        complete(args, prompts, plain)
        if args.keep:
            keep(args.keep, plain)
        print(f"{len(prompts)} records, {args.tokens} tokens" + (f", bug {args.bug}" if args.bug else ""))
        print("| drafter | drafted | accepted | " + " | ".join(KINDS) + " | beyond the tolerance, plain | speculative |\n|" +
              " --- |" * (5 + len(KINDS)), flush=True)
        for name in args.drafters:
            kind, n, k, least = DRAFTERS[name]
            other = folder / f"{name}{'-' + args.bug if args.bug else ''}.jsonl"
            drafted, accepted = complete(args, prompts, other, "-d", kind, "-g", n, "-k", k, "-m", least, "-b", args.bug or "none")
            if args.keep:
                keep(args.keep, other, (other.stem, kind, n, k, least, drafted, accepted))
            rows = audit(args, plain, other)
            counts = collections.Counter(row["kind"] for row in rows)
            beyond = [sum(int(row[f"{side}_beyond"]) for row in rows) for side in ("plain", "speculative")]
            print("| " + " | ".join(map(str, [name, drafted, accepted, *(counts[k] for k in KINDS), *beyond])) + " |", flush=True)


if __name__ == "__main__":
    main()
