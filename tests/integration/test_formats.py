"""Other people's formats, from a file as published through inspect and a replayed sweep."""
import json
import re
import subprocess

import h5py
import pytest

from program import harness
from sweeps import ROOT, write_jsonl

PASSAGES = ["The Orrin ferry leaves the east pier at nine and at noon.", "The west pier has been closed since spring."]
BROKEN = "    return price * rate\n"
FIXED = "    return price * (1 + rate)\n"

# A published record, with keys that are not read, and its outputs.
RECORDS = {
    "ms-marco": [
        ({"query_id": 31, "query": "when does the orrin ferry leave?", "query_type": "NUMERIC",
          "passages": [{"is_selected": 1 - i, "url": "https://example.org", "passage_text": p}
                       for i, p in enumerate(PASSAGES)],
          "answers": ["nine and noon"], "wellFormedAnswers": ["The Orrin ferry leaves at nine and at noon."]},
         ["The Orrin ferry leaves at nine and at noon."]),
        ({"query_id": 32, "query": "what does it cost?", "passages": [], "answers": ["No Answer Present."],
          "wellFormedAnswers": "[]"}, []),
    ],
    "ragtruth": [
        ({"id": "5", "source_id": "2", "task_type": "QA", "source": "made up", "model": "m", "temperature": 0.7,
          "labels": [], "split": "test", "quality": "good",
          "source_info": {"question": "when?", "passages": f"passage 1:{PASSAGES[0]}\n\npassage 2:{PASSAGES[1]}\n\n"},
          "prompt": "Answer briefly: when?", "response": "It leaves the east pier at nine and at noon."},
         ["It leaves the east pier at nine and at noon."]),
    ],
    "humaneval": [
        ({"task_id": "Made/0", "prompt": "def gross(price, rate):\n", "declaration": "def gross(price, rate):\n",
          "canonical_solution": FIXED, "buggy_solution": BROKEN, "bug_type": "missing logic", "entry_point": "gross",
          "test": "assert gross(1, 0) == 1"}, ["def gross(price, rate):\n" + FIXED]),
    ],
    "chat": [
        ({"messages": [{"role": "system", "content": "Quote."}, {"role": "user", "content": PASSAGES[0]},
                       {"role": "assistant", "content": PASSAGES[0]}, {"role": "user", "content": "Again, of noon"},
                       {"role": "assistant", "content": "The Orrin ferry leaves at noon."}]},
         [PASSAGES[0], "The Orrin ferry leaves at noon."]),
        ({"messages": [{"role": "user", "content": "Say nothing"}, {"role": "assistant", "content": ""}]}, []),
    ],
}

SWEEP = """[sweep]
name = formats
output = {output}
[model bytes]
target = replay
tokenizer = bytes
[dataset published]
path = {path}
format = {format}
append_docs = {append_docs}
forced = yes
[policy llma]
n = 3
k = 20
[policy none]
[accept greedy]
"""


@pytest.fixture
def published(tmp_path):
    return lambda name: write_jsonl(tmp_path / f"{name}.jsonl", [line for line, _ in RECORDS[name]])


@pytest.mark.parametrize("name", RECORDS)
def test_inspect_and_replay(name, published, tmp_path):
    path = published(name)
    outputs = [output for _, some in RECORDS[name] for output in some]
    left_out = sum(not some for _, some in RECORDS[name])

    text = harness("inspect", path).text
    assert f"\nformat   {name}\n" in text
    assert f"\nrecords  {len(outputs)}\n" in text
    assert f"\nrecords with an output: {len(outputs)} of {len(outputs)}\n" in text
    assert ("left out" in text) == (left_out > 0)
    if left_out:
        assert f"\nleft out {left_out} (no " in text

    ini = tmp_path / "formats.ini"
    ini.write_text(SWEEP.format(output=tmp_path / "results", path=path, format=name,
                                append_docs="yes" if name in ("llma", "ms-marco") else "no"))
    harness("sweep", ini)
    with h5py.File(tmp_path / "results" / "formats.h5") as f:
        trials, policy, offset = f["trials"][:], f["cells"]["policy"][:], f["tokens/offset"][:]
        ids = f["tokens/ids"][:]
    assert len(trials) == 2 * len(outputs)
    assert (trials["equal"] == 1).all()
    steps = {p: trials["steps"][policy[trials["cell"]] == p].sum() for p in (b"llma", b"none")}
    assert steps[b"llma"] < steps[b"none"], "nothing was copied from the references"
    decoded = {bytes(i for i in ids[a:b] if i < 256).decode() for a, b in zip(offset, offset[1:])}
    assert set(outputs) <= decoded


@pytest.mark.parametrize("name", RECORDS)
def test_bad_lines_are_named_or_skipped(name, published, tmp_path):
    path = published(name)
    good = harness("inspect", path).text
    lines = len(path.read_text().splitlines())
    path.write_text(path.read_text() + '{"neither": "key"}\n')
    assert f"{path}:{lines + 1}: " in harness("inspect", path, status=2).error

    ini = tmp_path / "formats.ini"
    ini.write_text(SWEEP.format(output=tmp_path / "results", path=path, format="auto", append_docs="no"))
    assert f"{path}:{lines + 1}: " in harness("sweep", ini, status=2).error
    assert not (tmp_path / "results").exists()
    done = harness("sweep", ini, "--skip-bad")
    assert f"{path}:{lines + 1}: " in done.error
    with h5py.File(tmp_path / "results" / "formats.h5") as f:
        assert f"\nrecords  {len(f['samples'])}\n" in good


def commands():
    """The shell commands in datasets/README.md that call Python."""
    text = (ROOT / "datasets" / "README.md").read_text()
    blocks = re.findall(r"(?:^    .*\n)+", text, re.M)
    return [re.sub("^    ", "", b, flags=re.M) for b in blocks if b.startswith("    python3 -c ")]


def test_the_documented_conversions_work(tmp_path):
    columns, join = commands()
    marco = [line for line, _ in RECORDS["ms-marco"]]
    (tmp_path / "dev_v2.1.json").write_text(json.dumps({key: {str(i): line[key] for i, line in enumerate(marco)
                                                              if key in line} for key in ("query", *marco[1])}))
    joined = RECORDS["ragtruth"][0][0]
    of_source = ("source_id", "task_type", "source", "source_info", "prompt")
    write_jsonl(tmp_path / "source_info.jsonl", [{k: joined[k] for k in of_source}])
    write_jsonl(tmp_path / "response.jsonl",
                [{k: v for k, v in joined.items() if k == "source_id" or k not in of_source}])
    assert "join responses with their sources" in harness("inspect", tmp_path / "response.jsonl", status=2).error
    for command in (columns, join):
        subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True)
    assert "\nformat   ms-marco\nsha" in harness("inspect", tmp_path / "dev.jsonl").text
    assert "\nformat   ragtruth\nsha" in harness("inspect", tmp_path / "ragtruth.jsonl").text
