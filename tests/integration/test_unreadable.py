"""Results that cannot be read: the message gives the reason, and never advises to delete what may be sound."""
import errno
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import h5py
import pytest

from faults import faults  # noqa: F401
from program import harness
from sweeps import HARNESS, assert_same, content

MARKED = "is marked as open for writing, by a program that still has it open or that died (h5clear -s FILE clears the mark"
WRITER = """
import h5py, os, signal, sys
f = h5py.File(sys.argv[1], sys.argv[2])
f.attrs["note"] = 1
f.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def swept(quick_ini, tmp_path):
    """A finished sweep: its config, its results and one of its cells."""
    ini = quick_ini()
    harness("sweep", "-q", ini)
    return ini, tmp_path / "results/quick.h5", sorted((tmp_path / "results/quick/cells").iterdir())[0]


def readers(ini, results, cell):
    return [("tables", results), ("tables", cell), ("inspect", results), ("collect", results.with_suffix("")),
            ("sweep", "-q", ini), ("report", results)]


def die_writing(path, mode="r+"):
    done = subprocess.run([sys.executable, "-c", WRITER, path, mode])
    assert done.returncode == -signal.SIGKILL


def assert_kept(error):
    assert "delete" not in error and "remove" not in error and "not a results file" not in error, error


@pytest.mark.parametrize("mode", ["r+", "a"])
def test_what_a_dead_writer_left(swept, mode):
    _, results, cell = swept
    whole = content(results)
    for path in (results, cell):
        die_writing(path, mode)
    bytes_before = results.read_bytes(), cell.read_bytes()
    for command in readers(*swept):
        error = harness(*command, status=2).error
        assert MARKED in error, error
        assert_kept(error)
    assert (results.read_bytes(), cell.read_bytes()) == bytes_before
    for path in (results, cell):
        subprocess.run(["h5clear", "-s", path], check=True)
    for command in readers(*swept):
        harness(*command)
    assert_same(whole, content(results))


def test_what_is_open_elsewhere(swept):
    _, results, cell = swept
    with h5py.File(results, "r+"), h5py.File(cell, "r+"):
        for command in readers(*swept):
            error = harness(*command, status=2).error
            assert MARKED in error, error
            assert_kept(error)
    for command in readers(*swept):
        harness(*command)


def test_a_lock_keeps_nobody_from_reading(swept):
    _, results, cell = swept
    with open(results, "r+b") as a, open(cell, "r+b") as b:
        fcntl.flock(a, fcntl.LOCK_EX)
        fcntl.flock(b, fcntl.LOCK_EX)
        for command in readers(*swept)[:3]:
            harness(*command)


def test_a_file_of_the_oldest_format_that_was_cut(swept, tmp_path):
    old = tmp_path / "old.h5"
    with h5py.File(swept[1]) as a, h5py.File(old, "w", libver="earliest") as b:
        for name in a:
            a.copy(name, b)
        for name, value in a.attrs.items():
            b.attrs[name] = value
    assert harness("tables", old).text == harness("tables", swept[1]).text
    size = old.stat().st_size
    os.truncate(old, 5000)
    assert f"old.h5: is a truncated file (5000 of {size} bytes)" in harness("tables", old, status=2).error


@pytest.mark.parametrize("kind, code", [("read", errno.EIO), ("read", errno.ESTALE), ("open", errno.EACCES),
                                        ("open", errno.EMFILE)])
@pytest.mark.parametrize("which", ["results", "cell"])
def test_a_transient_failure_is_no_input_error(faults, swept, which, kind, code):  # noqa: F811
    """It has exit status 1, the system's reason, and no advice; the next run is not affected."""
    ini, results, cell = swept
    path = results if which == "results" else cell
    before = {p: p.read_bytes() for p in results.parent.rglob("*.h5")}
    for command in [("tables", path), ("sweep", "-q", ini)] + ([("collect", results.with_suffix(""))] if path == cell else []):
        done = faults.run(command, kind, at=1, path=path.name, code=code, many=100)
        assert done.returncode == 1, (command, done.stderr)
        assert done.stderr.splitlines()[-1].endswith(f"{path}: cannot read: {os.strerror(code)}"), done.stderr
    assert {p: p.read_bytes() for p in results.parent.rglob("*.h5")} == before
    harness("sweep", "-q", ini)


