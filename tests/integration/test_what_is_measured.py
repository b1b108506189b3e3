"""Numbers that would mislead: drafts past the output's end, missing trials, clocks that cannot be compared, records
that occur twice or not at all. Each test has a kind of fault and the right value."""
import csv
import io
import json

import h5py
import numpy as np
import pytest

from gguf_files import write_model
from sweeps import ROOT, run, write_jsonl

REPLAY = """[sweep]
name = one
output = {folder}
repeats = {repeats}
[model bytes]
target = replay
tokenizer = bytes
{model}
[dataset data]
path = {path}
forced = yes
max_new_tokens = {most}
[policy {policy}]
{params}
[accept greedy]
"""
MODEL = """[sweep]
name = one
output = {folder}
repeats = {repeats}
paired = {paired}
[model tiny]
target = transformer
path = {folder}/tiny.gguf
{model}
[dataset data]
path = {path}
max_new_tokens = {most}
[policy {policy}]
{params}
[accept {rule}]

"""


def sweep(folder, template, *options, check=True, **values):
    values = {"repeats": 1, "model": "", "most": 4096, "policy": "llma", "params": "", "paired": "no", "rule": "greedy",
              **values}
    ini = folder / "one.ini"
    ini.write_text(template.format(folder=folder, **values))
    return run("sweep", ini, *options, check=check)


def rows(folder, table="summary"):
    """A table of the results as dicts."""
    text = run("tables", table, folder / "one.h5", "--format", "csv").stdout
    return list(csv.DictReader(io.StringIO(text)))


def trials_of(folder):
    with h5py.File(folder / "one.h5") as f:
        return f["trials"][()]


# ---- drafts that the end of the output cuts ----------------------------------------------------------------

def copies(n):
    """Outputs that equal their references: every draft is right until the output ends."""
    texts = [" ".join(f"w{v}x{7 * i + v}" for i in range(30)) for v in range(n)]
    return [{"id": f"v{v}", "prompt": "Copy the text.", "references": [t], "output": t} for v, t in enumerate(texts)]


@pytest.mark.parametrize("most, acceptance", [(16, 1), (32, 1), (64, 0.890), (4096, 0.815)])
def test_what_the_end_cuts_is_not_rejected(tmp_path, most, acceptance):
    data = write_jsonl(tmp_path / "data.jsonl", copies(8))
    sweep(tmp_path, REPLAY, path=data, most=most, params="n = 1\nk = 32")
    plain, llma = rows(tmp_path)
    assert plain["acceptance"] == "" and plain["drafted"] == "0"
    assert float(llma["acceptance"]) == pytest.approx(acceptance, abs=5e-4)
    assert float(llma["acceptance"]) == int(llma["accepted"]) / int(llma["testable"])
    assert int(llma["drafted"]) > int(llma["testable"])
    positions = rows(tmp_path, "positions")
    assert len(positions) == min(most - 2, 31), "the first token is nobody's draft, and the last is the target's own"
    if acceptance == 1:
        assert all(p["accepted"] == p["tested"] == p["reached"] for p in positions)


def test_replaying_an_output_counts_as_decoding_it_does(tmp_path):
    """EOS is known beforehand in a recording and not in free decoding: the numbers must not depend on that."""
    for forced in ("no", "yes"):
        (tmp_path / forced).mkdir()
        (tmp_path / forced / "one.ini").write_text(
            f"[sweep]\nname = one\noutput = .\n[model copier]\ntarget = transformer\n"
            f"path = {ROOT}/datasets/models/copier.gguf\n[dataset d]\npath = {tmp_path}/data.jsonl\nforced = {forced}\n"
            "[policy llma]\nn = 1\nk = 32\n[policy pld]\n[accept greedy]\n")
    with open(ROOT / "datasets/samples/scenarios.jsonl", encoding="utf-8") as f:
        (tmp_path / "data.jsonl").write_text("".join(f.readlines()[:4]))
    run("sweep", tmp_path / "no/one.ini")
    with h5py.File(tmp_path / "no/one.h5") as f:
        ids, offset, n = f["tokens/ids"][()], f["tokens/offset"][()], len(f["samples"])
        outputs = [ids[offset[i]:offset[i + 1]].tolist() for i in range(n)]
    records = [json.loads(line) for line in (tmp_path / "data.jsonl").read_text().splitlines()]
    for record, output in zip(records, outputs):
        del record["output"]
        record["output_ids"] = output
    write_jsonl(tmp_path / "data.jsonl", records)
    run("sweep", tmp_path / "yes/one.ini")
    free, forced = ([{k: r[k] for k in ("steps", "drafted", "testable", "accepted")} for r in rows(tmp_path / w)]
                    for w in ("no", "yes"))
    assert free == forced
    assert any(int(r["testable"]) < int(r["drafted"]) for r in free)


# ---- values of some trials only ------------------------------------------------------------------------------

