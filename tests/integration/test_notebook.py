"""The notebooks run over any results file without an error or a warning and draw what it holds; their numbers are those of
`harness tables`."""
import base64
import os
import pathlib
import subprocess
import sys

import pytest

from program import HARNESS, harness

pytest.importorskip("nbconvert")
pytest.importorskip("ipykernel")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("matplotlib")

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = ("first_steps", "explore", "rules")

REPLAY = """[sweep]
name = small
output = {folder}
[model bytes]
target = replay
tokenizer = bytes
[dataset quickstart]
path = {root}/datasets/samples/quickstart.jsonl
forced = yes
limit = 4
max_new_tokens = 4096
{policies}
[accept greedy]
"""
GRID = "[policy llma]\nn = 1, 4\nk = 5, 20\n[policy pld]"

# Two models (of which one has a cost file), two data sets, three rules, of which one changes outputs; policies with k and
# without.
TIMED = """[sweep]
name = several
output = {folder}
paired = yes
[model copier]
target = transformer
path = {root}/datasets/models/copier.gguf
cost = {folder}/cost.ini
[model threads]
target = transformer
path = {root}/datasets/models/copier.gguf
threads = 2
[dataset scenarios]
path = {root}/datasets/samples/scenarios.jsonl
limit = 3
max_new_tokens = 24
[dataset edits]
path = {root}/datasets/samples/code_edits.jsonl
limit = 2
max_new_tokens = 12
[policy none]
[policy llma]
n = 1, 2
k = 4, 8
[policy suffix_tree]
[accept greedy]
[accept coupled]
temperature = 0.7
[accept topp_window]
temperature = 2
"""
COST = "[cost]\nmodel = copier\nthreads = 1\n[T]\n1 = 100\n4 = 150\n8 = 220\n64 = 1600\n"


def sweep(folder, text, **values):
    (folder / "cost.ini").write_text(COST)
    ini = folder / "sweep.ini"
    ini.write_text(text.format(folder=folder, root=ROOT, **values))
    harness("sweep", ini)
    return next(folder.glob("*.h5"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("replay"), REPLAY, policies=GRID)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("several"), TIMED)


