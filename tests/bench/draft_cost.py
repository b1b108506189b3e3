"""Draft time per step as references grow: python3 tests/bench/draft_cost.py (after make).

Each sample has one reference of 1e3 to 1e6 byte tokens, written from 5000 words by a fixed seed, and an output of
4000 bytes that copies spans of it. The sweep is replayed; times are read from its results file. Step 0 builds the index
and is shown apart.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
HARNESS = os.environ.get("HARNESS", str(ROOT / "harness"))
SIZES = (1_000, 10_000, 100_000, 1_000_000)
INI = """[sweep]
name = draft_cost
output = .
repeats = 5
[model bytes]
target = replay
tokenizer = bytes
[dataset {size}]
path = {size}.jsonl
forced = yes
max_new_tokens = 100000
[policy llma]
n = 1, 4
k = 20
cut = 0
[policy pld]
[accept greedy]
"""


def write_dataset(path, size, r, words):
    text = ""
    while len(text) < size:
        text += " ".join(r.choices(words, k=1000)) + " "
    text = text[:size]
    output = ""
    while len(output) < 4000:
        at = r.randrange(max(1, size - 200))
        output += text[at:at + r.randrange(20, 120)] + " " + " ".join(r.choices(words, k=3)) + " "
    path.write_text(json.dumps({"id": str(size), "prompt": text, "references": [text], "output": output[:4000]}) + "\n")


def main():
    r = random.Random(1)
    words = ["".join(r.choices("etaoinshrdlucmfwypvbgkjqxz", k=r.randrange(2, 10))) for _ in range(5000)]
    print(f"{'policy':8} {'n':>2} {'reference tokens':>16} {'begin ms':>9} {'ns/step median':>15} {'q1':>6} {'q3':>6}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for size in SIZES:
            write_dataset(folder / f"{size}.jsonl", size, r, words)
            ini = folder / f"{size}.ini"
            ini.write_text(INI.format(size=size).replace("draft_cost", f"draft_cost_{size}"))
            done = subprocess.run([HARNESS, "sweep", "-q", str(ini)], capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(done.stderr)
            with h5py.File(folder / f"draft_cost_{size}.h5") as f:
                cells, trials, steps = f["cells"][:], f["trials"][:], f["steps"][:]
            cell = trials["cell"][steps["trial"]]
            for c in cells:
                if c["policy"] == b"none":
                    continue
                mine = steps[cell == c["cell"]]
                first, later = mine[mine["step"] == 0]["draft_ns"], mine[mine["step"] > 0]["draft_ns"]
                q1, q2, q3 = np.percentile(later, [25, 50, 75])
                print(f"{c['policy'].decode():8} {c['n']:2d} {size:16d} {np.median(first) / 1e6:9.3f} {q2:15.0f} "
                      f"{q1:6.0f} {q3:6.0f}")


if __name__ == "__main__":
    main()
