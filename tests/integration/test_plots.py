"""What the pictures draw, from small files whose numbers are known."""
import math
import pathlib
import sys

import numpy as np
import pandas as pd
import pytest

import results_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "analysis"))
sys.dont_write_bytecode = True
import plots  # noqa: E402
from plotting import numbers, quality, speed, style  # noqa: E402

NONE = {"policy": "none"}


def llma(n=1, k=4, **more):
    return {"policy": "llma", "n": n, "k": k, "policy_params": {"n": n, "k": k, "tie": "first"}, **more}


def with_summary(data, rows):
    """The data with a summary, as if `harness tables` had been called: rows of columns by cell."""
    table = pd.DataFrame(rows)
    table["id"] = table["cell"].map(dict(zip(data["cells"]["cell"], data["cells"]["id"])))
    for column in ("speedup_total", "modeled_speedup_total", "tokens_per_step"):
        for end in ("", "_lo", "_hi"):
            if column + end not in table:
                table[column + end] = math.nan
    for column in ("speedup_q1", "speedup_q3", "modeled_speedup_q1", "modeled_speedup_q3"):
        table[column] = math.nan
    data["table summary"] = table
    return data


@pytest.fixture
def several(tmp_path):
    """Two models, two data sets, two rules; policies with and without k."""
    cells, trials = [], []
    for model in "ab":
        for dataset in "xy":
            for rule in ({"rule": "greedy"}, {"rule": "typical", "temperature": 0.7, "rule_params": {"eps": 0.1}}):
                for policy in (NONE, llma(k=2), llma(k=4), {"policy": "suffix", "policy_params": {"form": "tree"}}):
                    cells.append({"model": model, "dataset": dataset, **rule, **policy})
                    trials.append({"cell": len(cells) - 1, "steps": 10 if policy is NONE else 5})
    return results_files.write(tmp_path / "several.h5", cells, trials)


def test_cells_are_split_by_what_they_share(several):
    data = plots.load(several)
    titles = [title for title, _ in plots.facets(data)]
    assert len(titles) == len(set(titles)) == 8
    assert titles[0] == "a on x\ngreedy, temperature 0"
    assert "a on x\ntypical, temperature 0.7" in titles  # eps is the same in all cells of this rule
    assert all(len(cells) == 4 for _, cells in plots.facets(data))
    assert [title for title, _ in plots.facets(data, rule=False)] == ["a on x", "a on y", "b on x", "b on y"]
    assert list(plots.labels(plots.facets(data)[0][1])) == ["none", "llma n=1 k=2", "llma n=1 k=4", "suffix"]


def test_every_picture_of_several_sets_has_a_panel_for_each(several):
    data = plots.load(several)
    with_summary(data, [{"cell": c["cell"], "tokens_per_step": 2.0 + (c["k"] > 2), "speedup_total": 1.5}
                        for _, c in data["cells"].iterrows()])
    for draw in (plots.speedup, plots.speedup_by_k, plots.pareto, plots.by_scenario):
        figure = draw(data)
        titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
        assert titles == [title for title, _ in plots.facets(data)], draw.__name__
        plots.plt.close(figure)
    figure = plots.quality_and_speed(data)
    assert [ax.get_title(loc="left") for ax in figure.axes][::2] == ["a on x", "a on y", "b on x", "b on y"]  # rules differ
    names = [t.get_text() for t in figure.axes[1].get_legend().get_texts()]
    assert names == ["greedy T=0", "typical T=0.7", "llma", "suffix"]
    plots.plt.close(figure)


def test_select_keeps_what_was_asked_for(several):
    data = plots.select(plots.load(several), model="b", policy=["none", "llma"], k=[-1, 2])
    assert set(data["cells"]["model"]) == {"b"} and set(data["cells"]["k"]) == {-1, 2}
    assert set(data["trials"]["cell"]) == set(data["cells"]["cell"])
    with pytest.raises(plots.NothingToShow, match="no cell has model = c"):
        plots.select(data, model="c")
    with pytest.raises(ValueError, match="no setting colour"):
        plots.select(data, colour="red")


