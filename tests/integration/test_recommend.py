"""`harness recommend`: what it says is recomputed from the results that it leaves."""
import json
import pathlib
import re

import h5py
import numpy as np
import pytest

from gguf_files import write_model
from sweeps import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIER, SCENARIOS = ROOT / "datasets/models/copier.gguf", ROOT / "datasets/samples/scenarios.jsonl"


def cost(path, t, contexts=(0,)):
    """T(k, c) = t(k), without quartiles: taken as it is."""
    text = "".join(f"[T {c}]\n" + "".join(f"{k} = {t(k) * 1000000:.0f}\n" for k in (1, 2, 4, 8, 16, 32, 64)) for c in contexts)
    path.write_text(text)
    return path


def recommend(data, model, out, *options, check=True):
    return run("recommend", data, "-m", model, "-o", out, "-t", "1", *options, check=check)


def totals(path):
    """Speed-up of totals of each cell, from modeled passes and measured drafting; None where a pass has no time."""
    with h5py.File(path, "r") as f:
        cells, trials = f["cells"][()], f["trials"][()]
        out = {}
        for c in cells:
            t = trials[trials["cell"] == c["cell"]]
            own = t["modeled_ns"] + t["draft_ns"]
            out[c["cell"]] = (c["policy"].decode(), t["plain_modeled_ns"].sum() / own.sum(), t["plain_modeled_ns"] / own)
        return out


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommend")
    times = cost(folder / "t.cost", lambda k: 9 + k)
    return folder, recommend(SCENARIOS, COPIER, folder / "out", "--cost", times)


def test_the_best_is_the_best_of_the_replay(done):
    folder, text = done[0], done[1].stdout
    by_cell = [x for x in totals(folder / "out/replay.h5").values() if x[0] != "oracle"]
    best = max(by_cell, key=lambda x: x[1])
    name, speedup = re.search(r"Recommended: (\w+).*\n  ([\d.]+) times as fast", text).groups()
    assert name == best[0] and float(speedup) == pytest.approx(best[1], abs=0.006)
    bound = max(x[1] for x in totals(folder / "out/replay.h5").values() if x[0] == "oracle")
    assert f"`oracle`, which knows the output,\n  is {bound:.2f} times as fast" in text
    shown = [(float(s), float(w)) for s, w in
             re.findall(r"^[\w:=,]+(?: #\d+)? +[\d.]+ +([\d.]+)  [\d.]+ \[.*%  +([\d.]+)$", text, re.M)]
    assert len(shown) == 13 and shown[:12] == sorted(shown[:12], key=lambda x: -x[0])
    assert shown[0][1] == pytest.approx(min(best[2]), abs=0.006)
    assert shown[-1] == (1, 1), "plain decoding is always shown"
    rows = re.findall(r"^\S+(?: #\d+)?  .*%  +[\d.]+$", text, re.M)
    assert len(rows) == 13
    assert max(len(line) for line in text.splitlines() if not line.startswith("#")) <= 80, "but for long specifications"


def test_a_long_candidate_stands_below_the_table(tmp_path):
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    text = recommend(SCENARIOS, COPIER, tmp_path / "out", "--cost", times,
                     "--policy", "chain:stages=llma k=4 > pld", "--policy", "llma:k=4").stdout
    number = re.search(r"^chain (#\d+) ", text, re.M)[1]
    assert re.search(rf"^{number}: chain:stages=llma n=1 k=4 .* > pld ", text, re.M)
    assert re.search(r"^none .* <0\.001 ", text, re.M)


def test_break_even_follows_from_the_times(done):
    rows = re.findall(r"^ +(\d+) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+|never)$", done[1].stdout, re.M)
    assert rows[0][:4] == ("1", "2", "1.10", "0.10")
    for drafted, k, ratio, tokens, acceptance in rows:
        a, d = float(acceptance), int(drafted)
        assert int(k) == d + 1 and float(ratio) == pytest.approx((9 + d + 1) / 10, abs=0.006)
        assert sum(a ** i for i in range(1, d + 1)) == pytest.approx(d / 10, rel=0.15, abs=0.02)


def test_the_config_that_it_leaves_runs_again(done):
    again = run("sweep", done[0] / "out/replay.ini")
    assert "cells were finished before" in again.stderr and "ran " not in again.stderr


