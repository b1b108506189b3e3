"""`harness tables` over several files, some cells and groups of records."""
import csv
import io
import json
import re

import h5py
import numpy as np
import pytest

from program import harness
from sweeps import ROOT, run

INI = """[sweep]
name = {name}
output = {output}
[model bytes]
target = replay
tokenizer = bytes
{costs}
[policy none]
{policies}
[accept greedy]
"""
SET = """[dataset {label}]
path = {path}
limit = {limit}
forced = yes
max_new_tokens = 4096
"""
LLMA = "[policy llma]\nn = 1\nk = 5, 20\n"
PLD = "[policy pld]\n"
SAMPLES = ROOT / "datasets" / "samples"


def sweep(folder, name, policies, sets):
    text = INI.format(name=name, output=folder, policies=policies, costs="")
    for label, file, limit in sets:
        text += SET.format(label=label, path=SAMPLES / file, limit=limit)
    ini = folder / f"{name}.ini"
    ini.write_text(text)
    run("sweep", ini)
    return folder / f"{name}.h5"


def rows(*args):
    return list(csv.DictReader(io.StringIO(harness("tables", *args, "--format", "csv").text)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One file over two data sets, and the same cells in two files, one for each policy."""
    folder = tmp_path_factory.mktemp("tables")
    both = [("one", "quickstart.jsonl", 12), ("two", "scenarios.jsonl", 15)]
    return {"all": sweep(folder, "all", LLMA + PLD, both), "llma": sweep(folder, "llma", LLMA, both),
            "pld": sweep(folder, "pld", PLD, both), "half": sweep(folder, "half", PLD, both[:1]),
            "folder": folder}


def sums(path):
    """(policy, k) to [tokens, steps] of each data set."""
    out = {}
    with h5py.File(path) as f:
        cells, trials = f["cells"][:], f["trials"][:]
    for c in cells:
        mine = trials[trials["cell"] == c["cell"]]
        out.setdefault((c["policy"].decode(), int(c["k"])), []).append((int(mine["tokens"].sum()), int(mine["steps"].sum())))
    return out


def test_totals_are_sums_over_all_data_sets(files):
    want = sums(files["all"])
    got = rows("totals", files["all"])
    assert len(got) == 4
    for row in got:
        parts = want[row["policy"], int(row["k"] or -1)]
        assert row["sets"] == "2" and row["dataset"] == "" and row["config"] == ""
        assert int(row["tokens"]) == sum(t for t, _ in parts) and int(row["steps"]) == sum(s for _, s in parts)
        assert float(row["tokens_per_step"]) == pytest.approx(sum(t for t, _ in parts) / sum(s for _, s in parts), rel=1e-14)
        assert float(row["tokens_per_step_of_sets"]) == pytest.approx(np.mean([t / s for t, s in parts]), rel=1e-14)
        assert row["policy"] == "none" or \
            float(row["tokens_per_step_lo"]) < float(row["tokens_per_step"]) < float(row["tokens_per_step_hi"])


def test_several_files_are_read_as_one(files):
    one, several = rows("totals", files["all"]), rows("totals", files["llma"], files["pld"])
    assert one == [{**row, "id": one[i].get("id")} if "id" in row else row for i, row in enumerate(several)]
    text = harness("tables", files["llma"], files["pld"]).text
    assert text.startswith("llma, pld: ") and "\nconfig=llma.ini " in text and "\ndataset=two pld\n" in text
    assert len(rows("summary", files["llma"], files["pld"])) == 8, "plain decoding is there once"


def test_trials_keep_their_samples(files, tmp_path):
    """The second file's samples are not the first's."""
    two = sweep(tmp_path, "other", PLD, [("two", "scenarios.jsonl", 15)])
    harness("export", files["half"], two, "-o", tmp_path)
    with h5py.File(files["all"]) as f:
        ids = {name: {s["id"].decode() for s in f["samples"][:] if s["dataset"].decode() == name} for name in ("one", "two")}
    trials = list(csv.DictReader((tmp_path / "trials.csv").open()))
    assert len(trials) == 2 * 12 + 2 * 15
    assert all(t["sample_id"] in ids[t["dataset"]] for t in trials)
    assert int(rows("totals", files["half"], two)[1]["steps"]) == sum(s for _, s in sums(files["all"])["pld", 10])


def test_no_totals_where_a_data_set_is_missing(files):
    got = {row["policy"]: row for row in rows("totals", files["llma"], files["half"])}
    assert got["pld"]["sets"] == "1" and got["pld"]["tokens_per_step"] == "" == got["pld"]["speedup_total"]
    assert got["llma"]["tokens_per_step"] != ""
    assert "  1/2  " in harness("tables", "totals", files["llma"], files["half"]).text


def test_a_cell_in_two_files_is_refused(files):
    again = files["folder"] / "again.h5"
    again.write_bytes(files["llma"].read_bytes())
    error = harness("tables", "totals", files["llma"], again, status=2).error
    assert str(again) in error and "(llma), which" in error and str(files["llma"]) in error


def test_only_cells_that_fit(files):
    assert [row["k"] for row in rows("summary", files["all"], "--where", "policy=llma", "--where", "k=10,20")] == ["20", "20"]
    assert {row["policy"] for row in rows("summary", files["all"], "-w", "policy=pld,none")} == {"pld", "none"}
    assert {row["dataset"] for row in rows("summary", files["all"], "-w", "dataset=two")} == {"two"}
    assert 'no cell has a key "polcy" (id, policy, ' in harness("tables", files["all"], "-w", "polcy=x", status=2).error
    assert "no cell fits (k is 5,20,10)" in harness("tables", files["all"], "-w", "k=6", status=2).error
    assert "is not a condition" in harness("tables", files["all"], "-w", "k", status=2).error


def test_records_that_belong_together_are_drawn_together(files):
    apart = rows("summary", files["all"], "-w", "dataset=two,", "-w", "policy=llma")[0]
    # Groups by the whole id change nothing; by its first letter, they are too few for an interval.
    single = rows("summary", files["all"], "-w", "dataset=two", "-w", "policy=llma", "--group", "^.*$")[0]
    assert single == apart and apart["tokens_per_step_lo"] != ""
    joined = rows("summary", files["all"], "-w", "dataset=two", "-w", "policy=llma", "--group", "^(.).*$")[0]
    assert joined["tokens_per_step"] == apart["tokens_per_step"] and joined["tokens_per_step_lo"] == ""
    assert "is not a regular expression" in harness("tables", files["all"], "--group", "(", status=2).error
    assert "matches no record's id" in harness("tables", files["all"], "--group", "^nothing$", status=2).error


def test_a_key_in_columns(files):
    text = harness("tables", files["all"], "--by", "dataset").text.splitlines()
    at = next(i for i, line in enumerate(text) if line.split()[-2:] == ["one", "two"])
    want = sums(files["all"])
    for line in text[at + 2:]:
        policy, _, k, *values = line.split()
        parts = want[policy, -1 if k == "-" else int(k)]
        assert values == [f"{t / s:.2f}" for t, s in parts]
    text = harness("tables", files["all"], "--by", "k", "--metric", "acceptance", "-w", "policy=llma").text
    assert "  k = 5  k = 20" in text and "acceptance by k" in text
    got = rows(files["all"], "--by", "k", "-m", "tokens_per_step")
    assert {row["metric"] for row in got} == {"tokens_per_step"}
    assert all(float(row["value_lo"]) <= float(row["value"]) <= float(row["value_hi"]) for row in got)
    for args, why in ((["summary", "--by", "k"], "are for the table pivot, not for summary"), (["-m", "time"], "not for summary"),
                      (["pivot"], "needs --by KEY"), (["--by", "q"], "no cell has such a key"),
                      (["--by", "k", "-m", "speed"], "unknown metric")):
        names = [a for a in args if a in ("summary", "pivot")]
        assert why in harness("tables", *names, files["all"], *[a for a in args if a not in names], status=2).error


@pytest.mark.parametrize("at", [0, 1])
def test_a_file_that_cannot_be_read_is_named(files, tmp_path, at):
    for name, content in (("missing", None), ("empty", b""), ("text", b"hello\n"),
                          ("cut", files["pld"].read_bytes()[:3000])):
        bad = tmp_path / f"{name}.h5"
        if content is not None:
            bad.write_bytes(content)
        order = [bad, files["llma"]] if at == 0 else [files["llma"], bad]
        assert f"harness: {bad}: " in harness("tables", "totals", *order, status=2).error
    error = harness("tables", "totals", files["llma"], files["pld"], "-o", files["pld"], status=2).error
    assert "is the same file as the input" in error


def test_captions_fit_eighty_columns(files):
    names = [line.split()[0] for line in harness("tables", "--list").text.splitlines()]
    assert {"sources", "matches", "rules", "predictions"} <= set(names)
    for name in names:
        more = ["--by", "k"] if name == "pivot" else []
        head = harness("tables", name, files["all"], *more).text.split("\n\n")[0].splitlines()
        assert max(map(len, head)) <= 80, (name, head)


LONG = """[policy suffix_tree]
memory = none, cell
form = path, tree
[policy ngram_map_k4v]
n = 3
k = 4, 8
[policy chain a]
stages = llma k=4 > pld n=2
[policy chain b]
stages = llma k=8 > ngram_simple n=2 k=3
[policy oracle]
from = copies
"""


@pytest.fixture(scope="module")
def wide(files):
    """Long names, many parameters, and everything that tables can show: times, logits and outputs that part."""
    path = sweep(files["folder"], "wide", LLMA + LONG, [("a_data_set_with_quite_a_long_name", "quickstart.jsonl", 6),
                                                        ("two", "scenarios.jsonl", 6)])
    with h5py.File(path, "r+") as f:
        cells, trials, steps = f["cells"][:], f["trials"][:], f["steps"][:]
        cells["timed"] = 1
        trials["plain_ns"], trials["decode_ns"] = 123456789, 98765432
        trials["speedup"] = trials["plain_ns"] / trials["decode_ns"]
        trials["logits_equal"], trials["max_abs_logit_diff"], trials["min_margin"] = 0, 0.123456, 0.000123
        steps["margin"] = 0.000123
        trials["log_likelihood"] = trials["plain_log_likelihood"] = -123.456
        late = trials["tokens"] > 5
        trials["equal"][late], trials["first_divergence"][late] = 0, 5
        steps["plain_ns"] = steps["verify_ns"] = 123456
        f["cells"][:], f["trials"][:], f["steps"][:] = cells, trials, steps
    return path


def test_all_tables_fit_eighty_columns(files, wide):
    """And they say all that they say in Markdown, where lines may be of any length."""
    names = [line.split()[0] for line in harness("tables", "--list").text.splitlines()]
    assert {"sources", "matches", "positions", "drafting", "equality"} <= set(names)
    for path in (files["all"], wide):
        for name in names:
            more = ["--by", "k"] if name == "pivot" else []
            text = harness("tables", name, path, *more).text
            assert max(map(len, text.splitlines())) <= 80, (name, text)
            wanted = re.findall(r"[\d.]{3,}%?", harness("tables", name, path, *more, "--format", "md").text.split("---", 1)[-1])
            assert set(wanted) <= set(re.findall(r"[\d.]{3,}%?", text)), name
    text = harness("tables", "equality", wide).text
    assert "divergence" in text and "|logit" in text and "0.123456" in text and "dataset=a_data_" in text
    for path in (files["all"], wide):
        assert max(map(len, harness("compare", path).text.splitlines())) <= 80


def test_where_takes_the_names_of_captions(files, wide):
    """Everything that stands above a table as "name = value" is a condition, which leaves the cells that have it."""
    every = rows("summary", wide)
    head = harness("tables", "summary", wide).text.split("\nin brackets")[0].split("\nno 95%")[0]
    said = re.findall(r"([\w.]+) = ([^,\s]+)", head.replace("\n  ", " "))
    assert {"model", "llma.cut", "chain.llma.cut", "chain.ngram_simple.k", "oracle.from"} <= {name for name, _ in said}
    for name, value in said:
        left = rows("summary", wide, "--where", f"{name}={value}")
        of = [r for r in every if "." not in name or r["policy"] == name.split(".")[0]]
        assert left and len(left) <= len(of) and ("." in name or len(left) == len(every)), name
        if name.count(".") == 1:
            assert [r["id"] for r in left] == [r["id"] for r in of], name
    two = [every[1]["id"], every[-1]["id"]]
    assert [r["id"] for r in rows("summary", wide, "--where", f"id={','.join(two)}")] == two
    memory = rows("summary", wide, "--where", "suffix_tree.memory=cell")
    assert [r["policy_memory"] for r in memory] == ["cell"] * 4 and {r["policy"] for r in memory} == {"suffix_tree"}
    assert len(rows("summary", wide, "--where", "chain.llma.k=8")) == 2
    digest = every[0]["dataset_sha256"]
    assert rows("summary", wide, "--where", f"dataset_sha256={digest[:12]}") == rows("summary", wide, "--where", f"dataset_sha256={digest}")
    for name in ("llma.foo", "foo.cut", "chain.llma.foo", "chain.foo.k", "chain.llma", "llma.", ".cut"):
        assert f'no cell has a key "{name}" (id, policy, ' in harness("tables", wide, "--where", f"{name}=1", status=2).error
    assert 'no cell fits (llma.cut is 768)' in harness("tables", wide, "--where", "llma.cut=7", status=2).error
    assert "no cell fits" in harness("tables", wide, "--where", f"dataset_sha256={digest[:11]}", status=2).error


def test_a_cell_that_names_no_policy(files, tmp_path):
    """Its parameters have no owner then."""
    path = tmp_path / "unnamed.h5"
    path.write_bytes(files["all"].read_bytes())
    with h5py.File(path, "r+") as f:
        cells = f["cells"][:]
        cells["policy"][np.flatnonzero(cells["policy"] == b"llma")[-1]] = b""
        f["cells"][...] = cells
    for kind in ("summary", "policies", "totals"):
        assert len(harness("tables", kind, path).text.splitlines()) > 5


def test_a_cell_that_beats_the_bound_has_no_share_of_it(tmp_path):
    """Runs across references are a source that the bound of single copies does not know."""
    pairs = [f"{chr(97 + i)}{chr(65 + i)}" for i in range(26)]
    (tmp_path / "d.jsonl").write_text(json.dumps({"id": "a", "prompt": "x", "references": pairs, "output": "".join(pairs)}) + "\n")
    (tmp_path / "c.ini").write_text(f"[sweep]\nname = c\noutput = {tmp_path}\n[model m]\ntarget = replay\ntokenizer = bytes\n"
                                    f"[dataset d]\npath = {tmp_path}/d.jsonl\nforced = yes\n[policy llma]\nk = 60\ncut = 0\ncross = no, yes\n"
                                    "[policy oracle]\nk = 60\nfrom = copies\n[accept greedy]\n")
    harness("sweep", "-q", tmp_path / "c.ini")
    shares = {row["policy_cross"]: row["share_of_bound"] for row in csv.DictReader(io.StringIO(
        harness("tables", "drafting", tmp_path / "c.h5", "-f", "csv").text)) if row["policy"] == "llma"}
    assert shares["yes"] == "" and 0 < float(shares["no"]) <= 1