def test_only_settings_that_vary_are_in_a_title(tmp_path):
    cells = [{**llma(), "threads": t, "gemm": g} for t in (1, 2) for g in ("exact", "blas")]
    data = plots.load(results_files.write(tmp_path / "t.h5", cells, [{"cell": c} for c in range(4)]))
    assert plots.facets(data)[1][0] == "m on d\ngreedy, temperature 0, threads = 1, gemm = blas"


def test_parameters_that_differ_are_in_the_label(tmp_path):
    cells = [llma(), {**llma(), "policy_params": {"n": 1, "k": 4, "tie": "last"}}]
    data = plots.load(results_files.write(tmp_path / "l.h5", cells, [{"cell": 0}, {"cell": 1}]))
    assert list(plots.labels(data["cells"])) == ["llma n=1 k=4 tie=first", "llma n=1 k=4 tie=last"]


def test_a_file_without_times_has_tokens_per_step_alone(tmp_path):
    cells = [{**NONE, "target": "replay", "timed": 0}, {**llma(), "target": "replay", "timed": 0}]
    trials = [{"cell": c, "speedup": math.nan, "modeled_speedup": math.nan} for c in range(2)]
    steps = [{"trial": 1, "step": s, "drafted": 3, "depth": 3, "source": 0, "match_length": 1} for s in range(30)]
    data = plots.load(results_files.write(tmp_path / "replay.h5", cells, trials, steps))
    with_summary(data, [{"cell": 0, "tokens_per_step": 1.0}, {"cell": 1, "tokens_per_step": 2.0}])
    assert speed.measure_of(data).trial == "tokens_per_step"
    with pytest.raises(plots.NothingToShow, match="no cell has a speed-up"):
        plots.speedup(data, "speedup")
    for draw in (plots.where_time_goes, plots.pass_times):
        with pytest.raises(plots.NothingToShow, match="replay"):
            draw(data)
    figure = plots.speedup(data)
    assert figure._supxlabel.get_text() == "tokens per step"
    assert len(plots.by_match_length(data).axes) == 1
    plots.plt.close("all")


def test_a_speed_up_of_some_trials_is_none(tmp_path):
    cells = [NONE, llma(k=2), llma(k=4)]
    trials = [{"cell": 1, "speedup": 2.0, "plain_ns": 10, "decode_ns": 5}, {"cell": 1, "speedup": math.nan},
              {"cell": 2, "speedup": 3.0, "plain_ns": 12, "decode_ns": 4}, {"cell": 2, "speedup": math.nan, "tokens": 1}]
    data = plots.load(results_files.write(tmp_path / "some.h5", cells, trials))
    values = plots.scenario_values(data, "speedup")
    assert list(values["cell"]) == [2] and list(values["value"]) == [3.0]


def test_totals_scale_plain_time_to_as_many_tokens(tmp_path):
    trials = [{"cell": 0, "tokens": 11, "plain_tokens": 21, "plain_ns": 2000, "decode_ns": 400, "speedup": 2.5, "sample": 0},
              {"cell": 0, "plain_ns": 900, "decode_ns": 600, "speedup": 1.5, "sample": 1}]
    samples = [{"id": "p", "scenario": "rag"}, {"id": "q", "scenario": "rag"}]
    data = plots.load(results_files.write(tmp_path / "scaled.h5", [llma()], trials, samples=samples))
    values = plots.scenario_values(data, "speedup")
    assert values["value"].iloc[0] == (1000 + 900) / (400 + 600) and values["records"].iloc[0] == 2


def test_one_trial_of_one_cell(tmp_path):
    steps = [{"trial": 0, "step": s, "position": s, "verify_ns": 5} for s in range(10)]
    data = plots.load(results_files.write(tmp_path / "one.h5", [NONE], [{"cell": 0, "steps": 10}], steps))
    with_summary(data, [{"cell": 0, "tokens_per_step": 1.0, "speedup_total": 1.0}])
    for name, draw in plots.PICTURES.items():
        try:
            plots.plt.close(draw(data))
        except plots.NothingToShow as why:
            assert str(why), name
    with pytest.raises(plots.NothingToShow, match="two trigger lengths n or two copy lengths k"):
        plots.heatmap(data)


