"""A results file, opened with the tools of researchers: h5py, pandas, h5dump. The schema is repeated here by hand: a
column that changes its name, type or place breaks other people's scripts."""
import pathlib
import re
import shutil
import subprocess

import h5py
import numpy as np
import pandas as pd
import pytest

from gguf_files import write_model
from program import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]
STR = "str"
ATTRIBUTES = {"schema_version": "<i4", "sweep": STR, "created": STR}
TABLES = {
    "cells": "cell:<u4 id:|S16 config:str model:str dataset:str target:str threads:<i4 gemm:str stop:str chat:str forced:|u1 rule:str "
             "temperature:<f8 policy:str n:<i4 k:<i4 dataset_sha256:str model_sha256:str build:|S16 params:str stop_ids:str trials:<u4 timed:|u1 "
             "created:str harness_version:str git_commit:str cpu:str isa:str compiler:str flags:str "
             "governor:str load:str",
    "processes": "process:<u4 id:|S16 started:str harness_version:str git_commit:str cpu:str isa:str compiler:str flags:str "
                 "governor:str load:str",
    "samples": "sample:<u4 dataset:str id:str scenario:str prompt_tokens:<u4 reference_tokens:<u4 references:<u4 conversation:str documents:<u8 content:<u8",
    "skipped": "skipped:<u4 dataset:str dataset_sha256:str model:str line:<u4 id:str reason:str",
    "trials": "trial:<u4 cell:<u4 sample:<u4 repeat:<u4 process:<u4 tokens:<u4 plain_tokens:<u4 steps:<u4 drafted:<u4 "
              "testable:<u4 accepted:<u4 prefill_ns:<u8 "
              "decode_ns:<u8 draft_ns:<u8 verify_ns:<u8 plain_ns:<u8 modeled_ns:<f8 plain_modeled_ns:<f8 tokens_per_step:<f8 speedup:<f8 modeled_speedup:<f8 equal:|u1 "
              "logits_equal:|u1 first_divergence:<i8 max_abs_logit_diff:<f8 min_margin:<f8 log_likelihood:<f8 plain_log_likelihood:<f8 truncated:|u1 logits_hash:<u8",
    "steps": "trial:<u4 step:<u4 position:<u4 match_length:<u2 source:<i4 source_position:<i4 drafted:<u2 testable:<u2 depth:<u2 accepted:<u2 "
             "emitted:<u2 draft_ns:<u8 verify_ns:<u8 plain_ns:<u8 equal:|u1 logits_equal:|u1 margin:<f8",
}
SETTINGS = ("config:setup model:setup dataset:setup target:setup threads:setup gemm:setup stop:setup chat:setup forced:setup rule:rule "
            "temperature:rule policy:policy n:policy k:policy dataset_sha256:digest model_sha256:digest build:digest")
REPLAY = """[sweep]
name = schema
output = {out}
repeats = 2
[model bytes]
target = replay
tokenizer = bytes
[dataset quickstart]
path = {data}
limit = 2
forced = yes
max_new_tokens = 4096
[policy llma]
n = 1, 2
k = 10
[policy pld]
[accept greedy] ; é \u009b5m \u202e
"""
TREES = """[sweep]
name = trees
output = {out}
[model bytes]
target = replay
tokenizer = bytes
[dataset quickstart]
path = {data}
limit = 5
forced = yes
max_new_tokens = 4096
[policy hedge]
k = 8
width = 3
[accept greedy]
"""
TRANSFORMER = """[sweep]
name = model
output = {out}
[model tiny]
target = transformer
path = {model}
threads = 1
[dataset short]
path = {data}
max_new_tokens = 12
[policy pld]
[accept greedy]
"""


