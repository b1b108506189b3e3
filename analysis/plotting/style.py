"""How the pictures look: colours of Okabe and Ito, which colour-blind readers tell apart too, markers and hatches beside
them for readers in grey, and one layout of panels."""

import sys
import textwrap

import matplotlib
import numpy as np

if "ipykernel" not in sys.modules:  # a notebook chooses its own backend; everything else has no screen
    matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter  # noqa: E402
from matplotlib.transforms import ScaledTranslation  # noqa: E402

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
HATCHES = ["", "////", "....", "xxxx", "\\\\\\\\"]
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.02,
}
MOST_PANELS = 12


def look(i):
    """Colour and marker of the i-th of several things: 49 pairs before one comes again."""
    return {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[(i + i // len(COLOURS)) % len(MARKERS)]}


def wrapped(text, characters):
    """The text in lines of at most so many characters, broken between words."""
    return "\n".join(line for part in text.splitlines() for line in
                     textwrap.wrap(part, max(characters, 12), break_long_words=False, break_on_hyphens=False) or [""])


def heading(ax, text, inches):
    """A title above the left end of the axes, broken into lines that are no wider than that."""
    ax.set_title(wrapped(text, int(13 * inches)), loc="left")


def panels(titles, width, height, across=3, **options):
    """A figure with axes of width by height inches for each title, at most MOST_PANELS, and its axes. Where there are
    more titles, the figure says so. When all is drawn, fit() makes room for what is beside the axes."""
    shown = titles[:MOST_PANELS]
    across = min(across, max(len(shown), 1))
    down = -(-len(shown) // across)
    fig, grid = plt.subplots(down, across, figsize=(width * across, height * down), layout="constrained", squeeze=False,
                             **options)
    axes = list(grid.flat)
    for unused in axes[len(shown):]:
        unused.remove()
    for ax, title in zip(axes, shown):
        heading(ax, title, width)
    note(fig, _left_out(len(shown), len(titles)))
    # Panels that share an axis show its numbers below the last of each column, whatever that column's length.
    for i in range(max(0, len(shown) - across), len(shown)):
        axes[i].tick_params(labelbottom=True)
    return fig, axes[:len(shown)]


def rows(titles, width, heights, columns=2, **options):
    """A figure with a row of axes for each title, at most MOST_PANELS / 2, and its rows. heights: inches of each row."""
    shown = titles[:MOST_PANELS // 2]
    heights = heights[:len(shown)]
    fig, grid = plt.subplots(len(shown), columns, figsize=(width * columns, sum(heights)), layout="constrained", squeeze=False,
                             gridspec_kw={"height_ratios": heights}, **options)
    for row, title in zip(grid, shown):
        heading(row[0], title, columns * width)
    note(fig, _left_out(len(shown), len(titles)))
    return fig, grid


def _left_out(shown, of):
    return f"{shown} of {of} sets of cells; select() shows others" if shown < of else None


def note(fig, text):
    """A line above all panels, below those that are there."""
    if text:
        above = fig._suptitle.get_text() + "\n" if fig._suptitle is not None else ""
        fig.suptitle(above + text, x=0.01, ha="left", fontsize=8)


def some_of(there, most, what):
    """What note() says of panels that show the `most` best of more, or None."""
    return f"the {most} best {what} of up to {there}" if there > most else None


def fit(fig, width, heights):
    """Sizes the figure so that its axes are `width` inches wide and `heights` high (one number, or one for each row): names
    of cells, titles and legends get room of their own, instead of the axes' room."""
    renderer = fig.canvas.get_renderer()
    axes = [ax for ax in fig.axes if ax.get_label() != "<colorbar>"]
    left, above, below, legend, tall = {}, {}, {}, 0, 0
    for ax in axes:
        at = ax.get_subplotspec()
        for sides, key, axis, side in ((left, at.colspan.start, ax.yaxis, 0), (below, at.rowspan.start, ax.xaxis, 1)):
            box = axis.get_tightbbox(renderer)
            if box is not None:
                sides[key] = max(sides.get(key, 0), ax.bbox.min[side] - box.min[side])
        title = ax.get_title(loc="left")
        above[at.rowspan.start] = max(above.get(at.rowspan.start, 0), 13 * (1 + title.count("\n")) * fig.dpi / 72 if title else 0)
        if ax.get_legend() is not None:
            box = ax.get_legend().get_window_extent(renderer)
            if ax.get_legend().get_label() == "beside":
                legend, tall = max(legend, box.width + 0.15 * fig.dpi), max(tall, box.height)
            else:
                below[at.rowspan.start] = max(below[at.rowspan.start], ax.bbox.y0 - box.y0)
    geometry = axes[0].get_subplotspec().get_gridspec()
    colorbar = 0.9 if len(axes) < len(fig.axes) else 0
    heights = [heights] * geometry.nrows if np.isscalar(heights) else heights[:geometry.nrows]
    if fig._suptitle is not None:
        above["note"] = 13 * (1 + fig._suptitle.get_text().count("\n")) * fig.dpi / 72
    if fig._supxlabel is not None:
        below["label"] = 16 * fig.dpi / 72
    high = sum(heights) + 0.12 * len(heights) + (sum(above.values()) + sum(below.values())) / fig.dpi
    fig.set_size_inches(geometry.ncols * (width + 0.12) + (sum(left.values()) + legend) / fig.dpi + colorbar,
                        max(high, (tall + above.get(0, 0) + above.get("note", 0)) / fig.dpi + 0.2))


def grid_lines(ax, axis):
    ax.grid(axis=axis, linewidth=0.3, color="0.85")


def powers(axis, values):
    """A logarithmic axis of base 2 with a tick at each of the values, as far as they can be told apart."""
    (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log", base=2)
    far = []
    for value in sorted(values):
        if not far or value >= 1.35 * far[-1] or len(values) <= 8:
            far.append(value)
    axis.set_ticks(far)
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_locator(NullLocator())


def share_axis(axis):
    """An axis of shares, with no tick beyond 100%."""
    axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.set_major_locator(_UpTo(1))


class _UpTo(MaxNLocator):
    """Ticks that end at a value, though the axis goes on for half a marker."""

    def __init__(self, end):
        super().__init__(nbins=5, steps=[1, 2, 5, 10])
        self._end = end

    def tick_values(self, vmin, vmax):
        return [v for v in super().tick_values(vmin, min(vmax, self._end)) if v <= self._end + 1e-9]


def one_legend(axes, characters=34, last=None, **options):
    """A single legend for all panels, to the right of the first row, each entry once; those that have the text `last` come
    after the others."""
    entries = {}
    there = [entry for ax in axes for entry in zip(*ax.get_legend_handles_labels())]
    for handle, label in sorted(there, key=lambda entry: last is not None and last in entry[1]):
        entries.setdefault(wrapped(label, characters), handle)
    first_row = [ax for ax in axes if ax.get_subplotspec().rowspan.start == 0]
    if entries:
        beside(first_row[-1], list(entries.values()), list(entries), handlelength=1.8, **options)


def beside(ax, handles, names, **options):
    """A legend to the right of the axes, for which fit() makes room."""
    legend = ax.legend(handles, names, loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0, alignment="left", **options)
    legend.set_label("beside")


def below(ax, characters, **options):
    """A legend of this panel alone, below its axis; fit() makes room for it."""
    handles, names = ax.get_legend_handles_labels()
    box = ax.xaxis.get_tightbbox(ax.figure.canvas.get_renderer())
    down = (ax.bbox.y0 - box.y0) / ax.figure.dpi if box is not None else 0
    shift = ScaledTranslation(0, -down - 0.05, ax.figure.dpi_scale_trans)
    legend = ax.legend(handles, [wrapped(name, characters) for name in names], loc="upper left", bbox_to_anchor=(0, 0),
                       bbox_transform=ax.transAxes + shift, borderaxespad=0, **options)
    legend.set_label("below")
