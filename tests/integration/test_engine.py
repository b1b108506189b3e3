"""harness make-model, quantize and bench; a sweep whose products go through BLAS."""
import configparser
import json
import os
import pathlib
import re
import stat
import subprocess
import sys

import h5py
import pytest

from gguf_files import U32, make_model
from program import harness
from sweeps import ROOT

MODEL = ROOT / "datasets/models/copier.gguf"
SMALL = "dim=64,layers=2,heads=4,kv_heads=2,ffn=96,vocab=400,context=96"
TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k", "q4_k_m", "q5_k_m",
         "q2_k", "q3_k", "q3_k_m", "iq4_nl", "iq4_xs", "mxfp4"]


def make(path, shape=SMALL, type="f32", *args):
    harness("make-model", "-s", shape, "-t", type, *args, path)
    return path


def hash_of(model, *args):
    text = harness("generate", "-m", model, "-p", "abc aaab", "-n", "24", "--policy", "none", "--hash", *args).text
    return text.rsplit("logits ", 1)[1]


def test_models_are_made_the_same_again(tmp_path):
    one = make(tmp_path / "a.gguf").read_bytes()
    assert make(tmp_path / "b.gguf", SMALL, "f32", "--threads", "1").read_bytes() == one
    assert make(tmp_path / "c.gguf", SMALL, "f32", "--seed", "2").read_bytes() != one
    text = harness("inspect", tmp_path / "a.gguf").text
    assert "2 layers, 64 wide, 4 heads over 2, context 96" in text


def test_a_tokenizer_may_come_from_another_model(tmp_path):
    make(tmp_path / "a.gguf", SMALL, "q8_0", "--tokenizer", MODEL)
    ours, theirs = (harness("inspect", path).text for path in (tmp_path / "a.gguf", MODEL))
    digest = [line for line in theirs.splitlines() if line.startswith("tokenizer ")]
    assert digest and digest[0] in ours


@pytest.mark.parametrize("type", TYPES)
def test_every_type_runs_and_gives_the_same_bits(type, tmp_path):
    model = make(tmp_path / "m.gguf", SMALL.replace("dim=64", "dim=256").replace("ffn=96", "ffn=256"), type)
    harness("generate", "-m", model, "-p", "abc aaab", "-n", "24", "--policy", "pld", "-t", "2", "--check")
    assert hash_of(model) == hash_of(model, "-t", "3", "--policy", "llma:n=1,k=5")


@pytest.mark.parametrize("type", TYPES)
def test_quantize(type, tmp_path):
    harness("quantize", "-t", "f32", MODEL, tmp_path / "f32.gguf")
    report = harness("quantize", "-t", type, tmp_path / "f32.gguf", tmp_path / "q.gguf").text
    again = harness("quantize", "-t", type, "--threads", "3", tmp_path / "f32.gguf", tmp_path / "again.gguf").text
    assert (tmp_path / "q.gguf").read_bytes() == (tmp_path / "again.gguf").read_bytes() and report == again
    rows = [line.split() for line in report.splitlines()[1:]]
    assert sum(int(row[1]) for row in rows) == 7 * 6 + 1
    limit = {"f": 0.1, "b": 0.3, "q8": 1, "q6": 2.5, "q5": 6, "q4": 12, "q3": 18, "q2": 35, "iq4": 10, "mx": 14}
    for row in rows:
        most = next(v for k, v in limit.items() if row[0].lower().startswith(k))
        assert float(row[4].rstrip("%")) < most, row
    harness("inspect", tmp_path / "q.gguf")


