"""Policies that learn from one record for the next: the order is fixed, however a sweep is split, stopped and resumed."""
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

from gguf_files import write_model
from sweeps import HARNESS, SANITIZED, assert_same, run, run_together, write_jsonl
from test_unfinished import catches, kept, results

CONFIG = """[sweep]
name = long
output = {folder}/results
repeats = {repeats}
[model tiny]
target = transformer
path = {folder}/tiny.gguf
[dataset data]
path = {folder}/data.jsonl
max_new_tokens = 24
[policy adaptive]
slope = 0.02
memory = none, cell
[accept greedy]
"""
REPEATS = 80 if SANITIZED else 400  # a second of work in each cell
TEXT = "the quick brown fox jumps over the lazy dog"


def write_ini(folder):
    write_model(folder / "tiny.gguf")
    write_jsonl(folder / "data.jsonl", [{"id": str(i), "prompt": f"one {i // 2} two"} for i in range(5)])
    ini = folder / "long.ini"
    ini.write_text(CONFIG.format(folder=folder, repeats=REPEATS))
    return ini


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run("sweep", write_ini(folder))
    return results(folder / "results/long.h5")


def trials(path, memory):
    """Steps of each trial, [sample, repeat]."""
    with h5py.File(path) as f:
        cells, rows = f["cells"][()], f["trials"][()]
        cell = next(i for i, c in enumerate(cells) if f'"memory":"{memory}"'.encode() in c["params"])
        rows = rows[rows["cell"] == cell]
        return rows["steps"].reshape(rows["sample"].max() + 1, -1)


def test_a_record_that_comes_again_takes_fewer_steps_with_memory(tmp_path):
    record = {"prompt": "Which fox?", "output": TEXT}
    write_jsonl(tmp_path / "data.jsonl", [{"id": str(i), **record} for i in range(3)])
    ini = tmp_path / "again.ini"
    ini.write_text(f"""[sweep]
name = again
output = {tmp_path}/results
repeats = 2
[model bytes]
target = replay
tokenizer = bytes
[dataset data]
path = {tmp_path}/data.jsonl
forced = yes
[policy adaptive]
slope = 0.02
memory = none, cell
[accept greedy]
""")
    run("sweep", ini)
    none, cell = (trials(tmp_path / "results/again.h5", memory) for memory in ("none", "cell"))
    assert len(set(none.flatten())) == 1, "without memory a record does not depend on those before it"
    assert (cell[0] == none[0]).all() and (cell[1] < none[1]).all() and (cell[2] <= cell[1]).all()
    assert (cell[:, 0] == cell[:, 1]).all(), "each repeat begins with nothing learned"


def test_a_stop_and_a_resume_learn_the_same(tmp_path, whole):
    ini = write_ini(tmp_path)
    for _ in range(4):
        p = subprocess.Popen([HARNESS, "sweep", str(ini)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while p.poll() is None and not catches(p.pid, signal.SIGINT):
            time.sleep(0.002)
        time.sleep(0.15)
        p.send_signal(signal.SIGINT)
        if p.wait(timeout=60) == 0:
            break
    run("sweep", ini)
    assert_same(whole, results(tmp_path / "results/long.h5"))
    assert kept(tmp_path) == []


def test_processes_and_jobs_learn_the_same(tmp_path, whole):
    ini = write_ini(tmp_path)
    run_together(7, "sweep", ini, "--parts", 7)
    assert_same(whole, results(tmp_path / "results/long.h5"))
    with h5py.File(tmp_path / "results/long.h5") as f:
        cells, rows = f["cells"][()], f["trials"][()]
        learner = next(i for i, c in enumerate(cells) if b'"memory":"cell"' in c["params"])
        assert len(set(rows["process"][rows["cell"] == learner])) == 1
    run("sweep", ini, "-o", tmp_path / "jobs", "--jobs", "5")
    assert_same(whole, results(tmp_path / "jobs/long.h5"))


def test_steps_differ_only_where_something_is_learned(whole):
    cells = [p.decode() for p in whole["cells", "params"]]
    steps = [whole["trials", "steps"][whole["trials", "cell"] == i] for i in range(len(cells))]
    none = next(i for i, p in enumerate(cells) if '"memory":"none"' in p)
    cell = next(i for i, p in enumerate(cells) if '"memory":"cell"' in p)
    assert whole["trials", "equal"].all() and steps[cell].sum() < steps[none].sum()
    assert np.array_equal(steps[cell].reshape(5, -1)[:, 0], steps[cell].reshape(5, -1)[:, 1])
