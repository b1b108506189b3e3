"""harness inspect --hash: the same results have the same hashes, others have others."""
import re

import pytest

from program import harness
from sweeps import GRID, ROOT, run, write_jsonl

MODEL = ROOT / "datasets" / "models" / "copier.gguf"
RECORDS = [{"id": str(i), "prompt": f"p{i}", "references": ["a b c d e f"], "output": "b c d e"} for i in range(3)]


def sweep(folder, name, output="b c d e", k=4, repeats=1):
    records = write_jsonl(folder / f"{name}.jsonl", [{**r, "output": output} for r in RECORDS])
    ini = folder / "c.ini"
    ini.write_text(GRID.format(name=name, output=folder / "out", repeats=repeats, path=records, limit=0, n=1, k=k))
    run("sweep", "-q", ini)
    return folder / "out" / f"{name}.h5"


def hashes(path):
    """The file's hash, and the cells' by policy."""
    first, *cells = harness("inspect", "--hash", path).text.splitlines()
    whole = re.fullmatch(r"([0-9a-f]{16})  (.*): (\d+) cells, (\d+) trials", first)
    assert whole and whole[2] == str(path) and int(whole[3]) == len(cells)
    return whole[1], {line.split()[4]: line.split()[0] for line in cells}


def test_results_of_another_run_have_the_same_hashes(tmp_path):
    a, b = hashes(sweep(tmp_path, "a")), hashes(sweep(tmp_path, "b"))
    assert a == b and set(a[1]) == {"none", "llma", "pld"} and len(set(a[1].values())) == 3


def test_other_results_have_others_where_they_differ(tmp_path):
    whole, cells = hashes(sweep(tmp_path, "a"))
    other, others = hashes(sweep(tmp_path, "k", k=3))
    assert other != whole and {p for p in cells if cells[p] != others[p]} == {"llma"}
    other, others = hashes(sweep(tmp_path, "o", output="b c d f"))
    assert other != whole and not set(cells.values()) & set(others.values())


def test_a_cell_file_has_the_hash_of_its_cell(tmp_path):
    path = sweep(tmp_path, "a")
    of_files = {}
    for cell in (path.parent / "a" / "cells").iterdir():
        _, line = harness("inspect", "--hash", cell).text.splitlines()
        of_files[line.split()[4]] = line.split()[0]
    assert of_files == hashes(path)[1]


@pytest.mark.parametrize("make, message", [
    (lambda p: MODEL, "--hash is given, but this is no results file"),
    (lambda p: p, "--hash is given, but this is a folder"),
    (lambda p: write_jsonl(p / "r.jsonl", RECORDS), "--hash is given, but this is no results file"),
    (lambda p: p / "missing.h5", "missing.h5: cannot"),
])
def test_what_has_no_hash_is_named(tmp_path, make, message):
    path = make(tmp_path)
    error = harness("inspect", "--hash", path, status=2).error
    assert message in error and str(path) in error


def test_damaged_results_have_none(tmp_path):
    path = sweep(tmp_path, "a")
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    assert str(path) in harness("inspect", "--hash", path, status=2).error
    path.write_bytes(b"")
    assert "--hash is given, but this is no results file" in harness("inspect", "--hash", path, status=2).error