def test_a_value_of_some_trials_is_not_shown_as_one_of_all(tmp_path):
    data = write_jsonl(tmp_path / "data.jsonl", copies(3) + [{"id": "s", "prompt": "x", "references": [], "output": "abc"}])
    (tmp_path / "cost.ini").write_text("[T]\n1 = 100\n8 = 120\n")
    done = sweep(tmp_path, REPLAY, path=data, model="cost = cost.ini", params="n = 4\nk = 4, 9")
    assert "no modeled speed-up for 1 of 3 cells" in done.stdout
    assert "1 of 4" in done.stdout
    warning = "cost.ini has times of passes over up to 8 tokens, and 1 cell can make longer ones, over up to 9"
    assert warning in done.stderr
    assert warning in run("sweep", "-n", tmp_path / "one.ini").stderr
    plain, fits, longer = rows(tmp_path)
    assert float(plain["modeled_speedup_median"]) == 1
    assert (fits["modeled_speedup_n"], fits["modeled_speedup_of"]) == ("4", "4")
    assert float(fits["modeled_speedup_median"]) > 1
    assert (longer["modeled_speedup_n"], longer["modeled_speedup_of"]) == ("1", "4")
    assert longer["modeled_speedup_median"] == longer["modeled_speedup_q1"] == longer["modeled_speedup_lo"] == ""
    with h5py.File(tmp_path / "one.h5") as f:
        assert f["costs/cost.ini"][()] == (tmp_path / "cost.ini").read_bytes()


def test_a_modeled_speedup_is_of_the_passes_where_they_are(tmp_path):
    """In each context: that of a step is the prompt and the output before its pending token. T(1) doubles over the first
    100 tokens and rises a tenth as fast from there; a token more costs half a pass in any context."""
    data = write_jsonl(tmp_path / "data.jsonl", copies(3))
    (tmp_path / "cost.ini").write_text("".join(f"[T {c}]\n1 = {t}\n33 = {17 * t}\n" for c, t in [(0, 100), (100, 200), (200, 210)]))
    sweep(tmp_path, REPLAY, path=data, model="cost = cost.ini", params="n = 1\nk = 9")
    with h5py.File(tmp_path / "one.h5") as f:
        trials, steps, prompts = f["trials"][()], f["steps"][()], f["samples"]["prompt_tokens"]

    def one(context):
        return np.where(context < 100, 100 + context, 200 + 0.1 * (context - 100))

    assert len(trials) == 6
    for i, trial in enumerate(trials):
        prompt, own = int(prompts[trial["sample"]]), steps[steps["trial"] == i][1:]
        assert prompt < 100 < prompt + trial["tokens"]
        passes = (one(prompt + own["position"] - 1.0) * (1 + 0.5 * own["drafted"])).sum()
        plain = one(prompt + np.arange(trial["plain_tokens"] - 1.0)).sum()
        assert trial["modeled_speedup"] == pytest.approx(plain / passes, rel=1e-12)
    assert (trials["modeled_speedup"][3:] > 1).all() and (trials["modeled_speedup"][:3] == 1).all()


def test_speedup_of_outputs_of_other_lengths_is_of_time_per_token(tmp_path):
    """A pass costs the same at any width, and hardly any draft is accepted: nothing is gained or lost."""
    write_model(tmp_path / "tiny.gguf")
    (tmp_path / "flat.ini").write_text("[T]\n1 = 1000\n64 = 1000\n")
    prompts = [{"id": str(i), "prompt": f"one {i} two"} for i in range(12)]
    done = sweep(tmp_path, MODEL, path=write_jsonl(tmp_path / "data.jsonl", prompts), most=40, policy="random",
                 params="k = 3, 8", model="cost = flat.ini", rule="rejection")
    trials = trials_of(tmp_path)
    assert (trials["equal"] == 0).any() and (trials["tokens"] != trials["plain_tokens"]).any()
    own = trials["tokens"] - 1.0
    timed = (own > 0) & (trials["plain_tokens"] > 1)
    passes = trials["steps"] - 1.0
    np.testing.assert_allclose(trials["modeled_speedup"][timed], own[timed] / passes[timed])
    nothing = timed & (trials["accepted"] == 0)
    assert nothing.sum() > 12 and (trials["modeled_speedup"][nothing] == 1).all()
    assert "differ from plain decoding's: their speed-up is of time per token" in " ".join(done.stdout.split())


# ---- clocks that cannot be compared ------------------------------------------------------------------------------

def timed_sweep(folder, *options, **values):
    write_model(folder / "tiny.gguf")
    data = write_jsonl(folder / "data.jsonl", [{"id": str(i), "prompt": f"one {i} two"} for i in range(3)])
    return sweep(folder, MODEL, *options, path=data, most=12, policy="pld", params="k = 2, 5", **values)


