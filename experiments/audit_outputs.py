#!/usr/bin/env python3
"""Another engine's outputs that were kept without their prompts, audited: one `harness audit` for each drafter.

    experiments/audit_outputs.py MODEL.gguf RECORDS.jsonl FOLDER RESULT.csv [-t THREADS]

FOLDER has plain.jsonl and, for each drafter that its drafters.csv names, NAME.jsonl, with lines {"id", "output_ids"}. Prompts are what
`harness render` makes of RECORDS.jsonl, found by id. RESULT.csv gets a row for each drafter, RESULT_records.csv beside it the
rows of all audits. Exit status: 0: all audits ran, whatever they found; 1: one did not; 2: usage or input.
"""
import argparse
import csv
import io
import json
import pathlib
import subprocess
import sys
import tempfile

HARNESS = pathlib.Path(__file__).resolve().parents[1] / "harness"
KINDS = ["same", "tie", "rounding", "length", "early", "bug", "unrelated", "parted"]


class Refused(Exception):
    """Input that does not fit, or a command that failed; with the exit status."""

    def __init__(self, text, status=2):
        super().__init__(text)
        self.status = status


def run(*command, allowed=(0,)):
    """What a command of the harness prints, and its exit status."""
    done = subprocess.run([HARNESS, *map(str, command)], stdout=subprocess.PIPE)
    if done.returncode not in allowed:
        raise Refused(f"exit status {done.returncode} of harness {command[0]}", done.returncode if done.returncode in (1, 2) else 1)
    return done.stdout.decode(), done.returncode


def prompts_of(model, records):
    """The ids of each prompt, by the record's id."""
    return {r["id"]: r["prompt_ids"] for r in map(json.loads, run("render", "-m", model, records)[0].splitlines())}


def with_prompts(path, prompts, records):
    """Lines of kept outputs, each with its prompt."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            name, output = record["id"], record["output_ids"]
        except (ValueError, KeyError, TypeError):
            raise Refused(f'{path}:{number}: not a kept output (allowed: {{"id": ..., "output_ids": [...]}})') from None
        if name not in prompts:
            raise Refused(f'{path}:{number}: {records} has no record with the id "{name}"')
        yield json.dumps({"id": name, "prompt_ids": prompts[name], "output_ids": output}) + "\n"


def drafters_in(folder):
    """The rows of drafters.csv."""
    path = folder / "drafters.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    for number, row in enumerate(rows, 2):
        if any(not row.get(key) for key in ("drafter", "drafted", "accepted")):
            raise Refused(f"{path}:{number}: a column is missing (needed: drafter, drafted, accepted)")
    if not rows:
        raise Refused(f"{path}: names no drafter")
    return rows


def summary_of(drafter, rows, explained):
    """What an audit's rows come to. A gap is that of the two tokens where outputs part, in logits."""
    gaps = [float(row["gap"]) for row in rows if row["kind"] != "same" and row["gap"]]
    farthest = [float(row["plain_farthest"]) for row in rows if row["plain_farthest"]]

    def total(column):
        return sum(int(row[column]) for row in rows)
    return {**{key: drafter[key] for key in ("drafter", "drafted", "accepted")}, "records": len(rows),
            "explained": int(explained), **{kind: sum(row["kind"] == kind for row in rows) for kind in KINDS},
            "gap_least": min(gaps, default=""), "gap_most": max(gaps, default=""), "tolerance": rows[0]["tolerance"],
            "plain_tokens": total("plain_tokens"), "plain_departures": total("plain_departures"),
            "plain_farthest": max(farthest, default=""), "plain_beyond": total("plain_beyond"),
            "speculative_beyond": total("speculative_beyond")}


def audit(plain, other, args):
    """An audit's rows, and whether all that differs is explained."""
    text, status = run("audit", plain, other, "-m", args.model, "-t", args.threads, "-q", "-a", "-f", "csv", allowed=(0, 1))
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows:  # 1 is also the status of an audit that could not be run
        raise Refused(f"exit status {status} of harness audit, and no rows", 1)
    return rows, status == 0


def write(path, rows):
    """The file appears whole or not at all."""
    new = path.with_name(path.name + ".new")
    with open(new, "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    new.replace(path)


def audit_all(args):
    drafters, prompts = drafters_in(args.folder), prompts_of(args.model, args.records)
    summaries, records = [], []
    with tempfile.TemporaryDirectory() as temporary:
        plain = pathlib.Path(temporary) / "plain.jsonl"
        plain.write_text("".join(with_prompts(args.folder / plain.name, prompts, args.records)), encoding="utf-8")
        for drafter in drafters:
            rows, explained = audit(plain, args.folder / f"{drafter['drafter']}.jsonl", args)
            summaries.append(summary_of(drafter, rows, explained))
            records += [{"drafter": drafter["drafter"], **row} for row in rows]
            print(", ".join(f"{key} {value}" for key, value in summaries[-1].items()), flush=True)
    args.result.parent.mkdir(parents=True, exist_ok=True)
    write(args.result.with_name(f"{args.result.stem}_records.csv"), records)
    write(args.result, summaries)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("records", metavar="RECORDS.jsonl", help="the data set that the prompts are of")
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER", help="with the outputs")
    parser.add_argument("result", type=pathlib.Path, metavar="RESULT.csv")
    parser.add_argument("-t", "--threads", type=int, default=1, help="of a pass; the result does not depend on them (default 1)")
    try:
        audit_all(parser.parse_args())
    except (Refused, OSError) as why:
        print(f"audit_outputs.py: {why}", file=sys.stderr)
        return getattr(why, "status", 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
