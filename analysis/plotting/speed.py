"""Pictures of what policies bring: speed-ups, by n and k, by scenario, against what steps cost, and where time goes."""

from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from . import numbers, style
from .results import NothingToShow, facets, labels, summary, told
from .style import COLOURS, HATCHES, STYLE, plt


class Measure(NamedTuple):
    """What a picture is about: the column of a trial, that of summary() with its interval, and its name."""
    trial: str
    cell: str
    lo: str
    hi: str
    label: str
    short: str


MEASURES = {
    "speedup": Measure("speedup", "speedup_total", "speedup_total_lo", "speedup_total_hi",
                       "speed-up (plain decoding's total time / the policy's)", "speed-up"),
    "modeled_speedup": Measure("modeled_speedup", "modeled_speedup_total", "modeled_speedup_total_lo",
                               "modeled_speedup_total_hi", "modeled speed-up (from a cost file, drafting left out)",
                               "modeled speed-up"),
    "tokens_per_step": Measure("tokens_per_step", "tokens_per_step", "tokens_per_step_lo", "tokens_per_step_hi",
                               "tokens per step", "tokens per step"),
}


def measure_of(data, name=None):
    """The Measure called `name`; without a name the first that some cell has: speedup, modeled_speedup,
    tokens_per_step. NothingToShow where no cell has a value."""
    if name is not None and name not in MEASURES:
        raise ValueError(f"no measure {name} ({', '.join(MEASURES)})")
    cells = summary(data)
    drafting = cells[cells["policy"] != "none"]
    for m in [MEASURES[name]] if name else MEASURES.values():
        of = drafting if len(drafting) or m.trial != "tokens_per_step" else cells
        if np.isfinite(of[m.cell].astype(float)).any():
            return m
    raise NothingToShow(f"no cell has a {MEASURES[name].short if name else 'measure'} of all of its trials")


def measured(data, m):
    """summary() with value, lo and hi of the measure, where there is a value that can be drawn."""
    cells = summary(data)
    for column, of in (("value", m.cell), ("lo", m.lo), ("hi", m.hi)):
        cells[column] = cells[of].astype(float)
    return cells[np.isfinite(cells["value"])]


BOUND = "oracle"  # a control: no policy reaches it, so it is neither the best policy nor what others are beaten by
LABEL = 34  # characters in a line of a label beside an axis


def order_of(data):
    """Each policy's place in the file: what its colour and marker go by in every picture of policies."""
    return {policy: i for i, policy in enumerate(dict.fromkeys(p for p in data["cells"]["policy"] if p != "none"))}


def _without(data, sets, m):
    """What is said of sets of comparable cells in which no cell has a value, or None."""
    of = [title for title, cells in facets(data) if (cells["policy"] != "none").any()]
    gone = len(of) - len(sets)
    return f"{gone} of {len(of)} sets of cells left out: no {m.short} of all trials" if gone else None


def _part(cells, of):
    """The rows of `cells` that are in `of`."""
    return cells[cells["cell"].isin(of["cell"])]


def _bars(values, lo, hi):
    """Lengths of error bars; none where there is no interval or where it has no end."""
    below, above = values - lo, hi - values
    known = np.isfinite(below) & np.isfinite(above)
    return np.vstack([np.where(known, below, 0).clip(min=0), np.where(known, above, 0).clip(min=0)])


def _no_gain(ax, m, vertical):
    if m.trial != "tokens_per_step":
        (ax.axvline if vertical else ax.axhline)(1, color="0.4", linewidth=0.8, linestyle="--", zorder=1)


