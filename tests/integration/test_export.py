"""`harness export`: every table of a results file as flat CSV."""
import json

import h5py
import numpy as np
import pandas as pd
import pytest

from program import harness
from sweeps import run, write_jsonl

FILES = ["cells", "processes", "samples", "skipped", "steps", "tokens", "trials"]


@pytest.fixture
def results(quick_ini, tmp_path):
    run("sweep", quick_ini(repeats=2))
    return tmp_path / "results" / "quick.h5"


def test_every_value_of_every_table(results, tmp_path):
    out = tmp_path / "csv"
    text = harness("export", results, "-o", out).text
    assert sorted(p.name for p in out.iterdir()) == [f"{n}.csv" for n in FILES]
    with h5py.File(results) as f:
        tables = {name: pd.DataFrame(f[name][:]) for name in FILES if name != "tokens"}
        ids, offset = f["tokens/ids"][:], f["tokens/offset"][:]
    for name, want in tables.items():
        got = pd.read_csv(out / f"{name}.csv", keep_default_na=False, na_values={c: "" for c in want if want[c].dtype == float},
                          dtype={c: str for c in want if want[c].dtype == object})
        assert f"{out}/{name}.csv: {len(want)} row" in text and len(got) == len(want)
        for column in set(want) & set(got):
            values = want[column].str.decode("utf-8") if want[column].dtype == object else want[column]
            if name == "cells" and column not in ("cell", "id", "params", "stop_ids", "trials", "timed"):
                continue  # settings: as tables show them
            np.testing.assert_array_equal(got[column].to_numpy(), values.to_numpy(), err_msg=f"{name}.{column}")
        assert name == "cells" or set(want) <= set(got)
    tokens = pd.read_csv(out / "tokens.csv")
    np.testing.assert_array_equal(tokens["id"], ids)
    np.testing.assert_array_equal(tokens.groupby("trial").size(), np.diff(offset))


def test_a_trial_says_all_that_it_is(results, tmp_path):
    harness("export", results, "-o", tmp_path)
    trials, cells = pd.read_csv(tmp_path / "trials.csv"), pd.read_csv(tmp_path / "cells.csv")
    steps, samples = pd.read_csv(tmp_path / "steps.csv"), pd.read_csv(tmp_path / "samples.csv")
    for _, t in trials.iterrows():
        cell = cells.loc[t["cell"]]
        params = json.loads(cell["params"])
        assert t["policy"] == cell["policy"] and t["rule"] == cell["rule"] and t["dataset"] == "quick"
        assert t["policy"] != "llma" or (t["k"], t["policy_cut"]) == (params["policy"]["k"], params["policy"]["cut"])
        assert t["sample_id"] == samples.loc[t["sample"], "id"]
    mine = steps.groupby("trial")[["emitted", "cell", "sample", "repeat"]].agg({"emitted": "sum", "cell": "first",
                                                                                "sample": "first", "repeat": "first"})
    for column, of in (("emitted", "tokens"), ("cell", "cell"), ("sample", "sample"), ("repeat", "repeat")):
        np.testing.assert_array_equal(mine[column], trials[of])


def test_texts_are_quoted(quick_ini, tmp_path):
    ini = quick_ini()
    records = [{"id": 'a,"b"\nc', "prompt": "p", "references": ["xyz"], "output": "xyz"}]
    path = write_jsonl(tmp_path / "odd.jsonl", records)
    text = ini.read_text()
    ini.write_text("\n".join(f"path = {path}" if line.startswith("path") else line for line in text.splitlines()) + "\n")
    run("sweep", ini)
    harness("export", tmp_path / "results" / "quick.h5", "-o", tmp_path / "csv")
    assert pd.read_csv(tmp_path / "csv" / "samples.csv")["id"].tolist() == ['a,"b"\nc']


def test_only_cells_that_fit(results, tmp_path):
    harness("export", results, "-o", tmp_path, "--where", "policy=pld")
    assert set(pd.read_csv(tmp_path / "trials.csv")["policy"]) == {"pld"}
    assert set(pd.read_csv(tmp_path / "steps.csv")["cell"]) == {0}


def test_what_cannot_be_read_or_written(results, tmp_path):
    assert "export needs -o DIR" in harness("export", results, status=2).error
    for name, content in (("missing", None), ("empty", b""), ("text", b"hello\n"), ("cut", results.read_bytes()[:3000])):
        bad = tmp_path / f"{name}.h5"
        if content is not None:
            bad.write_bytes(content)
        assert f"harness: {bad}: " in harness("export", bad, "-o", tmp_path / "none", status=2).error
        assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("")
    assert f"{tmp_path}/file" in harness("export", results, "-o", tmp_path / "file", status=None).error
    assert "cannot make the folder" in harness("export", results, "-o", tmp_path / "no" / "folder", status=1).error
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "trials.csv").hardlink_to(results)
    assert "is the same file as the input" in harness("export", results, "-o", tmp_path / "csv", status=2).error
    assert h5py.is_hdf5(results)
