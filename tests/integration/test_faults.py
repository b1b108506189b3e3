"""Every command but `bench`, which measures, when an allocation, a read, a write, ... fails at its k-th call: it reports
that, leaves nothing half done, and the same command without faults then gives the complete result.

Some of the calls are tried; HARNESS_FAULTS=all tries every one (half an hour).

Where memory runs out inside a library, the library may end the program. Seen in 15,000 such runs: HDF5 1.10 (endless
recursion in H5E_printf_stack and exit(-1) in H5I_register while it starts, crashes when it closes what it could not
open), OpenSSL 3.0 (crashes while it starts), Jansson 2.14 (an assertion in lex_scan_string). Such runs may crash here,
but neither leave half a file nor exit with status 2; allocations of the program's own never crash.
"""
import os
import re
import shutil

import h5py
import pytest

import gguf_files
from faults import HARMLESS, KINDS, faults  # noqa: F401
from program import harness
from sweeps import HARNESS, ROOT, assert_same, content, write_jsonl

EVERY = os.environ.get("HARNESS_FAULTS") == "all"
MOST = 8  # calls of a kind that are tried otherwise, and twice as many of the program's own allocations
LIBRARIES = ("libhdf5", "libcrypto", "libjansson")
MODEL = "dim=64,layers=1,heads=2,kv_heads=1,ffn=64,vocab=300,context=256"
SWEEP = """[sweep]
name = s
output = {output}
{model}
[dataset d]
path = {records}
max_new_tokens = 8
limit = 2
{forced}
[policy llma]
n = 1
k = 4
[accept greedy]
"""
TRAIN = """[train]
name = tiny
steps = 4
batch = 2
validate = 2
validation = 2
threads = 1
[model]
layers = 1
dim = 32
heads = 2
ffn = 64
[adamw]
warmup = 1
[tokenizer]
vocab = 400
records = 10
[source programs]
scenario = editing
max_lines = 4
[export]
type = f16
"""
REPLAY = ("[model m]\ntarget = replay\ntokenizer = bytes", "forced = yes", ROOT / "datasets/samples/quickstart.jsonl")
RECORDS = [{"id": "a", "prompt": "abc ab", "references": ["abc abd abc"]}, {"id": "b", "prompt": "xyz", "references": []}]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with a model, records, configs, cells and results."""
    folder = tmp_path_factory.mktemp("given")
    harness("make-model", "-s", MODEL, "-t", "f32", folder / "m.gguf")
    gguf_files.write_bpe_vocab(folder / "v.gguf", pre="qwen2", merges=["a b", "_ ab"])
    records = write_jsonl(folder / "r.jsonl", RECORDS)
    write_jsonl(folder / "o.jsonl", [{**record, "output": "ab c"} for record in RECORDS])
    transformer = (f"paired = yes\n[model m]\ntarget = transformer\npath = {folder}/m.gguf\nthreads = 1", "", records)
    for name, (model, forced, path) in {"replay": REPLAY, "transformer": transformer}.items():
        (folder / f"{name}.ini").write_text(SWEEP.format(output=folder / "out", model=model, forced=forced, records=path))
    (folder / "t.cost").write_text("[T]\n1 = 10\n64 = 30\n")
    (folder / "train.ini").write_text(TRAIN)
    harness("datastore", "build", "-m", folder / "v.gguf", "-o", folder / "d.store", records)
    harness("sweep", "-q", folder / "replay.ini", "-o", folder)
    return folder


COMMANDS = {
    "tables": ["tables", "{given}/s.h5"],
    "export": ["export", "{given}/s.h5", "-o", "{out}"],
    "compare": ["compare", "{given}/s.h5"],
    "compare two runs": ["compare", "{given}/s.h5", "{given}/s.h5", "-o", "{out}/c.txt"],
    "tables totals": ["tables", "totals", "{given}/s.h5", "--where", "policy=llma", "--group", "^(.)"],
    "tables -o": ["tables", "{given}/s.h5", "-o", "{out}/t.txt"],
    "report": ["report", "{given}/s.h5"],
    "report -o": ["report", "{given}/s.h5", "-o", "{out}/r.html"],
    "inspect": ["inspect", "{given}/s.h5"],
    "inspect --hash": ["inspect", "--hash", "{given}/s.h5"],
    "inspect GGUF": ["inspect", "{given}/m.gguf"],
    "inspect JSONL": ["inspect", "{given}/r.jsonl"],
    "collect": ["collect", "{given}/s", "-o", "{out}/c.h5"],
    "generate": ["generate", "-m", "{given}/m.gguf", "-p", "abc ab", "-r", "{given}/r.jsonl", "-n", "8"],
    "audit": ["audit", "{given}/o.jsonl", "{given}/o.jsonl", "-m", "{given}/m.gguf", "-a"],
    "tokenize": ["tokenize", "-m", "{given}/v.gguf", "--pieces", "{given}/r.jsonl"],
    "render": ["render", "-m", "{given}/v.gguf", "{given}/r.jsonl"],
    "sweep replay": ["sweep", "-q", "{given}/replay.ini", "-o", "{out}"],
    "sweep transformer": ["sweep", "-q", "{given}/transformer.ini", "-o", "{out}"],
    "recommend": ["recommend", "-q", "{given}/o.jsonl", "-m", "{given}/m.gguf", "--cost", "{given}/t.cost", "-t", "1", "-o", "{out}/r", "--policy", "pld"],
    "slurm": ["slurm", "{given}/replay.ini", "-o", "{out}"],
    "train": ["train", "-q", "{given}/train.ini", "-s", "train.output={out}"],
    "dataset make": ["dataset", "make", "--scenario", "editing:max_lines=4", "--scenario", "retrieval", "--count", "3", "-o", "{out}/d.jsonl"],
    "datastore build": ["datastore", "build", "-m", "{given}/v.gguf", "-o", "{out}/d.store", "{given}/r.jsonl"],
    "datastore show": ["datastore", "show", "{given}/d.store"],
    "evaluate": ["evaluate", "-m", "{given}/m.gguf", "--threads", "1", "{given}/o.jsonl"],
    "quantize": ["quantize", "-q", "-t", "q4_0", "--threads", "1", "{given}/m.gguf", "{out}/q.gguf"],
    "make-model": ["make-model", "-q", "-s", MODEL, "--threads", "1", "{out}/m.gguf"],
    "policies": ["policies"],
    "rules": ["rules"],
    "help": ["help"],
}


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def files(folder):
    """Claims that could not be removed are no results: the next sweep there removes them."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.parent.name.startswith("claims"))


