"""Results files as pandas tables, the cells that may be compared, and the tables of `harness tables`.

Intervals are not computed here: `harness tables --format csv` has them, and table() runs it.
"""

import io
import json
import os
import pathlib
import shutil
import subprocess

import h5py
import numpy as np
import pandas as pd

SCHEMA_VERSION = 10
# What the pictures use; results/README.md says what each holds.
COLUMNS = {
    "cells": "cell id model dataset rule temperature policy n k params timed",
    "samples": "sample dataset id scenario",
    "trials": "trial cell sample repeat tokens plain_tokens steps drafted testable accepted prefill_ns decode_ns draft_ns "
              "verify_ns plain_ns speedup modeled_speedup equal logits_equal first_divergence log_likelihood "
              "plain_log_likelihood",
    "steps": "trial step position match_length source drafted testable depth accepted emitted draft_ns verify_ns plain_ns "
             "equal logits_equal margin",
}
# Told in every title; other settings only where they differ.
NAMED = ("model", "dataset", "rule", "temperature")


class NothingToShow(ValueError):
    """A results file does not hold what a picture shows. Says what is missing."""


def frame(table):
    """A compound table as a DataFrame, texts as str."""
    rows = table[()]
    out = pd.DataFrame({name: rows[name] for name in rows.dtype.names})
    for name in rows.dtype.names:
        if rows.dtype[name].kind in "SO":
            out[name] = [v.decode() if isinstance(v, bytes) else v for v in rows[name]]
    return out


def _checked(path, f, name):
    """The table `name`, with all columns that the pictures use."""
    if name not in f or not isinstance(f[name], h5py.Dataset) or f[name].dtype.names is None:
        raise ValueError(f"{path}: no table /{name} (a results file has cells, samples, trials and steps)")
    missing = [column for column in COLUMNS[name].split() if column not in f[name].dtype.names]
    if missing:
        raise ValueError(f"{path}: /{name} has no column {', '.join(missing)} (results/README.md lists them)")
    return frame(f[name])


def _settings(path, cells):
    """The columns of /cells that tell cells apart, in the order in which people read them: name to role."""
    names, roles = (np.atleast_1d(cells.attrs.get(name, [])) for name in ("settings", "roles"))
    settings = {str(name, "utf-8"): str(role, "utf-8") for name, role in zip(names, roles)
                if isinstance(name, bytes) and isinstance(role, bytes)}
    if not len(settings) == len(names) == len(roles) > 0 or not set(settings) <= set(cells.dtype.names):
        raise ValueError(f"{path}: the attributes settings and roles of /cells do not name its settings")
    return settings


def value_text(v):
    """A parameter as people read it: a number, a name, or the first digits of a file's digest."""
    if not isinstance(v, str):
        return f"{v:g}"
    return v[:19] if v.startswith("sha256:") else v


def _other_params(text, settings, role=None):
    """The parameters, or those of one role, that have no column of their own, as 'name=value, ...'."""
    params = json.loads(text)
    shown = [(of, name, value_text(v)) for of in ("policy", "rule") for name, v in params.get(of, {}).items()
             if settings.get(name) != of and role in (None, of)]
    names = [name for _, name, _ in shown]
    return ", ".join(f"{f'{of}.{name}' if names.count(name) > 1 else name}={v}" for of, name, v in shown)


def _open(path):
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file (`make run` writes results/quick.h5)") from None
    except OSError as e:
        raise ValueError(f"{path}: not an HDF5 file that can be read ({e})") from None


