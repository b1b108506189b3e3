"""Results with many steps in little memory: those of one trial at a time, or the trials of one cell."""
import resource

import pytest

from program import harness
from sweeps import ROOT, SANITIZED

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer needs terabytes of addresses")

# In memory at once, the steps of this sweep take 28 MB, and more than once that.
CONFIG = f"""[sweep]
name = long
output = .
repeats = 16
[model bytes]
target = replay
tokenizer = bytes
[dataset quickstart]
path = {ROOT}/datasets/samples/quickstart.jsonl
forced = yes
max_new_tokens = 1024
[policy none]
[policy llma]
n = 1
k = 10
[accept greedy]
"""
LIMIT = 24 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    (folder / "long.ini").write_text(CONFIG)
    harness("sweep", "-q", folder / "long.ini", "-o", folder)
    return folder


def limited(*args):
    return harness(*args, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)))


def test_steps_are_many(folder):
    with open(folder / "steps.txt", "w") as out:
        harness("export", folder / "long.h5", "-o", folder / "csv", stdout=out)
    steps = int(next(line for line in open(folder / "steps.txt") if "steps.csv" in line).split()[-2])
    assert steps * 80 > LIMIT


@pytest.mark.parametrize("args", [["tables"], ["tables", "drafting"], ["tables", "sources"], ["tables", "positions"],
                                  ["tables", "totals"], ["inspect"], ["inspect", "--hash"], ["compare"], ["report"]], ids=" ".join)
def test_a_file_is_read_in_little_memory(folder, args):
    assert limited(*args, folder / "long.h5").text == harness(*args, folder / "long.h5").text


def test_cells_are_collected_in_little_memory(folder, tmp_path):
    limited("collect", folder / "long", "-o", tmp_path / "again.h5")
    hashes = [harness("inspect", "--hash", path).text.split(maxsplit=1)[0]
              for path in (folder / "long.h5", tmp_path / "again.h5")]
    assert hashes[0] == hashes[1]


def test_all_is_exported_in_little_memory(folder, tmp_path):
    limited("export", folder / "long.h5", "-o", tmp_path)
    harness("export", folder / "long.h5", "-o", tmp_path / "again")
    for name in ("steps.csv", "tokens.csv", "trials.csv"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