def test_a_file_larger_than_memory(faults, swept):  # noqa: F811
    # The first allocations are those of the command's options and its two lists.
    done = faults.run(["tables", swept[1]], "alloc", at=4, caller=os.path.basename(HARNESS), many=100)
    assert done.returncode == 1 and done.stderr.startswith(f"harness: {swept[1]}: out of memory"), done.stderr


def test_lack_of_memory_in_hdf5_is_no_input_error(faults, swept):  # noqa: F811
    """After everything is set up; HDF5 reports it by many names."""
    counted = faults.run(["inspect", swept[1]], "alloc", caller="libhdf5")
    said = 0
    for k in range(counted.calls // 2, counted.calls + 1, 29):
        done = faults.run(["inspect", swept[1]], "alloc", at=k, caller="libhdf5")
        assert done.returncode != 2, done.stderr
        said += done.returncode == 1 and done.stderr.startswith(f"harness: {swept[1]}: ") and "out of memory" in done.stderr
    assert said > 0


@pytest.mark.parametrize("command", [["generate", "-p", "abc", "-n", "4", "-m"], ["quantize", "-t", "f32"]],
                         ids=lambda c: c[0])
def test_a_model_that_is_cut_while_it_is_used(faults, tmp_path, command):  # noqa: F811
    shutil.copy(MODEL / "copier.gguf", tmp_path / "m.gguf")
    outputs = [tmp_path / "f32.gguf"] if command[0] == "quantize" else []
    done = faults.run([*command, tmp_path / "m.gguf", *outputs], "map", at=1, path="m.gguf", code=0)
    assert done.returncode == 1 and done.failed, done.stderr
    assert done.stderr.splitlines()[-1] == "harness: a model or a datastore cannot be read any more: the disk failed, or its file was cut"
    assert os.listdir(tmp_path) == ["m.gguf"]


UNWRITABLE = [
    ("tables", "{results}", "-o", "{to}/x"), ("collect", "{sweep}", "-o", "{to}/x.h5"),
    ("dataset", "make", "--scenario", "cache", "-o", "{to}/x"), ("make-model", "-s", "15m:layers=1,vocab=260", "{to}/x"),
    ("quantize", "-t", "f16", "{model}", "{to}/x"), ("bench", "-m", "{model}", "-k", "1", "-c", "8", "--cost", "{to}/x"),
    ("sweep", "-q", "{ini}", "-o", "{to}/x"), ("train", "{train}", "--set", "train.output={to}/x"),
]
MODEL = pathlib.Path(__file__).resolve().parents[2] / "datasets/models"


def unwritable(command, swept, to):
    ini, results, _ = swept
    names = {"ini": ini, "results": results, "sweep": results.with_suffix(""), "to": to, "model": MODEL / "copier.gguf",
             "train": MODEL / "copier.ini"}
    return [arg.format(**names) for arg in command]


@pytest.mark.parametrize("command", UNWRITABLE, ids=lambda c: c[0])
def test_what_cannot_be_written_has_one_exit_status(swept, tmp_path, command):
    (tmp_path / "file").write_text("")
    error = harness(*unwritable(command, swept, tmp_path / "file"), status=1).error
    assert "Not a directory" in error, error


@pytest.mark.parametrize("command", [c for c in UNWRITABLE if c[0] not in ("sweep", "train")], ids=lambda c: c[0])
def test_what_must_not_be_replaced_is_usage(swept, tmp_path, command):
    name = "x.h5" if command[0] == "collect" else "x"
    os.mkfifo(tmp_path / name)
    error = harness(*unwritable(command, swept, tmp_path), status=2).error
    assert "not a regular file" in error, error
