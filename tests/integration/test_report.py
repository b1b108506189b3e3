"""harness report: one page from a results file, whatever is in it, with texts where they can be had."""
import json
import re
import shutil

import h5py
import pytest

from program import harness
from sweeps import ROOT, run, write_jsonl

INI = """[sweep]
name = told
output = results
[model bytes]
target = replay
tokenizer = bytes
[dataset demo]
path = data/demo.jsonl
forced = yes
[policy llma]
n = 1, 2
k = 4, 8
[policy pld]
[policy ngram_cache]
memory = none, cell
[policy suffix_tree]
form = tree
[policy oracle]
[policy hedge]
[accept greedy]
"""
HOSTILE = "</script><script>alert(1)</script><!-- <b>&amp; \u2028 \U0001f600"
RECORDS = [
    {"id": "fox", "scenario": "rag", "prompt": "What does the fox do?",
     "references": ["The quick brown fox jumps over the lazy dog.", "The slow brown cow jumps over the moon."],
     "output": "The quick brown fox jumps over the moon, says the cow."},
    {"id": HOSTILE, "scenario": "<i>edit</i>", "prompt": HOSTILE, "references": [HOSTILE, "ä€\n\t\x00\x7f"],
     "output": "It says: " + HOSTILE + " and then: ä€\n\t\x00 again."},
    {"id": "short", "scenario": "rag", "prompt": "?", "references": [], "output": "No."},
]


@pytest.fixture
def swept(tmp_path):
    """A folder with a config, its data and its results."""
    (tmp_path / "data").mkdir()
    write_jsonl(tmp_path / "data" / "demo.jsonl", RECORDS)
    (tmp_path / "told.ini").write_text(INI)
    run("sweep", "-q", tmp_path / "told.ini")
    return tmp_path


def data_of(page):
    """The data in a page, of which nothing may be markup."""
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1]
    assert not set("<>&") & set(text)
    return json.loads(text)


def report(folder, *args, **options):
    done = harness("report", folder / "results" / "told.h5", "-o", folder / "page.html", *args, **options)
    data = data_of((folder / "page.html").read_text())
    data["stderr"] = done.error
    return data


def steps(path):
    with h5py.File(path) as f:
        return f["steps"][:], f["trials"][:], f["cells"][:]


def test_page_has_every_cell_and_its_sums(swept):
    data = report(swept)
    rows, trials, cells = steps(swept / "results" / "told.h5")
    assert data["stderr"] == ""
    assert len(data["cells"]) == len(cells) and data["n_steps"] == len(rows) and data["n_trials"] == len(trials)
    cell_of = trials["cell"][rows["trial"]]
    for i, cell in enumerate(data["cells"]):
        own = rows[cell_of == i]
        assert cell["steps"] == len(own) and cell["accepted"] == own["accepted"].sum()
        after = own[(own["step"] > 0) & (own["drafted"] > 0)]
        for name, of in (("references", after["source"] >= 0), ("prompt", after["source"] == -2), ("output", after["source"] == -3)):
            at = cell["from"][data["from_names"].index(name)]
            assert at[:5] == [int(x) for x in (of.sum(), *(after[of][f].sum() for f in ("drafted", "testable", "accepted", "emitted")))]
        assert [s[0] for s in cell["scenarios"]] == [2, 1]


def test_texts_are_those_of_the_data(swept):
    data = report(swept)
    assert data["no_texts"] is None and len(data["vocabularies"]) == 1
    words = {int(i): w for i, w in data["vocabularies"][0].items()}
    raw = {i: bytes(w) if isinstance(w, list) else b"" if isinstance(w, dict) else w.encode() for i, w in words.items()}
    by_id = {s["id"]: s for s in data["samples"]}
    assert set(by_id) == {r["id"] for r in RECORDS}
    for r in RECORDS:
        s = by_id[r["id"]]
        assert b"".join(raw[i] for i in s["prompt"]).decode() == r["prompt"]
        assert [b"".join(raw[i] for i in ref).decode() for ref in s["references"]] == r["references"]
    for t in data["trials"]:
        sample = next(s for s in data["samples"] if s["sample"] == t["sample"])
        record = next(r for r in RECORDS if r["id"] == sample["id"])
        assert b"".join(raw[i] for i in t["ids"]).decode() == record["output"]