def speedup(data, measure=None, most=40):
    """Each cell's speed-up over plain decoding with its 95% interval, the best first; a pale bar spans the quartiles of
    the trials. Measured where the target was timed, else modeled from a cost file, else tokens per step; `measure`
    names one of them. The `most` best cells of each panel."""
    m = measure_of(data, measure)
    cells = measured(data, m)
    sets = [(title, _part(cells, of[of["policy"] != "none"])) for title, of in facets(data)]
    there = max((len(of) for _, of in sets), default=0)
    sets = [(title, of.assign(label=labels(of)).sort_values("value", ascending=False).head(most))
            for title, of in sets if len(of)]
    if not sets:
        raise NothingToShow(f"no cell beside plain decoding has a {m.short} of all of its trials")
    rows, across = _bars_layout(sets)
    with plt.rc_context(STYLE):
        fig, axes = style.panels([title for title, _ in sets], 2.6, ROW * rows, across, sharex=True)
        for ax, (_, of) in zip(axes, sets):
            y = _name_bars(ax, of, rows)
            if m.trial != "tokens_per_step":
                stem = m.cell.replace("_total", "")
                known = (of[f"{stem}_q1"].notna() & of[f"{stem}_q3"].notna()).to_numpy()
                ax.hlines(y[known], of[f"{stem}_q1"][known], of[f"{stem}_q3"][known], color=COLOURS[5], linewidth=5,
                          alpha=0.4, label="quartiles of trials")
            ax.errorbar(of["value"], y, xerr=_bars(of["value"], of["lo"], of["hi"]), fmt="o", color=COLOURS[0],
                        elinewidth=1.2, label="of totals, 95% interval" if m.cell.endswith("total") else "95% interval")
            _no_gain(ax, m, vertical=True)
            style.grid_lines(ax, "x")
        style.one_legend(axes)
        style.note(fig, _without(data, sets, m))
        style.note(fig, style.some_of(there, most, "cells"))
        fig.supxlabel(m.label, fontsize=9)
        style.fit(fig, 2.6, ROW * rows)
    return fig


ROW = 0.17  # inches of a row whose label has one line


def _bar_rows(labels_of):
    """Labels broken into lines, and rows that each takes."""
    names = [style.wrapped(label, LABEL) for label in labels_of]
    return names, np.array([1 + 0.65 * name.count("\n") for name in names])


def _bars_layout(sets):
    """Rows of the fullest panel (four at least), and panels across."""
    names = [_bar_rows(of["label"]) for _, of in sets[:style.MOST_PANELS]]
    across = 3 if max(len(label) for _, of in sets for label in of["label"]) < 20 else 2
    return max(4, *(size.sum() for _, size in names)), across


def _name_bars(ax, of, rows):
    """Labels of cells from top to bottom, and where their bars are; what a panel has less than `rows` stays empty."""
    names, size = _bar_rows(of["label"])
    y = size / 2 - np.cumsum(size)
    ax.set_yticks(y, names, fontsize=7.5 if (size > 1).any() else 9)
    ax.set_ylim(-rows - 0.1, 0.1)
    return y


def _lines(cells):
    """(label, cells by k) of each set of cells that differ in k only and have two or more of it."""
    with_k = cells[(cells["k"] >= 0) & (cells["policy"] != "none")]
    out = []
    for _, of in with_k.groupby(["policy", "n", "other_policy"], sort=False):
        of = of.drop_duplicates("k").sort_values("k")
        if len(of) > 1:
            out.append(of)
    if not out:
        return []
    names = labels(with_k).str.replace(r" k=\d+", "", regex=True)
    return [(names[of.index[0]], of) for of in out]


