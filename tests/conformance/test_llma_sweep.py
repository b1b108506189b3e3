"""LLMA's retrieval experiment, replayed: every step equals the reference implementation's."""
import csv
import gzip
import io
import json

import h5py
import numpy as np
import pytest

from sweeps import run

INI = """[sweep]
name = rag
output = {output}
[model llama]
target = replay
tokenizer = {data}/data/tokenizers/ggml-vocab-llama-spm.gguf
[dataset rag]
path = {data}/data/llma/rag.jsonl
format = llma
forced = yes
append_docs = yes
max_new_tokens = 512
[policy llma]
n = 1, 2, 3, 4, 5
k = 1, 2, 5, 10, 15, 20, 30, 40
[accept greedy]
"""

# Steps of all 100 samples (11123 tokens) for k = 1, 2, 5, 10, 15, 20, 30, 40.
STEPS = {1: [11123, 6881, 4417, 3670, 3456, 3365, 3277, 3247], 2: [11123, 7168, 4860, 4149, 3943, 3852, 3768, 3740],
         3: [11123, 7572, 5491, 4840, 4644, 4555, 4478, 4449], 4: [11123, 7952, 6077, 5466, 5294, 5204, 5131, 5102],
         5: [11123, 8261, 6558, 6000, 5827, 5752, 5679, 5652]}


def test_every_step_equals_the_reference_implementations(public, tmp_path):
    ini = tmp_path / "rag.ini"
    ini.write_text(INI.format(output=tmp_path, data=public))
    run("sweep", ini)
    with h5py.File(tmp_path / "rag.h5") as f:
        cells, trials, steps = f["cells"][:], f["trials"][:], f["steps"][:]
        samples = f["samples"][:]
    first = np.concatenate([[0], np.cumsum(trials["steps"].astype(int))])
    llma = {(c["n"], c["k"]): c["cell"] for c in cells if c["policy"] == b"llma"}
    row = {(t["cell"], samples["sample"][t["sample"]]): i for i, t in enumerate(trials)}
    assert len(llma) == 40 and len(trials) == 41 * 100
    assert (trials["equal"] == 1).all() and (trials["truncated"] == 0).all()

    for n, totals in STEPS.items():
        for k, total in zip((1, 2, 5, 10, 15, 20, 30, 40), totals):
            mine = trials[trials["cell"] == llma[n, k]]
            assert mine["tokens"].sum() == 11123
            assert mine["steps"].sum() == total, (n, k)

    # The two means that LLMA's tokens per step may be read as.
    table = csv.DictReader(io.StringIO(run("tables", "llma", tmp_path / "rag.h5", "-f", "csv").stdout))
    row_of = {(r["n"], r["k"]): r for r in table}
    assert f"{float(row_of['1', '20']['tokens_per_step']):.4f}" == "3.3055"
    assert f"{float(row_of['1', '20']['tokens_per_step_of_samples']):.4f}" == "3.9534"

    compared = 0
    with gzip.open(public / "oracle" / "llma" / "rag_steps.jsonl.gz") as lines:
        for line in lines:
            want = json.loads(line)
            i = row[llma[want["n"], want["k"]], want["sample"]]
            mine = steps[first[i]:first[i + 1]]
            assert trials["tokens"][i] == want["tokens"] and len(mine) == want["steps"]
            np.testing.assert_array_equal(mine["emitted"], want["acc"])
            np.testing.assert_array_equal(mine["accepted"], np.array(want["acc"]) - 1)
            np.testing.assert_array_equal(mine["drafted"] + 1, want["sub"])
            matched, document, start = np.array(want["trig"]).T
            np.testing.assert_array_equal(mine["match_length"], matched)
            np.testing.assert_array_equal(mine["source"], document)
            np.testing.assert_array_equal(mine["source_position"], np.where(matched > 0, start + matched, -1))
            compared += 1
    assert compared == 1200
