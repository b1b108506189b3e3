"""Small results files written with h5py, for tests of what reads them in Python. The harness writes real ones."""
import json

import h5py
import numpy as np

TEXT = h5py.string_dtype("utf-8", 200)
CELL = {"cell": "u4", "id": TEXT, "config": TEXT, "model": TEXT, "dataset": TEXT, "target": TEXT, "threads": "i4",
        "gemm": TEXT, "rule": TEXT, "temperature": "f8", "policy": TEXT, "n": "i4", "k": "i4", "params": TEXT,
        "timed": "u1"}
SAMPLE = {"sample": "u4", "dataset": TEXT, "id": TEXT, "scenario": TEXT}
TRIAL = {**dict.fromkeys("trial cell sample repeat tokens plain_tokens steps drafted testable accepted".split(), "u4"),
         **dict.fromkeys("prefill_ns decode_ns draft_ns verify_ns plain_ns".split(), "u8"),
         **dict.fromkeys("speedup modeled_speedup log_likelihood plain_log_likelihood".split(), "f8"),
         "equal": "u1", "logits_equal": "u1", "first_divergence": "i8"}
STEP = {**dict.fromkeys("trial step position match_length drafted testable depth accepted emitted".split(), "u4"),
        "source": "i4", **dict.fromkeys("draft_ns verify_ns plain_ns".split(), "u8"), "equal": "u1", "logits_equal": "u1",
        "margin": "f8"}
SETTINGS = {"config": "setup", "model": "setup", "dataset": "setup", "target": "setup", "threads": "setup",
            "gemm": "setup", "rule": "rule", "temperature": "rule", "policy": "policy", "n": "policy", "k": "policy"}
DEFAULTS = {"model": "m", "dataset": "d", "config": "c.ini", "target": "transformer", "threads": 1, "gemm": "exact",
            "rule": "greedy", "policy": "none", "n": -1, "k": -1, "timed": 1, "tokens": 10, "plain_tokens": 10, "steps": 5,
            "equal": 1, "logits_equal": 1, "first_divergence": -1, "id": "x", "scenario": "s", "emitted": 1, "source": -1}


def _rows(form, rows, index):
    out = np.zeros(len(rows), np.dtype(list(form.items())))
    for i, row in enumerate(rows):
        for name in form:
            value = row.get(name, i if name == index else DEFAULTS.get(name, 0))
            out[i][name] = value.encode() if isinstance(value, str) else value
    return out


def write(path, cells, trials, steps=(), samples=({},), costs=None, leave_out=None):
    """A results file of the rows, dictionaries of their columns; others have DEFAULTS. leave_out: (table, column)."""
    cells = [{"params": json.dumps({"policy": cell.get("policy_params", {}), "rule": cell.get("rule_params", {})}),
              "id": f"cell{i}", **cell} for i, cell in enumerate(cells)]
    tables = {"cells": (CELL, cells, "cell"), "samples": (SAMPLE, samples, "sample"),
              "trials": (TRIAL, trials, "trial"), "steps": (STEP, steps, None)}
    with h5py.File(path, "w") as f:
        f.attrs["schema_version"] = np.int32(10)
        f.attrs["sweep"] = np.bytes_("small")
        for name, (form, rows, index) in tables.items():
            form = {c: t for c, t in form.items() if (name, c) != leave_out}
            if (name, None) != leave_out:
                f.create_dataset(name, data=_rows(form, list(rows), index))
        if "cells" in f:
            f["cells"].attrs["settings"] = np.array([s.encode() for s in SETTINGS])
            f["cells"].attrs["roles"] = np.array([r.encode() for r in SETTINGS.values()])
        for name, text in (costs or {}).items():
            f.create_dataset(f"costs/{name}", data=text)
    return path
