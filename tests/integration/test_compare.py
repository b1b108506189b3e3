"""`harness compare`: the best cell, what is not told apart from it, two runs, and what cannot be compared."""
import csv
import io
import re
import shutil

import h5py
import numpy as np
import pytest

from program import harness
from sweeps import ROOT, run

SAMPLES = ROOT / "datasets" / "samples"
INI = """[sweep]
name = {name}
output = {output}
repeats = {repeats}
[model bytes]
target = replay
tokenizer = bytes
[dataset d]
path = {path}
limit = {limit}
forced = yes
max_new_tokens = 4096
[policy llma]
n = 1
k = {k}
[policy pld]
[policy none]
[accept {rule}]
"""


def sweep(folder, name, path=SAMPLES / "scenarios.jsonl", limit=24, k="4, 8", repeats=1, rule="greedy"):
    ini = folder / f"{name}.ini"
    ini.write_text(INI.format(name=name, output=folder, path=path, limit=limit, k=k, repeats=repeats, rule=rule))
    run("sweep", ini)
    return folder / f"{name}.h5"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("compare"), "run")


def timed(source, target, speedups, slower=1.0, cpu=None, seed=1):
    """A copy with times as if a clock had run: speedups maps (policy, k) to each record's factor. Records differ widely."""
    shutil.copy(source, target)
    rng = np.random.default_rng(seed)
    with h5py.File(target, "r+") as f:
        cells, trials = f["cells"][:], f["trials"][:]
        n = len(np.unique(trials["sample"]))
        plain = rng.lognormal(19, 0.5, n).astype("u8")
        easy = rng.lognormal(0, 0.25, n)  # how easy a record is, to all policies
        cells["timed"] = 1
        if cpu:
            cells["cpu"] = cpu.encode()
            processes = f["processes"][:]
            processes["cpu"] = cpu.encode()
            f["processes"][:] = processes
        for i, t in enumerate(trials):
            c = cells[t["cell"]]
            key = (c["policy"].decode(), int(c["k"]))
            s = t["sample"]
            factor = 1.0 if key[0] == "none" else speedups[key](s) * easy[s]
            trials["plain_ns"][i] = plain[s]
            trials["decode_ns"][i] = round(plain[s] * slower / factor)
            trials["speedup"][i] = trials["plain_ns"][i] / trials["decode_ns"][i]
        f["cells"][:] = cells
        f["trials"][:] = trials
    return target


@pytest.fixture(scope="module")
def clocked(replayed):
    """llma k=4 and pld look tied, but in every record llma is faster by one to three percent; k=8 is as fast on average."""
    wave = {("llma", 4): lambda s: 2.30, ("pld", 10): lambda s: 2.30 * (0.99 - 0.02 * (s * 7 % 24) / 24),
            ("llma", 8): lambda s: 2.295 * np.exp((0.04 + 0.0003 * s) * (-1) ** s)}
    return timed(replayed, replayed.parent / "clocked.h5", wave)


def rows(*args):
    return {(r["policy"], r["k"]): r for r in csv.DictReader(io.StringIO(harness("compare", *args, "-f", "csv").text))}


def number(row, *names):
    return [float(row[name]) for name in names]


def test_intervals_that_overlap_are_told_apart_in_pairs(clocked):
    got = rows(clocked)
    best, other, tied = got["llma", "4"], got["pld", "10"], got["llma", "8"]
    assert best["place"] == "base" and other["place"] == "apart" and tied["place"] == "tied"
    low, high = number(best, "speedup_lo", "speedup_hi")
    assert low < number(other, "speedup_hi")[0] and number(other, "speedup_lo")[0] < high, "they overlap"
    lo, value, hi = number(other, "difference_lo", "difference", "difference_hi")
    assert -0.08 < lo < value < hi < -0.02
    lo, value, hi = number(other, "ratio_lo", "ratio", "ratio_hi")
    assert 0.97 <= lo < value < hi <= 0.99 and float(other["p_holm"]) < 0.001
    lo, hi = number(tied, "difference_lo", "difference_hi")
    assert lo < 0 < hi and float(tied["p_holm"]) > 0.05
    assert number(other, "difference")[0] == pytest.approx(number(other, "speedup")[0] - number(best, "speedup")[0], rel=1e-9)
    text = harness("compare", clocked).text
    assert "best: llma n=1 k=4, speed-up " in text and "not told apart from it: 1 of 3 other cells" in text
    assert text.index("\nllma    1   8") < text.index("\n\npld ") < text.index("\nnone "), "a gap above those that lose"
    assert max(map(len, text.splitlines())) <= 80
    picked = "the best was picked on the same records"
    assert picked in text and picked not in harness("compare", clocked, "--base", "none").text