def test_without_rows(tmp_path):
    data = plots.load(results_files.write(tmp_path / "none.h5", [], []))
    data["table summary"] = pd.DataFrame({"cell": [], "id": [], **{c: [] for m in speed.MEASURES.values() for c in m[1:4]}})
    for draw in plots.PICTURES.values():
        with pytest.raises(plots.NothingToShow):
            draw(data)


def test_positions_count_chains():
    steps = pd.DataFrame({"depth": [3, 3, 1], "accepted": [3, 1, 0]})
    counts = plots.positions(steps)
    assert counts[["position", "reached", "tested", "accepted"]].values.tolist() == [
        [1, 3, 3, 2], [2, 2, 2, 1], [3, 2, 1, 1]]
    assert len(plots.positions(steps[:0])) == 0


def test_step_sums_leave_out_the_prompts_pass_and_unpaired_times():
    steps = pd.DataFrame({"step": [0, 1, 2, 3], "source": [0, 0, -2, -1], "drafted": [4, 4, 4, 0], "testable": [4, 4, 4, 0],
                          "accepted": [4, 1, 3, 0], "emitted": [5, 2, 4, 1], "draft_ns": [1, 1, 1, 1],
                          "verify_ns": [9, 9, 9, 9], "plain_ns": [50, 20, 0, 10], "timed": 1})
    sums = plots.step_sums(steps, plots.source_names(steps))
    assert list(sums.index) == ["references", "prompt", "no draft"]
    assert list(sums["tokens"]) == [2, 4, 1] and sums["acceptance"].iloc[:2].tolist() == [0.25, 0.75]
    assert sums["share_of_tokens"].sum() == 1
    assert sums["speedup"].iloc[[0, 2]].tolist() == [2.0, 1.0] and math.isnan(sums["speedup"].iloc[1])


def test_the_parts_of_time_add_up(tmp_path):
    trials = [{"cell": 0, "prefill_ns": 100, "verify_ns": 700, "draft_ns": 90, "decode_ns": 900, "plain_ns": 1800}]
    parts = plots.time_parts(plots.load(results_files.write(tmp_path / "parts.h5", [llma()], trials))).iloc[0]
    assert [9 * parts[p] for p in ("drafting", "passes", "rest", "plain")] == pytest.approx([90, 600, 210, 1800])


def test_times_of_passes_need_enough_of_them():
    steps = pd.DataFrame({"step": [0] + [1] * 10, "timed": 1, "drafted": [9] + [0] * 5 + [3] * 4 + [7],
                          "verify_ns": [1] + [10, 20, 30, 40, 50] + [7] * 5})
    times = plots.pass_time_values(steps, few=4)
    assert times["tokens"].tolist() == [1, 4] and times["median"].tolist() == [30, 7] and times["q1"].iloc[0] == 20


def test_cost_files_are_read():
    times = numbers.cost_times("; T(1, 0)\n[cost]\nmodel = x\nthreads = 1\n[T]\n1 = 10 9 11 ; quick\n4 = 25\n[T 512]\n1 = 12\n")
    assert times.values.tolist() == [[1, 0, 10], [4, 0, 25], [1, 512, 12]]


def test_the_frontier_is_what_nothing_beats():
    cost, gain = np.array([2.0, 1.0, 2.0, 3.0, 1.5]), np.array([3.0, 1.0, 2.0, 3.0, 2.5])
    assert plots.frontier(cost, gain).tolist() == [True, True, False, False, True]
    assert plots.frontier(np.array([np.nan, 1.0]), np.array([9.0, 1.0])).tolist() == [False, True]


def test_lossy_rules_show_what_they_cost(tmp_path):
    cells = [{**llma(), "rule": "typical", "temperature": 1, "rule_params": {"eps": e}} for e in (0.1, 0.3)]
    trials = [{"cell": 0, "first_divergence": 4, "equal": 0, "log_likelihood": -8.0, "plain_log_likelihood": -5.0},
              {"cell": 0, "log_likelihood": -2.0, "plain_log_likelihood": -5.0}, {"cell": 1, "log_likelihood": math.nan}]
    data = plots.load(results_files.write(tmp_path / "lossy.h5", cells, trials))
    of = plots.quality(data)
    assert of["agreement"].tolist() == [0.7, 1.0]
    assert of["log_p"].iloc[0] == 0 and math.isnan(of["log_p"].iloc[1])
    assert list(quality.rule_names(data["cells"])) == ["typical T=1 eps=0.1", "typical T=1 eps=0.3"]


