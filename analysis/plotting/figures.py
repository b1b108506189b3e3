"""Figures from a results file (HDF5).

load() reads the tables into pandas, select() keeps some cells; every picture takes what they gave and returns a
matplotlib figure. Each names the model, the data set, the rule and the temperature, and has a panel for each set of cells
that may be compared. Nothing is measured here: numbers are sums over the rows of the file, and ratios of sums, as in
counts.h; intervals come from `harness tables --format csv`. What a file does not hold is said by NothingToShow, which
show() prints.

    python3 plots.py RESULTS.h5 FOLDER [pdf|png|svg]            writes the pictures that the file has something for
    python3 -m harness_plots RESULTS.h5 FOLDER [pdf|png|svg]    the same, where it is installed
"""

import os
import sys

from .drafts import acceptance_by_position, acceptance_by_source, by_match_length
from .numbers import by_scenario as scenario_values
from .numbers import (frontier, partings, positions, quality, records, source_names, step_sums, still_equal,
                      time_parts, tokens_per_step, whole_cells)
from .numbers import pass_times as pass_time_values
from .quality import divergence, quality_and_speed
from .results import (NothingToShow, comparable, facets, frame, labels, listing, load, program, rule_names, select, summary,
                      table, varying)
from .speed import by_scenario, heatmap, pareto, pass_times, speedup, speedup_by_k, where_time_goes
from .style import COLOURS, MARKERS, STYLE, plt

PICTURES = {
    "speedup": speedup,
    "speedup_by_k": speedup_by_k,
    "heatmap": heatmap,
    "pareto": pareto,
    "scenarios": by_scenario,
    "acceptance": acceptance_by_position,
    "sources": acceptance_by_source,
    "matches": by_match_length,
    "passes": pass_times,
    "time": where_time_goes,
    "quality": quality_and_speed,
    "divergence": divergence,
}

__all__ = [
    "COLOURS", "MARKERS", "NothingToShow", "PICTURES", "STYLE", "acceptance_by_position", "acceptance_by_source",
    "by_match_length", "by_scenario", "comparable", "divergence", "facets", "frame", "frontier", "heatmap", "labels",
    "listing", "load", "pareto", "partings", "pass_time_values", "pass_times", "plt", "positions", "program", "quality",
    "quality_and_speed", "records", "rule_names", "scenario_values", "select", "show", "source_names", "speedup", "speedup_by_k",
    "step_sums", "still_equal", "summary", "table", "time_parts", "tokens_per_step", "varying", "where_time_goes",
    "whole_cells",
]


def show(draw, *args, **options):
    """Draws a picture, or prints why the file has nothing for it."""
    try:
        draw(*args, **options)
    except NothingToShow as why:
        print(f"{draw.__name__}: nothing to show: {why}")


def main(arguments, name="plots.py"):
    if len(arguments) not in (2, 3):
        sys.exit(f"usage: {name} RESULTS.h5 FOLDER [pdf|png|svg]")
    path, folder, ending = [*arguments, "pdf"][:3]
    # A fixed date, fixed names: the same results give the same bytes.
    fixed = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": None}
    if ending not in fixed:
        sys.exit(f"{name}: no format {ending} ({', '.join(fixed)})")
    try:
        data = load(path)
        os.makedirs(folder, exist_ok=True)
        for picture, draw in PICTURES.items():
            try:
                with plt.rc_context({"svg.hashsalt": "harness"}):
                    figure = draw(data)
                    figure.savefig(os.path.join(folder, f"{picture}.{ending}"), metadata=fixed[ending], dpi=150)
                    plt.close(figure)
            except NothingToShow as why:
                print(f"{picture}: left out: {why}", file=sys.stderr)
    except (OSError, ValueError) as e:
        sys.exit(f"{name}: {e}")
