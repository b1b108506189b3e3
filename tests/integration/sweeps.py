"""Shared by the integration tests: the binary, and the content of a results file."""
import json
import os
import pathlib
import subprocess

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
HARNESS = os.environ.get("HARNESS", str(ROOT / "harness"))
SANITIZED = b"__asan_init" in pathlib.Path(HARNESS).read_bytes()  # and five times as slow
TIMES = {"prefill_ns", "decode_ns", "draft_ns", "verify_ns", "plain_ns", "speedup", "created", "load", "process"}

GRID = """[sweep]
name = {name}
output = {output}
repeats = {repeats}
[model bytes]
target = replay
tokenizer = bytes
[dataset quick]
path = {path}
limit = {limit}
forced = yes
max_new_tokens = 4096
[policy llma]
n = {n}
k = {k}
[policy pld]
[policy none]
[accept greedy]
"""


def run(*args, check=True, **kwargs):
    """Runs the harness; if it fails, fails the test with its message."""
    done = subprocess.run([HARNESS, *map(str, args)], capture_output=True, text=True, timeout=900, **kwargs)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def run_together(n, *args):
    """Starts the same command n times at once; gives what each wrote to stderr."""
    started = [subprocess.Popen([HARNESS, *map(str, args)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
               for _ in range(n)]
    said = [p.communicate(timeout=300)[1] for p in started]
    assert [p.returncode for p in started] == [0] * n, said
    return said


def write_jsonl(path, records):
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


def content(path):
    """Everything in a results file except times, dates and the build."""
    out = {}
    with h5py.File(path) as f:
        for name in ("cells", "samples", "skipped", "trials", "steps"):
            rows = f[name][:]
            for field in rows.dtype.names:
                if field not in TIMES:
                    out[name, field] = rows[field]
        out["ids"] = f["tokens/ids"][:]
        out["offset"] = f["tokens/offset"][:]
        for kept in ("configs", "costs"):
            out[kept] = {name: f[kept][name][()] for name in f[kept]}
    return out


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key, value in a.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, b[key], err_msg=str(key))
        else:
            assert value == b[key], key
