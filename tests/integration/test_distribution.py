"""Rules that keep plain decoding's distribution keep it with a policy that knows plain decoding's output."""
import collections
import json

import h5py
import pytest
from scipy.stats import chi2_contingency

from sweeps import ROOT, SANITIZED, run

RECORDS = 300 if SANITIZED else 1500
INI = """[sweep]
name = d
output = {folder}
[model m]
target = transformer
path = {root}/datasets/models/copier.gguf
threads = 1
[dataset d]
path = {folder}/d.jsonl
max_new_tokens = 3
[policy oracle]
k = 3
from = truth, copies
[policy wrong]
k = 3
[accept {rule}]
temperature = 2.5
top_k = 6
{more}
"""


@pytest.mark.parametrize("rule, more", [("rejection", ""), ("threshold", ""), ("fly", "window_size = 1024")])
def test_tokens_have_plain_decodings_distribution(tmp_path, rule, more):
    """With the numbers that sampled the output, a draft's length would decide about its tokens. (fly with a window that
    no text fills is rejection.)"""
    text = "the cat and the dog and the cat"
    (tmp_path / "d.jsonl").write_text("".join(json.dumps({"id": str(i), "prompt": text}) + "\n" for i in range(RECORDS)))
    (tmp_path / "d.ini").write_text(INI.format(folder=tmp_path, root=ROOT, rule=rule, more=more))
    run("sweep", "-q", tmp_path / "d.ini")
    with h5py.File(tmp_path / "d.h5") as f:
        cells, trials, ids, offset = f["cells"][()], f["trials"][()], f["tokens/ids"][()], f["tokens/offset"][()]
    seen = {}
    for c in cells:
        own = [t["trial"] for t in trials if t["cell"] == c["cell"]]
        seen[c["policy"].decode(), c["params"]] = collections.Counter(int(ids[offset[t]]) for t in own)
    plain = next(counts for (policy, _), counts in seen.items() if policy == "none")
    usual = [token for token, n in plain.items() if n >= 8]
    assert len(seen) == 4 and len(usual) >= 3, (len(seen), plain)

    def binned(counts):
        own = [counts[token] for token in usual]
        return [*own, sum(counts.values()) - sum(own)]

    for name, counts in seen.items():
        table = [column for column in zip(binned(plain), binned(counts)) if any(column)]
        p = chi2_contingency(list(zip(*table))).pvalue
        assert p > 1e-4, (name, table)