def load(path):
    """The tables cells, samples, trials and steps, `about` (the root attributes), `settings` (name to role of the
    columns that tell cells apart, as results/README.md says), `costs` (name to text of each cost file) and `path`.

    cells has a column `other`: the parameters that have no column of their own; `other_policy` and `other_rule` are the
    policy's and the rule's part of it. trials has the columns of its cell and of its sample beside its own (the
    sample's id as sample_id); steps has cell, sample, repeat, policy, n, k, scenario and timed of its trial.
    """
    path = os.fspath(path)
    with _open(path) as f:
        about = dict(f.attrs)
        if about.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"{path}: schema version {about.get('schema_version')} ({SCHEMA_VERSION} is known)")
        cells, samples, trials, steps = (_checked(path, f, name) for name in COLUMNS)
        settings = _settings(path, f["cells"])
        costs = {name: f["costs"][name][()].decode() for name in f["costs"]} if "costs" in f else {}
    about = {k: v.decode() if isinstance(v, bytes) else v for k, v in about.items()}
    for column, role in (("other", None), ("other_policy", "policy"), ("other_rule", "rule")):
        cells[column] = [_other_params(text, settings, role) for text in cells["params"]]
    described = cells.drop(columns=["id", "trials"], errors="ignore")
    named = samples.drop(columns=["dataset"]).rename(columns={"id": "sample_id"})
    trials = trials.merge(described, on="cell", how="left").merge(named, on="sample", how="left")
    if trials[["policy", "sample_id"]].isna().any(axis=None):
        raise ValueError(f"{path}: a trial names a cell or a sample that is not there")
    told = trials[["trial", "cell", "sample", "repeat", "policy", "n", "k", "scenario", "timed"]]
    steps = steps.merge(told, on="trial", how="left")
    if steps["cell"].isna().any():
        raise ValueError(f"{path}: a step names a trial that is not there")
    return {"cells": cells, "samples": samples, "trials": trials, "steps": steps, "about": about, "settings": settings,
            "costs": costs, "path": path}


def select(data, **where):
    """The part of what load() gave with the cells that have these settings: select(data, model="a", k=[2, 4])."""
    cells = data["cells"]
    for name, allowed in where.items():
        if name not in cells:
            raise ValueError(f"{data['path']}: cells have no setting {name} (they have {', '.join(data['settings'])})")
        cells = cells[cells[name].isin(allowed if isinstance(allowed, (list, tuple, set)) else [allowed])]
    if not len(cells):
        raise NothingToShow(f"{data['path']}: no cell has {', '.join(f'{k} = {v}' for k, v in where.items())}")
    kept = {name: data[name][data[name]["cell"].isin(cells["cell"])] for name in ("trials", "steps")}
    return {**data, "cells": cells, **kept}


def varying(data):
    """The columns of cells in which they differ, in the order in which people read them: `policy` always, digests
    only where cells differ in nothing else."""
    cells = data["cells"]
    told = [*(name for name, role in data["settings"].items() if role != "digest"), "other"]
    if cells.duplicated(told).any():
        told += [name for name, role in data["settings"].items() if role == "digest"]
    return [name for name in told if name == "policy" or cells[name].nunique() > 1]


def _shared(data, rule=True):
    """The columns in which cells agree that may be compared; without the rule's where rules themselves are compared."""
    roles = ("setup", "rule") if rule else ("setup",)
    return [name for name, role in data["settings"].items() if role in roles] + (["other_rule"] if rule else [])


def comparable(data, cells, cell):
    """Those of `cells` that can be compared with the row `cell`: they agree in their setup and in the rule."""
    shared = _shared(data)
    return cells[(cells[shared] == cell[shared]).all(axis=1)]


def _title(data, shared, names):
    """Two lines that say what cells share. Of settings that every title need not name, those that vary in the file."""
    cells = data["cells"]
    title = f"{shared['model']} on {shared['dataset']}"
    rule = [shared["rule"], f"temperature {shared['temperature']:g}"] if "rule" in names else []
    rule += told(cells[cells["rule"] == shared["rule"]]["other_rule"], shared["other_rule"]) if rule else []
    rest = [f"{name} = {shared[name]}" for name in names if name not in (*NAMED, "other_rule")
            and cells[name].nunique() > 1 and (name == "gemm" or not _follows(cells, name))]
    return title + "\n" + ", ".join(rule + rest) if rule or rest else title


def told(others, text):
    """The words of `text` that are not in all of `others`, texts like it: the parameters that tell them apart."""
    common = set.intersection(*(set(other.split(", ")) for other in others))
    return [word for word in text.split(", ") if word and word not in common]


