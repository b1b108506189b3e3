"""SIGKILL at random moments: what stands under a final name is whole, and the same command gives in the end what it would
have given undisturbed.

KILLS kills of each command; a thousand in all:

    KILLS=250 python3 -m pytest -s tests/integration/test_kills.py
"""
import hashlib
import os
import random
import signal
import subprocess
import time

import pytest

from program import HARNESS, harness
from sweeps import ROOT, assert_same, content, write_jsonl
from test_train import CONFIG as TRAINING

KILLS = int(os.environ.get("KILLS", "3"))
COPIER = ROOT / "datasets" / "models" / "copier.gguf"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def seconds(command, folder):
    begun = time.monotonic()
    harness(*command, cwd=folder)
    return time.monotonic() - begun


def disturb(name, command, folder, whole, looks_whole, start_again):
    """Kills `command` KILLS times. After each kill `looks_whole` checks what is there; when a run got through, or one
    has been let through after ten kills, `start_again` checks that nothing is missing and removes it all."""
    moments = random.Random(name)
    kills = through = in_a_row = 0
    while kills < KILLS or through == 0:
        p = subprocess.Popen([HARNESS, *map(str, command)], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, start_new_session=True)
        try:
            _, said = p.communicate(timeout=moments.uniform(0, 0.9 * whole) if in_a_row < 10 and kills < KILLS else 300)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.communicate()
            kills, in_a_row = kills + 1, in_a_row + 1
            looks_whole()
            continue
        assert p.returncode == 0, said.decode()
        through, in_a_row = through + 1, 0
        looks_whole()
        start_again()
    print(f"\n{name}: {kills} kills, {through} runs that got through")


def remove(*paths):
    for path in paths:
        path.unlink()


def test_a_sweep(quick_ini, tmp_path):
    ini = quick_ini("killed", limit=0, n="1, 2, 3", k="2, 5, 10, 20, 40", repeats=3)
    whole = seconds(["sweep", "-q", ini, "-o", tmp_path / "undisturbed"], tmp_path)
    expected = content(tmp_path / "undisturbed" / "killed.h5")
    out = tmp_path / "results"

    def looks_whole():
        cells = list(out.glob("killed/cells/*.h5"))
        for path in [*random.sample(cells, min(3, len(cells))), *out.glob("killed.h5")]:
            harness("inspect", path)
        if (out / "killed.h5").exists():
            assert_same(expected, content(out / "killed.h5"))

    def start_again():
        assert (out / "killed.h5").exists()
        assert {path.suffix for path in (out / "killed" / "cells").iterdir()} <= {".h5", ".part"}  # parts: results/README.md
        remove(out / "killed.h5", *(out / "killed" / "cells").iterdir())

    disturb("sweep", ["sweep", "-q", ini, "--jobs", 2], tmp_path, whole, looks_whole, start_again)


def test_collecting(quick_ini, tmp_path):
    harness("sweep", "-q", quick_ini("killed", limit=0, n="1, 2, 3", k="2, 5, 10, 20, 40", repeats=9))
    out = tmp_path / "collected.h5"
    command = ["collect", tmp_path / "results" / "killed", "-o", out]
    whole = seconds(command, tmp_path)
    expected = digest(out)

    def looks_whole():
        assert not out.exists() or digest(out) == expected

    disturb("collect", command, tmp_path, whole, looks_whole, lambda: remove(out))


def test_building_a_datastore(tmp_path):
    records = [{"id": str(i), "prompt": "p", "references": [f"{i} " + "the quick brown fox jumps " * 400]} for i in range(200)]
    data, out = write_jsonl(tmp_path / "d.jsonl", records), tmp_path / "d.store"
    command = ["datastore", "build", "-m", COPIER, "-o", out, data]
    whole = seconds(command, tmp_path)
    expected = digest(out)

    def looks_whole():
        assert not out.exists() or digest(out) == expected

    disturb("datastore build", command, tmp_path, whole, looks_whole, lambda: remove(out))


def test_training(tmp_path):
    """A checkpoint every ten steps, and a model of it: the same command goes on from there."""
    (tmp_path / "t.ini").write_text(TRAINING.replace("checkpoint = 0", "checkpoint = 10"))
    command = ["train", "-q", "t.ini"]
    whole = seconds(command, tmp_path)
    names = ["tiny.gguf", "tiny.checkpoint", "tiny.vocab.gguf"]  # the curve holds times
    out = tmp_path / "out"
    expected = {name: digest(out / name) for name in names}

    def looks_whole():
        for path in out.glob("*.gguf"):
            harness("inspect", path)

    def start_again():
        assert {name: digest(out / name) for name in names} == expected
        remove(*out.iterdir())

    start_again()
    disturb("train", command, tmp_path, whole, looks_whole, start_again)
