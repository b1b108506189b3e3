"""Sums and ratios of sums over the rows of a results file: what the pictures draw, as tables.

The same numbers as those of `harness tables` have the same definitions (analysis/README.md), and tests compare them.
"""

import numpy as np
import pandas as pd

from .results import NothingToShow

SOURCES = ("references", "prompt", "output", "elsewhere", "no draft")


def tokens_per_step(data):
    """cells, with tokens, steps and tokens_per_step (over all steps of the cell)."""
    sums = data["trials"].groupby("cell")[["tokens", "steps"]].sum()
    sums["tokens_per_step"] = sums["tokens"] / sums["steps"]
    return data["cells"].merge(sums.reset_index(), on="cell")


def whole_cells(trials, column):
    """The trials that decode after the prompt's pass, of the cells in which each of them has a value: those of other
    cells are no fair sample (S1 of spreads.h)."""
    timed = trials[(trials["tokens"] > 1) & (trials["plain_tokens"] > 1)]
    return timed[timed[column].notna().groupby(timed["cell"]).transform("all")]


def positions(steps):
    """Counts by draft position from 1: reached (testable there), tested (all before it accepted), accepted."""
    longest = int(steps["depth"].max()) if len(steps) else 0
    depth, accepted = steps["depth"].to_numpy(), steps["accepted"].to_numpy()
    rows = []
    for i in range(1, longest + 1):
        reached = depth >= i
        rows.append((i, reached.sum(), (reached & (accepted >= i - 1)).sum(), (reached & (accepted >= i)).sum()))
    counts = pd.DataFrame(rows, columns=["position", "reached", "tested", "accepted"])
    counts["share_of_reached"] = counts["accepted"] / counts["reached"].replace(0, np.nan)
    counts["share_of_tested"] = counts["accepted"] / counts["tested"].replace(0, np.nan)
    return counts


def source_names(steps):
    """Where each step's draft was copied from, one of SOURCES."""
    names = np.select([steps["drafted"] == 0, steps["source"] >= 0, steps["source"] == -2, steps["source"] == -3],
                      ["no draft", "references", "prompt", "output"], "elsewhere")
    return pd.Series(pd.Categorical(names, SOURCES), index=steps.index, name="copied_from")


def step_sums(steps, by):
    """Steps after the prompt's by a Series `by`: steps, tokens, share_of_tokens, acceptance, and the speed-up over plain
    decoding at the same positions (NaN where that has no time)."""
    after = steps[steps["step"] > 0]
    after = after.assign(own=after["draft_ns"].astype(float) + after["verify_ns"],
                         unpaired=(after["plain_ns"] == 0) | (after["timed"] == 0))
    groups = after.groupby(by.loc[after.index], observed=True)
    sums = groups[["emitted", "testable", "accepted", "own", "plain_ns", "unpaired"]].sum()
    out = pd.DataFrame({"steps": groups.size(), "tokens": sums["emitted"]})
    out["share_of_tokens"] = sums["emitted"] / max(after["emitted"].sum(), 1)
    out["acceptance"] = sums["accepted"] / sums["testable"].replace(0, np.nan)
    out["speedup"] = (sums["plain_ns"] / sums["own"].replace(0, np.nan)).where(sums["unpaired"] == 0)
    return out


def scaled_plain_ns(trials):
    """Plain decoding's time for as many tokens as each trial has; its own where the outputs are equal."""
    return trials["plain_ns"] * (trials["tokens"] - 1) / (trials["plain_tokens"] - 1)


def time_parts(data):
    """cells that were timed, with the parts of their decoding time, the prompt's pass left out: drafting, passes, rest
    (accepting, keeping what was accepted), in ns per token, and plain, plain decoding's time per token (NaN where it
    was not timed)."""
    trials = data["trials"]
    trials = trials[(trials["timed"] == 1) & (trials["tokens"] > 1) & (trials["plain_tokens"] > 1)]
    if not len(trials):
        raise NothingToShow("no times: in replay no pass of a model is made")
    times = pd.DataFrame({"cell": trials["cell"], "after_first": trials["tokens"] - 1,
                          "drafting": trials["draft_ns"].astype(float),
                          "passes": trials["verify_ns"].astype(float) - trials["prefill_ns"],
                          "decode": trials["decode_ns"].astype(float),
                          "plain": scaled_plain_ns(trials), "unpaired": trials["plain_ns"] == 0})
    sums = times.groupby("cell").sum()
    sums["rest"] = (sums["decode"] - sums["drafting"] - sums["passes"]).clip(lower=0)
    sums["plain"] = sums["plain"].where(sums["unpaired"] == 0)
    parts = sums[["drafting", "passes", "rest", "plain"]].div(sums["after_first"], axis=0)
    return data["cells"].merge(parts.reset_index(), on="cell")