def speedup_by_k(data, measure=None, most=len(COLOURS)):
    """The speed-up against the copy length k, with 95% intervals: a line for each policy and n that was run at two k or
    more, the `most` best in each panel. Where a cost file was given, dashed lines are what it predicts. The best cell
    of a policy without such a line is a grey one across."""
    m = measure_of(data, measure)
    cells = measured(data, m)
    sets = [(title, _part(cells, of)) for title, of in facets(data)]
    sets = [(title, of, _lines(of)) for title, of in sets]
    sets = [(title, of, lines) for title, of, lines in sets if lines]
    if not sets:
        raise NothingToShow("no policy was run at two copy lengths k or more")
    names = list(dict.fromkeys(name for _, _, lines in sets for name, _ in lines))
    values = np.concatenate([of["value"] for _, of, _ in sets])
    span = values.max() - values.min()
    with plt.rc_context(STYLE):
        fig, axes = style.panels([title for title, _, _ in sets], 2.3, 1.9, sharey=True)
        for ax, (_, of, lines) in zip(axes, sets):
            best = sorted(lines, key=lambda line: -line[1]["value"].max())[:most]
            for name, line in (line for line in lines if any(line[1] is b[1] for b in best)):
                _line_by_k(ax, m, name, line, style.look(names.index(name)))
            drawn = {i for _, line in lines for i in line.index}
            _best_other(ax, of[~of.index.isin(drawn) & ~of["policy"].isin(["none", BOUND])],
                        [line for _, line in best], span)
            _no_gain(ax, m, vertical=False)
            style.powers(ax.xaxis, sorted({int(k) for _, line in lines for k in line["k"]}))
            ax.margins(x=0.12)
            ax.set_xlabel("copy length $k$")
            style.grid_lines(ax, "y")
            if ax.get_subplotspec().colspan.start == 0:
                ax.set_ylabel(m.short)
        known = any(np.isfinite(line[["lo", "hi"]]).all(axis=1).any() for _, _, lines in sets for _, line in lines)
        style.one_legend(axes, last=", by cost file", title="95% intervals" if known else None)
        style.note(fig, style.some_of(max(len(lines) for _, _, lines in sets), most, "lines"))
        style.fit(fig, 2.3, 1.9)
    return fig


def _best_other(ax, others, lines, span):
    """The best of the cells that are on no line, as a grey line across; its name above or below it, left or right, where it
    is farthest from the lines of an axis that spans so much."""
    if not len(others):
        return
    top = others.loc[others["value"].idxmax()]
    ax.axhline(top["value"], color="0.6", linewidth=1, zorder=1)
    ends = np.log2([max(1, min(line["k"].min() for line in lines)), max(line["k"].max() for line in lines)])
    room = {}
    for side, start in (("left", 0.0), ("right", 0.5)):
        k = ends[0] + (ends[1] - ends[0]) * np.linspace(start, start + 0.5, 6)
        for place, up in (("bottom", 1), ("top", -1)):
            middle = top["value"] + up * 0.05 * span
            room[side, place] = min(np.abs(np.interp(k, np.log2(line["k"].clip(lower=1)), line["value"]) - middle).min()
                                    for line in lines)
    side, place = max(room, key=room.get)
    ax.annotate(style.wrapped(labels(others)[top.name], 30), (0.01 if side == "left" else 0.99, top["value"]), ha=side, va=place,
                xycoords=("axes fraction", "data"), xytext=(0, 1 if place == "bottom" else -2), textcoords="offset points",
                fontsize=7, color="0.35", zorder=5)


def _line_by_k(ax, m, name, line, look):
    ax.errorbar(line["k"], line["value"], yerr=_bars(line["value"], line["lo"], line["hi"]), label=name, capsize=2,
                elinewidth=0.8, **look)
    modeled = line["modeled_speedup_total"].astype(float) if "modeled_speedup_total" in line else None
    if m.trial == "speedup" and modeled is not None and np.isfinite(modeled).any():
        ax.plot(line["k"], modeled.where(np.isfinite(modeled)), color=look["color"], linestyle="--", linewidth=1,
                label=f"{name}, by cost file")


