"""Figures from a results file (HDF5).

load() reads the tables into pandas; every other function draws one figure from what load() gave and
returns it. Nothing is measured here: all numbers are sums over the rows of the file, and ratios of sums,
as in counts.h. Colours are Okabe and Ito's, told apart by colour-blind readers too; lines also differ in
their markers.

    python3 plots.py RESULTS.h5 FOLDER      writes heatmap.pdf, acceptance.pdf and, if timed, speedup.pdf
"""

import json
import os
import sys

import h5py
import matplotlib

if "ipykernel" not in sys.modules:  # a notebook chooses its own backend; everything else has no screen
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator, PercentFormatter

SCHEMA_VERSION = 7
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.02,
}

def _frame(table):
    """A compound table as a DataFrame, texts as str."""
    rows = table[()]
    frame = pd.DataFrame({name: rows[name] for name in rows.dtype.names})
    for name in rows.dtype.names:
        if rows.dtype[name].kind in "SO":
            frame[name] = [v.decode() if isinstance(v, bytes) else v for v in rows[name]]
    return frame


def _settings(path, cells):
    """The columns of /cells that tell cells apart, in the order in which people read them: name to role."""
    names, roles = (np.atleast_1d(cells.attrs.get(name, [])) for name in ("settings", "roles"))
    settings = {str(name, "utf-8"): str(role, "utf-8") for name, role in zip(names, roles)
                if isinstance(name, bytes) and isinstance(role, bytes)}
    if not len(settings) == len(names) == len(roles) > 0 or not set(settings) <= set(cells.dtype.names):
        raise ValueError(f"{path}: the attributes settings and roles of /cells do not name its settings")
    return settings


def _value(v):
    """A parameter as people read it: a number, a name, or the first digits of a file's digest."""
    if not isinstance(v, str):
        return f"{v:g}"
    return v[:19] if v.startswith("sha256:") else v


def _other_params(text, settings):
    """The parameters that have no column of their own, as 'name=value, ...'."""
    params = json.loads(text)
    shown = [(role, name, _value(value)) for role in ("policy", "rule") for name, value in params.get(role, {}).items()
             if settings.get(name) != role]
    names = [name for _, name, _ in shown]
    return ", ".join(f"{f'{role}.{name}' if names.count(name) > 1 else name}={value}" for role, name, value in shown)


def load(path):
    """The tables cells, samples, trials and steps, `about` (the root attributes) and `settings` (name to role of the
    columns that tell cells apart, as results/README.md says).

    cells has a column `other`: the parameters that have no column of their own. trials has the columns of its cell and
    of its sample beside its own (the sample's id as sample_id); steps has cell, sample, repeat, policy, n, k and
    scenario of its trial.
    """
    with h5py.File(path, "r") as f:
        about = dict(f.attrs)
        if about.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"{path}: schema version {about.get('schema_version')} ({SCHEMA_VERSION} is known)")
        cells, samples, trials, steps = (_frame(f[name]) for name in ("cells", "samples", "trials", "steps"))
        settings = _settings(path, f["cells"])
    about = {k: v.decode() if isinstance(v, bytes) else v for k, v in about.items()}
    cells["other"] = [_other_params(text, settings) for text in cells["params"]]
    described = cells.drop(columns=["id"])
    named = samples.drop(columns=["dataset"]).rename(columns={"id": "sample_id"})
    trials = trials.merge(described, on="cell", how="left").merge(named, on="sample", how="left")
    if trials[["policy", "sample_id"]].isna().any(axis=None):
        raise ValueError(f"{path}: a trial names a cell or a sample that is not there")
    told = trials[["trial", "cell", "sample", "repeat", "policy", "n", "k", "scenario"]]
    steps = steps.merge(told, on="trial", how="left")
    return {"cells": cells, "samples": samples, "trials": trials, "steps": steps, "about": about, "settings": settings}


def varying(data):
    """The columns of cells in which they differ, in the order in which people read them: `policy` always, digests
    only where cells differ in nothing else."""
    cells = data["cells"]
    told = [*(name for name, role in data["settings"].items() if role != "digest"), "other"]
    if cells.duplicated(told).any():
        told += [name for name, role in data["settings"].items() if role == "digest"]
    return [name for name in told if name == "policy" or cells[name].nunique() > 1]