def columns(text):
    return [tuple(c.split(":")) for c in text.split()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One replay sweep, run once."""
    out = tmp_path_factory.mktemp("schema")
    ini = out / "schema.ini"
    ini.write_text(REPLAY.format(out=out, data=ROOT / "datasets/samples/quickstart.jsonl"), encoding="utf-8")
    harness("sweep", ini)
    return out


@pytest.fixture
def results(folder):
    with h5py.File(folder / "schema.h5", "r") as f:
        yield f


def test_root_attributes(results):
    assert set(results.attrs) == set(ATTRIBUTES)
    for name, kind in ATTRIBUTES.items():
        dtype = results.attrs.get_id(name).dtype
        if kind is not STR:
            assert dtype == np.dtype(kind), name
            continue
        info = h5py.check_string_dtype(dtype)
        assert info.encoding == "utf-8" and info.length is not None, name
        assert info.length == max(1, len(results.attrs[name])), name
    assert results.attrs["schema_version"] == 10
    assert results.attrs["sweep"] == b"schema"
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", results.attrs["created"])


def test_a_tree_is_deeper_than_it_is_accepted_at_the_end_only(tmp_path):
    """Every level of three tokens is accepted, up to the output's last token, which is the target's own."""
    ini = tmp_path / "trees.ini"
    ini.write_text(TREES.format(out=tmp_path, data=ROOT / "datasets/samples/quickstart.jsonl"))
    harness("sweep", ini)
    with h5py.File(tmp_path / "trees.h5") as f:
        steps, trials = f["steps"][()], f["trials"][()]
    steps = steps[trials["cell"][steps["trial"]] == trials["cell"].max()]
    left = trials["tokens"][steps["trial"]].astype(int) - 1 - steps["position"]
    assert set(steps["drafted"]) >= {3, 6}
    np.testing.assert_array_equal(steps["depth"], np.minimum(steps["drafted"] // 3, left))
    np.testing.assert_array_equal(steps["testable"], 3 * steps["depth"])
    np.testing.assert_array_equal(steps["accepted"], steps["depth"])
    printed = harness("tables", "positions", tmp_path / "trees.h5", "--format", "csv").text
    rows = [line.split(",") for line in printed.splitlines() if not line.startswith("#")]
    at = {name: i for i, name in enumerate(rows[0])}
    assert [row[at["position"]] for row in rows[1:]] == ["1", "2"]
    assert all(row[at["reached"]] == row[at["accepted"]] != "0" for row in rows[1:])


@pytest.mark.parametrize("table", TABLES)
def test_columns(results, table):
    data = results[table]
    want = columns(TABLES[table])
    assert [name for name, _ in want] == list(data.dtype.names)[:len(want)]
    rows = data[()]
    for name, kind in want:
        dtype = data.dtype[name]
        if kind is STR or kind == STR:
            assert dtype.kind == "S", name
            assert dtype.itemsize == max(1, max((len(v) for v in rows[name]), default=0)), name
            assert data.id.get_type().get_member_type(data.dtype.names.index(name)).get_cset() == h5py.h5t.CSET_UTF8
        else:
            assert dtype == np.dtype(kind), name
    assert data.dtype.itemsize == sum(data.dtype[n].itemsize for n in data.dtype.names), "packed"


def test_the_file_names_its_settings(results):
    attributes = results["cells"].attrs
    assert set(attributes) == {"settings", "roles"}
    assert [(s.decode(), r.decode()) for s, r in zip(attributes["settings"], attributes["roles"])] == columns(SETTINGS)
    assert set(n for n, _ in columns(SETTINGS)) < set(results["cells"].dtype.names)
    for name in attributes:
        dtype = attributes.get_id(name).dtype
        assert dtype.kind == "S" and dtype.itemsize == max(len(v) for v in attributes[name])
        assert h5py.check_string_dtype(dtype).encoding == "utf-8"


@pytest.mark.parametrize("name", [*TABLES, "tokens/ids", "tokens/offset"])
def test_storage(results, name):
    data = results[name]
    assert data.ndim == 1 and data.maxshape == (None,)
    assert data.chunks is not None and data.compression == "gzip" and data.shuffle
    assert h5py.h5g.get_objinfo(data.id).mtime == 0, "times would make equal sweeps differ"


def test_tokens(results):
    trials, offset = results["trials"][()], results["tokens/offset"][()]
    assert results["tokens/ids"].dtype == np.dtype("<i4") and offset.dtype == np.dtype("<u8")
    np.testing.assert_array_equal(np.diff(offset.astype(np.int64)), trials["tokens"])
    assert offset[0] == 0 and offset[-1] == len(results["tokens/ids"])
    assert "logits_hash" not in results["tokens"]
    # Decoding is forced: every trial of a sample has the record's own output.
    ids = results["tokens/ids"][()]
    for sample in range(len(results["samples"])):
        of_sample = [ids[offset[t]:offset[t + 1]].tolist() for t in np.flatnonzero(trials["sample"] == sample)]
        assert len(of_sample) == 4 * 2 and all(o == of_sample[0] for o in of_sample)


def test_rows_agree(results):
    cells, samples, trials, steps = (results[t][()] for t in ("cells", "samples", "trials", "steps"))
    for rows, key in ((cells, "cell"), (samples, "sample"), (trials, "trial")):
        np.testing.assert_array_equal(rows[key], np.arange(len(rows)))
    assert (len(cells), len(samples), len(trials)) == (4, 2, 16)
    key = list(zip(trials["cell"], trials["sample"], trials["repeat"]))
    assert key == sorted(set(key))
    for name in ("drafted", "testable", "accepted"):
        np.testing.assert_array_equal(np.bincount(steps["trial"], steps[name]), trials[name])
    np.testing.assert_array_equal(np.bincount(steps["trial"], steps["emitted"]), trials["tokens"])
    np.testing.assert_array_equal(np.bincount(steps["trial"]), trials["steps"])
    np.testing.assert_array_equal(trials["tokens"] / trials["steps"], trials["tokens_per_step"])
    for name in ("draft_ns", "verify_ns"):
        np.testing.assert_array_equal(np.bincount(steps["trial"], steps[name]), trials[name])
    np.testing.assert_array_equal(steps["verify_ns"][steps["step"] == 0], trials["prefill_ns"])
    np.testing.assert_array_equal(steps["emitted"], steps["accepted"] + 1)
    left = trials["tokens"][steps["trial"]].astype(int) - 1 - steps["position"]
    np.testing.assert_array_equal(steps["testable"], np.minimum(steps["drafted"], left))
    np.testing.assert_array_equal(steps["depth"], steps["testable"])
    np.testing.assert_array_equal(trials["plain_tokens"], trials["tokens"])
    assert set(cells["policy"]) == {b"none", b"llma", b"pld"} and cells["policy"][0] == b"none"
    assert cells["n"][0] == -1 and cells["k"][0] == -1
    assert (steps["source"][steps["match_length"] == 0] == -1).all()
    assert (steps["drafted"][steps["match_length"] == 0] == 0).all()
    for name in ("speedup", "modeled_ns", "plain_modeled_ns", "modeled_speedup", "max_abs_logit_diff", "min_margin", "log_likelihood", "plain_log_likelihood"):
        assert np.isnan(trials[name]).all(), name
    assert (trials["logits_equal"] == 2).all() and (trials["equal"] == 1).all()
    assert (trials["first_divergence"] == -1).all() and (trials["truncated"] == 0).all()
    assert (steps["equal"] == 1).all() and (steps["logits_equal"] == 2).all() and np.isnan(steps["margin"]).all()
    assert (steps["plain_ns"] == 0).all()


def test_configs(results, folder):
    assert list(results["configs"]) == ["schema.ini"]
    text = results["configs/schema.ini"]
    assert text.shape == () and h5py.check_string_dtype(text.dtype).encoding == "utf-8"
    assert text[()] == (folder / "schema.ini").read_bytes()


def test_the_readme_opens_it_in_pandas(folder, capsys):
    readme = (ROOT / "results/README.md").read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", readme, re.S))
    assert "results/quick.h5" in code
    names = {}
    exec(code.replace("results/quick.h5", str(folder / "schema.h5")), names)
    assert list(names["settings"].items()) == columns(SETTINGS)
    names["f"].close()
    printed = capsys.readouterr().out
    assert "llma" in printed and "pld" in printed


def test_the_readme_names_every_column(folder):
    readme = (ROOT / "results/README.md").read_text(encoding="utf-8")
    for table, text in TABLES.items():
        section = re.search(rf"### /{table}\n(.*?)\n##", readme, re.S).group(1)
        rows = {name: kind for names, kind in re.findall(r"^\| (`.*?`) \| ([^|]*) \|", section, re.M)
                for name in re.findall(r"`(\w+)`", names)}
        short = {"|u1": "u8", "<u2": "u16", "<u4": "u32", "<u8": "u64", "<i4": "i32", "<i8": "i64", "<f8": "f64",
                 "|S16": "str, 16 bytes", STR: "str"}
        assert rows == {name: short[kind] for name, kind in columns(text)}, table


def test_pandas_frames(results):
    for table, text in TABLES.items():
        frame = pd.DataFrame(results[table][()])
        assert list(frame.columns) == [name for name, _ in columns(text)]
        assert len(frame) == len(results[table])


@pytest.mark.skipif(shutil.which("h5dump") is None, reason="h5dump is not installed")
def test_h5dump(folder):
    done = subprocess.run(["h5dump", folder / "schema.h5"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    for text in TABLES.values():
        for name, _ in columns(text):
            assert f'"{name}"' in done.stdout, name
    assert "UNKNOWN" not in done.stdout


def test_cell_files_are_the_same_with_one_cell(folder, results):
    ids = []
    for path in sorted((folder / "schema/cells").iterdir()):
        with h5py.File(path, "r") as cell:
            assert len(cell["cells"]) == 1 and len(cell["trials"]) == 4
            assert path.name == cell["cells"]["id"][0].decode() + ".h5"
            assert set(cell) == set(results)
            for table, text in TABLES.items():
                assert list(cell[table].dtype.names) == [name for name, _ in columns(text)]
            ids.append(cell["cells"]["id"][0])
    assert sorted(ids) == sorted(results["cells"]["id"])


def test_cells_of_a_model_keep_hashes_of_logits(tmp_path):
    write_model(tmp_path / "tiny.gguf")
    data, ini = tmp_path / "short.jsonl", tmp_path / "model.ini"
    data.write_text('{"id": "a", "prompt": "one two one two one"}\n{"id": "b", "prompt": "", "references": ["x"]}\n')
    ini.write_text(TRANSFORMER.format(out=tmp_path, model=tmp_path / "tiny.gguf", data=data))
    harness("sweep", ini)
    for path in (tmp_path / "model/cells").iterdir():
        with h5py.File(path, "r") as cell:
            assert cell["tokens/logits_hash"].dtype == np.dtype("<u8")
            assert cell["tokens/logits_hash"].shape == cell["tokens/ids"].shape
            assert len(set(cell["tokens/logits_hash"][()].tolist())) > 1
    with h5py.File(tmp_path / "model.h5", "r") as f:
        assert "logits_hash" not in f["tokens"]
        trials = f["trials"][()]
        assert (trials["logits_equal"] == 1).all() and (trials["max_abs_logit_diff"] == 0).all()
        assert (trials["logits_hash"] != 0).all()
        assert len(set(trials["logits_hash"].tolist())) == len(set(trials["sample"].tolist()))
        assert (trials["min_margin"] >= 0).all()
        assert (trials["log_likelihood"] < 0).all()
        np.testing.assert_array_equal(trials["log_likelihood"], trials["plain_log_likelihood"])
        steps = f["steps"][()]
        assert (steps["equal"] == 1).all() and (steps["logits_equal"] == 1).all()
        smallest = np.full(len(trials), np.inf)
        np.minimum.at(smallest, steps["trial"], steps["margin"])
        np.testing.assert_array_equal(smallest, trials["min_margin"])
        assert np.isnan(trials["modeled_speedup"]).all()
        check_times(trials, paired=False)
        check_step_times(trials, steps, paired=False)
    harness("sweep", ini, "--set", "sweep.paired=yes")
    with h5py.File(tmp_path / "model.h5", "r") as f:
        paired = f["trials"][()]
        np.testing.assert_array_equal(paired["logits_hash"], trials["logits_hash"])
        assert (paired["equal"] == 1).all()
        check_times(paired, paired=True)
        check_step_times(paired, f["steps"][()], paired=True)


def check_times(trials, paired):
    """The plain decoding that a speed-up is relative to: the baseline's, cell 0, or another one."""
    plain, own = trials["plain_tokens"] - 1.0, trials["tokens"] - 1.0
    assert ((plain > 0) & (own > 0)).all()
    np.testing.assert_array_equal(trials["speedup"], (trials["plain_ns"] / plain) / (trials["decode_ns"] / own))
    plain = {(t["sample"], t["repeat"]): t["decode_ns"] for t in trials if t["cell"] == 0}
    assert all(t["plain_ns"] == t["decode_ns"] for t in trials if t["cell"] == 0)
    assert any(t["plain_ns"] != plain[t["sample"], t["repeat"]] for t in trials if t["cell"] != 0) == paired


def check_step_times(trials, steps, paired):
    """A step's plain time is that of the baseline's steps at its positions, or, paired, of another plain decoding."""
    own, base = steps["draft_ns"] + steps["verify_ns"], trials["cell"][steps["trial"]] == 0
    assert (steps["plain_ns"] > 0).all()
    np.testing.assert_array_equal(steps["plain_ns"][base], own[base])
    of = {(t["sample"], t["repeat"]): own[steps["trial"] == t["trial"]] for t in trials if t["cell"] == 0}
    sums = [of[trials[s["trial"]]["sample"], trials[s["trial"]]["repeat"]][s["position"]:s["position"] + s["emitted"]].sum()
            for s in steps[~base]]
    assert (np.array(sums) == steps["plain_ns"][~base]).all() == (not paired)


def test_inspect_tells_what_is_in_it(folder, results):
    text = harness("inspect", folder / "schema.h5").text
    assert re.search(r"^sweep +schema$", text, re.M)
    for table in ("cells", "samples", "trials", "steps"):
        assert re.search(rf"^ *{len(results[table])} {table}$", text, re.M), table
    assert "[accept greedy] ; é ?5m ?" in text, "a config must not steer the terminal"


def test_collect_makes_the_same_file_from_the_cells(folder, tmp_path):
    harness("collect", folder / "schema", "-o", tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == (folder / "schema.h5").read_bytes()
