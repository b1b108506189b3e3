"""A pipe in place of a file: text and records are read from it as a stream; what is mapped, or read twice, is refused
at once, even when nobody is at the pipe's other end. Also other things that are no regular files."""
import contextlib
import os
import subprocess

import pytest

import gguf_files
from program import harness
from sweeps import GRID, ROOT, write_jsonl

MODEL = ROOT / "datasets" / "models" / "copier.gguf"
RECORDS = [{"id": str(i), "prompt": "one two", "references": ["red green"], "output": "red green"} for i in range(3)]
REST = "[policy rest]\nstore = {path}\n"
CHAIN = "[policy chain]\nstages = rest store={path} > pld k=4\n"


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def config(folder, path=None, model="target = replay\ntokenizer = bytes\n", policy="", name="c"):
    """A sweep's config over records at `path`."""
    if path is None:
        path = write_jsonl(folder / "records.jsonl", RECORDS)
    ini = folder / f"{name}.ini"
    text = GRID.format(name=name, output=folder / "out", repeats=1, path=path, limit=0, n=1, k=4) + policy
    ini.write_text(text.replace("target = replay\ntokenizer = bytes\n", model))
    return ini


@contextlib.contextmanager
def writer(*command):
    """A shell's command that waits for a reader; killed when a test fails before there is one."""
    with subprocess.Popen(["sh", "-c", *command], stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("command", [
    ["generate", "-p", "x", "-m"], ["evaluate", "records.jsonl", "-m"], ["render", "records.jsonl", "-m"],
    ["tokenize", "records.jsonl", "-m"], ["bench", "-m"], ["quantize", "out.gguf", "-t", "f16", "--"],
    ["make-model", "-s", "15m:layers=1,vocab=260", "out.gguf", "--tokenizer"],
    ["datastore", "build", "-o", "out", "records.jsonl", "-m"], ["datastore", "show"], ["inspect"], ["tables"], ["report"],
    ["collect"], ["generate", "-p", "x", "-m", MODEL, "--policy", "rest:store="],
], ids=lambda c: " ".join(map(str, c[:2])))
def test_what_cannot_be_a_stream(command, pipe, tmp_path):
    write_jsonl(tmp_path / "records.jsonl", RECORDS)
    if command[-1] == "--":
        command = [*command[:1], *command[2:], pipe, command[1]]
    elif command[-1] == "rest:store=":
        command = [*command[:-1], f"rest:store={pipe}"]
    else:
        command = [*command, pipe]
    error = harness(*command, status=2, cwd=tmp_path, timeout=20).error
    said = "Not a directory" if command[0] == "collect" else "is a pipe ("
    assert f"{pipe}: " in error and said in error
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize("where", ["path", "tokenizer", "store", "stages"])
def test_what_cannot_be_a_stream_in_a_config(where, pipe, tmp_path):
    if where in ("path", "tokenizer"):
        kind = "transformer" if where == "path" else "replay"
        ini = config(tmp_path, model=f"target = {kind}\n{where} = {pipe}\n")
    else:
        ini = config(tmp_path, policy=(REST if where == "store" else CHAIN).format(path=pipe))
    error = harness("sweep", "-n", ini, status=2, timeout=20).error
    assert f"{pipe}: is a pipe (" in error and "c.ini:" in error


def test_a_cell_that_is_a_pipe(tmp_path):
    ini = config(tmp_path)
    harness("sweep", "-q", ini)
    cell = sorted((tmp_path / "out" / "c" / "cells").iterdir())[0]
    cell.unlink()
    os.mkfifo(cell)
    for command in ["sweep", "-q", ini], ["collect", tmp_path / "out" / "c"], ["inspect", cell], ["tables", cell]:
        error = harness(*command, status=2, timeout=20).error
        assert str(cell) in error and ("is not a file" in error or "is a pipe" in error), error


def test_who_writes_into_a_refused_pipe_is_let_go(pipe):
    with writer('echo > "$0"', pipe) as process:
        harness("datastore", "show", pipe, status=2, timeout=20)
        process.wait(timeout=20)


def test_devices_and_folders_are_named(tmp_path):
    for path, kind in (tmp_path, "a folder"), ("/dev/null", "a device"):
        for command in ["generate", "-p", "x", "-m"], ["datastore", "show"]:
            assert f"{path}: is {kind} (" in harness(*command, path, status=2, timeout=20).error
        assert f"{path}: is {kind} (a regular file)" in harness("generate", "-m", MODEL, "-p", "x", "--policy",
                                                                 f"rest:store={path}", status=2, timeout=20).error


# ---- streams ----

def feed(pipe, path):
    """Writes a file into the pipe, once a reader is there."""
    return writer('exec cat "$1" > "$0"', pipe, path)


@pytest.mark.parametrize("command", [
    ["evaluate", "-m", MODEL, "-n", 4], ["render", "-m", MODEL], ["tokenize", "-m", MODEL],
    ["generate", "-m", MODEL, "-n", 4, "-f"], ["generate", "-m", MODEL, "-n", 4, "-p", "one", "-r"], ["sweep", "-n"],
], ids=lambda c: " ".join(map(str, (c[0], c[-1]))))
def test_text_and_records_come_from_a_pipe(command, pipe, tmp_path):
    path = config(tmp_path) if command[0] == "sweep" else write_jsonl(tmp_path / "records.jsonl", RECORDS)
    with feed(pipe, path) as process:
        piped = harness(*command, pipe, timeout=60)
        assert process.wait(timeout=20) == 0
    whole = harness(*command, path)
    assert piped.text.replace(str(pipe), str(path)) == whole.text and whole.text != ""


@pytest.mark.parametrize("options", [[], ["-f", "native"]], ids=["text", "records"])
def test_a_datastore_comes_from_a_pipe(options, pipe, tmp_path):
    path = write_jsonl(tmp_path / "records", RECORDS)
    made = [tmp_path / "piped", tmp_path / "whole"]
    with feed(pipe, path) as process:
        harness("datastore", "build", *options, "-m", "bytes", "-o", made[0], pipe, timeout=20)
        assert process.wait(timeout=20) == 0
    harness("datastore", "build", *options, "-m", "bytes", "-o", made[1], path)
    assert made[0].read_bytes() == made[1].read_bytes()


def test_a_sweeps_records_come_from_a_pipe(pipe, tmp_path):
    ini = config(tmp_path, path=pipe)
    with feed(pipe, write_jsonl(tmp_path / "records.jsonl", RECORDS)) as process:
        harness("sweep", "-q", ini, timeout=60)
        assert process.wait(timeout=20) == 0
    assert (tmp_path / "out" / "c.h5").exists()


def test_records_that_each_tokenizer_cuts_are_read_twice(pipe, tmp_path):
    """So they cannot come from a pipe: the second reading would wait for ever."""
    records = [{"query_id": i, "query": "q", "docs": ["one two three four"], "result": {"text": "one"}} for i in range(2)]
    vocab = gguf_files.write_bpe_vocab(tmp_path / "bpe.gguf", merges=["t h"])
    ini = config(tmp_path, path=f"{pipe}\nformat = llma\nappend_docs = yes\ndoc_tokens = 3",
                 model=f"target = replay\ntokenizer = bytes\n[model bpe]\ntarget = replay\ntokenizer = {vocab}\n")
    with feed(pipe, write_jsonl(tmp_path / "records.jsonl", records)) as process:
        error = harness("sweep", "-n", ini, status=2, timeout=20).error
        process.wait(timeout=20)
    assert f"{pipe}: is a pipe (a file that is there to be read for each tokenizer)" in error