@pytest.mark.parametrize("experts, arch", [(8, "llama"), (4, "qwen3moe")])
def test_quantize_knows_experts(experts, arch, tmp_path):
    """Mixtures give a stack of experts what they give a matrix, and better attention where there are eight."""
    shape = f"dim=256,layers=8,heads=4,kv_heads=2,ffn=256,vocab=400,context=96,experts={experts}"
    make(tmp_path / "f32.gguf", shape, "f32", "-a", arch)
    harness("quantize", "-t", "q4_k_m", tmp_path / "f32.gguf", tmp_path / "q.gguf")
    rows = [line.split() for line in harness("inspect", tmp_path / "q.gguf").text.splitlines()]
    types = {row[0]: row[1] for row in rows if len(row) > 1}
    better = [0, 3, 6, 7]
    for layer in range(8):
        best = "Q6_K" if layer in better else "Q4_K"
        of = lambda part: types[f"blk.{layer}.{part}.weight"]
        assert (of("ffn_down_exps"), of("ffn_up_exps"), of("ffn_gate_inp")) == (best, "Q4_K", "F32")
        attention = ("Q8_0", "Q8_0", "Q5_K") if experts == 8 else ("Q4_K", best, "Q4_K")
        assert (of("attn_k"), of("attn_v"), of("attn_output")) == attention


def test_quantize_keeps_what_the_embedded_model_says(tmp_path):
    """Q8_0 to f32 and back gives the same Q8_0."""
    harness("quantize", "-t", "f32", MODEL, tmp_path / "f32.gguf")
    harness("quantize", "-t", "q8_0", tmp_path / "f32.gguf", tmp_path / "q8.gguf")
    prompt = ["-p", "Once more: Tal Brin.\nAnswer:", "-n", "8", "--hash"]
    assert (harness("generate", "-m", MODEL, *prompt).text == harness("generate", "-m", tmp_path / "q8.gguf", *prompt).text)


@pytest.mark.parametrize("damage, message", [
    (lambda g: g.put("general.alignment\0", U32, 8), "without a NUL"),
    (lambda g: g.put("k" * 300, U32, 8), "of 300 bytes"),
    (lambda g: g.put_tensor("extra\0", "F32", [[1.0] * 32] * 2), "without a NUL"),
    (lambda g: g.put_tensor("extra", "F32", [[1.0] * 32, [float("nan")] * 32]), "not finite"),
    (lambda g: g.put_tensor("extra", "F32", [[float("-inf")] * 32] * 3), "not finite"),
])
def test_quantize_passes_nothing_bad_on(damage, message, tmp_path):
    g = make_model()
    damage(g)
    g.save(tmp_path / "in.gguf")
    error = harness("quantize", "-t", "q8_0", tmp_path / "in.gguf", tmp_path / "out.gguf", status=2).error
    assert message in error and not (tmp_path / "out.gguf").exists()


def test_quantize_knows_the_architecture(tmp_path):
    make_model(architecture="mamba").save(tmp_path / "in.gguf")
    error = harness("quantize", "-t", "q8_0", tmp_path / "in.gguf", tmp_path / "out.gguf", status=2).error
    assert 'architecture "mamba" is not supported ("llama", ' in error and not (tmp_path / "out.gguf").exists()


def test_norms_stay_as_they_are_in_any_shape(tmp_path):
    g = make_model()
    g.tensors = [(name, (*shape, 1), *rest) if len(shape) == 1 else (name, shape, *rest) for name, shape, *rest in g.tensors]
    g.save(tmp_path / "in.gguf")
    harness("quantize", "-t", "q8_0", tmp_path / "in.gguf", tmp_path / "out.gguf")
    harness("generate", "-m", tmp_path / "out.gguf", "-p", "the", "-n", "2")