def heatmap(data, group=None, measure="tokens_per_step"):
    """A measure over trigger length n and copy length k, a map for each policy and set of comparable cells; its best cell
    is framed. group: only that map, the one with most cells being 0."""
    m = measure_of(data, measure)
    cells = measured(data, m)
    maps = [(f"{_map_name(of, facet)}: {title}", of) for title, facet in facets(data)
            for _, of in _part(cells, facet).groupby(["policy", "other_policy"], sort=False)]
    drafting = [one for one in maps if (one[1]["policy"] != "none").all()] or maps
    drafting = sorted(drafting, key=lambda one: -len(one[1]))
    maps = [drafting[group]] if group is not None else [one for one in drafting if len(one[1]) > 1]
    if not maps:
        raise NothingToShow("no policy was run at two trigger lengths n or two copy lengths k")
    grids = [of.pivot_table(index="n", columns="k", values="value", aggfunc="first") for _, of in maps]
    low, high = min(np.nanmin(g) for g in grids), max(np.nanmax(g) for g in grids)
    width, height = (max(g.shape[i] for g in grids[:style.MOST_PANELS]) for i in (1, 0))
    with plt.rc_context({**STYLE, "axes.spines.left": False, "axes.spines.bottom": False}):
        inches = 0.45 * max(width, 5), 0.3 * max(height, 2)
        fig, axes = style.panels([title for title, _ in maps], *inches)
        for ax, grid in zip(axes, grids):
            image = _draw_map(ax, grid, low, high)
        bar = fig.colorbar(image, ax=axes, pad=0.02, aspect=12 * (1 + (len(axes) - 1) // 3))
        bar.set_label(m.short)
        bar.outline.set_linewidth(0)
        style.fit(fig, *inches)
    return fig


def _map_name(of, facet):
    """The policy of a map, with the parameters that tell it from the policy's other maps."""
    policy = of["policy"].iloc[0]
    others = facet[facet["policy"] == policy]["other_policy"]
    return " ".join([policy, *told(others, of["other_policy"].iloc[0])])


def _draw_map(ax, grid, low, high):
    image = ax.imshow(grid.to_numpy(), cmap="cividis", aspect="auto", vmin=low, vmax=high)
    ax.set_xticks(range(grid.shape[1]), ["–" if k < 0 else str(k) for k in grid.columns])
    ax.set_yticks(range(grid.shape[0]), ["–" if n < 0 else str(n) for n in grid.index])
    ax.set_xlabel("copy length $k$")
    ax.set_ylabel("trigger\nlength $n$")
    ax.tick_params(length=0)
    most = np.nanmax(grid.to_numpy())
    for i, j in np.ndindex(*grid.shape):
        value = grid.iat[i, j]
        if np.isfinite(value):
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8,
                    color="white" if value <= (low + high) / 2 else "black")
            if value == most > np.nanmin(grid.to_numpy()):
                ax.add_patch(plt.Rectangle((j - 0.47, i - 0.47), 0.94, 0.94, fill=False, edgecolor=COLOURS[1], linewidth=2))
    return image


def pareto(data):
    """Tokens per step against what a step costs: its time in plain decoding's steps where that was timed, else the tokens
    checked in it; both axes are logarithmic. Cells on the black line are not beaten: none gains as much at less cost (a
    bound that no policy reaches does not count). With times, a grey line joins what has the same speed-up."""
    cells, cost_label = _step_costs(data)
    cells = cells[(cells["cost"] > 0) & (cells["policy"] != "none")]
    sets = [(title, _part(cells, of)) for title, of in facets(data)]
    sets = [(title, of) for title, of in sets if len(of)]
    if not sets:
        raise NothingToShow("no cell beside plain decoding")
    order = order_of(data)
    policies = sorted({p for _, of in sets for p in of["policy"]}, key=order.get)
    inches = 3.0, 2.6
    limits = [_around(np.concatenate([of[column] for _, of in sets])) for column in ("cost", "tokens_per_step")]
    with plt.rc_context(STYLE):
        fig, axes = style.panels([title for title, _ in sets], *inches, sharex=True, sharey=True)
        for ax, (_, of) in zip(axes, sets):
            for axis, (low, high) in zip((ax.xaxis, ax.yaxis), limits):
                style.powers(axis, _ticks(low, high))
            ax.set(xlim=limits[0], ylim=limits[1])
            for policy, points in of.groupby("policy", sort=False):
                ax.plot(points["cost"], points["tokens_per_step"], linestyle="", label=policy, markersize=4.5,
                        **style.look(order[policy]))
            style.grid_lines(ax, "both")
            if "time" in cost_label:
                _equal_speed(ax)
            _frontier(ax, of[of["policy"] != BOUND], inches)
            if ax.get_subplotspec().colspan.start == 0:
                ax.set_ylabel("tokens per step")
        handles = [plt.Line2D([], [], linestyle="", markersize=4.5, **style.look(order[policy])) for policy in policies]
        style.beside(axes[min(len(axes), 3) - 1], handles, policies, ncol=1 + len(policies) // 16, handlelength=1.8)
        fig.supxlabel(cost_label, fontsize=9)
        style.fit(fig, *inches)
    return fig


def _around(values):
    """Ends of a logarithmic axis with room at both."""
    low, high = values.min(), values.max()
    room = max((high / low) ** 0.1, 1.1)
    return low / room, high * room


def _ticks(low, high):
    """Round numbers between the ends of a logarithmic axis: the fewer, the farther it goes."""
    if high / low < 3:
        return [v for v in MaxNLocator(5).tick_values(low, high) if low <= v <= high]
    doubled = [2.0 ** i for i in range(-10, 20)]
    between = [1.5 * v for v in doubled] if high / low < 12 else []
    return sorted(v for v in doubled + between if low <= v <= high)


def _step_costs(data):
    """cells with tokens_per_step and cost, what a step costs, and its label."""
    cells = numbers.tokens_per_step(data)
    whole = summary(data)[["cell", "speedup_total"]]
    cells = cells.merge(whole, on="cell")
    cells["cost"] = cells["tokens_per_step"] / cells["speedup_total"].astype(float)
    timed = cells[np.isfinite(cells["cost"])]
    if (timed["policy"] != "none").any():
        return timed, "time of a step (plain decoding's = 1)"
    drafted = data["trials"].groupby("cell")["drafted"].sum()
    cells["cost"] = 1 + cells["cell"].map(drafted) / cells["steps"]
    return cells, "tokens checked in a step, its own one included"


def _frontier(ax, of, inches):
    """The line of cells that no other beats, and names beside it, as many as there is room for."""
    best = of[numbers.frontier(of["cost"].to_numpy(), of["tokens_per_step"].to_numpy())]
    best = best.sort_values("cost", ascending=False)
    ax.plot(best["cost"], best["tokens_per_step"], color="0.2", linewidth=0.8, drawstyle="steps-pre", zorder=1)
    names, width, height = labels(of), 0.051 / inches[0], 0.11 / inches[1]
    placed = []  # left, right and middle of names, in shares of the axes
    for i, cell in best.iterrows():
        x, y = ax.transAxes.inverted().transform(ax.transData.transform((cell["cost"], cell["tokens_per_step"])))
        name = names[i] if len(names[i]) < LABEL else names[i][:LABEL - 1] + "…"
        wide = width * len(name)
        side = 1 if x + 0.02 + wide <= 1 or x < 0.5 else -1  # to the right and down, or to the left and up
        left = x + 0.025 if side > 0 else x - 0.025 - wide
        at = y - side * 0.04
        for low, end, other in sorted(placed, key=lambda box: -side * box[2]):
            if left < end and low < left + wide and abs(at - other) < height:
                at = other - side * height
        if abs(at - y) > 0.13 or not 0 < at < 1 or left < 0:
            continue
        placed.append((left, left + wide, at))
        ax.annotate(name, (x, y), xycoords="axes fraction", xytext=(left, at), textcoords="axes fraction", fontsize=6.5,
                    color="0.25", va="center", annotation_clip=False,
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.3},
                    arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "0.6", "shrinkA": 0} if abs(at - y) > 0.08 else None)