def test_every_number_is_one_of_the_trials(clocked):
    scipy = pytest.importorskip("scipy.stats")
    with h5py.File(clocked) as f:
        cells, trials = f["cells"][:], f["trials"][:]
    of = {(c["policy"].decode(), str(c["k"]) if c["k"] >= 0 else ""): trials[trials["cell"] == c["cell"]] for c in cells}
    got, base = rows(clocked), of["llma", "4"]
    raw = []
    for key, mine in of.items():
        total = mine["plain_ns"].sum() / mine["decode_ns"].sum()
        assert float(got[key]["speedup"]) == pytest.approx(total, rel=1e-9)
        assert got[key]["records"] == str(len(mine)) == got[key]["trials"]
        if got[key]["place"] == "base":
            continue
        d = np.log(mine["plain_ns"] / mine["decode_ns"]) - np.log(base["plain_ns"] / base["decode_ns"])
        raw.append((scipy.wilcoxon(d, mode="exact").pvalue, key))
        assert float(got[key]["p"]) == pytest.approx(raw[-1][0], rel=1e-9)
    raw.sort()
    most = 0
    for i, (p, key) in enumerate(raw):
        most = min(1, max(most, (len(raw) - i) * p))
        assert float(got[key]["p_holm"]) == pytest.approx(most, rel=1e-9)


def test_metrics(clocked, replayed):
    times, steps = rows(clocked, "-m", "time"), rows(clocked, "-m", "tokens_per_step")
    assert times["llma", "4"]["place"] == "base" and float(times["none", ""]["ratio"]) > 1.5, "less is better"
    assert steps["none", ""]["tokens_per_step"] == "1"
    assert rows(replayed)["pld", "10"]["metric"] == "tokens_per_step", "replay has no clock"
    error = harness("compare", replayed, "-m", "speedup", status=2).error
    assert "no two cells can be compared" in error and "not measured (speedup)" in error
    error = harness("compare", replayed, "-m", "sped", status=2).error
    assert "unknown metric" in error and "modeled_speedup" in error


def test_a_base_of_ones_own(clocked):
    got = rows(clocked, "--base", "none")
    assert got["none", ""]["place"] == "base" and float(got["pld", "10"]["difference"]) > 1
    assert rows(clocked, "-b", "llma:k=8")["llma", "8"]["place"] == "base"
    assert "fits several cells: llma n=1 k=4; llma n=1 k=8" in harness("compare", clocked, "-b", "llma", status=2).error
    assert "no cell to compare with fits" in harness("compare", clocked, "-b", "sam", status=2).error
    assert 'no policy here has a parameter "q"' in harness("compare", clocked, "-b", "llma:q=8", status=2).error
    assert "is not a policy with parameters" in harness("compare", clocked, "-b", "llma:8", status=2).error


def test_two_runs_and_a_regression(clocked, replayed):
    same = {("llma", 4): lambda s: 2.30, ("pld", 10): lambda s: 2.30, ("llma", 8): lambda s: 2.30}
    worse = {**same, ("pld", 10): lambda s: 2.30 * (0.93 - 0.02 * (s % 2))}
    folder = replayed.parent
    a, b = timed(replayed, folder / "a.h5", same), timed(replayed, folder / "b.h5", worse)
    got = rows(a, b)
    assert got["pld", "10"]["apart"] == "yes" and got["llma", "4"]["apart"] == "no"
    lo, ratio, hi = number(got["pld", "10"], "ratio_lo", "ratio", "ratio_hi")
    assert 0.91 <= lo < ratio < hi <= 0.93
    assert number(got["pld", "10"], "speedup_a", "speedup_b")[0] > number(got["pld", "10"], "speedup_b")[0]
    assert harness("compare", a, b, "--fail-below", "0.9").text, "not below 0.9"
    failed = harness("compare", a, b, "--fail-below", "0.95", status=1)
    assert "1 of 4 cells is below 0.95 beyond doubt, the first: pld n=3 k=10 at 0.9" in failed.error
    assert "A: " in failed.text, "the table is printed all the same"
    harness("compare", a, b, "--fail-below", "0.95", "-m", "time", status=1)
    harness("compare", b, a, "--fail-below", "1")
    harness("compare", a, b, "--fail-below", (ratio + hi) / 2)  # the value lies below, the interval does not
    harness("compare", a, b, "--fail-below", hi + 0.001, status=1)
    out = folder / "out.txt"
    harness("compare", a, b, "--fail-below", "0.95", "-o", out, status=1)
    assert out.read_text() == failed.text
    text = harness("compare", a, b).text
    assert "outputs differ in 0 of 96 trials" in text and "no logits to compare" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("A: ")) <= 80
    assert "needs two runs of the same cells, or --base" in harness("compare", a, "--fail-below", "1", status=2).error
    harness("compare", b, "--base", "llma:k=4", "--fail-below", "0.95", "-w", "policy=llma,pld", status=1)
    assert "--base is for cells of one run" in harness("compare", a, b, "--base", "none", status=2).error


