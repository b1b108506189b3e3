"""A trained model, its own earlier answers as references: every policy and control leaves every bit as it is."""
import json

import h5py
import pytest

from sweeps import run, write_jsonl

INI = """[sweep]
name = cache
output = {output}
seed = 3
[model stories]
target = transformer
path = {data}/data/models/stories260K.gguf
threads = 1
[dataset cache]
path = {path}
max_new_tokens = 64
[policy none]
[policy llma]
n = 1, 2, 4
k = 2, 8, 32
[policy pld]
n = 1, 3
k = 4, 10
[policy oracle]
k = 8, 64
[policy random]
k = 8
[policy wrong]
k = 8
[accept greedy]
[accept coupled]
temperature = 0.7, 1.0
"""


def test_every_trial_is_plain_decoding_bit_for_bit(public, tmp_path):
    with open(public / "oracle" / "llama_cpp" / "stories260K_greedy.jsonl") as f:
        stories = [json.loads(line) for line in f][:4]
    records = [{"id": str(i), "scenario": "cache", "prompt": s["prompt"],
                "references": [o["text"] for j, o in enumerate(stories) if j != i]} for i, s in enumerate(stories)]
    data = write_jsonl(tmp_path / "cache.jsonl", records)
    ini = tmp_path / "cache.ini"
    ini.write_text(INI.format(output=tmp_path, data=public, path=data))
    done = run("sweep", ini)
    with h5py.File(tmp_path / "cache.h5") as f:
        cells, trials = f["cells"][:], f["trials"][:]
    assert len(cells) == 3 * 18
    assert len(trials) == len(cells) * len(stories)
    assert (trials["equal"] == 1).all(), done.stdout
    assert (trials["logits_equal"] == 1).all(), done.stdout
    assert (trials["max_abs_logit_diff"] == 0).all()
    policy = cells["policy"][trials["cell"]]
    assert (trials["accepted"][policy == b"wrong"] == 0).all()
    assert trials["accepted"][policy == b"llma"].sum() > 300
    # The oracle's drafts all stand but those cut by the output's end.
    oracle = trials[policy == b"oracle"]
    assert (oracle["accepted"] + oracle["steps"] == oracle["tokens"]).all()
