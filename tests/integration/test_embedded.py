"""The embedded model: its card describes the file, logits are the same on every machine, and copying changes nothing."""
import hashlib
import json

import pytest

from program import harness
from sweeps import ROOT

MODEL = ROOT / "datasets/models/copier.gguf"
RECORDS = [json.loads(line) for line in (ROOT / "datasets/samples/scenarios.jsonl").read_text().splitlines()]
FIRST = {r["scenario"]: r for r in reversed(RECORDS)}


def test_the_card_is_this_files():
    data = MODEL.read_bytes()
    assert len(data) <= 8_000_000
    assert hashlib.sha256(data).hexdigest() in (ROOT / "datasets/models/README.md").read_text()


def test_logits_are_these():
    """On every instruction set, compiler and machine; numerics.md says why."""
    done = harness("generate", "-m", MODEL, "-p", "Once more: Tal Brin.\nAnswer:", "-n", 16, "--hash")
    assert done.text.splitlines()[-1] == "logits cd9da3285a36fced"


@pytest.mark.parametrize("scenario", sorted(FIRST))
def test_copying_changes_nothing(scenario, tmp_path):
    """generate --check decodes again without a policy and compares ids and logits."""
    record = FIRST[scenario]
    (tmp_path / "prompt").write_text(record["prompt"])
    (tmp_path / "reference").write_text(record["references"][0])
    done = harness("generate", "-m", MODEL, "-f", tmp_path / "prompt", "-r", tmp_path / "reference", "-n", 48,
                   "--policy", "llma:n=1,k=8", "--check")
    plain = harness("generate", "-m", MODEL, "-f", tmp_path / "prompt", "-n", 48)
    assert done.text == plain.text