@pytest.fixture
def plots(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "analysis"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("HARNESS", HARNESS)
    import plots
    yield plots
    plots.plt.close("all")


def execute(name, results, folder):
    """The notebook after a run over a results file: no cell raised, and none warned."""
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=120",
         "--ExecutePreprocessor.kernel_name=python3", "--output-dir", folder, "--output", "out.ipynb",
         ROOT / "analysis" / f"{name}.ipynb"],
        env={**os.environ, "RESULTS": str(results), "PYTHONDONTWRITEBYTECODE": "1", "MPLCONFIGDIR": str(folder),
             "HARNESS": HARNESS},
        capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(folder / "out.ipynb", as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", (cell.source, output.text)
    return notebook


def outputs(notebook, kind):
    return [o["data"][kind] for c in notebook.cells for o in c.get("outputs", []) if kind in o.get("data", {})]


def printed(notebook):
    return "".join(o["text"] for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stdout")


PICTURES = {"first_steps": 3, "explore": 11, "rules": 2}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_draws_a_file_of_several_models_sets_and_rules(name, several, tmp_path):
    notebook = execute(name, several, tmp_path)
    drawn = outputs(notebook, "image/png")
    assert len(drawn) == PICTURES[name], printed(notebook)
    assert all(len(base64.b64decode(png)) > 8000 for png in drawn)  # an empty pair of axes is smaller
    assert "nothing to show" not in printed(notebook)


def test_first_steps_without_a_speed_up(tmp_path):
    """Outputs of one token have no time per token, and so no cell has a speed-up."""
    short = TIMED.replace("max_new_tokens = 24", "max_new_tokens = 1").replace("max_new_tokens = 12", "max_new_tokens = 1")
    assert "best: " in printed(execute("first_steps", sweep(tmp_path, short), tmp_path))


def test_tables_name_cells_as_pictures_do(several, tmp_path):
    notebook = execute("first_steps", several, tmp_path)
    assert printed(notebook).startswith("copier on scenarios\ngreedy, temperature 0\n(one of 12 sets of cells in this file)")
    tables = outputs(notebook, "text/plain")
    assert "llma n=1 k=4" in tables[0] and "cross=no" not in "".join(tables) and "-1" not in tables[0]


MISSING = {
    "first_steps": ["pass_times"],
    "explore": ["heatmap", "pass_times", "where_time_goes"],
    "rules": ["divergence"],
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_says_what_a_replay_does_not_hold(name, results, tmp_path):
    notebook = execute(name, results, tmp_path)
    said = [line.split(":")[0] for line in printed(notebook).splitlines() if "nothing to show" in line]
    assert said == MISSING[name]
    assert len(outputs(notebook, "image/png")) == PICTURES[name] - len(said)


def test_pictures_are_files_too(several, tmp_path):
    def draw(*arguments):
        return subprocess.run([sys.executable, "-B", ROOT / "analysis" / "plots.py", *arguments], capture_output=True,
                              text=True, timeout=300, env={**os.environ, "HARNESS": HARNESS})
    done = draw(several, tmp_path / "a")
    assert (done.returncode, done.stderr) == (0, "")
    written = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert {"speedup.pdf", "speedup_by_k.pdf", "heatmap.pdf", "divergence.pdf"} <= set(written) and len(written) == 12
    assert draw(several, tmp_path / "b").returncode == 0
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}

    done = draw(sweep(tmp_path, REPLAY, policies="[policy none]"), tmp_path / "c")
    assert done.returncode == 0
    assert "where_time_goes" not in done.stderr and "time: left out: no times" in done.stderr
    assert not list((tmp_path / "c").iterdir())

    assert draw(several, tmp_path / "d", "bmp").stderr == "plots.py: no format bmp (pdf, svg, png)\n"
    assert "no such file" in draw(tmp_path / "gone.h5", tmp_path / "d").stderr
    (tmp_path / "empty.h5").write_text("")
    done = draw(tmp_path / "empty.h5", tmp_path / "d")
    assert done.returncode == 1 and "not an HDF5 file" in done.stderr and "Traceback" not in done.stderr


def csv_of(path, name):
    rows = [line.split(",") for line in harness("tables", name, path, "--format", "csv").text.splitlines()]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def same(text, value):
    """Whether a table's field is this number; empty where it is missing."""
    return value != value if text == "" else float(text) == pytest.approx(float(value), rel=1e-12)


def test_figures_agree_with_the_table(results, plots):
    data = plots.load(results)
    table = {row["cell"]: row for row in csv_of(results, "summary")}
    cells = plots.tokens_per_step(data)
    assert len(cells) == len(table) == 6
    for _, cell in cells.iterrows():
        assert float(table[str(cell["cell"])]["tokens_per_step"]) == cell["tokens_per_step"]
    assert plots.varying(data) == ["policy", "n", "k", "other"]
    assert len(plots.comparable(data, cells, cells.iloc[0])) == len(cells)
    map_of = plots.heatmap(data).axes[0]
    texts = sorted(t.get_text() for t in map_of.texts)
    assert texts == sorted(f"{v:.2f}" for v in cells[cells["policy"] == "llma"]["tokens_per_step"])

    rows = csv_of(results, "positions")
    for cell, of_cell in data["steps"].groupby("cell"):
        listed = [tuple(int(row[c]) for c in ("position", "reached", "tested", "accepted"))
                  for row in rows if int(row["cell"]) == cell]
        counts = plots.positions(of_cell)[["position", "reached", "tested", "accepted"]]
        assert listed == [tuple(row) for row in counts.itertuples(index=False)]


def test_sums_agree_with_the_tables(several, plots):
    data = plots.load(several)
    for cell, steps in data["steps"].groupby("cell"):
        sums = plots.step_sums(steps, plots.source_names(steps))
        rows = {row["copied_from"]: row for row in csv_of(several, "sources") if int(row["cell"]) == cell}
        assert set(rows) == set(sums.index)
        for source, row in rows.items():
            assert int(row["steps"]) == sums.loc[source, "steps"]
            assert same(row["share_of_tokens"], sums.loc[source, "share_of_tokens"])
            assert same(row["acceptance"], sums.loc[source, "acceptance"]) and same(row["speedup"], sums.loc[source, "speedup"])
        if cell > 4:
            break
    scenarios = plots.scenario_values(data, "tokens_per_step").set_index(["cell", "scenario"])["value"]
    rows = csv_of(several, "scenarios")
    assert len(rows) == len(scenarios)
    assert all(same(row["tokens_per_step"], scenarios[int(row["cell"]), row["scenario"]]) for row in rows)
    quality = plots.quality(data).set_index("cell")
    for row in csv_of(several, "equality"):
        of = quality.loc[int(row["cell"])]
        assert same(row["agreeing_share"], of["agreement"])
        own, plain = (float(row[c]) for c in ("log_likelihood_per_token", "plain_log_likelihood_per_token"))
        assert of["log_p"] == pytest.approx(own - plain, abs=1e-12)


def test_speed_ups_of_totals_agree_with_the_table(several, plots):
    data = plots.load(several)
    for measure, column in (("speedup", "speedup_total"), ("modeled_speedup", "modeled_speedup_total")):
        sums = plots.records(data, measure).groupby("cell")[["part", "whole"]].sum()
        totals = plots.summary(data).set_index("cell")[column].dropna()
        assert len(totals) > 0 and set(totals.index) == set(sums.index)
        assert (sums["part"] / sums["whole"]).to_dict() == pytest.approx(totals.to_dict(), rel=1e-9)
