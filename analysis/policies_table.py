#!/usr/bin/env python3
"""Every policy over several data sets, as one table in Markdown: tokens per step by set, and over all sets what
`harness tables drafting` has of each. Each results file holds the same policies over one data set.

    analysis/policies_table.py results/policies-*.h5

share: the bound's steps by the policy's (`oracle` with from = copies and the largest k); coverage, acceptance; wasted:
drafted tokens that were not accepted, for each token of the output. These are means over the sets. Times of drafting are
quantiles over the steps of all sets except each trial's first, which indexes its texts. Where passes were timed:
speed-up: plain decoding's time over all trials of all sets by the policy's; equal: trials with plain decoding's ids and
logits.
"""
import argparse
import json
import pathlib
import re
import sys

import numpy as np
import pandas as pd

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from plotting import results  # noqa: E402


def read(path):
    """One row for each policy of a results file."""
    data = results.load(path)
    cells, trials = data["cells"], data["trials"]
    rows = results.table(data, "drafting").set_index("cell").loc[cells["cell"]].reset_index()
    rows["label"] = [f"`{policy}` {rest}".strip() for policy, _, rest in
                     (label.partition(" ") for label in results.labels(cells))]
    rows["policy_params"] = [f"{cell.policy} {json.dumps(json.loads(cell.params).get('policy', {}), sort_keys=True)}"
                             for cell in cells.itertuples()]
    twice = rows["label"][rows["policy_params"].duplicated()]
    if len(twice):
        raise ValueError(f"{path}: more than one cell of {twice.iloc[0]} (a file holds one data set, one model and one rule)")
    later = data["steps"][data["steps"]["step"] > 0].groupby("cell")["draft_ns"]
    times = {cell: ns.to_numpy() for cell, ns in later}
    rows["drafts"] = [times.get(cell, np.array([])) for cell in rows["cell"]]
    paired = trials[(trials["plain_ns"] > 0) & trials["speedup"].notna()].groupby("cell")[["plain_ns", "decode_ns"]].sum()
    equal = ((trials["equal"] == 1) & (trials["logits_equal"] == 1)).groupby(trials["cell"]).agg(["sum", "size"])
    for sums in (paired, equal):
        rows = rows.merge(sums, how="left", left_on="cell", right_index=True)
    rows["timed"] = (cells["timed"] == 1).to_numpy()
    return rows.set_index("policy_params")


def name_of(path):
    """What the files' names do not share is the set: policies-rag.h5 is rag."""
    return re.sub(r"^[^-]*-", "", pathlib.Path(path).stem)


def mean_of(values, every):
    """Over the sets that have a value, or NaN where `every` set must have one."""
    known = [float(v) for v in values if not pd.isna(v)]
    return np.mean(known) if known and (len(known) == len(values) or not every) else np.nan


def percent(value):
    return "-" if np.isnan(value) else f"{100 * value:.0f}%"


def check(sets):
    """Raises ValueError for sets that cannot share a table."""
    first, rows = next(iter(sets.items()))
    for name, other in sets.items():
        missing = [*(rows["label"][key] for key in rows.index.difference(other.index)),
                   *(other["label"][key] for key in other.index.difference(rows.index))]
        if missing:
            raise ValueError(f"{first} and {name} differ in policies or their parameters: {', '.join(dict.fromkeys(missing))}")
        if rows["timed"].all() != other["timed"].all():
            raise ValueError(f"of {first} and {name} only one has times of passes")


def combine(sets):
    """(label, cells of its row) of each policy, best first."""
    first = next(iter(sets.values()))
    timed = first["timed"].all()
    lines = []
    for key, label in first["label"].items():
        own = [rows.loc[key] for rows in sets.values()]
        mean = {key: mean_of([row[key] for row in own], every=key == "share_of_bound")
                for key in ("share_of_bound", "coverage", "acceptance", "wasted_per_token")}
        drafts = np.concatenate([row["drafts"] for row in own])
        fields = [f"{row['tokens_per_step']:.2f}" for row in own]
        fields += [percent(mean["share_of_bound"]), percent(mean["coverage"]), percent(mean["acceptance"]),
                   f"{mean['wasted_per_token']:.2f}"]
        fields += [f"{np.quantile(drafts, q):.0f}" if len(drafts) else "-" for q in (0.5, 0.99)]
        order = mean["share_of_bound"]
        if timed:
            plain, own_ns = (np.nansum([row[key] for row in own]) for key in ("plain_ns", "decode_ns"))
            order = plain / own_ns if own_ns > 0 else np.nan
            fields = ["-" if np.isnan(order) else f"{order:.2f}", *fields, f"{sum(row['sum'] for row in own)}/{sum(row['size'] for row in own)}"]
        lines.append((order, label, fields))
    columns = [*sets, "share", "coverage", "acceptance", "wasted", "p50 ns", "p99 ns"]
    if timed:
        columns = ["speed-up", *columns, "equal"]
    lines.sort(key=lambda line: np.inf if np.isnan(line[0]) else -line[0])
    return columns, [(label, fields) for _, label, fields in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("files", nargs="+", metavar="FILE.h5")
    files = parser.parse_args().files
    try:
        sets = {}
        for path in files:
            if name_of(path) in sets:
                raise ValueError(f"{path}: another file is named {name_of(path)}, too (NAME in *-NAME.h5 tells sets apart)")
            sets[name_of(path)] = read(path)
        check(sets)
    except (OSError, ValueError) as why:
        sys.exit(f"{pathlib.Path(__file__).name}: {why}")
    columns, lines = combine(sets)
    print("| policy | " + " | ".join(columns) + " |")
    print("| --- " * (len(columns) + 1) + "|")
    for label, fields in lines:
        print(f"| {label} | " + " | ".join(fields) + " |")


if __name__ == "__main__":
    main()