def test_rejected_drafts_are_what_the_policy_drafted(swept):
    """LLMA's draft is what follows the match in its source; a tree keeps its shape; no draft is made up."""
    data = report(swept)
    policy = next(i for i, k in enumerate(data["keys"]) if k["column"] == "policy")
    checked = trees = 0
    for t in data["trials"]:
        name = data["cells"][t["cell"]]["settings"][policy]
        drafted = t["steps"]["drafted"]
        if sum(drafted) == 0:
            continue
        assert ("rejected" in t) != ("no_drafts" in t)
        if "rejected" not in t:
            assert name == "ngram_cache" and "records before" in t["no_drafts"]
            continue
        sources = next(s for s in data["samples"] if s["sample"] == t["sample"])["references"]
        for i, rest in enumerate(t["rejected"]):
            if isinstance(rest, dict):
                trees += 1
                assert len(rest["ids"]) == len(rest["parents"]) == drafted[i]
                continue
            assert len(rest) == drafted[i] - t["steps"]["accepted"][i]
            if name == "llma" and rest:
                at = t["steps"]["source_position"][i]
                source = sources[t["steps"]["source"][i]]
                assert rest == source[at + t["steps"]["accepted"][i]:at + drafted[i]]
                checked += 1
    assert checked > 5 and trees > 0


def test_drafts_count_only_if_every_step_is_as_recorded(swept):
    """A results file that says something else of one step: that trial's drafts are unknown, the others' are not."""
    results = swept / "results" / "told.h5"
    with h5py.File(results, "r+") as f:
        rows = f["steps"][:]
        cells = f["cells"][:]["policy"][f["trials"][:]["cell"][rows["trial"]]]
        at = next(i for i, row in enumerate(rows) if cells[i] == b"llma" and row["drafted"] > row["accepted"])
        rows["match_length"][at] += 1
        f["steps"][:] = rows
    data = report(swept)
    unknown = [t["trial"] for t in data["trials"] if "no_drafts" in t and "drafts otherwise" in t["no_drafts"]]
    assert unknown == [rows["trial"][at]]


@pytest.mark.parametrize("strange", [-7, 10**6])
def test_ids_that_are_no_tokens(swept, strange):
    with h5py.File(swept / "results" / "told.h5", "r+") as f:
        ids = f["tokens/ids"][:]
        ids[2::7] = strange
        f["tokens/ids"][:] = ids
    data = report(swept)
    assert data["stderr"] == "" and any(strange in t["ids"] for t in data["trials"])
    for t in data["trials"]:
        assert strange not in t["ids"] or sum(t["steps"]["drafted"]) == 0 or "vocabulary lacks" in t["no_drafts"]


def test_hostile_texts_stay_texts(swept):
    data = report(swept)
    page = (swept / "page.html").read_text()
    assert "alert(1)" in page and "<script>alert" not in page and "<i>edit" not in page
    assert data["scenario_names"] == ["rag", "<i>edit</i>"]
    assert any(s["id"] == HOSTILE for s in data["samples"])


def test_page_needs_nothing_else(swept):
    report(swept)
    page = (swept / "page.html").read_text()
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert not re.search(r"<(script|img|iframe|link|source)[^>]*\b(src|href)\s*=\s*(?![\"']?data:)", page)
    assert "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page
    assert "Redistribution and use in source and binary forms" in page


def test_standard_output_is_the_same_page(swept):
    report(swept)
    assert harness("report", swept / "results" / "told.h5").text == (swept / "page.html").read_text()


def test_no_texts_when_asked(swept):
    data = report(swept, "--no-texts")
    assert "--no-texts" in data["no_texts"] and data["vocabularies"] == []
    assert data["trials"] and not any("rejected" in t for t in data["trials"])
    assert not any("prompt" in s for s in data["samples"])
    assert data["stderr"] == ""