def test_partings_are_the_first_unequal_steps(tmp_path):
    steps = [{"trial": t, "step": s, "position": 2 * s, "equal": int(t != 1 or s < 3), "margin": s / 10,
              "logits_equal": int(t != 2 or s < 2)} for t in range(3) for s in range(5)]
    trials = [{"cell": 0}, {"cell": 1, "first_divergence": 7, "equal": 0}, {"cell": 1}]
    data = plots.load(results_files.write(tmp_path / "parted.h5", [NONE, llma()], trials, steps))
    assert plots.partings(data)[["trial", "at", "margin"]].values.tolist() == [[1, 7, 0.3]]
    assert plots.partings(data, "logits_equal")[["trial", "at"]].values.tolist() == [[2, 4]]
    plots.plt.close(plots.divergence(data))
    equal = plots.select(data, policy="none")
    with pytest.raises(plots.NothingToShow, match="nothing parts"):
        plots.divergence(equal)


def test_outputs_that_end_say_nothing_about_later_positions():
    trials = pd.DataFrame({"tokens": [4, 10, 10, 10]})
    tokens, shares = plots.still_equal(trials, np.array([-1, 6, -1, 2]))
    assert tokens.tolist() == [0, 3, 7, 10]
    assert shares.tolist() == pytest.approx([1, 3 / 4, 3 / 8, 3 / 8])


@pytest.mark.parametrize("table, column", [("trials", "plain_ns"), ("steps", "margin"), ("cells", "timed"),
                                           ("samples", "scenario")])
def test_a_missing_column_is_named(tmp_path, table, column):
    path = results_files.write(tmp_path / "old.h5", [NONE], [{"cell": 0}], leave_out=(table, column))
    with pytest.raises(ValueError, match=f"old.h5: /{table} has no column {column}"):
        plots.load(path)


def test_what_is_no_results_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone.h5: no such file"):
        plots.load(tmp_path / "gone.h5")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(ValueError, match="text.h5: not an HDF5 file"):
        plots.load(tmp_path / "text.h5")
    path = results_files.write(tmp_path / "part.h5", [NONE], [{"cell": 0}], leave_out=("steps", None))
    with pytest.raises(ValueError, match="no table /steps"):
        plots.load(path)
    path = results_files.write(tmp_path / "lost.h5", [NONE], [{"cell": 5}])
    with pytest.raises(ValueError, match="a trial names a cell or a sample that is not there"):
        plots.load(path)


def test_a_file_that_has_changed_is_not_mixed_with_the_old_one(several):
    data = plots.load(several)
    with_summary(data, [{"cell": 0, "tokens_per_step": 1.0}])
    with pytest.raises(ValueError, match="has changed since it was loaded"):
        plots.summary(data)