def test_nothing_is_recommended_where_nothing_pays(tmp_path):
    times = cost(tmp_path / "t.cost", lambda k: 10 * k * k)
    text = recommend(SCENARIOS, COPIER, tmp_path / "out", "--cost", times, "--policy", "llma:k=8", "--policy", "pld").stdout
    assert "Recommended: none: plain decoding; no policy pays here" in text and "never" in text
    first = min((x for x in totals(tmp_path / "out/replay.h5").values() if x[0] != "none"), key=lambda x: 1 / x[1])
    name, longer = re.search(r"  the fastest policy, (\w+)\S*, takes ([\d.]+) times as long \[[\d.]+, [\d.]+\]", text).groups()
    assert name == first[0] and float(longer) == pytest.approx(1 / first[1], abs=0.006)
    for nonsense in ("expect", "times as fast", "could bring", "slower than plain decoding on", "No record is slower", "scenario", "nan", "inf"):
        assert nonsense not in text, nonsense


def test_no_policy_could_be_compared(tmp_path):
    (tmp_path / "t.cost").write_text("[T]\n1 = 10\n4 = 13\n")
    text = recommend(SCENARIOS, COPIER, tmp_path / "out", "--cost", tmp_path / "t.cost", "--policy", "llma:k=20").stdout
    assert "Recommended: none: plain decoding; no policy could be compared" in text and "1 left out: " in text


def test_few_groups_have_no_intervals(tmp_path):
    """One group, and four of 48 records: nothing is said that would need more."""
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(dict(json.loads(line), conversation="one")) + "\n" for line in SCENARIOS.read_text().splitlines()))
    for options, groups, form in ((("--group", "conversation"), 1, "1 group,"), (("--group", "(.)"), 4, "4 groups,")):
        text = recommend(data, COPIER, tmp_path / "out", "--cost", times, "--policy", "pld", "--policy", "llma:k=4", *options).stdout
        assert f"48 records in {form}" in text
        assert f"no intervals and no tests: they need 10 groups of records, and there {'is' if groups == 1 else 'are'} {groups}" in text
        for nonsense in ("95%", "[", "resamples", "expect", "would tell", "nan", "inf", "\np: "):
            assert nonsense not in text, nonsense


def test_ids_reach_the_terminal_escaped_and_no_scenario_is_dropped(tmp_path):
    source = [json.loads(line) for line in SCENARIOS.read_text().splitlines()]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(dict(r, id=f"a\n\x1b[31m{i}", scenario=f"s{i % 25:02}")) + "\n" for i, r in enumerate(source)))
    times = cost(tmp_path / "t.cost", lambda k: 13 + 2 * k if k > 1 else 10)
    text = recommend(data, COPIER, tmp_path / "out", "--cost", times, "--policy", "pld").stdout
    assert re.search(r'^  0\.\d+  "a\\n\\x1b\[31m\d+"$', text, re.M) and "\x1b" not in text
    assert "the 20 slowest of 25 scenarios; the last row sums the others" in text
    rows = [list(map(float, r)) for r in re.findall(r"^(?:s\d\d|5 others) +(\d+) +([\d.]+) +(\d+)$", text, re.M)]
    assert len(rows) == 21 and sum(r[0] for r in rows) == 48
    assert [r[1] for r in rows[:20]] == sorted(r[1] for r in rows[:20])
    slower = int(re.search(r"It is slower than plain decoding on (\d+) of 48 records", text)[1])
    assert sum(r[2] for r in rows) == slower
    lacking = dict(source[0], id="b\n\x1b")
    del lacking["output"]
    data.write_text(json.dumps(source[1]) + "\n" + json.dumps(lacking) + "\n")
    bad = recommend(data, COPIER, tmp_path / "out", check=False)
    assert 'data.jsonl:2: record "b\\n\\x1b" has no output, and 1 other has one' in bad.stderr
    bad = recommend(SCENARIOS, COPIER, tmp_path / "out", "--cost", times, "--policy", "pld", "--group", "(x\n)", check=False)
    assert 'the pattern "(x\\n)" matches no record\'s id' in bad.stderr


