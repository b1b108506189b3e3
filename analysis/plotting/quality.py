"""Pictures of what rules change: quality against speed, and where outputs part from plain decoding's."""

import numpy as np

from . import numbers, style
from .results import NothingToShow, facets, rule_names
from .speed import measure_of, measured, order_of
from .style import COLOURS, MARKERS, STYLE, plt


def quality_and_speed(data, measure=None, most=len(MARKERS)):
    """What a rule costs against what it brings. Across: speed-up over plain decoding with the same rule. Up, left: share of
    plain decoding's tokens before the first that differs. Up, right: log-likelihood per token, less that of plain
    decoding's outputs with the same rule. A row for each model and data set; colours are rules, markers policies, of which
    the `most` best are drawn. Where there is one rule, the title names it, and both are policies'."""
    m = measure_of(data, measure)
    cells = measured(data, m)
    cells = numbers.quality(data).merge(cells[["cell", "value", "lo", "hi"]], on="cell")
    cells = cells[cells["policy"] != "none"].copy()
    if not len(cells):
        raise NothingToShow("no cell beside plain decoding")
    there = cells.sort_values("value", ascending=False)["policy"].drop_duplicates()
    cells = cells[cells["policy"].isin(there.head(most))]
    cells["drawn"] = rule_names(cells)
    rules, order = list(dict.fromkeys(cells["drawn"])), order_of(data)
    policies = sorted(set(cells["policy"]), key=order.get)
    one = cells.groupby(["rule", "temperature", "other_rule"]).ngroups == 1
    if one:
        looks = {(rules[0], policy): style.look(order[policy]) for policy in policies}
    else:
        looks = {(rule, policy): {**_colour(i), "marker": MARKERS[j]} for i, rule in enumerate(rules)
                 for j, policy in enumerate(policies)}
    sets = [(title, cells[cells["cell"].isin(of["cell"])]) for title, of in facets(data, rule=one)]
    sets = [s for s in sets if len(s[1])]
    likely = cells["log_p"].notna().any()
    with plt.rc_context(STYLE):
        fig, axes = style.rows([title for title, _ in sets], 2.9, [1.9] * len(sets), 1 + likely, sharex=True, sharey="col")
        for row, (title, of) in zip(axes, sets):
            for ax, column in zip(row, ("agreement", "log_p")):
                for _, cell in of.iterrows():
                    look = {"markeredgecolor": "white", "markeredgewidth": 0.5, **looks[cell["drawn"], cell["policy"]]}
                    ax.plot(cell["value"], cell[column], markersize=6, linestyle="", alpha=0.85, **look)
                style.grid_lines(ax, "both")
                if m.trial != "tokens_per_step":
                    ax.axvline(1, color="0.4", linewidth=0.8, linestyle="--", zorder=1)
            row[0].set_ylabel("agreement with\nplain decoding")
            style.share_axis(row[0].yaxis)
            if likely:
                row[1].axhline(0, color="0.4", linewidth=0.8, linestyle="--", zorder=1)
                row[1].set_ylabel("log-likelihood per token,\nless plain decoding's")
        # After all rows: they share these axes, and no point may lie outside.
        low = min(cells["agreement"].min(), 0.9)
        axes[0][0].set_ylim(max(low - 0.05 * (1.2 - low), -0.05), 1 + 0.05 * (1.2 - low))
        widest = cells["log_p"].abs().max()
        if likely and widest <= 0.01:
            axes[0][1].set_ylim(-0.1, 0.1)
        for ax in axes[-1]:
            ax.set_xlabel(m.short)
        _legend(axes[0][-1], looks, rules, policies, one)
        style.note(fig, style.some_of(len(there), most, "policies"))
        style.fit(fig, 2.9, 1.9)
    return fig