def pass_times(steps, few=5):
    """Times of the passes after the prompt's by the tokens that went through them: tokens, passes, median, q1, q3 (ns).
    Only where there were `few` passes or more."""
    after = steps[(steps["step"] > 0) & (steps["timed"] == 1)]
    groups = after["verify_ns"].groupby(after["drafted"].astype(int) + 1)
    out = groups.quantile([0.25, 0.5, 0.75]).unstack() if len(after) else pd.DataFrame(columns=[0.25, 0.5, 0.75])
    out = out.rename(columns={0.25: "q1", 0.5: "median", 0.75: "q3"})
    out.insert(0, "passes", groups.size())
    out.index.name = "tokens"
    return out[out["passes"] >= few].reset_index()


def cost_times(text):
    """A cost file's T(k, c) as a table: tokens (k), context (c), median (ns)."""
    rows, context = [], None
    for line in text.splitlines():
        line = line.split(";")[0].strip()
        if line.startswith("["):
            words = line.strip("[]").split()
            context = int(words[1]) if len(words) > 1 else 0 if words == ["T"] else None
        elif "=" in line and context is not None:
            k, times = (part.strip() for part in line.split("=", 1))
            rows.append((int(k), context, float(times.split()[0])))
    return pd.DataFrame(rows, columns=["tokens", "context", "median"])


def records(data, column):
    """cell, scenario, sample and `value` of each record in each cell, repeats pooled, for `column` one of
    tokens_per_step, speedup and modeled_speedup; of whole cells only, as analysis/README.md says."""
    trials = data["trials"]
    if column != "tokens_per_step":
        trials = whole_cells(trials, column)
    part, whole = _ratio(trials, column)
    sums = pd.DataFrame({"part": part, "whole": whole}).groupby([trials["cell"], trials["scenario"], trials["sample"]]).sum()
    return sums.reset_index()


def _ratio(trials, column):
    """What is summed over what: as in metrics.c."""
    if column == "tokens_per_step":
        return trials["tokens"].astype(float), trials["steps"].astype(float)
    if column == "speedup":
        return scaled_plain_ns(trials), trials["decode_ns"].astype(float)
    return trials["tokens"] - 1.0, (trials["tokens"] - 1) / trials["modeled_speedup"]


def by_scenario(data, column):
    """cell, scenario, records, value: the ratio of totals over the records of each scenario."""
    sums = records(data, column).groupby(["cell", "scenario"]).agg(records=("sample", "nunique"), part=("part", "sum"),
                                                                    whole=("whole", "sum")).reset_index()
    sums["value"] = sums["part"] / sums["whole"].replace(0, np.nan)
    return sums.drop(columns=["part", "whole"])


def frontier(cost, gain):
    """Which points no other point beats: none gains as much at less cost, or more at the same."""
    order = np.lexsort((-np.asarray(gain), np.asarray(cost)))
    best, keep = -np.inf, np.zeros(len(order), bool)
    for i in order:
        if np.isfinite(cost[i]) and gain[i] > best:
            best, keep[i] = gain[i], True
    return keep


def quality(data):
    """cells, with agreement (share of plain decoding's tokens before the first divergence) and log_p (log-likelihood per
    token, less that of plain decoding's outputs; NaN without logits)."""
    trials = data["trials"]
    at = trials["first_divergence"].where(trials["first_divergence"] >= 0, trials["plain_tokens"])
    rows = pd.DataFrame({"cell": trials["cell"], "agreeing": at, "plain_tokens": trials["plain_tokens"],
                         "tokens": trials["tokens"], "own": trials["log_likelihood"],
                         "plain": trials["plain_log_likelihood"]})
    sums = rows.groupby("cell").agg(lambda v: v.sum(skipna=False))
    out = pd.DataFrame({"agreement": sums["agreeing"] / sums["plain_tokens"],
                        "log_p": sums["own"] / sums["tokens"] - sums["plain"] / sums["plain_tokens"]})
    return data["cells"].merge(out.reset_index(), on="cell")


def partings(data, column="equal"):
    """The first step of each trial in which its ids, or its logits (column="logits_equal"), are no longer plain
    decoding's, plain decoding's own trials left out: trial, cell, at (the output index; of logits, the step's first),
    margin (the smallest gap between the two best logits in that step)."""
    steps, trials = data["steps"], data["trials"]
    first = steps[(steps[column] == 0) & (steps["policy"] != "none")].drop_duplicates("trial")
    first = first[["trial", "cell", "position", "margin"]]
    if column != "equal":
        return first.rename(columns={"position": "at"})
    at = trials.set_index("trial")["first_divergence"]
    return first.drop(columns="position").assign(at=first["trial"].map(at))


def still_equal(trials, at):
    """The share of outputs that are still plain decoding's after so many tokens, as (tokens, share), by Kaplan and Meier's
    estimate: an output that ends before it parts says nothing about later positions. at: output index of each trial's
    parting, -1 where there is none."""
    parted = at >= 0
    end = np.where(parted, at, trials["tokens"].to_numpy() - 1)
    tokens, shares, share = [0], [1.0], 1.0
    for position in np.unique(end[parted]):
        share *= 1 - (parted & (end == position)).sum() / (end >= position).sum()
        tokens.append(int(position) + 1)
        shares.append(share)
    return np.array([*tokens, max(int(end.max()) + 1, tokens[-1])]), np.array([*shares, share])