@pytest.mark.parametrize("args, message", [
    (["quantize", "-t", "q3", "a", "b"], '--type: unknown type "q3"'),
    (["quantize", "a", "b"], "quantize needs -t"),
    (["quantize", "-t", "q4_0", "missing.gguf", "b"], "missing.gguf"),
    (["make-model", "-s", "2b", "x.gguf"], "--shape"),
    (["make-model", "-s", "1.1b:dim=100", "x.gguf"], "dim = 100 over heads = 32"),
    (["make-model", "-s", "heads=6,kv_heads=4,dim=96", "x.gguf"], "a divisor of heads"),
    (["make-model", "-s", "15m:layers=0", "x.gguf"], "layers"),
    (["make-model", "-s", "15m:vocab=457236", "x.gguf"], "260 to 457235"),
    (["bench"], "bench needs -m"),
    (["bench", "-m", MODEL, "-k", "2,4"], "begin with 1"),
    (["bench", "-m", MODEL, "-k", "1,4,4"], "ascending"),
    (["bench", "-m", MODEL, "-k", "1,2" + 30 * " "], "is not allowed"),
    (["bench", "-m", MODEL, "-c", "1020", "-k", "1,8"], "--context 1020 and k = 8 do not fit"),
    (["bench", "-m", MODEL, "-c", "0,1020", "-k", "1,8"], "--context 1020 and k = 8 do not fit"),
    (["bench", "-m", MODEL, "-c", "512,0"], '--context "512,0" is not allowed (up to 16 numbers from 0 to 2147483647, ascending'),
    (["bench", "-m", MODEL, "-c", "0,0"], "ascending"),
    (["bench", "-m", MODEL, "-c", "0,"], "is not allowed"),
    (["bench", "-m", MODEL, "-c", "-1"], "is not allowed"),
    (["bench", "-m", MODEL, "-c", ",".join(map(str, range(17)))], "up to 16 numbers"),
    (["bench", "-m", MODEL, "--prefill", "1025"], "--prefill 1025 does not fit"),
    (["dataset", "make", "--scenario", "cache", "--scenario", "cache:max_changes=1"], "cache is given twice"),
    (["inspect", "/dev/zero"], "/dev/zero: is a device"),
])
def test_mistakes(args, message, tmp_path):
    assert message in harness(*args, status=2, cwd=tmp_path).error
    assert not (tmp_path / "x.gguf").exists() and not (tmp_path / "b").exists()


def test_the_input_is_not_overwritten(tmp_path):
    model = tmp_path / "m.gguf"
    harness("make-model", "-s", SMALL, model)
    before = model.read_bytes()
    (tmp_path / "link").symlink_to(model)
    for args in ["bench", "-m", model, "--cost", tmp_path / "link"], ["quantize", "-t", "q8_0", model, tmp_path / "link"]:
        assert "is the same file as the input" in harness(*args, status=2).error
    assert model.read_bytes() == before


@pytest.mark.parametrize("command", [["make-model", "-s", SMALL], ["quantize", "-t", "q8_0", MODEL],
                                     ["dataset", "make", "--scenario", "editing", "--count", "1", "-o"]])
def test_a_pipe_is_not_replaced(command, tmp_path):
    """Nor a device, which root could."""
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in harness(*command, tmp_path / "pipe", status=2).error
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode) and len(list(tmp_path.iterdir())) == 1


def times_of(section):
    """{k: (median, q1, q3)} of a cost file's section."""
    return {int(k): tuple(map(int, times.split())) for k, times in section.items()}


def test_bench(tmp_path):
    model = make(tmp_path / "m.gguf")
    args = ["bench", "-m", model, "-k", "1,2,5", "-c", "9", "-r", "3", "-t", "2", "--prefill", "20"]
    table = harness(*args, "--cost", tmp_path / "cost.ini").text
    assert "9 tokens before the pass" in table and "read bandwidth" in table and "a prompt of 20 tokens" in table
    assert "packed in" in table
    out = json.loads(harness(*args, "--json").text)
    assert out["threads"] == 2 and out["read_bytes_per_s"] > 0 and out["packed_ns"] > 0
    assert [c["context"] for c in out["contexts"]] == [9]
    times = out["contexts"][0]["T"]
    assert [t["k"] for t in times] == [1, 2, 5]
    assert all(0 < t["min_ns"] <= t["q1_ns"] <= t["median_ns"] <= t["q3_ns"] for t in times)
    assert out["logits"] == "all" and json.loads(harness(*args, "--json", "--last").text)["logits"] == "last"
    assert "not with --last" in harness(*args, "--last", "--cost", tmp_path / "c.ini", status=2).error
    cost = configparser.ConfigParser()
    cost.read(tmp_path / "cost.ini")
    assert cost.sections() == ["cost", "T 9"] and cost["cost"]["threads"] == "2"
    assert list(times_of(cost["T 9"])) == [1, 2, 5]
    assert all(0 < q1 <= median <= q3 for median, q1, q3 in times_of(cost["T 9"]).values())