def test_says_what_is_missing(swept):
    (swept / "data" / "demo.jsonl").rename(swept / "elsewhere.jsonl")
    data = report(swept)
    assert "data/demo.jsonl: cannot open" in data["no_texts"] and "told.ini:8" in data["no_texts"]
    assert data["vocabularies"] == [] and "cannot open" in data["stderr"]
    told = report(swept, "--set", f"dataset demo.path={swept / 'elsewhere.jsonl'}")
    assert told["no_texts"] is None and told["vocabularies"]


def test_other_data_give_no_texts(swept):
    write_jsonl(swept / "data" / "demo.jsonl", RECORDS[:2])
    data = report(swept)
    assert "digests differ" in data["no_texts"] and data["vocabularies"] == []


def test_moved_results_need_the_config(swept, tmp_path_factory):
    other = tmp_path_factory.mktemp("moved")
    shutil.copytree(swept / "results", other / "results")
    data = report(other)
    assert data["no_texts"] is not None and "--config, --model and --set say where files are" in data["stderr"]
    assert report(other, "-c", swept / "told.ini")["no_texts"] is None


def test_overrides_of_the_sweep_count(swept):
    write_jsonl(swept / "data" / "two.jsonl", RECORDS[:2])
    run("sweep", "-q", swept / "told.ini", "--set", "sweep.name=other", "--set", "dataset demo.path=data/two.jsonl")
    harness("report", swept / "results" / "other.h5", "-o", swept / "other.html")
    data = data_of((swept / "other.html").read_text())
    assert data["no_texts"] is None and data["n_samples"] == 2


def test_a_model_has_its_tokens_and_drafts(tmp_path):
    """Real logits, a vocabulary of pieces: texts and drafts of the embedded model."""
    ini = tmp_path / "real.ini"
    ini.write_text(f"""[sweep]
name = told
output = results
[model copier]
target = transformer
path = {ROOT}/datasets/models/copier.gguf
[dataset s]
path = {ROOT}/datasets/samples/scenarios.jsonl
limit = 2
max_new_tokens = 40
[policy llma]
k = 4
[accept greedy]
[accept coupled]
temperature = 0.8
""")
    run("sweep", "-q", ini)
    data = report(tmp_path)
    assert data["groups"] == 2 and data["no_texts"] is None
    assert {t["vocabulary"] for t in data["trials"]} == {0}
    drafting = [t for t in data["trials"] if sum(t["steps"]["drafted"])]
    assert drafting and all("rejected" in t or "not recorded" in t["no_drafts"] for t in drafting)
    assert all("rejected" in t for t in drafting if data["cells"][t["cell"]]["group"] == 0)
    assert harness("report", tmp_path / "results" / "told.h5", "-m", ROOT / "datasets/models/copier.gguf").text


def test_refuses_what_is_no_results_file(tmp_path, swept):
    out = tmp_path / "out.html"
    for name, content in (("text.h5", b"hello"), ("empty.h5", b""),
                          ("cut.h5", (swept / "results" / "told.h5").read_bytes()[:-500])):
        (tmp_path / name).write_bytes(content)
        assert name in harness("report", tmp_path / name, "-o", out, status=2).error
    assert "nowhere.h5" in harness("report", tmp_path / "nowhere.h5", status=2).error
    assert not out.exists()


def test_refuses_what_cannot_be_written(swept):
    results = swept / "results" / "told.h5"
    assert "same file" in harness("report", results, "-o", results, status=2).error
    assert "cannot write" in harness("report", results, "-o", swept / "none" / "page.html", status=1).error
    with open("/dev/full", "wb") as full:
        harness("report", results, stdout=full, status=1)
    (swept / "page.html").write_text("old")
    harness("report", swept / "told.ini", "-o", swept / "page.html", status=2)
    assert (swept / "page.html").read_text() == "old"
