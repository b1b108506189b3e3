"""Pictures of what becomes of drafts: acceptance by position, by source and by the length of the match."""

import numpy as np
from matplotlib.legend_handler import HandlerTuple
from matplotlib.ticker import MaxNLocator

from . import numbers, style
from .results import NothingToShow, facets, labels
from .speed import order_of
from .style import COLOURS, HATCHES, STYLE, plt


def _lines(data, cells, most):
    """Of each policy and n the cell with the largest k, those of policies without n and k as they are: the `most` with most
    tokens per step, in the file's order, and how many there are."""
    cells = cells[cells["policy"] != "none"].sort_values("k", kind="stable")
    cells = cells.groupby(["policy", "n", "other_policy"], sort=False).tail(1)
    gain = numbers.tokens_per_step(data).set_index("cell")["tokens_per_step"]
    best = cells.assign(gain=cells["cell"].map(gain)).sort_values("gain", ascending=False, kind="stable").head(most)
    return best.sort_index(), len(cells)


def acceptance_by_position(data, group=None, most=len(COLOURS), few=20):
    """Left: share of the drafts that reach a position in which it is accepted. Right: the same, of those in
    which everything before it was accepted. A row for each set of comparable cells, or `group` alone; a line for each
    policy and n, at the largest k, the `most` with most tokens per step. A point stands on at least `few` drafts."""
    steps = data["steps"][data["steps"]["depth"] > 0]
    steps = {cell: of for cell, of in steps.groupby("cell")}
    sets, there, empty = [], 0, 0
    for title, of in facets(data):
        best, lines = _lines(data, of, most)
        names, there = labels(best), max(there, lines)
        drawn = [(names[i], numbers.positions(steps[cell["cell"]])) for i, cell in best.iterrows() if cell["cell"] in steps]
        if any((counts["reached"] >= few).any() for _, counts in drawn):
            sets.append((title, drawn))
        else:
            empty += 1
    if not sets:
        raise NothingToShow(f"no position of a draft that could be accepted was reached by {few} drafts")
    if group is not None:
        sets = [sets[group]]
    order = list(dict.fromkeys(name for _, drawn in sets for name, _ in drawn))
    with plt.rc_context(STYLE):
        fig, rows = style.rows([title for title, _ in sets], 2.9, [1.7] * len(sets), sharex=True, sharey=True)
        for row, (title, drawn) in zip(rows, sets):
            for name, counts in drawn:
                for ax, share in zip(row, ("reached", "tested")):
                    shown = counts[counts[share] >= few]
                    ax.plot(shown["position"], shown[f"share_of_{share}"], label=name,
                            markevery=max(1, len(shown) // 8), **style.look(order.index(name)))
            row[0].set_ylabel("accepted, of all drafts\nthat reach the position")
            row[1].set_ylabel("accepted, of drafts\nthat held up to there")
            for ax in row:
                _share_axis(ax)
        for ax in rows[-1]:
            ax.set_xlabel("position in the draft (tokens)")
        style.one_legend([rows[0][1], *rows.flat])
        style.note(fig, _too_few(empty if group is None else 0, len(sets), f"fewer than {few} drafts"))
        style.note(fig, style.some_of(there, most, "lines"))
        style.fit(fig, 2.9, 1.7)
    return fig


def _too_few(empty, drawn, why):
    return f"{empty} of {empty + drawn} sets of cells left out: {why}" if empty else None


def _share_axis(ax):
    ax.set_ylim(0, 1.03)
    style.share_axis(ax.yaxis)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    style.grid_lines(ax, "y")


def acceptance_by_source(data, most=20):
    """Left: the output's tokens by where the draft of their step was copied from. Right: the share of testable draft
    tokens that were accepted, by source. A row of panels for each set of comparable cells; of each policy the cell with
    most tokens per step, the `most` first."""
    steps = data["steps"]
    best = numbers.tokens_per_step(data).sort_values("tokens_per_step", ascending=False)
    sets = []
    for title, of in facets(data):
        of = best[best["cell"].isin(of[of["policy"] != "none"]["cell"])].drop_duplicates("policy").head(most)
        if steps["cell"].isin(of["cell"]).any():
            sets.append((title, of))
    if not sets:
        raise NothingToShow("no cell beside plain decoding")
    sums = {cell: numbers.step_sums(of, numbers.source_names(of)) for cell, of in steps.groupby("cell")}
    heights = [0.1 + 0.2 * len(of) for _, of in sets]
    with plt.rc_context(STYLE):
        fig, axes = style.rows([title for title, _ in sets], 2.6, heights, sharex="col")
        for row, (title, of) in zip(axes, sets):
            _sources(row, of, sums)
        for ax, what in zip(axes[-1], ("tokens of the output,\nby source of the step's draft",
                                       "acceptance of draft tokens,\nby source")):
            ax.set_xlabel(what)
            style.share_axis(ax.xaxis)
        _source_legend(axes[0][1], [source for source in numbers.SOURCES if any(source in sums[c].index for _, of in sets
                                                                                for c in of["cell"])])
        style.fit(fig, 2.6, heights)
    return fig


def _source_legend(ax, sources):
    """An entry is a bar's pattern and, where drafts come from there, a marker."""
    entries = []
    for source in sources:
        i = numbers.SOURCES.index(source)
        bar = plt.Rectangle((0, 0), 1, 1, linewidth=0, **_bar_look(source))
        mark = plt.Line2D([], [], linestyle="", markersize=5, **style.look(i))
        entries.append((bar, mark) if source != "no draft" else (bar,))
    style.beside(ax, entries, sources, handler_map={tuple: HandlerTuple(ndivide=None)}, handlelength=3)


def _bar_look(source):
    i = numbers.SOURCES.index(source)
    return {"facecolor": "0.85"} if source == "no draft" else {"facecolor": COLOURS[i], "hatch": HATCHES[i], "edgecolor": "white"}


def _sources(row, of, sums):
    y, names = np.arange(len(of))[::-1], labels(of)
    for at, (i, cell) in zip(y, of.iterrows()):
        left, parts = 0.0, sums[cell["cell"]]
        for s, source in enumerate(numbers.SOURCES):
            if source not in parts.index:
                continue
            row[0].barh(at, parts.loc[source, "share_of_tokens"], left=left, height=0.75, linewidth=0, **_bar_look(source))
            left += parts.loc[source, "share_of_tokens"]
            if source != "no draft":
                row[1].plot(parts.loc[source, "acceptance"], at, markersize=5, alpha=0.85, **style.look(s))
    row[0].set_yticks(y, names)
    row[1].set_yticks(y, [""] * len(of))
    for ax in row:
        ax.set_ylim(-0.55, len(of) - 0.45)  # each point beside its bar, and room for a cell that has neither
    row[0].set_xlim(0, 1.03)
    row[1].set_xlim(-0.03, 1.03)
    style.grid_lines(row[1], "both")


def by_match_length(data, most=len(COLOURS), few=20):
    """What longer matches are worth, of the steps with a draft after the prompt's: acceptance, and where plain decoding
    was timed beside the trials the speed-up at the same positions. Of each policy the cell with most tokens per step,
    the first `most`; a point stands on at least `few` steps. Policies that match nothing are left out."""
    steps = data["steps"]
    steps = steps[(steps["step"] > 0) & (steps["drafted"] > 0) & (steps["match_length"] > 0) & (steps["policy"] != "none")]
    best = numbers.tokens_per_step(data).sort_values("tokens_per_step", ascending=False)
    sets, there, empty = [], 0, 0
    for title, of in facets(data):
        of = best[best["cell"].isin(of["cell"]) & best["cell"].isin(steps["cell"])].drop_duplicates("policy")
        there, of = max(there, len(of)), of.head(most)
        lines = [(labels(of)[i], cell["policy"], _matches(steps, cell["cell"], few)) for i, cell in of.iterrows()]
        if any(len(line) for _, _, line in lines):
            sets.append((title, lines))
        elif len(of):
            empty += 1
    if not sets:
        raise NothingToShow("no draft says how many tokens it matched")
    longest = max(line.index.max() for _, lines in sets for _, _, line in lines if len(line))
    timed = any(line["speedup"].notna().any() for _, lines in sets for _, _, line in lines)
    order = order_of(data)
    with plt.rc_context(STYLE):
        fig, axes = style.rows([title for title, _ in sets], 2.9, [1.7] * len(sets), 1 + timed, sharex=True, sharey="col")
        for row, (title, lines) in zip(axes, sets):
            for name, policy, line in lines:
                look = style.look(order[policy])
                row[0].plot(line.index, line["acceptance"], label=name, **look)
                if timed:
                    row[1].plot(line.index, line["speedup"], label=name, **look)
            row[0].set_ylabel("acceptance")
            row[0].set_ylim(0, 1.03)
            style.share_axis(row[0].yaxis)
            style.grid_lines(row[0], "y")
            if timed:
                row[1].axhline(1, color="0.4", linewidth=0.8, linestyle="--")
                row[1].set_ylabel("speed-up in these steps")
                style.grid_lines(row[1], "y")
            for ax in row:
                style.powers(ax.xaxis, [n for n in (1, 2, 3, 4, 5, 6, 8, 16, 32, 64) if n <= longest])
                ax.set_xlim(0.9, max(longest, 2) * 1.1)
        for ax in axes[-1]:
            ax.set_xlabel("tokens matched" + (" (from 9 on up to the number)" if longest > 8 else ""))
        style.one_legend([axes[0][-1], *axes.flat])
        style.note(fig, _too_few(empty, len(sets), f"fewer than {few} steps of each length"))
        style.note(fig, style.some_of(there, most, "policies"))
        style.fit(fig, 2.9, 1.7)
    return fig


def _matches(steps, cell, few):
    """step_sums of a cell by match length; lengths from 8 on in ranges that double, named by their ends."""
    of = steps[steps["cell"] == cell]
    length = of["match_length"].astype(int)
    ends = np.array([1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 65535])
    by = length.map(lambda n: ends[np.searchsorted(ends, n)])
    by = by.where(by < 65535, length.max())
    sums = numbers.step_sums(of, by)
    return sums[sums["steps"] >= few]
