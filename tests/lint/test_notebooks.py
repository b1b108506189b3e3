"""Notebooks are stored as text that people read and git compares: without outputs, in short cells."""
import json
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "analysis").glob("*.ipynb"))
STRIP = "strip it: jupyter nbconvert --clear-output --inplace"


def test_there_are_notebooks():
    assert {"first_steps.ipynb", "explore.ipynb", "rules.ipynb"} <= {path.name for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_stored_without_outputs(path):
    notebook = json.loads(path.read_text())
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}, STRIP
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None, (cell["id"], STRIP)
        assert cell["metadata"] == {}, (cell["id"], STRIP)
        assert len(cell["source"]) <= 20, (cell["id"], "a cell does one thing")
        assert all(len(line.rstrip("\n")) <= 120 for line in cell["source"]), cell["id"]
    assert path.read_text() == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_ids_are_unique(path):
    ids = [cell["id"] for cell in json.loads(path.read_text())["cells"]]
    assert len(set(ids)) == len(ids)