def test_bench_in_several_contexts(tmp_path):
    """A table, a list in the JSON and a section of the cost file for each, and a sweep that takes the file."""
    model = make(tmp_path / "m.gguf")
    args = ["bench", "-q", "-m", model, "-k", "1,3", "-c", "0,7,64", "-r", "2", "-t", "1", "--prefill", "5"]
    table = harness(*args, "--cost", tmp_path / "cost.ini").text
    assert re.findall(r"^(\d+) tokens? before the pass, \d+ MB to read$", table, re.M) == ["0", "7", "64"]
    assert len(re.findall(r"^    k   T\(k\) ms ", table, re.M)) == 3
    assert table.count("T(k)/T(k, 0)") == 2 and table.count("Gop/s  from") == 1
    out = json.loads(harness(*args, "--json").text)
    assert [c["context"] for c in out["contexts"]] == [0, 7, 64]
    assert all([t["k"] for t in c["T"]] == [1, 3] and all(t["min_ns"] > 0 for t in c["T"]) for c in out["contexts"])
    per_token = (out["contexts"][1]["bytes"] - out["contexts"][0]["bytes"]) / 7
    assert per_token > 0 and out["contexts"][2]["bytes"] == out["contexts"][0]["bytes"] + 64 * per_token
    assert out["prefill"] == 5 and out["prefill_ns"] > 0
    cost = configparser.ConfigParser()
    cost.read(tmp_path / "cost.ini")
    assert cost.sections() == ["cost", "T 0", "T 7", "T 64"]
    assert all(list(times_of(cost[f"T {c}"])) == [1, 3] for c in (0, 7, 64))
    assert "-c 0,7,64 -t 1 -r 2:" in (tmp_path / "cost.ini").read_text()
    dry_sweep(tmp_path)


def test_bench_says_that_a_model_fits_into_a_cache(tmp_path):
    last = {}  # caches by the CPUs that share them
    for cpu in pathlib.Path("/sys/devices/system/cpu").glob("cpu[0-9]*"):
        for cache in sorted(cpu.glob("cache/index*"))[-1:]:
            last[(cache / "shared_cpu_list").read_text()] = int((cache / "size").read_text().strip().rstrip("K")) * 1024
    if not last:
        pytest.skip("this system does not tell its caches")
    size = sum(last.values())
    args = ["bench", "-q", "-m", make(tmp_path / "m.gguf"), "-k", "1", "-r", "1", "-t", "1"]
    out = json.loads(harness(*args, "--json").text)
    assert out["cache_bytes"] == size and out["contexts"][0]["bytes"] < size
    assert f"the weights fit into caches of {size / 1e6:.0f} MB" in harness(*args).text


def doubts(done):
    return re.findall(r"^harness: doubtful: (.*)$", done.error, re.M)


def dry_sweep(folder):
    """Reads folder/cost.ini."""
    (folder / "d.jsonl").write_text('{"id": "a", "prompt": "x", "references": [], "output": "y"}\n')
    (folder / "c.ini").write_text("[sweep]\nname = c\noutput = out\n[model m]\ntarget = replay\ntokenizer = bytes\n"
                                  "cost = cost.ini\n[dataset d]\npath = d.jsonl\nforced = yes\n[policy none]\n[accept greedy]\n")
    assert "1 cell, 1 trial" in harness("sweep", "-n", folder / "c.ini").text


def test_a_cost_file_can_be_read_whatever_the_model_is_called(tmp_path):
    model = tmp_path / ("a ;b\n'" + "x" * 200)
    model.write_bytes(make(tmp_path / "m.gguf").read_bytes())
    harness("bench", "-q", "-m", model, "-k", "1", "-r", "1", "-t", "1", "--cost", tmp_path / "cost.ini")
    dry_sweep(tmp_path)