def comparable(data, cells, cell):
    """Those of `cells` that can be compared with the row `cell`: they agree in their setup and in the rule."""
    shared = [name for name, role in data["settings"].items() if role in ("setup", "rule")]
    rule = cells["params"].map(lambda text: json.loads(text)["rule"])
    return cells[(cells[shared] == cell[shared]).all(axis=1) & (rule == json.loads(cell["params"])["rule"])]


def tokens_per_step(data):
    """cells, with tokens, steps and tokens_per_step (over all steps of the cell)."""
    sums = data["trials"].groupby("cell")[["tokens", "steps"]].sum()
    sums["tokens_per_step"] = sums["tokens"] / sums["steps"]
    return data["cells"].merge(sums, left_on="cell", right_index=True)


def _groups(data, cells):
    """(what they share, cells) of each set of cells that differ in n and k only; the largest set first."""
    shared = [name for name in (*data["settings"], "other") if name not in ("n", "k")]
    groups = [(dict(zip(shared, values)), of) for values, of in cells.groupby(shared, sort=False)]
    drafting = [g for g in groups if g[0]["policy"] != "none"] or groups
    return sorted(drafting, key=lambda g: -len(g[1]))


def _title(named):
    text = f"{named['policy']} on {named['dataset']} ({named['model']}, {named['rule']}"
    if named["temperature"] > 0:
        text += f", temperature {named['temperature']:g}"
    return text + ")"


def heatmap(data, group=0):
    """Tokens per step over trigger length n and copy length k, of one set of comparable cells."""
    shared, cells = _groups(data, tokens_per_step(data))[group]
    grid = cells.pivot_table(index="n", columns="k", values="tokens_per_step", aggfunc="first")
    height, width = grid.shape
    with plt.rc_context({**STYLE, "axes.spines.left": False, "axes.spines.bottom": False}):
        fig, ax = plt.subplots(figsize=(1.6 + 0.52 * max(width, 4), 1.0 + 0.36 * max(height, 2)), layout="constrained")
        image = ax.imshow(grid.to_numpy(), cmap="cividis", aspect="auto")
        ax.set_xticks(range(width), ["–" if k < 0 else str(k) for k in grid.columns])
        ax.set_yticks(range(height), ["–" if n < 0 else str(n) for n in grid.index])
        ax.set_xlabel("copy length $k$ (tokens per pass)")
        ax.set_ylabel("trigger length $n$ (tokens)")
        ax.tick_params(length=0)
        middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
        for i in range(height):
            for j in range(width):
                value = grid.iat[i, j]
                if np.isfinite(value):
                    ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8,
                            color="white" if value <= middle else "black")
        bar = fig.colorbar(image, ax=ax, pad=0.02, aspect=12)
        bar.set_label("tokens per step")
        bar.outline.set_linewidth(0)
        ax.set_title(_title(shared), loc="left")
    return fig


def positions(steps):
    """Counts by draft position from 1: reached (testable there), tested (all before it accepted), accepted."""
    longest = int(steps["depth"].max()) if len(steps) else 0
    depth, accepted = steps["depth"].to_numpy(), steps["accepted"].to_numpy()
    rows = []
    for i in range(1, longest + 1):
        reached = depth >= i
        rows.append((i, reached.sum(), (reached & (accepted >= i - 1)).sum(), (reached & (accepted >= i)).sum()))
    counts = pd.DataFrame(rows, columns=["position", "reached", "tested", "accepted"])
    counts["share_of_reached"] = counts["accepted"] / counts["reached"]
    counts["share_of_tested"] = counts["accepted"] / counts["tested"].replace(0, np.nan)
    return counts