def test_times_of_one_process_are_compared(tmp_path):
    timed_sweep(tmp_path)
    trials = trials_of(tmp_path)
    assert len(set(trials["process"])) == 1
    assert (trials["plain_ns"] > 0).all() and not np.isnan(trials["speedup"]).any()


def test_times_of_other_processes_are_not(tmp_path):
    """Plain decoding by an earlier run, or another process: other machines and other loads."""
    timed_sweep(tmp_path, "-s", "policy pld.k=2")
    done = timed_sweep(tmp_path)
    assert "no speed-up for 1 of 3 cells" in done.stdout
    assert "plain decoding was timed by an earlier run; with paired = yes" in done.stderr
    trials = trials_of(tmp_path)
    assert len(set(trials["process"])) == 2
    plain, other = trials["cell"] == 0, trials["cell"] == 2
    assert (trials["speedup"][plain] == 1).all() and not np.isnan(trials["speedup"][~other]).any()
    assert np.isnan(trials["speedup"][other]).all() and (trials["plain_ns"][other] == 0).all()
    assert [(r["speedup_n"], r["speedup_of"]) for r in rows(tmp_path)[1:]] == [("3", "3"), ("0", "3")]


def test_paired_times_are_compared_wherever_they_ran(tmp_path):
    timed_sweep(tmp_path, "-s", "policy pld.k=2", paired="yes")
    done = timed_sweep(tmp_path, paired="yes")
    assert "no speed-up" not in done.stdout + done.stderr
    assert not np.isnan(trials_of(tmp_path)["speedup"]).any()


# ---- records that occur twice, or not at all -------------------------------------------------------------------

def test_duplicates_do_not_narrow_an_interval(tmp_path):
    distinct = [{"prompt": "x", "references": ["abcdef" * n], "output": "abcdef" * n} for n in range(1, 13)]
    intervals = []
    for times in (1, 5):
        data = [{"id": f"{i}-{k}", **r} for k in range(times) for i, r in enumerate(distinct)]
        done = sweep(tmp_path, REPLAY, path=write_jsonl(tmp_path / "data.jsonl", data), params="n = 2\nk = 4")
        row = rows(tmp_path)[1]
        intervals.append((row["tokens_per_step"], row["tokens_per_step_lo"], row["tokens_per_step_hi"]))
        assert ("60 records, 12 distinct; duplicates count as one" in done.stdout) == (times == 5)
    assert intervals[0] == intervals[1] and float(intervals[0][1]) < float(intervals[0][2])
    assert "60 samples, in a cell up to 48 duplicates" in run("inspect", tmp_path / "one.h5").stdout


def test_two_models_do_not_make_duplicates(tmp_path):
    """Records occur once for each tokenizer's view; those are not duplicates."""
    write_model(tmp_path / "tiny.gguf")
    write_model(tmp_path / "other.gguf")
    with open(tmp_path / "other.gguf", "ab") as f:
        f.write(b"\0" * 64)
    data = write_jsonl(tmp_path / "data.jsonl", [{"id": str(i), "prompt": f"one {i}"} for i in range(4)])
    other = f"[model other]\ntarget = transformer\npath = {tmp_path}/other.gguf"
    done = sweep(tmp_path, MODEL, path=data, most=4, policy="none", model=other)
    assert "duplicates" not in done.stdout and "duplicates" not in run("inspect", tmp_path / "one.h5").stdout


def test_what_skip_bad_left_out_is_in_the_results(tmp_path):
    write_model(tmp_path / "tiny.gguf")
    data = tmp_path / "data.jsonl"
    data.write_text('{"id": "a", "prompt": "one"}\nnot JSON\n{"id": "long", "prompt": "' + "one two " * 400 + '"}\n'
                    '{"id": "c", "promt": "two"}\n')
    values = dict(path=data, most=4, policy="none")
    assert sweep(tmp_path, MODEL, check=False, **values).returncode == 2
    done = sweep(tmp_path, MODEL, "--skip-bad", **values)
    assert "data for tiny: 3 records left out, the first on line 2: not JSON" in " ".join(done.stdout.split())  # captions wrap
    with h5py.File(tmp_path / "one.h5") as f:
        skipped = f["skipped"][()]
    assert skipped["line"].tolist() == [2, 4, 3] and skipped["id"].tolist() == [b"", b"c", b"long"]
    assert b"tokens (at most" in skipped["reason"][2]
    text = run("inspect", tmp_path / "one.h5").stdout
    assert "3 records left out" in text and "data, tiny, long: the prompt has" in text
    assert "3 records left out" in run("tables", tmp_path / "one.h5").stdout


def test_what_a_format_leaves_out_is_in_the_results(tmp_path):
    records = [{"query": "q", "docs": ["a b"], "result": {"text": "a b"}}, {"query": "q", "docs": ["a"]}]
    done = sweep(tmp_path, REPLAY, path=write_jsonl(tmp_path / "data.jsonl", records))
    assert "data for bytes: 1 record left out, the first on line 2 (llma/1): no result text" in done.stdout