def test_json_names_a_model_whose_name_is_not_utf8(tmp_path):
    model = os.fsdecode(os.fsencode(tmp_path) + b"/m\xff.gguf")
    os.rename(make(tmp_path / "m.gguf"), model)
    done = harness("bench", "-q", "-m", model, "-k", "1", "-r", "1", "-t", "1", "--json")
    assert json.loads(done.text)["model"] == f"{tmp_path}/m\ufffd.gguf"


def test_bench_tells_noise_from_data(tmp_path):
    model = make(tmp_path / "m.gguf")
    processors = len(os.sched_getaffinity(0))
    args = ["bench", "-m", model, "-k", "1,2", "-r", "15", "-t", processors, "--cost", tmp_path / "cost.ini"]
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * processors)]
    try:
        done = harness(*args, "--json")
    finally:
        for other in others:
            other.kill()
            other.wait()
    out = json.loads(done.text)
    assert out["doubts"] == doubts(done)
    comments = re.findall(r"^; doubtful: (.*)$", (tmp_path / "cost.ini").read_text(), re.M)
    assert comments == doubts(done)
    assert ("not fit for a cost file" in done.error) == bool(comments)
    if out["others"] is None:
        pytest.skip("this system does not count the time of other processes")
    assert out["others"] > processors / 4 and any("other processes used" in doubt for doubt in doubts(done))


SWEEP = """
[sweep]
name = s
output = {folder}
[model exact]
target = transformer
path = {model}
[model blas]
target = transformer
path = {model}
gemm = blas
[dataset d]
path = {root}/datasets/samples/scenarios.jsonl
limit = 2
max_new_tokens = 24
[policy llma]
n = 1
k = 6
[accept greedy]
"""


def test_blas_is_recorded_beside_exact(tmp_path):
    harness("quantize", "-t", "f32", MODEL, tmp_path / "m.gguf")
    (tmp_path / "s.ini").write_text(SWEEP.format(folder=tmp_path, model=tmp_path / "m.gguf", root=ROOT))
    harness("sweep", "-q", tmp_path / "s.ini")
    with h5py.File(tmp_path / "s.h5") as f:
        cells, trials = f["cells"][:], f["trials"][:]
    for cell in cells:
        mine = trials[trials["cell"] == cell["cell"]]
        if cell["gemm"] == b"exact":
            assert mine["logits_equal"].all() and (mine["max_abs_logit_diff"] == 0).all()
        elif cell["policy"] == b"llma":
            assert (mine["max_abs_logit_diff"] < 1e-3).all() and (mine["max_abs_logit_diff"] > 0).any()


def test_blas_refuses_blocks(tmp_path):
    (tmp_path / "s.ini").write_text(SWEEP.format(folder=tmp_path, model=MODEL, root=ROOT))
    assert "cannot multiply Q8_0" in harness("sweep", "-q", tmp_path / "s.ini", status=2).error


def test_times_of_more_layers_follow_from_few(tmp_path):
    few = tmp_path / "few.gguf"
    harness("make-model", "-s", "15m:layers=4,vocab=300,context=128", "-q", few)
    whole, more = (json.loads(harness("bench", "-m", few, "-t", "1", "-k", "1,32", "-r", "15", "-q", "--json", *options).text)
                    for options in ([], ["--layers", "64"]))
    assert more["layers"] == 64 and "layers" not in whole
    assert more["contexts"][0]["bytes"] > 10 * whole["contexts"][0]["bytes"]
    for layers, why in (("3", "it has 4 itself"), ("1", "1")):
        done = harness("bench", "-m", few, "-k", "1", "--layers", layers, status=2)
        assert why in done.error
    harness("bench", "-m", few, "-t", "1", "-k", "1,2", "-r", "1", "-q", "--layers", "8", "--cost", tmp_path / "t.cost")
    assert "--layers 8" in (tmp_path / "t.cost").read_text()