def rule_names(cells):
    """What to call each cell's rule: its name, the temperature, and the parameters in which cells of this rule differ."""
    out = {}
    for rule, of in cells.groupby("rule", sort=False):
        for i, cell in of.iterrows():
            out[i] = " ".join([rule, f"T={cell['temperature']:g}", *told(of["other_rule"], cell["other_rule"])])
    return cells.index.map(out)


def listing(data, rows, columns):
    """Rows of cells as a table for people: the settings in which cells of the file differ, the cell's label as in the pictures,
    and those of the columns that have a value."""
    cells = data["cells"]
    setup = [name for name, role in data["settings"].items() if role == "setup" and cells[name].nunique() > 1
            and (name in NAMED or name == "gemm" or not _follows(cells, name))]
    out = rows[setup].copy()
    names = dict(zip(cells["cell"], rule_names(cells)))
    if len(set(names.values())) > 1:
        out["rule"] = rows["cell"].map(names)
    label = labels(cells).set_axis(cells["cell"])
    out["policy"] = rows["cell"].map(label)
    out[columns] = rows[columns]
    return out.set_index(list(out.columns[:-len(columns)])).dropna(axis="columns", how="all")


def _follows(cells, name):
    """Whether the model and the data set say what this setting is."""
    return (cells.groupby(["model", "dataset"])[name].nunique() == 1).all()


def facets(data, rule=True):
    """(title, cells) of each set of cells that may be compared, in the file's order; without plain decoding's alone.
    rule=False: sets whose cells differ in the rule as well."""
    names = _shared(data, rule)
    sets = [(_title(data, dict(zip(names, values)), names), cells)
            for values, cells in data["cells"].groupby(names, sort=False)]
    drafting = [s for s in sets if (s[1]["policy"] != "none").any()]
    return drafting or sets


def labels(cells):
    """What to call each of `cells` (a Series like it): the policy, n and k, and other parameters in which cells of
    this policy differ."""
    params = {i: json.loads(text)["policy"] for i, text in cells["params"].items()}
    out = {}
    for policy, of in cells.groupby("policy", sort=False):
        seen = {}
        for i in of.index:
            for name, v in params[i].items():
                seen.setdefault(name, set()).add(value_text(v))
        for i, cell in of.iterrows():
            words = [f"{name}={cell[name]}" for name in ("n", "k") if cell[name] >= 0]
            words += [f"{name}={_short(value_text(v))}" for name, v in params[i].items()
                      if name not in ("n", "k") and len(seen[name]) > 1]
            out[i] = " ".join([policy, *words])
    return pd.Series(out, dtype=object).reindex(cells.index)


def _short(text, most=24):
    return text if len(text) <= most else text[:most - 1] + "…"


def program():
    """The harness: what the environment variable HARNESS names, else this checkout's, else the installed one."""
    here = pathlib.Path(__file__).resolve().parents[2] / "harness"
    found = os.environ.get("HARNESS") or (str(here) if here.is_file() else shutil.which("harness"))
    if found is None:
        raise FileNotFoundError("no harness program, which computes the intervals (`make` builds it; HARNESS names one)")
    return found


def table(data, name="summary"):
    """`harness tables NAME --format csv` of the file, restricted to the cells in `data`."""
    key = f"table {name}"
    if key not in data:
        done = subprocess.run([program(), "tables", name, data["path"], "--format", "csv"], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise ValueError(done.stderr.strip())
        data[key] = pd.read_csv(io.StringIO(done.stdout), keep_default_na=False, na_values=[""])
    rows = data[key]
    return rows[rows["cell"].isin(data["cells"]["cell"])]


def summary(data):
    """cells, with the numbers and 95% intervals of `harness tables summary`."""
    rows = table(data, "summary")
    ids = dict(zip(data["cells"]["cell"], data["cells"]["id"]))
    if len(rows) != len(ids) or any(ids.get(cell) != of for cell, of in zip(rows["cell"], rows["id"])):
        raise ValueError(f"{data['path']}: has changed since it was loaded")
    numbers = rows[["cell", *(c for c in rows.columns if c not in data["cells"])]].copy()
    for column in numbers.columns:
        if column.startswith(("speedup", "modeled", "tokens_per_step")):
            numbers[column] = pd.to_numeric(numbers[column])
    return data["cells"].merge(numbers, on="cell")