def _equal_speed(ax):
    """Lines of equal speed-up: tokens per step / time of a step."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    for ratio in (0.25, 0.5, 1, 2, 4, 8):
        if right * ratio <= low or left * ratio >= high:
            continue
        ax.plot((left, right), (left * ratio, right * ratio), color="0.75", linewidth=0.7,
                linestyle="--" if ratio == 1 else "-", zorder=0)
        x, y = (right, right * ratio) if right * ratio <= high else (high / ratio, high)
        ax.annotate(f"{ratio:g}×", (x, y), fontsize=6.5, color="0.4", ha="right", va="top", annotation_clip=False, zorder=0.5,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})


def by_scenario(data, measure=None, most=6):
    """A measure by scenario: of each policy the cell that is best over all, of these the `most` best. A pale mark is one
    record, a large one the ratio of totals over the scenario. The axis is logarithmic where records differ much."""
    m = measure_of(data, measure)
    cells = measured(data, m)
    totals, records = numbers.by_scenario(data, m.trial), numbers.records(data, m.trial)
    records["value"] = records["part"] / records["whole"].replace(0, np.nan)
    order, sets, there = order_of(data), [], 0
    for title, of in facets(data):
        best = _part(cells, of[of["policy"] != "none"]).sort_values("value", ascending=False)
        best = best[best["cell"].isin(totals["cell"])].drop_duplicates("policy")
        there, best = max(there, len(best)), best.head(most).sort_values("policy", key=lambda names: names.map(order))
        if len(best):
            sets.append((title, best.assign(label=labels(_part(cells, of)).reindex(best.index))))
    if not sets:
        raise NothingToShow(f"no cell beside plain decoding has a {m.short} of all of its trials")
    shown = {cell for _, best in sets for cell in best["cell"]}
    values = np.concatenate([of[of["cell"].isin(shown)]["value"].dropna() for of in (records, totals)])
    values = values[np.isfinite(values) & (values > 0)]
    across = min(3, len(sets))
    width = max(3.2, *(0.13 * len(best) * totals[totals["cell"].isin(best["cell"])]["scenario"].nunique() for _, best in sets))
    with plt.rc_context(STYLE):
        fig, axes = style.panels([title for title, _ in sets], width, 2.2, across if width < 4.5 else 1, sharey=True)
        for ax, (_, best) in zip(axes, sets):
            if len(values) and values.max() > 4 * values.min():
                style.powers(ax.yaxis, _ticks(*_around(values)))
                ax.set_ylim(*_around(values))
            _scenarios(ax, best, totals, records, order)
            _no_gain(ax, m, vertical=False)
            if ax.get_subplotspec().colspan.start == 0:
                ax.set_ylabel(m.short)
            style.below(ax, int(14 * width), fontsize=7)
        style.note(fig, _without(data, sets, m))
        style.note(fig, style.some_of(there, most, "policies"))
        style.fit(fig, width, 2.2)
    return fig


def _scenarios(ax, best, totals, records, order):
    names = list(dict.fromkeys(totals[totals["cell"].isin(best["cell"])]["scenario"]))
    for i, (_, cell) in enumerate(best.iterrows()):
        look = style.look(order[cell["policy"]])
        shift = 0.8 * ((i + 0.5) / len(best) - 0.5)
        for of, size, alpha in ((records, 2.5, 0.35), (totals, 6, 1)):
            of = of[of["cell"] == cell["cell"]]
            x = of["scenario"].map(names.index) + shift
            ax.plot(x, of["value"], linestyle="", markersize=size, alpha=alpha, markeredgewidth=0,
                    label=cell["label"] if of is not records and size == 6 else None, **look)
    ax.set_xticks(range(len(names)), [name or "(no scenario)" for name in names], fontsize=8,
                  rotation=25 if len(names) > 4 else 0)
    ax.set_xlim(-0.5, len(names) - 0.5)
    for between in range(1, len(names)):
        ax.axvline(between - 0.5, color="0.85", linewidth=0.6)
    style.grid_lines(ax, "y")


def pass_times(data, few=5):
    """T(k), the time of a forward pass over k tokens, in passes over one: median and quartiles of the passes of all timed
    cells after the prompt's. Dashed lines are cost files'; above the dotted line checking is dearer than decoding."""
    cells = data["cells"][data["cells"]["timed"] == 1]
    shared = [name for name in ("model", "threads", "gemm") if name in cells]
    lines = []
    for values, of in cells.groupby(shared, sort=False):
        times = numbers.pass_times(data["steps"][data["steps"]["cell"].isin(of["cell"])], few)
        if len(times) and times["tokens"].iloc[0] == 1:
            extra = [f"{n} = {v}" for n, v in zip(shared[1:], values[1:]) if cells[n].nunique() > 1]
            lines.append((", ".join([values[0], *extra]), times))
    if not lines:
        raise NothingToShow("no times of passes: in replay no pass of a model is made")
    with plt.rc_context(STYLE):
        fig, (ax,) = style.panels(["time of a pass, " + _all_of(cells)], 3.4, 2.3)
        widest = max(times["tokens"].max() for _, times in lines)
        for i, (name, times) in enumerate(lines):
            one = times["median"].iloc[0]
            ax.fill_between(times["tokens"], times["q1"] / one, times["q3"] / one, color=COLOURS[i % len(COLOURS)],
                            alpha=0.2, linewidth=0)
            ax.plot(times["tokens"], times["median"] / one, label=name, markevery=max(1, len(times) // 10), **style.look(i))
        for name, text in data["costs"].items():
            cost = numbers.cost_times(text)
            cost = cost[(cost["context"] == cost["context"].min()) & (cost["tokens"] <= widest)] if len(cost) else cost
            if len(cost):
                ax.plot(cost["tokens"], cost["median"] / cost["median"].iloc[0], color="0.2", linestyle="--",
                        label=f"cost file {name}")
        low, high = ax.get_ylim()
        ax.plot([1, widest], [1, widest], color="0.5", linestyle=":", label="as dear as $k$ passes over one")
        ax.set_ylim(min(low, 0.8), max(high, 2))
        ax.set_xlabel("tokens in the pass, $k$")
        ax.set_ylabel("time (median pass over one = 1)")
        style.grid_lines(ax, "both")
        style.one_legend([ax])
        style.fit(fig, 3.4, 2.3)
    return fig


def _all_of(cells):
    """What a picture over all cells is of."""
    models, sets, rules = (", ".join(dict.fromkeys(cells[name])) for name in ("model", "dataset", "rule"))
    temperatures = ", ".join(f"{t:g}" for t in sorted(set(cells["temperature"])))
    return f"{models} on {sets}\n{rules}, temperature {temperatures}"


def where_time_goes(data, most=30):
    """Decoding time per token and its parts, the prompt's pass left out; plain decoding's is 1 where it was timed beside
    the trials. Cells from fast to slow, the `most` fastest."""
    cells = numbers.time_parts(data)
    paired = cells["plain"].notna().all()
    unit = cells["plain"] if paired else 1e3
    cells = cells.assign(**{part: cells[part] / unit for part in ("drafting", "passes", "rest")})
    cells["all"] = cells["drafting"] + cells["passes"] + cells["rest"]
    sets = [(title, _part(cells, of)) for title, of in facets(data)]
    there = max((len(of) for _, of in sets), default=0)
    sets = [(title, of.assign(label=labels(of)).sort_values("all").head(most)) for title, of in sets if len(of)]
    rows, across = _bars_layout(sets)
    with plt.rc_context(STYLE):
        fig, axes = style.panels([title for title, _ in sets], 2.6, ROW * rows, across, sharex=True)
        for ax, (_, of) in zip(axes, sets):
            y, left = _name_bars(ax, of, rows), np.zeros(len(of))
            for i, (part, colour) in enumerate((("passes", COLOURS[5]), ("drafting", COLOURS[1]), ("rest", "0.55"))):
                ax.barh(y, of[part], left=left, color=colour, hatch=HATCHES[i], height=0.75, label=part, linewidth=0)
                left += of[part].to_numpy()
            if paired:
                ax.axvline(1, color="0.3", linewidth=0.8, linestyle="--")
        style.one_legend(axes)
        style.note(fig, style.some_of(there, most, "cells"))
        fig.supxlabel("time per token (plain decoding's = 1)" if paired else "time per token (µs)", fontsize=9)
        style.fit(fig, 2.6, ROW * rows)
    return fig