def test_too_few_records_cannot_fail_silently(tmp_path):
    few = sweep(tmp_path, "few", limit=6)
    error = harness("compare", few, "--base", "none", "--fail-below", "0.5", status=2).error
    assert "--fail-below needs intervals" in error and "10 distinct records" in error
    assert rows(few)["none", ""]["ratio_lo"] == ""
    many = sweep(tmp_path, "many", limit=10, k=", ".join(map(str, range(1, 27))))  # 27 x 2/2^10 is above 0.05
    assert rows(many)["none", ""]["ratio_lo"] != ""
    error = harness("compare", many, "--base", "none", "--fail-below", "0.5", status=2).error
    assert "--fail-below needs intervals and p < 0.05, which so few records cannot give" in error
    harness("compare", many, "--base", "none", "--fail-below", "0.5", "-w", "policy=none,pld")


def test_too_few_records_promise_no_intervals(tmp_path):
    few = sweep(tmp_path, "few", limit=6)
    for files in [few.name], [few.name, few.name]:
        text = harness("compare", *files, cwd=few.parent).text
        assert "no intervals: they need 10 distinct records" in text
        assert "NOTHING can be told apart here: with " in text
        assert "resamples" not in text and "95%" not in text
        assert max(map(len, text.splitlines())) <= 80


def test_how_many_records_p_takes(clocked, tmp_path):
    """With 7 records and 3 comparisons the smallest p is 3 x 2/2^7 = 0.047; with 6 nothing can be below 0.05."""
    for limit, there in (6, True), (7, False):
        few = sweep(tmp_path, f"few{limit}", limit=limit)
        text = harness("compare", few).text
        said = "NOTHING can be told apart here: with 3 comparisons p < 0.05 takes 7 records, and there are 6 (p is 3 x 2/2^6 or more)"
        assert (said in text.replace("\n ", "")) == there, text
        smallest = min(float(r["p_holm"]) for r in rows(few).values() if r["p_holm"])
        assert (smallest < 0.05) != there and ("apart" in {r["place"] for r in rows(few).values()}) != there
        assert min(float(r["p_totals_holm"]) for r in rows(few).values() if r["p_totals_holm"]) >= 3 * 2 / 2 ** limit - 1e-12
    assert "NOTHING" not in harness("compare", clocked).text


def test_p_of_totals(clocked):
    """By swapping the records of a pair at random, as many times as the command does, with another generator."""
    got = rows(clocked)
    with h5py.File(clocked) as f:
        cells, trials = f["cells"][:], f["trials"][:]
    of = {(c["policy"].decode(), str(c["k"]) if c["k"] >= 0 else ""): trials[trials["cell"] == c["cell"]] for c in cells}
    plain, base = of["llma", "4"]["plain_ns"].astype(float), of["llma", "4"]["decode_ns"].astype(float)
    swaps = np.random.default_rng(5).random((9999, len(base))) < 0.5
    for key, mine in of.items():
        if got[key]["place"] == "base":
            assert got[key]["p_totals"] == got[key]["p_totals_holm"] == ""
            continue
        own = mine["decode_ns"].astype(float)
        moved = swaps @ (own - base)
        ratios = np.abs(np.log((own.sum() - moved) / (base.sum() + moved)))
        p = (1 + (ratios >= abs(np.log(own.sum() / base.sum()))).sum()) / 10000
        assert float(got[key]["p_totals"]) == pytest.approx(p, abs=0.02)
        assert float(got[key]["p_totals_holm"]) >= float(got[key]["p_totals"])
    assert float(got["pld", "10"]["p_totals"]) == 1e-4


