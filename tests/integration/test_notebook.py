"""The notebook runs from any results file and draws its two figures; so do the figures and macros of the paper."""
import os
import pathlib
import subprocess
import sys

import nbformat
import pytest

from program import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]

CONFIG = """[sweep]
name = small
output = {output}
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


def sweep(folder, policies):
    ini = folder / "small.ini"
    ini.write_text(CONFIG.format(output=folder, root=ROOT, policies=policies))
    harness("sweep", ini)
    return folder / "small.h5"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("results"), GRID)


def execute(results, folder):
    """The notebook after a run over a results file."""
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=120",
         "--ExecutePreprocessor.kernel_name=python3", "--output-dir", folder, "--output", "out.ipynb",
         ROOT / "analysis" / "explore.ipynb"],
        env={**os.environ, "RESULTS": str(results), "PYTHONDONTWRITEBYTECODE": "1", "MPLCONFIGDIR": str(folder)},
        capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return nbformat.read(folder / "out.ipynb", as_version=4)


def figures(notebook):
    return [o["data"]["image/png"] for c in notebook.cells for o in c.get("outputs", [])
            if "image/png" in o.get("data", {})]


def test_notebook_draws_two_figures(results, tmp_path):
    drawn = figures(execute(results, tmp_path))
    assert len(drawn) == 2
    assert all(len(png) > 5000 for png in drawn)  # base64; an empty pair of axes is smaller


def test_notebook_takes_a_file_without_drafts(tmp_path):
    assert len(figures(execute(sweep(tmp_path, "[policy none]"), tmp_path))) == 2


def test_notebook_is_stored_without_outputs():
    notebook = nbformat.read(ROOT / "analysis" / "explore.ipynb", as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_figures_agree_with_the_table(results, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "analysis"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import plots
    rows = [line.split(",") for line in harness("tables", "summary", results, "--format", "csv").text.splitlines()]
    table = {row[0]: row for row in rows[1:]}
    column = rows[0].index("tokens_per_step")
    cells = plots.tokens_per_step(plots.load(results))
    assert len(cells) == len(table) == 6
    for _, cell in cells.iterrows():
        assert float(table[str(cell["cell"])][column]) == cell["tokens_per_step"]
    assert plots.varying(plots.load(results)) == ["policy", "n", "k", "other"]
    assert len(plots.comparable(plots.load(results), cells, cells.iloc[0])) == len(cells)
    map_of = plots.heatmap(plots.load(results)).axes[0]
    texts = sorted(t.get_text() for t in map_of.texts)
    assert texts == sorted(f"{v:.2f}" for v in cells[cells["policy"] == "llma"]["tokens_per_step"])

    rows = [line.split(",") for line in harness("tables", "positions", results, "--format", "csv").text.splitlines()]
    where = {name: rows[0].index(name) for name in ("cell", "position", "reached", "tested", "accepted")}
    steps = plots.load(results)["steps"]
    for cell, of_cell in steps.groupby("cell"):
        listed = [tuple(int(r[where[c]]) for c in ("position", "reached", "tested", "accepted"))
                  for r in rows[1:] if int(r[where["cell"]]) == cell]
        counts = plots.positions(of_cell)[["position", "reached", "tested", "accepted"]]
        assert listed == [tuple(row) for row in counts.itertuples(index=False)]


def test_every_number_of_the_paper_is_a_macro(results):
    done = subprocess.run([sys.executable, "-B", ROOT / "paper" / "macros.py", results], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    defined = {line.split("{\\")[1].split("}")[0] for line in done.stdout.splitlines() if line.startswith("\\newcommand")}
    paper = (ROOT / "paper" / "paper.tex").read_text()
    assert "\\newcommand{\\BaselineSteps}{" in done.stdout
    for name in defined - {"LogitsTrials", "LogitsEqualTrials", "LogitsEqualShare"}:
        assert "nan" not in done.stdout.split(f"\\newcommand{{\\{name}}}{{")[1].split("\n")[0]
    used = {name for name in defined if f"\\{name}" in paper}
    assert {"Samples", "BaselineSteps", "BestSteps", "EqualTrials", "Trials", "Commit"} <= used
    assert "\\ifLogits" in paper and "\\newif\\ifLogits" in done.stdout
