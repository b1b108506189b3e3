"""Our engine beside llama.cpp, where `make peer` has built both programs."""
import re
import subprocess
import sys

import pytest

from program import harness
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