def test_which_outputs_and_logits_differ(replayed, tmp_path):
    a, b = tmp_path / "a.h5", tmp_path / "b.h5"
    for path in (a, b):
        shutil.copy(replayed, path)
        with h5py.File(path, "r+") as f:
            trials = f["trials"][:]
            trials["logits_hash"] = 7 + trials["sample"]
            ids = f["tokens/ids"][:]
            if path == b:
                trials["logits_hash"][-3:] += 1  # of the last cell
                ids[-1] += 1
            f["trials"][:] = trials
            f["tokens/ids"][:] = ids
    got = rows(a, b)
    assert [r["logits_differ"] for r in got.values()] == ["0", "0", "0", "3"]
    assert [r["outputs_differ"] for r in got.values()] == ["0", "0", "0", "1"]
    text = harness("compare", a, b).text
    assert "logits differ in 3 of 96 trials, in 1 of 4 cells" in text
    assert re.search(r"^pld .* 3/24$", text, re.M) and max(map(len, text.split("\n", 9)[-1].splitlines())) <= 80


def test_times_of_two_machines_are_not_paired(replayed, tmp_path):
    same = {("llma", 4): lambda s: 2.3, ("pld", 10): lambda s: 2.2, ("llma", 8): lambda s: 2.1}
    a = timed(replayed, tmp_path / "a.h5", same)
    b = timed(replayed, tmp_path / "b.h5", same, slower=1.5, cpu="Z80")
    error = harness("compare", a, b, "-m", "time", status=2).error
    assert "several processors (" in error and "Z80" in error and "--metric speedup" in error
    assert rows(a, b)["pld", "10"]["metric"] == "speedup"
    with h5py.File(b, "r+") as f:
        trials = f["trials"][:]
        trials["plain_ns"], trials["speedup"] = 0, np.nan
        f["trials"][:] = trials
    assert rows(a, b)["pld", "10"]["metric"] == "tokens_per_step", "no time is left to compare"


def test_what_cannot_be_compared(replayed, clocked, tmp_path):
    records = (SAMPLES / "scenarios.jsonl").read_text().splitlines(keepends=True)[:20]
    other = tmp_path / "other.jsonl"
    other.write_text("".join(records))
    folder = tmp_path / "x"
    folder.mkdir()
    changed = sweep(folder, "run", path=other)
    error = harness("compare", replayed, changed, status=2).error
    assert f"{changed}: its data set d has other content than that of {replayed}" in error

    with h5py.File(changed, "r+") as f:
        cells = f["cells"][:]
        with h5py.File(replayed) as g:
            cells["dataset_sha256"] = g["cells"]["dataset_sha256"][0]
        cells["model_sha256"] = b"0" * 64
        f["cells"][:] = cells
    assert "its model bytes has other weights" in harness("compare", replayed, changed, status=2).error

    repeated = sweep(folder, "more", repeats=2)
    error = harness("compare", replayed, repeated, status=2).error
    assert " has 1 trials in cell " in error and "pairs need as many of both" in error

    one = harness("compare", replayed, "-w", "policy=none", status=2).error
    assert "no two cells can be compared" in one
    assert "NAME[:P=V,..]" in harness("compare", replayed, "--base", "policy=none", status=2).error


def test_files_with_nothing_in_common_are_not_compared_silently(replayed, tmp_path):
    ini = tmp_path / "e.ini"
    ini.write_text(INI.format(name="e", output=tmp_path, path=SAMPLES / "quickstart.jsonl", limit=12, k="4", repeats=1,
                              rule="greedy").replace("[dataset d]", "[dataset e]"))
    harness("sweep", "-q", ini)
    said = "nothing is compared between files"
    assert said in harness("compare", replayed, tmp_path / "e.h5").text
    assert said not in harness("compare", replayed).text


def test_records_that_one_cell_lacks_are_left_out(replayed, tmp_path):
    short = sweep(tmp_path, "short", limit=12)
    with h5py.File(short, "r+") as f, h5py.File(replayed) as g:
        assert f["cells"]["dataset_sha256"][0] == g["cells"]["dataset_sha256"][0]
    assert rows(replayed, short)["pld", "10"]["records"] == "12"
    assert "up to 12 records of a cell are in one file only, and left out" in harness("compare", replayed, short).text