def acceptance_by_position(data, group=0, most=len(COLOURS), few=20):
    """Left: share of the drafts that reach a position in which it is accepted. Right: the same, of those in
    which everything before it was accepted. One line for each n, at the largest k; a point stands on at least
    `few` drafts."""
    drafting = data["steps"][data["steps"]["depth"] > 0]
    shared, cells = _groups(data, data["cells"])[group]
    cells = cells.sort_values(["n", "k"]).groupby("n").tail(1).head(most)
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, 2, figsize=(6.5, 2.5), sharex=True, sharey=True, layout="constrained")
        for line, (_, cell) in enumerate(cells.iterrows()):
            counts = positions(drafting[drafting["cell"] == cell["cell"]])
            label = f"$n$ = {cell['n']}" if cell["n"] >= 0 else cell["policy"]
            for ax, of in zip(axes, ("reached", "tested")):
                shown = counts[counts[of] >= few]
                ax.plot(shown["position"], shown[f"share_of_{of}"], label=label, color=COLOURS[line % len(COLOURS)],
                        marker=MARKERS[line % len(MARKERS)], markevery=max(1, len(shown) // 8))
        for ax, title in zip(axes, ("of all drafts this long", "of drafts accepted up to there")):
            ax.set_title(title, loc="left")
            ax.set_xlabel("position in the draft (tokens)")
            ax.set_ylim(0, 1.02)
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
            ax.grid(axis="y", linewidth=0.3, color="0.85")
            ax.set_axisbelow(True)
        axes[0].set_ylabel("accepted")
        if axes[0].lines:
            axes[0].legend(loc="best", handlelength=1.6)
        ks = sorted(set(cells["k"]) - {-1})
        suffix = f", $k$ = {ks[0]}" if len(ks) == 1 else ""
        fig.suptitle(_title(shared) + suffix, x=0.01, ha="left", fontsize=9)
    return fig


def whole_cells(trials, column):
    """The trials that decode after the prompt's pass, of the cells in which each of them has a value: those of other
    cells are no fair sample (S1 of spreads.h)."""
    timed = trials[(trials["tokens"] > 1) & (trials["plain_tokens"] > 1)]
    return timed[timed[column].notna().groupby(timed["cell"]).transform("all")]


def speedup(data):
    """Median and quartiles of each cell's speed-up over plain decoding: measured where the target was timed,
    else modeled from a cost file. ValueError when no cell has either for all of its trials."""
    trials = data["trials"][data["trials"]["policy"] != "none"]
    column = next((c for c in ("speedup", "modeled_speedup") if len(whole_cells(trials, c))), None)
    if column is None:
        raise ValueError("no speed-up that is of all trials of a cell, and no modeled one either")
    spread = whole_cells(trials, column).groupby("cell")[column].quantile([0.25, 0.5, 0.75]).unstack()
    cells = data["cells"].set_index("cell").loc[spread.index]
    labels = [c["policy"] + (f" {c['n']}, {c['k']}" if c["n"] >= 0 else "") for _, c in cells.iterrows()]
    y = np.arange(len(spread))[::-1]
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(5.0, 0.8 + 0.17 * len(spread)), layout="constrained")
        ax.hlines(y, spread[0.25], spread[0.75], color=COLOURS[0], linewidth=2.5, alpha=0.45)
        ax.plot(spread[0.5], y, "o", color=COLOURS[0])
        ax.axvline(1, color="0.4", linewidth=0.8, linestyle="--")
        ax.set_yticks(y, labels)
        ax.set_ylim(-0.7, len(spread) - 0.3)
        ax.set_xlabel(f"{'measured' if column == 'speedup' else 'modeled'} speed-up (median, quartiles)")
        ax.set_ylabel("policy $n$, $k$" if (cells["n"] >= 0).any() else "policy")
        ax.grid(axis="x", linewidth=0.3, color="0.85")
        ax.set_axisbelow(True)
    return fig


def main(arguments):
    if len(arguments) != 2:
        sys.exit("usage: plots.py RESULTS.h5 FOLDER")
    data, folder = load(arguments[0]), arguments[1]
    os.makedirs(folder, exist_ok=True)
    # A fixed date: the same results give the same bytes.
    fixed = {"CreationDate": None}
    heatmap(data).savefig(os.path.join(folder, "heatmap.pdf"), metadata=fixed)
    acceptance_by_position(data).savefig(os.path.join(folder, "acceptance.pdf"), metadata=fixed)
    try:
        speedup(data).savefig(os.path.join(folder, "speedup.pdf"), metadata=fixed)
    except ValueError:
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