def is_results(path):
    return path.suffix == ".h5" and path.stem != "tiny"


def results(path, folder):
    """Its content, whose configs name the folder."""
    if path.stem == "tiny":  # of a training
        with h5py.File(path) as f:
            return {name: f[name][()] for name in f}
    of = content(path)
    of["configs"] = {name: text.replace(str(folder).encode(), b"") for name, text in of["configs"].items()}
    return of


def same_files(a, b):
    assert [p.relative_to(a) for p in files(a)] == [p.relative_to(b) for p in files(b)]
    for one, other in zip(files(a), files(b)):
        if one.suffix == ".h5":
            assert_same(results(one, a), results(other, b))
        else:
            assert one.read_bytes() == other.read_bytes().replace(str(b).encode(), str(a).encode()), one


def check(done, kind, out, name, wanted):
    where = f"{name}, {done.args}: {done.stderr}"
    library = kind == "alloc" and done.failed and done.failed[0].startswith(LIBRARIES)
    if not library:
        assert done.returncode in (0, 1), where
    assert done.returncode != 2, where
    if done.returncode == 0:
        assert steady(name, done.stdout) == wanted, where
    if done.returncode == 1 and not library:
        last = done.stderr.splitlines()[-1]
        assert last.startswith("harness: "), where
        reasons = ["memory"] if kind == "alloc" else ["gone since"] if kind == "stat" else []
        assert any(reason in last for reason in [os.strerror(KINDS[kind]), *reasons]), where
    if done.returncode in (0, 1):
        assert [path for path in files(out) if path.name.startswith(".")] == [], where
    for path in files(out):
        if is_results(path) and not path.name.startswith("."):
            with h5py.File(path) as f:
                assert len(f["trials"]) > 0 and len(f["tokens/offset"]) == len(f["trials"]) + 1


def steady(name, text):
    """What a command prints, without times and its own folder."""
    if name in ("collect", "export", "train"):
        return [line.rsplit("/", 1)[-1] for line in text.splitlines()]
    if name == "slurm":
        return [line for line in text.splitlines() if "/" not in line]
    if name in ("evaluate", "recommend"):
        return [re.split("[0-9]", line)[0] for line in text.splitlines()[:4]]
    return [line.split()[:2] for line in text.splitlines()] if name.startswith("sweep") else text


def tried(n, kind, caller):
    most = n if EVERY else 2 * MOST if caller is not None else MOST
    return [1 + i * n // most for i in range(most)] if n > most else range(1, n + 1)


@pytest.mark.parametrize("kind, caller", [("alloc", os.path.basename(HARNESS)), ("alloc", None), *((k, None) for k in KINDS if k != "alloc")])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_call_that_fails(faults, given, tmp_path, name, kind, caller):  # noqa: F811
    whole, out = fresh(tmp_path / "whole"), tmp_path / "out"
    args = {folder: [arg.format(given=given, out=folder) for arg in COMMANDS[name]] for folder in (whole, out)}
    counted = faults.run(args[whole], kind, caller=caller)
    assert counted.returncode == 0 and counted.failed == [], counted.stderr
    wanted, failed = steady(name, counted.stdout), 0
    for k in tried(counted.calls, kind, caller):
        fresh(out)
        done = faults.run(args[out], kind, at=k, caller=caller)
        failed += len(done.failed)
        check(done, kind, out, name, wanted)
        if done.returncode == 0:
            same_files(whole, out)
        elif files(whole):
            left = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in files(out) if p.parent.name == "cells"
                    and not p.name.startswith(".")}
            assert steady(name, harness(*args[out]).text) == wanted
            for path, (data, _) in left.items():
                assert path.read_bytes() == data, "a finished cell was written again"
            for path in files(out):
                if path.name.startswith("."):
                    path.unlink()  # of a library's crash
            same_files(whole, out)
    assert failed > 0 or (counted.calls == 0 and kind != "alloc")


@pytest.mark.parametrize("kind, every", [(kind, every) for kind in HARMLESS for every in (2, 3)])
@pytest.mark.parametrize("name", COMMANDS)
def test_short_and_interrupted_calls_are_taken_up_again(faults, given, tmp_path, name, kind, every):  # noqa: F811
    whole, out = fresh(tmp_path / "whole"), fresh(tmp_path / "out")
    wanted = faults.run([arg.format(given=given, out=whole) for arg in COMMANDS[name]], kind)
    done = faults.run([arg.format(given=given, out=out) for arg in COMMANDS[name]], kind, every=every)
    assert done.returncode == 0, done.stderr
    assert len(done.failed) >= done.calls // every
    assert steady(name, done.stdout) == steady(name, wanted.stdout)
    same_files(whole, out)
