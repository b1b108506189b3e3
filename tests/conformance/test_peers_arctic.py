"""suffix_tree beside Arctic Inference's own suffix trees, where `make peer_arctic` has built the program."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from sweeps import HARNESS, ROOT

PROGRAM = pathlib.Path(os.environ.get("PEERS", ROOT / "build" / "release")) / "peers_suffix_trees"
MODELS = (ROOT / "datasets" / "data" / "SmolLM2-135M-Instruct.Q4_1.gguf", ROOT / "datasets" / "models" / "copier.gguf")
SAMPLES = 30

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="make peer_arctic ARCTIC=... was not run")


def compare(*args):
    """How many drafts were compared."""
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return int(re.search(r" requests, (\d+) drafts of .*: all the same$", done.stdout)[1])


@pytest.fixture(scope="module")
def requests(tmp_path_factory):
    """LLMA's retrieval data as ids: prompts with their documents, and the recorded outputs."""
    root = os.environ.get("HARNESS_DATA")
    if not root:
        pytest.skip("HARNESS_DATA is not set")
    lines = (pathlib.Path(root) / "data" / "llma" / "rag.jsonl").read_text().splitlines()[:SAMPLES]
    texts = []
    for record in map(json.loads, lines):
        texts.append("docs:\n" + "\n".join(record["docs"]) + "\nquery: " + record["query"] + "\nanswer:")
        texts.append(record["result"]["text"])
    model = next(path for path in MODELS if path.exists())
    ids = subprocess.run([HARNESS, "tokenize", "-0", "-m", model], input="\0".join(texts).encode(), capture_output=True,
                         check=True).stdout.decode().splitlines()
    assert len(ids) == 2 * SAMPLES
    path = tmp_path_factory.mktemp("arctic") / "requests"
    path.write_text("".join(f"{prompt} | {output}\n" for prompt, output in zip(ids[::2], ids[1::2])))
    return path


@pytest.mark.parametrize("memory", ["none", "cell"])
@pytest.mark.parametrize("form", ["path", "tree"])
@pytest.mark.parametrize("settings", ["factor=1", "factor=4", "max_depth=24,k=16", "requests=5,min_prob=0.01"])
def test_drafts_over_retrieval_data(requests, settings, form, memory):
    assert compare(f"{settings},form={form},memory={memory}", requests) > 3000


@pytest.mark.parametrize("settings", ["k=16", "form=tree", "requests=1", "requests=3,form=tree,factor=4",
                                      "requests=2,max_depth=8", "requests=4,max_depth=12,factor=8,offset=4,min_prob=0,form=tree",
                                      "requests=7,factor=2,min_prob=0.2,form=tree,max_depth=24", "requests=0,factor=3"])
def test_drafts_over_random_requests(settings):
    assert compare(f"{settings},memory=cell", "", 1000) > 30000