def test_a_candidate_too_wide_for_the_times_is_left_out(tmp_path):
    (tmp_path / "t.cost").write_text("[T]\n1 = 10\n4 = 13\n")
    text = recommend(SCENARIOS, COPIER, tmp_path / "out", "--cost", tmp_path / "t.cost", "--policy", "llma:k=4",
                     "--policy", "llma:k=20").stdout
    assert "1 left out: they make passes longer than the longest whose time is known" in text and "k=20" not in text


def test_a_candidate_may_name_a_file(tmp_path):
    """Its path counts from where the command runs, not from where the config is; here it holds a comma and a blank."""
    (tmp_path / "texts.jsonl").write_text('{"id": "t", "prompt": "a", "references": ["one two three"], "output": "b"}\n')
    run("datastore", "build", "-m", COPIER, "-o", "a, b.store", "texts.jsonl", cwd=tmp_path)
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    text = run("recommend", SCENARIOS, "-m", COPIER, "-o", "out", "-t", "1", "--cost", times, "--policy", 'rest:store="a, b.store"',
               cwd=tmp_path).stdout
    assert re.search(r'^#\d+: rest:store="/.*/a, b.store"$', text, re.M), text


def test_paths_within_stages_mean_the_same_from_the_config(tmp_path):
    """A relative path of a command line is told from there; the config lies in another folder, and runs again."""
    (tmp_path / "texts.jsonl").write_text('{"id": "t", "prompt": "a", "references": ["one two three"], "output": "b"}\n')
    run("datastore", "build", "-m", COPIER, "-o", "a b.store", "texts.jsonl", cwd=tmp_path)
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    run("recommend", SCENARIOS, "-m", COPIER, "-o", "deep/out", "-t", "1", "--cost", times, "--policy",
        "chain:stages=pld > rest store='a b.store'", "--policy", "sam:corpus=a b.store", cwd=tmp_path)
    ini = (tmp_path / "deep/out/replay.ini").read_text()
    assert ini.count(f"{tmp_path}/a b.store") == 2 and "=a b.store" not in ini
    again = run("sweep", "deep/out/replay.ini", cwd=tmp_path)
    assert "cells were finished before" in again.stderr and "ran " not in again.stderr
    assert "cells were finished before" in run("sweep", "out/replay.ini", cwd=tmp_path / "deep").stderr
    name = "x" * 180 + ".store"
    (tmp_path / "a b.store").rename(tmp_path / name)
    for policy in (f"chain:stages=pld > rest store={name}", f"rest:store={name}"):
        bad = run("recommend", SCENARIOS, "-m", COPIER, "-o", "out", "-t", "1", "--cost", times, "--policy", policy, cwd=tmp_path, check=False)
        assert bad.returncode == 2 and f"harness: --policy {policy[:100]}: " in bad.stderr and "bytes in a config (at most 199 a line)" in bad.stderr


def test_records_without_outputs_are_decoded(tmp_path):
    write_model(tmp_path / "tiny.gguf")
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps({"id": f"r{i}", "prompt": f"one two {i} one two", "references": ["one two one"]}) + "\n"
                            for i in range(4)))
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    text = recommend(data, tmp_path / "tiny.gguf", tmp_path / "out", "--cost", times, "-N", "8").stdout
    assert text.startswith("4 records, ") and "no intervals and no tests: they need 10 records" in text
    with h5py.File(tmp_path / "out/records.h5", "r") as f:
        ids, offset = f["tokens/ids"][()], f["tokens/offset"][()]
    with h5py.File(tmp_path / "out/replay.h5", "r") as f:
        assert (f["trials"]["equal"][()] == 1).all()
    for i, r in enumerate(lines(tmp_path / "out/records.jsonl")):
        assert r["output_ids"] == ids[offset[i]:offset[i + 1]].tolist()


def test_more_records_until_it_is_precise(tmp_path):
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    few = recommend(SCENARIOS, COPIER, tmp_path / "a", "--cost", times, "--policy", "pld", "--until-precise", "90")
    assert few.stdout.startswith("16 records, ") and "taking more" not in few.stderr
    all_of_them = recommend(SCENARIOS, COPIER, tmp_path / "b", "--cost", times, "--policy", "pld", "--until-precise", "0.1")
    assert all_of_them.stdout.startswith("48 records, ") and "16 records: half of the interval is" in all_of_them.stderr