def _colour(i):
    """The i-th rule's colour; markers are hollow when colours come again."""
    colour = COLOURS[i % len(COLOURS)]
    hollow = {"markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 1.3}
    return {"color": colour, **({} if i < len(COLOURS) else hollow)}


def _legend(ax, looks, rules, policies, one):
    """Rules by colour and policies by marker, or policies by both."""
    if one:
        entries = [(policy, looks[rules[0], policy]) for policy in policies]
    else:
        entries = [(rule, {"marker": "o", **_colour(i)}) for i, rule in enumerate(rules)]
        entries += [(policy, {"marker": looks[rules[0], policy]["marker"], "color": "white", "markeredgecolor": "0.2"})
                    for policy in policies]
    handles = [plt.Line2D([], [], linestyle="", markersize=6, **look) for _, look in entries]
    style.beside(ax, handles, [style.wrapped(name, 34) for name, _ in entries], handlelength=1.8)


def divergence(data):
    """Where outputs part from plain decoding's. Left: the share still equal after so many tokens, in ids (solid) and in the
    logits' bits (dotted). Right: the gap between the two best logits, in steps in which the ids part (solid) and in all
    steps (dotted): rounding parts only what was nearly tied. A row for each model and data set, a colour for each rule.
    NothingToShow where no trial parts in either."""
    trials = data["trials"][data["trials"]["policy"] != "none"]
    parted, logits = numbers.partings(data), numbers.partings(data, "logits_equal")
    if not len(parted) and not len(logits):
        raise NothingToShow(f"nothing parts: ids, and logits where there are any, are plain decoding's in all "
                            f"{len(trials)} trials")
    cells = data["cells"].assign(drawn=rule_names(data["cells"]))
    rules = list(dict.fromkeys(cells[cells["cell"].isin([*parted["cell"], *logits["cell"]])]["drawn"]))
    one = cells.groupby(["rule", "temperature", "other_rule"]).ngroups == 1
    sets = [(title, cells[cells["cell"].isin(of["cell"])]) for title, of in facets(data, rule=one)]
    with plt.rc_context(STYLE):
        fig, axes = style.rows([title for title, _ in sets], 2.9, [1.8] * len(sets), sharex="col", sharey=True)
        for row, (title, facet) in zip(axes, sets):
            for name, of in facet.groupby("drawn", sort=False):
                i = rules.index(name) if name in rules else None
                look = {"color": "0.6", "linewidth": 1} if i is None else _line(i)
                name = "rules that part in nothing" if i is None else name
                _still_equal(row[0], trials[trials["cell"].isin(of["cell"])], parted, logits, name, look)
                if i is not None:
                    _margins(row[1], data["steps"][data["steps"]["cell"].isin(of["cell"])], parted, look)
            row[0].set_ylabel("outputs still equal\nto plain decoding's")
            row[1].set_ylabel("steps with at most\nthis gap")
            row[0].set_ylim(-0.03, 1.03)
            style.share_axis(row[0].yaxis)
            for ax in row:
                style.grid_lines(ax, "both")
        axes[-1][0].set_xlabel("output tokens\n(ids: solid; logits: dotted)")
        axes[-1][1].set_xlabel("gap between the two best logits\n(steps where ids part: solid; all steps: dotted)")
        style.one_legend([axes[0][1], *axes.flat])
        style.fit(fig, 2.9, 1.8)
    return fig


def _line(i):
    """The i-th rule's line, thinner than those before it: where lines lie on each other, both are seen."""
    return {"color": COLOURS[i % len(COLOURS)], "linewidth": max(2.6 - 0.3 * i, 0.7)}


def _still_equal(ax, trials, parted, logits, name, look):
    for of, line in ((parted, "-"), (logits, ":")):
        at = trials["trial"].map(of.set_index("trial")["at"]).fillna(-1).astype(int).to_numpy()
        if line == "-" or (at >= 0).any():
            ax.step(*numbers.still_equal(trials, at), where="post", linestyle=line, label=name if line == "-" else None,
                    **look)


def _margins(ax, steps, parted, look):
    """Distribution functions over gaps. A gap of 0, a tie, is drawn at the left end."""
    there = parted[parted["trial"].isin(steps["trial"])]["margin"].dropna()
    everywhere = steps["margin"].dropna()
    for gaps, line in ((there, "-"), (everywhere, ":")):
        if len(gaps):
            gaps = np.sort(gaps.clip(lower=1e-7))
            ax.step(gaps, np.arange(1, len(gaps) + 1) / len(gaps), where="post", linestyle=line, **look)
    ax.set_xscale("log")
