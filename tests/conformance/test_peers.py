"""Our engine beside llama.cpp, where `make peer` has built both programs."""
import os
import re
import subprocess
import sys

import pytest

from program import HARNESS, harness
from sweeps import ROOT

sys.path.insert(0, str(ROOT / "tests" / "peers"))
import peers  # noqa: E402

MODEL = ROOT / "datasets" / "models" / "copier.gguf"
RECORDS = ROOT / "datasets" / "samples" / "scenarios.jsonl"

pytestmark = pytest.mark.skipif(not (peers.BUILD / peers.THEIRS).exists(), reason="make peer LLAMA_CPP=... was not run")


def script(name, *args, status=0):
    done = subprocess.run([sys.executable, ROOT / "tests" / "peers" / name, *map(str, args)], capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "peer_ours: " in done.stderr and "peer_llama_cpp: libggml-cpu" in done.stderr, "which kernels?"
    return done.stdout


def largest(text):
    return float(re.search(r"ours and llama.cpp's: .*largest difference of a logit (\S+)", text)[1])


def agreement(text):
    return float(re.search(r"ours and llama.cpp's: .*same likeliest token at \d+ \((\S+)%\)", text)[1])


def test_ids(tmp_path):
    assert re.search(r": 96 texts, \d+ tokens: 0 texts differ", script("compare_ids.py", MODEL, RECORDS))
    texts = tmp_path / "texts"
    texts.write_bytes("\0".join(["", " ", "</s>", "two\n\n lines", "é 漢 \U0001f600", "end"]).encode())
    assert "6 texts" in script("compare_ids.py", MODEL, texts)


@pytest.mark.parametrize("name", ["gpt-2", "llama-bpe", "llama-spm", "qwen2", "phi-3", "deepseek-llm", "gemma-4"])
def test_ids_of_random_texts(tmp_path, public, name):
    """Texts made of what tokenizers differ on. llama.cpp does not normalize, as Qwen's own tokenizer does."""
    vocabulary = public / "data" / "tokenizers" / f"ggml-vocab-{name}.gguf"
    with open(tmp_path / "texts", "wb") as f:
        subprocess.run([sys.executable, ROOT / "tests/peers/random_texts.py", vocabulary, "-n", "1000",
                        *(["--nfc"] if name == "qwen2" else [])], stdout=f, check=True, env={**os.environ, "HARNESS": HARNESS})
    assert re.search(r": 1000 texts, \d+ tokens: 0 texts differ", script("compare_ids.py", vocabulary, tmp_path / "texts"))


def test_a_difference_of_ids_is_shown(tmp_path, monkeypatch):
    """A stand-in for llama.cpp that puts one more id on each line."""
    (tmp_path / peers.OURS).symlink_to(peers.BUILD / peers.OURS)
    stand_in = tmp_path / peers.THEIRS
    stand_in.write_text(f"#!/bin/sh\nset -e\n{peers.BUILD / peers.THEIRS} \"$@\" | sed 's/$/ 7/'\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PEERS", str(tmp_path))
    (tmp_path / "texts").write_bytes(b"one\0two")
    text = script("compare_ids.py", MODEL, tmp_path / "texts", status=1)
    assert "2 texts differ" in text and "b'one'\n    at token " in text and "llama.cpp [7]" in text


@pytest.mark.parametrize("options", [[], ["-s", "1"], ["-s", "7", "-t", "2"]])
def test_logits_in_f32(tmp_path, options):
    """Without rounding to 8 bits what is left is the order of sums."""
    whole = tmp_path / "f32.gguf"
    harness("quantize", "-t", "f32", MODEL, whole)
    text = script("compare_logits.py", whole, RECORDS, "-l", "6", "--longest", "96", *options)
    assert largest(text) < 1e-3 and agreement(text) == 100.0
    assert "6 greedy texts of 64 tokens: 6 are the same" in text


def test_logits_in_8_bits(tmp_path):
    """Our rounding takes us no farther from the same weights in F32 than llama.cpp's does, by much."""
    whole = tmp_path / "f32.gguf"
    harness("quantize", "-t", "f32", MODEL, whole)
    text = script("compare_logits.py", MODEL, RECORDS, "-l", "6", "--longest", "96", "--itself", "--f32", whole, "--greedy", "0")
    assert largest(text) < 1 and agreement(text) > 95
    ours, theirs = (float(re.search(rf"{who} and ours in F32: .*root mean square ([^,]+),", text)[1])
                    for who in ("ours", "llama.cpp's"))
    assert 0 < ours < 1.5 * theirs
    assert "llama.cpp's, tokens one by one and 64 in a pass: 6 sequences" in text and "greedy" not in text


def test_logits_of_given_ids(tmp_path):
    ids = tmp_path / "some.ids"
    ids.write_text("1 5 6 7 8\n1 300\n")
    text = script("compare_logits.py", MODEL, ids, "--greedy", "3", "--prompt", "2")
    assert "2 sequences, 7 positions" in text and "2 greedy texts of 3 tokens" in text


def test_times():
    lines = script("compare_times.py", MODEL, "-k", "1,4", "-r", "3").splitlines()
    assert lines[0] == f"{MODEL}, threads = 1, rounds = 3" and [line.split()[0] for line in lines[2:]] == ["1", "4"]


@pytest.mark.parametrize("who", [peers.OURS, peers.THEIRS])
@pytest.mark.parametrize("command, asked, words", [
    ("logits", b"1 2048\n", "no ids: "), ("logits", b"1 -1\n", "no ids: "), ("greedy", b"one\n", "no ids: one"),
    ("greedy", b"\n", "a line without ids"), ("times", b"0\n", "k = 0 (1 to 512)"), ("times", b"600\n", "k = 600"),
])
def test_a_request_that_cannot_be_answered(who, command, asked, words):
    done = subprocess.run([peers.BUILD / who, command, MODEL], input=asked, capture_output=True, timeout=60)
    assert done.returncode == 1 and words in done.stderr.decode()


# ---- drafts ----------------------------------------------------------------------------------------------

LLAMA_CPP = {"ngram_simple", "ngram_map_k", "ngram_map_k4v", "ngram_mod", "ngram_cache"}


def drafts(*args, status=0):
    """Of each policy what was compared: samples, steps, drafts, drafted and accepted tokens, drafts accepted whole."""
    done = subprocess.run([sys.executable, ROOT / "tests" / "peers" / "compare_drafts.py", *map(str, args)],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == status, (done.stdout, done.stderr)
    lines = [line.rsplit(": ", 1) for line in done.stdout.splitlines()]
    return {policy: [int(part.split()[0]) for part in counts.split(", ")] for policy, counts in lines}, done.stderr


def test_drafts():
    counts, _ = drafts(MODEL, RECORDS)
    assert {policy.split(":")[0] for policy in counts} - {"suffix"} == LLAMA_CPP
    assert all(samples == 30 and steps > 100 for samples, steps, *_ in counts.values())


def test_drafts_for_another_models_outputs(public):
    """LLMA's records: each prompt has ten documents."""
    real = ROOT / "datasets" / "data" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not real.exists():
        pytest.skip("datasets/fetch.sh smollm2 was not run")
    counts, _ = drafts(real, public / "data" / "llma" / "rag.jsonl")
    assert {policy.split(":")[0] for policy in counts} - {"suffix"} == LLAMA_CPP
    assert all(samples == 30 and steps > 1000 and accepted > 0 for samples, steps, _, _, accepted, _ in counts.values())
    assert sum(steps for _, steps, *_ in counts.values()) > 40000


@pytest.mark.parametrize("memory", ["none", "cell"])
@pytest.mark.parametrize("joined", [[], ["--joined"]])
def test_drafts_with_a_static_table(tmp_path, memory, joined):
    """Of the records' references; the outputs are texts about others of them."""
    store = tmp_path / "texts.store"
    harness("datastore", "build", "-m", MODEL, "-o", store, *joined, RECORDS)
    policies = [f"ngram_cache:k={k},memory={memory},static={store}" for k in (1, 8)]
    counts, _ = drafts(MODEL, RECORDS, *policies)
    plain, _ = drafts(MODEL, RECORDS, f"ngram_cache:k=8,memory={memory}")
    assert all(samples == 30 and steps > 100 for samples, steps, *_ in counts.values())
    assert [c[2] > plain[f"ngram_cache:k=8,memory={memory}"][2] for c in counts.values()] == [True, True]


def test_drafts_beside_ik_llama_cpp(public):
    if not (peers.BUILD / "peer_drafts_ik").exists():
        pytest.skip("make peer_ik IK_LLAMA_CPP=... was not run")
    real = ROOT / "datasets" / "data" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    model = real if real.exists() else MODEL
    policies = ["suffix", "suffix:n=2,p_min=0.1", "suffix:n=2,p_min=0.1,requests=1,memory=cell",
                "suffix:n=2,p_min=0.1,compat=yes,requests=0,memory=cell"]
    counts, _ = drafts(model, public / "data" / "llma" / "rag.jsonl", *policies)
    assert all(samples == 30 and steps > 1000 and drafts_ > 100 and accepted > 0
               for samples, steps, drafts_, _, accepted, _ in counts.values())
    _, said = drafts(model, RECORDS, "suffix:requests=2,memory=cell", status=1)
    assert "a corpus is one text" in said


def test_a_difference_of_drafts_is_shown():
    """Without compat = yes a key is found again wherever it was."""
    _, said = drafts(MODEL, RECORDS, "ngram_map_k:n=1,k=4", status=1)
    assert re.search(r"peer_drafts: sample \d+, after \d+ tokens of output: \d+ tokens drafted, llama.cpp \d+;", said)


@pytest.mark.parametrize("args, asked, words", [
    (["ngram_simple"], b"1 x\n2\n", "no ids: x"), (["ngram_simple"], b"\n1 2\n", "a line without ids"),
    (["ngram_simple"], b"1 2\n", "a prompt without an output"),
    (["ngram_cache", "k=3,compat=yes"], b"", "server has k = 8"), (["pld"], b"1\n2 3\n", "llama.cpp has no pld"),
])
def test_drafts_that_cannot_be_compared(args, asked, words):
    done = subprocess.run([peers.BUILD / "peer_drafts", *args], input=asked, capture_output=True, timeout=60)
    assert done.returncode == 1 and words in done.stderr.decode()