def test_the_check_measures_what_was_held_out(tmp_path):
    source = [json.loads(line) for line in SCENARIOS.read_text().splitlines()][:24]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(dict(r, conversation=f"c{i // 2}")) + "\n" for i, r in enumerate(source)))
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    text = recommend(data, COPIER, tmp_path / "out", "--cost", times, "--check", "--group", "conversation",
                     "--policy", "llma:n=1,k=4", "--policy", "pld:k=3").stdout
    chosen, held = lines(tmp_path / "out/chosen.jsonl"), lines(tmp_path / "out/held_out.jsonl")
    assert len(chosen) == len(held) == 12
    assert not {r["conversation"] for r in chosen} & {r["conversation"] for r in held}
    assert "12 records in 6 groups, " in text
    with h5py.File(tmp_path / "out/check.h5", "r") as f:
        cells, trials = f["cells"][()], f["trials"][()]
    for c in cells[1:]:
        t = trials[trials["cell"] == c["cell"]]
        predicted = t["plain_modeled_ns"].sum() / (t["modeled_ns"].sum() + t["draft_ns"].sum())
        measured = t["plain_ns"].sum() / t["decode_ns"].sum()
        row = re.search(rf"^{c['policy'].decode()} .* ([\d.]+) +([\d.]+)(?: \[.*\])? +(-?[\d.]+) +[\d.]+ +[\d.]+ +[\d.]+% +[\d.]+%$",
                        text[text.index("records held out"):], re.M)
        assert float(row[1]) == pytest.approx(predicted, abs=0.006) and float(row[2]) == pytest.approx(measured, abs=0.006)
        assert float(row[3]) == pytest.approx(100 * (predicted / measured - 1), abs=0.06)
        assert (t["logits_equal"] == 1).all()


@pytest.mark.parametrize("records, message", [
    ([{"id": "a", "prompt": "x", "output": "y"}, {"id": "b", "prompt": "x"}], 'data.jsonl:2: record "b" has no output, and 1 other has one'),
    ([], "data.jsonl: the file is empty"),
])
def test_bad_data_are_refused(tmp_path, records, message):
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in records))
    bad = recommend(data, COPIER, tmp_path / "out", check=False)
    assert bad.returncode == 2 and message in bad.stderr, bad.stderr


def test_bad_options_are_refused(tmp_path):
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    for options, message in [(["--policy", "llma:k=4,n=1", "--policy", "pld", "--policy", "llma:n=1,k=4"],
                              "harness: --policy llma:n=1,k=4: is the same as --policy llma:k=4,n=1 (each candidate once)"),
                             (["--policy", "none"], "harness: --policy none: plain decoding is compared in any case"),
                             (["--policy", "chain:stages=pld > recycle"], "harness: --policy chain:stages=pld > recycle: drafts from logits, which a"),
                             (["--chat", "foo", "--policy", "pld"], 'harness: --chat: unknown chat format "foo"'),
                             (["--cost", tmp_path / "none"], "none"), (["--policy", "lama", "--cost", times], "lama"),
                             (["--policy", "llma:k=0", "--cost", times], "k"), (["--group", "(", "--cost", times, "--policy", "pld"], "regular expression")]:
        bad = recommend(SCENARIOS, COPIER, tmp_path / "out", *options, check=False)
        assert bad.returncode == 2 and message in bad.stderr, bad.stderr
    for name, message in (("a\nb", '/a\\nb": has control characters or invalid UTF-8, which a config cannot hold'),
                          ("it's *", "/it's *: has a ' and what a config takes for a shell's: patterns"),
                          ("'\"", "quotes of both kinds"), ("x" * 199, "bytes in a config (at most 199 a line)")):
        bad = recommend(SCENARIOS, COPIER, tmp_path / name, "--cost", times, "--policy", "pld", check=False)
        assert bad.returncode == 2 and message in bad.stderr and ".ini:" not in bad.stderr, bad.stderr
    assert recommend(SCENARIOS, COPIER, tmp_path / "it's; $a* ;b", "--cost", times, "--policy", "pld", check=False).returncode == 2
    recommend(SCENARIOS, COPIER, tmp_path / "~; $a* ;b", "--cost", times, "--policy", "pld")
    bad = recommend(SCENARIOS, tmp_path / "t.cost", tmp_path / "out", check=False)
    assert bad.returncode == 2 and "t.cost" in bad.stderr
    (tmp_path / "file").write_text("")
    bad = recommend(SCENARIOS, COPIER, tmp_path / "file/out", check=False)
    assert bad.returncode == 1 and "file: cannot make the output folder" in bad.stderr