def test_intervals_need_the_program(several, monkeypatch, tmp_path):
    monkeypatch.delenv("HARNESS", raising=False)
    monkeypatch.setattr(plots.table.__globals__["pathlib"].Path, "is_file", lambda _: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no harness program"):
        plots.summary(plots.load(several))


def shown(figure):
    """The figure as it is drawn, and its panels, colour bars left out."""
    figure.canvas.draw()
    return [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]


@pytest.mark.filterwarnings("error")
def test_long_names_take_no_room_from_the_axes(tmp_path):
    """What is written beside the axes has its own room, and titles end before the next panel."""
    long = {"sources": "references_prompt_output", "key": "history"}
    cells, trials, steps = [], [], []
    for rule in ({"rule": "greedy"}, {"rule": "topp_window", "temperature": 2,
                                      "rule_params": {f"window_{i}": i for i in range(5)}}):
        for dataset in ("records_of_a_long_name", "others"):
            for policy in (NONE, *({**llma(k=k), "policy_params": {"n": 1, "k": k, "tie": tie, **long}}
                                   for k in (2, 4) for tie in ("first", "most_frequent"))):
                cells.append({"model": "SmolLM2-135M-Instruct.Q4_1", "dataset": dataset, **rule, **policy})
                trial = {"cell": len(cells) - 1, "steps": 8 - len(cells) % 3, "plain_ns": 900, "decode_ns": 600, "verify_ns": 500,
                         "speedup": 1.5, "draft_ns": 5, "first_divergence": 4, "equal": 0}
                trials.append(trial)
                steps += [{"trial": len(trials) - 1, "step": s, "drafted": 3, "testable": 3, "depth": 3, "source": 0,
                           "match_length": 1 + s % 12, "verify_ns": 5, "accepted": s % 3, "margin": 0.1 + s,
                           "equal": int(s < 4)} for s in range(400)]
    data = plots.load(results_files.write(tmp_path / "long.h5", cells, trials, steps))
    with_summary(data, [{"cell": c["cell"], "tokens_per_step": 2.0 + c["cell"] % 3, "speedup_total": 1.0 + c["cell"] % 4}
                        for _, c in data["cells"].iterrows()])
    for name, draw in plots.PICTURES.items():
        if name == "passes":
            continue  # no pass over one token here
        figure = draw(data)
        panels = shown(figure)
        for ax in panels:
            assert ax.bbox.width / figure.dpi > 1.8 and ax.bbox.height / figure.dpi > 0.25, name
            title, column = ax._left_title.get_window_extent(), ax.get_subplotspec().colspan.start
            others = [o for o in panels if o.get_subplotspec().rowspan.start == ax.get_subplotspec().rowspan.start
                      and o.get_subplotspec().colspan.start == column + 1 and o.get_title(loc="left")]
            assert all(title.x1 < o._left_title.get_window_extent().x0 for o in others), (name, ax.get_title(loc="left"))
        plots.plt.close(figure)


def test_a_policy_looks_the_same_in_every_picture(tmp_path):
    """In the file's order, not in that of the results."""
    cells = [NONE, llma(k=2), llma(k=4), {"policy": "pld", "n": 3, "k": 10}]
    trials = [{"cell": c, "steps": 10 - 2 * c} for c in range(4)]
    steps = [{"trial": t, "step": s, "drafted": 3, "testable": 3, "depth": 3, "source": 0, "match_length": 1} for t in (1, 2, 3)
             for s in range(40)]
    data = plots.load(results_files.write(tmp_path / "looks.h5", cells, trials, steps))
    with_summary(data, [{"cell": c, "tokens_per_step": 1.0 + c} for c in range(4)])
    for draw in (plots.pareto, plots.by_match_length, plots.by_scenario, plots.acceptance_by_position, plots.quality_and_speed):
        legend = next(ax.get_legend() for ax in draw(data).axes if ax.get_legend() is not None)
        looks = {text.get_text().split(" ")[0]: (line.get_color(), line.get_marker()) for text, line in
                 zip(legend.get_texts(), legend.get_lines())}
        assert looks == {"llma": (plots.COLOURS[0], "o"), "pld": (plots.COLOURS[1], "s")}, draw.__name__
    plots.plt.close("all")


def test_sets_that_are_left_out_are_counted(tmp_path):
    cells = [{"dataset": f"d{i:02}", **llma(k=k)} for i in range(14) for k in (2, 4)]
    trials = [{"cell": c, "steps": 5} for c in range(28)]
    steps = [{"trial": t, "step": s, "drafted": 3, "testable": 3, "depth": 3, "source": 0, "match_length": 1} for t in range(24)
             for s in range(40)]
    data = plots.load(results_files.write(tmp_path / "many.h5", cells, trials, steps))
    with_summary(data, [{"cell": c, "tokens_per_step": 2.0, "speedup_total": 1.5 if c < 26 else math.nan} for c in range(28)])

    def note(figure):
        plots.plt.close(figure)
        return figure._suptitle.get_text().split("\n")
    assert note(plots.speedup(data)) == ["12 of 13 sets of cells; select() shows others",
                                         "1 of 14 sets of cells left out: no speed-up of all trials"]
    assert note(plots.acceptance_by_position(data)) == ["6 of 12 sets of cells; select() shows others",
                                                        "2 of 14 sets of cells left out: fewer than 20 drafts"]
    assert note(plots.speedup(data, most=1))[-1] == "the 1 best cells of up to 2"
    assert plots.acceptance_by_source(data)._suptitle.get_text() == "6 of 12 sets of cells; select() shows others"
    assert plots.speedup(plots.select(data, dataset="d00"))._suptitle is None
    plots.plt.close("all")


def test_no_point_lies_outside_the_axes(tmp_path):
    """Also where the first row, whose axes others share, holds less than they do; and no share above 100% has a tick."""
    cells = [{"dataset": d, **rule, **llma()} for d in "xy" for rule in ({"rule": "greedy"}, {"rule": "fly", "temperature": 1})]
    trials = [{"cell": c, "log_likelihood": -5.0, "plain_log_likelihood": -5.0} for c in range(3)]
    trials += [{"cell": 3, "log_likelihood": -25.0, "plain_log_likelihood": -5.0, "first_divergence": 2, "equal": 0}]
    data = plots.load(results_files.write(tmp_path / "lossy.h5", cells, trials))
    with_summary(data, [{"cell": c, "tokens_per_step": 1.0 + c, "speedup_total": 1.0 + c} for c in range(4)])
    figure = plots.quality_and_speed(data)
    points = 0
    for ax in shown(figure):
        for line in ax.lines:
            if len(line.get_xdata()) == 1:
                points += 1
                assert ax.bbox.contains(*ax.transData.transform((line.get_xdata()[0], line.get_ydata()[0])))
        if ax.get_subplotspec().colspan.start == 0:
            assert max(ax.get_yticks()) == 1
    assert points == 8
    plots.plt.close(figure)


def test_a_listing_is_what_people_read(several):
    data = plots.load(several)
    of = data["cells"].assign(a=1.0, b=math.nan)
    table = plots.listing(data, of, ["a", "b"])
    assert table.index.names == ["model", "dataset", "rule", "policy"] and list(table.columns) == ["a"]
    assert table.index[6] == ("a", "x", "typical T=0.7", "llma n=1 k=4")
    one = plots.select(data, model="a", dataset="x", rule="greedy")
    assert list(plots.listing(one, one["cells"].assign(a=1), ["a"]).index) == ["none", "llma n=1 k=2", "llma n=1 k=4", "suffix"]


def test_the_best_cells_of_a_map_are_framed(tmp_path):
    cells = [llma(k=2), llma(k=4), {**llma(k=2), "dataset": "e"}, {**llma(k=4), "dataset": "e"}]
    data = plots.load(results_files.write(tmp_path / "map.h5", cells, [{"cell": c} for c in range(4)]))
    with_summary(data, [{"cell": c, "tokens_per_step": v} for c, v in enumerate((1.0, 2.0, 3.0, 3.0))])
    figure = plots.heatmap(data)
    assert [len(ax.patches) for ax in shown(figure)] == [1, 0]  # where all are equal none is best
    plots.plt.close(figure)


def test_a_bound_beats_no_policy(tmp_path):
    cells = [llma(k=2), llma(k=4), {"policy": "oracle", "k": 8}, {"policy": "suffix"}]
    trials = [{"cell": c, "steps": 5 - c, "drafted": 9 - c} for c in range(4)]
    data = plots.load(results_files.write(tmp_path / "bound.h5", cells, trials))
    with_summary(data, [{"cell": c, "tokens_per_step": v} for c, v in enumerate((2.0, 3.0, 9.0, 2.5))])
    texts = [t.get_text() for t in plots.speedup_by_k(data).axes[0].texts]
    assert texts == ["suffix"]
    assert "oracle" not in " ".join(t.get_text() for t in plots.pareto(data).axes[0].texts)
    plots.plt.close("all")


def test_ticks_are_thinned_and_not_dropped():
    _, ax = plots.plt.subplots()
    style.powers(ax.xaxis, range(1, 11))
    assert list(ax.get_xticks()) == [1, 2, 3, 5, 7, 10]
    style.powers(ax.xaxis, range(4, 8))
    assert list(ax.get_xticks()) == [4, 5, 6, 7]
    plots.plt.close("all")
