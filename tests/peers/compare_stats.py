"""The statistics of analysis/stats/ beside SciPy's, R's and plain Python's: the largest relative difference of each.

    make build/release/peer_stats && python3 tests/peers/compare_stats.py [-p PEER_STATS] [-r DATA_SETS]

Intervals come from the same resamples: peer_stats prints how many times each group is in each, and SciPy's bootstrap gets
these instead of its own, at the level that our correction for few groups gives (analysis/stats/bootstrap.h, B2). Exact p with
ties and zeros, which SciPy leaves to the normal distribution, is put beside all signs tried one by one. Needs scipy; uses
Rscript where there is one. Exit status 1 when one differs by more than 1e-9, or
an interval by more than 1e-7: GSL's quantile functions are good to nine or ten digits.
"""
import argparse
import itertools
import json
import math
import pathlib
import shutil
import subprocess
import sys
import warnings

import numpy as np
import scipy.stats
from scipy.stats import _resampling

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build" / "release"
worst = {}


def peer(program, *words):
    text = " ".join(str(w) if isinstance(w, str) else repr(float(w)) if isinstance(w, float) else str(w) for w in words)
    return subprocess.run([program], input=text, capture_output=True, text=True, check=True).stdout


def note(name, got, want):
    # What is nearly zero is compared with one.
    difference = 0.0 if got == want else abs(got - want) / max(abs(want), 1e-3)
    worst[name] = max(worst.get(name, 0.0), difference)


# ---- intervals ----------------------------------------------------------------------------------------------------

def level(n, strata=1):
    free = n - strata
    return 1 - 2 * scipy.stats.norm.sf(scipy.stats.t.isf(0.025, free) * math.sqrt(n / free))


def micro(a, b, axis=-1):
    return a.sum(axis=axis) / b.sum(axis=axis)


STATISTICS = {
    "micro": lambda a, b, c, d, axis: micro(a, b, axis),
    "macro": lambda a, b, c, d, axis: np.mean(a / b, axis=axis),
    "geometric": lambda a, b, c, d, axis: scipy.stats.gmean(a / b, axis=axis),
    "median": lambda a, b, c, d, axis: np.median(a / b, axis=axis),
    "difference": lambda a, b, c, d, axis: micro(a, b, axis) - micro(c, d, axis),
    "quotient": lambda a, b, c, d, axis: micro(a, b, axis) / micro(c, d, axis),
}


def scipy_interval(statistic, arms, rows):
    """SciPy's BCa interval from the given resamples, each a row of indices."""
    saved = _resampling._bootstrap_resample
    _resampling._bootstrap_resample = lambda sample, n_resamples=None, random_state=None: sample[..., rows]
    try:
        done = scipy.stats.bootstrap(arms, statistic, paired=True, vectorized=True, n_resamples=len(rows), method="BCa",
                                     confidence_level=level(len(arms[0])))
    finally:
        _resampling._bootstrap_resample = saved
    return done.confidence_interval


def intervals(program, rng, n):
    times = np.array([line.split() for line in peer(program, "resamples", n).splitlines()], dtype=int)
    rows = np.array([np.repeat(np.arange(n), t) for t in times])
    a = rng.lognormal(0, 0.6, n)
    b = a / rng.lognormal(math.log(2), 0.4, n)
    c = rng.lognormal(0, 0.5, n)
    d = b * rng.lognormal(0.02, 0.02, n)
    ours = json.loads(peer(program, "groups", n, *np.stack([a, b, c, d], 1).ravel().tolist()))
    for name, statistic in STATISTICS.items():
        note(name, ours[name]["value"], statistic(a, b, c, d, -1))
        theirs = scipy_interval(statistic, (a, b, c, d), rows)
        assert ours[name]["method"] == "bca", (name, ours[name])
        note(f"BCa of {name}", ours[name]["lo"], theirs.low)
        note(f"BCa of {name}", ours[name]["hi"], theirs.high)
    for got, want in zip(ours["quartiles"], np.quantile(a / b, [0.25, 0.75])):
        note("quartiles", got, want)


# ---- tests --------------------------------------------------------------------------------------------------------

def tried(d, ranked):
    """Exact p of the signed-rank test by trying all signs."""
    d = np.asarray(d, dtype=float)
    kept = d if ranked else d[d != 0]
    ranks = scipy.stats.rankdata(np.abs(kept))[kept != 0]
    signs = np.array(list(itertools.product([0, 1], repeat=len(ranks))))
    sums = signs @ ranks
    mine = ranks[kept[kept != 0] > 0].sum()
    return min(1.0, 2 * min(np.mean(sums <= mine), np.mean(sums >= mine)))