def test_outputs_of_one_token_are_left_out(tmp_path):
    """The prompt's pass writes them: there is nothing to speed up, nor to be slower at."""
    source = [json.loads(line) for line in SCENARIOS.read_text().splitlines()[:24]]
    short = [dict(r, id=f"short {i}", output="") for i, r in enumerate(source[:3])]
    times, data = cost(tmp_path / "t.cost", lambda k: 9 + k), tmp_path / "data.jsonl"
    said = []
    for records in (source, short[:1] + source + short[1:]):
        data.write_text("".join(json.dumps(r) + "\n" for r in records))
        said.append(recommend(data, COPIER, tmp_path / f"out{len(records)}", "--cost", times, "--policy", "pld", "--policy", "oracle:k=64").stdout)
    assert "3 more have an output of one token, which the prompt's pass writes, and are left out\n" in said[1]
    assert "24 records, " in said[1] and re.search(r"^none .* 0\.0% +1\.00$", said[1], re.M)
    plain = [re.search(r"^none .*", text, re.M)[0].split()[:3] for text in said]
    assert plain[0] == plain[1] and "short" not in said[1]
    data.write_text("".join(json.dumps(r) + "\n" for r in short))
    bad = recommend(data, COPIER, tmp_path / "none", "--cost", times, "--policy", "pld", check=False)
    assert bad.returncode == 2 and "no record has an output of two tokens or more" in bad.stderr


def test_how_much_of_the_time_is_saved_however_far_the_bound_is(tmp_path):
    """Outputs that one draft holds are checked with the prompt, whose time is in no speed-up: the bound is off the scale."""
    source = [json.loads(line) for line in SCENARIOS.read_text().splitlines()[:12]]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(dict(r, output=r["output"][:60])) + "\n" for r in source))
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    text = recommend(data, COPIER, tmp_path / "out", "--cost", times, "--policy", "pld", "--policy", "oracle:k=64").stdout
    saved, bound, records = re.search(r"saves (\d+)% of the time that copying could: `oracle`, which knows the output,\n"
                                      r"  is ([\d.]+) times as fast, and checks that of (\d+) records? with the prompt", text).groups()
    speedup = float(re.search(r"([\d.]+) times as fast as plain", text)[1])
    assert int(records) > 0 and float(bound) > speedup
    assert int(saved) == pytest.approx(100 * (1 - 1 / speedup) / (1 - 1 / float(bound)), abs=1)


def test_a_precision_that_is_not_reached_is_said(tmp_path):
    times = cost(tmp_path / "t.cost", lambda k: 9 + k)
    for options, why in ((("--until-precise", "0.1"), r"48 records: half of the interval is [\d.]+% of [\d.]+; 0.1% was wanted, and there are no more"),
                         (("--until-precise", "50", "--limit", "5"), "5 records: too few for an interval; 50% was wanted, and there are no more")):
        done = recommend(SCENARIOS, COPIER, tmp_path / "out", "--cost", times, "--policy", "pld", *options)
        assert re.search(why, done.stderr), done.stderr


def test_expectations_carry_the_errors_of_the_times(tmp_path):
    """Quartiles of T widen what is to be expected, and T without any leaves the records' own interval."""
    exact = cost(tmp_path / "t.cost", lambda k: 9 + k)
    wide = tmp_path / "wide.cost"
    wide.write_text("[cost]\nrounds = 9\n" + re.sub(r"^(\d+) = (\d+)$", lambda m: f"{m[1]} = {int(m[2])} {int(m[2]) * 0.8:.0f} {int(m[2]) * 1.2:.0f}", exact.read_text(), flags=re.M))
    spans = []
    for path in (exact, wide):
        text = recommend(SCENARIOS, COPIER, tmp_path / path.stem, "--cost", path, "--policy", "pld", "--policy", "llma:k=4").stdout
        low, high = map(float, re.search(r"expect [\d.]+ \[([\d.]+), ([\d.]+)\] on other records", text).groups())
        spans.append(high / low)
        assert ("times of passes have errors" in text) == (path == wide)
    assert spans[1] > spans[0]