def test_sets_are_compared_each_for_itself(replayed, tmp_path):
    ini = tmp_path / "two.ini"
    ini.write_text(INI.format(name="two", output=tmp_path, path=SAMPLES / "scenarios.jsonl", limit=12, k="4", repeats=1,
                              rule="greedy") +
                   f"[dataset e]\npath = {SAMPLES / 'quickstart.jsonl'}\nlimit = 12\nforced = yes\nmax_new_tokens = 4096\n")
    run("sweep", ini)
    text = harness("compare", tmp_path / "two.h5").text
    assert text.count("best: ") == 2 and "\ndataset = d\n" in text and "\ndataset = e\n" in text
    got = list(csv.DictReader(io.StringIO(harness("compare", tmp_path / "two.h5", "-f", "csv").text)))
    assert [r["place"] for r in got].count("base") == 2 and {r["dataset"] for r in got} == {"d", "e"}


def test_policies_of_two_files_are_compared_as_one(replayed, tmp_path):
    a, b = tmp_path / "llma.h5", tmp_path / "pld.h5"
    for name in ("llma", "pld"):
        ini = tmp_path / f"{name}.ini"
        text = INI.format(name=name, output=tmp_path, path=SAMPLES / "scenarios.jsonl", limit=12, k="4", repeats=1, rule="greedy")
        ini.write_text(text.replace("[policy pld]\n" if name == "llma" else "[policy llma]\nn = 1\nk = 4\n", ""))
        run("sweep", ini)
    assert set(rows(a, b)) == {("none", ""), ("llma", "4"), ("pld", "10")}


@pytest.mark.parametrize("content", [None, b"", b"hello\n", "cut"])
def test_a_file_that_cannot_be_read_is_named(replayed, tmp_path, content):
    bad = tmp_path / "bad.h5"
    if content is not None:
        bad.write_bytes(replayed.read_bytes()[:3000] if content == "cut" else content)
    for order in ([bad], [bad, replayed], [replayed, bad]):
        assert f"harness: {bad}: " in harness("compare", *order, status=2).error


def test_where_the_table_goes(clocked, tmp_path):
    text = harness("compare", clocked).text
    harness("compare", clocked, "-o", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == text
    assert "is the same file as the input" in harness("compare", clocked, "-o", clocked, status=2).error
    assert "cannot write" in harness("compare", clocked, "-o", tmp_path / "no" / "out.txt", status=None).error
    assert "| best" not in harness("compare", clocked, "-f", "md").text
    assert "\\toprule" in harness("compare", clocked, "-f", "latex").text
    assert harness("compare", clocked, "-f", "csv").text == harness("compare", clocked, "-f", "csv").text


def test_outputs_that_are_cut_elsewhere_are_refused(tmp_path, replayed):
    """max_new_tokens is no column of the table: cells of both look alike."""
    ini = tmp_path / "run.ini"
    ini.write_text(INI.format(name="run", output=tmp_path, path=SAMPLES / "scenarios.jsonl", limit=24, k="4, 8", repeats=1, rule="greedy")
                   .replace("max_new_tokens = 4096", "max_new_tokens = 20"))
    run("sweep", ini)
    for files in ((replayed, tmp_path / "run.h5"), (tmp_path / "run.h5", replayed)):
        error = harness("compare", *files, status=2).error
        assert re.search(r"run.h5: cell [0-9a-f]{16} cuts the output of .* after 20 tokens, and cell [0-9a-f]{16} of .*run.h5 lets it have \d+ "
                         r"\(the same max_new_tokens and context; --where leaves cells out\)", error), error
    harness("compare", tmp_path / "run.h5")


def test_groups_are_named_where_they_are_drawn(clocked):
    text = harness("compare", clocked, "--group", "(.)$").text
    assert 'records are drawn in groups (--group "(.)$")' in text and re.search(r"paired over \d+ groups of records", text)
    assert "groups" not in harness("compare", clocked).text
    assert 'records are drawn in groups (--group "(.)$")' in harness("tables", clocked, "--group", "(.)$").text


def test_plain_decoding_beside_itself_is_no_test(tmp_path, replayed, clocked):
    """Its speed-up is 1 in both runs: it must not make the others' p larger."""
    other = timed(replayed, tmp_path / "other.h5", {("llma", 4): lambda s: 2.2, ("pld", 10): lambda s: 2.2, ("llma", 8): lambda s: 2.2}, seed=2)
    by = rows(clocked, other)
    plain = next(row for (policy, _), row in by.items() if policy == "none")
    assert plain["p"] == plain["p_holm"] == "" and float(plain["ratio"]) == 1
    tested = [row for row in by.values() if row["p"] != ""]
    assert len(tested) == 3
    smallest = min(tested, key=lambda row: float(row["p"]))
    assert float(smallest["p_holm"]) == pytest.approx(min(1, 3 * float(smallest["p"])), rel=1e-6)