def signed_ranks(program, rng):
    n = int(rng.integers(4, 60))
    d = rng.normal(0.2, 1, n)
    exact = json.loads(peer(program, "signed_rank", n, 100, *d.tolist()))
    note("signed rank, exact", exact["dropped"]["p"], scipy.stats.wilcoxon(d, mode="exact").pvalue)
    tied = np.round(rng.normal(0.3, 2, n))
    if (tied != 0).any():
        normal = json.loads(peer(program, "signed_rank", n, 0, *tied.tolist()))
        for ours, theirs in (("dropped", "wilcox"), ("ranked", "pratt")):
            want = scipy.stats.wilcoxon(tied, zero_method=theirs, correction=True, mode="approx")
            note(f"signed rank, normal, zeros {ours}", normal[ours]["p"], want.pvalue)
    small = tied[:12]
    exact = json.loads(peer(program, "signed_rank", len(small), 100, *small.tolist()))
    for name in ("dropped", "ranked"):
        note(f"signed rank, exact with ties, zeros {name}", exact[name]["p"], tried(small, name == "ranked"))


def holm(p):
    order = np.argsort(p)
    out = np.empty(len(p))
    out[order] = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * np.asarray(p)[order]))
    return out


def families(program, rng):
    p = rng.uniform(0, 1, int(rng.integers(1, 20))) ** 3
    for got, want in zip(json.loads(peer(program, "holm", len(p), *p.tolist())), holm(p)):
        note("Holm", got, want)


def in_r(program, rng, rscript):
    n = int(rng.integers(5, 40))
    d, p = rng.normal(0.2, 1, n), rng.uniform(0, 1, 9) ** 3
    tied = np.round(rng.normal(1, 2, n))
    tied = tied[tied != 0]
    script = "d <- c({}); t <- c({}); p <- c({}); w <- wilcox.test(d, exact=TRUE)$p.value; " \
        "v <- suppressWarnings(wilcox.test(t, exact=FALSE, correct=TRUE))$p.value; " \
        "cat(format(c(w, v, quantile(d, 0.25), median(d), p.adjust(p, 'holm')), digits=17), sep='\\n')"
    lists = [", ".join(map(repr, x.tolist())) for x in (d, tied, p)]
    done = subprocess.run([rscript, "-e", script.format(*lists)], capture_output=True, text=True, check=True)
    theirs = [float(x) for x in done.stdout.split()]
    note("R: signed rank, exact", json.loads(peer(program, "signed_rank", n, 100, *d.tolist()))["dropped"]["p"], theirs[0])
    normal = json.loads(peer(program, "signed_rank", len(tied), 0, *tied.tolist()))
    note("R: signed rank, normal", normal["dropped"]["p"], theirs[1])
    # The quartile of exp(d) / 1 is exp of d's only where it is an order statistic: compare d itself, shifted above zero.
    shift = 10 + d
    ours = json.loads(peer(program, "groups", n, *np.stack([shift, np.ones(n), shift, np.ones(n)], 1).ravel().tolist()))
    note("R: quartile", ours["quartiles"][0] - 10, theirs[2])
    note("R: median", ours["median"]["value"] - 10, theirs[3])
    for got, want in zip(json.loads(peer(program, "holm", len(p), *p.tolist())), theirs[4:]):
        note("R: Holm", got, want)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-p", "--program", default=BUILD / "peer_stats", type=pathlib.Path)
    parser.add_argument("-r", "--rounds", default=40, type=int, help="data sets of each kind")
    options = parser.parse_args()
    rng = np.random.default_rng(16)
    warnings.simplefilter("ignore")  # of SciPy, where we ask for the normal distribution of few differences
    rscript = shutil.which("Rscript")
    for i in range(options.rounds):
        intervals(options.program, rng, int(rng.integers(10, 80)))
        signed_ranks(options.program, rng)
        families(options.program, rng)
        if rscript and i < 10:
            in_r(options.program, rng, rscript)
    print(f"SciPy {scipy.__version__}, NumPy {np.__version__}, {'R' if rscript else 'no R'}: {options.rounds} data sets")
    for name, difference in worst.items():
        print(f"{name:45} largest relative difference {difference:.1e}")
    return 1 if any(w > (1e-7 if name.startswith("BCa") else 1e-9) for name, w in worst.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
