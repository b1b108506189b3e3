"""Files of the wrong kind: messages name the kind and say what to do. Also inspect on our own files."""
import json
import pathlib
import shutil
import zipfile

import pytest

from program import harness
from sweeps import GRID, ROOT, run, write_jsonl

MODEL = ROOT / "datasets" / "models" / "copier.gguf"
RECORDS = [{"id": str(i), "prompt": f"p{i % 2}", "references": ["a b"], "output": "a b"} for i in range(4)]


def make_kinds(folder):
    """Path by what its message says."""
    kinds = {
        "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4\n",
        "a web page": b"<!DOCTYPE html>\n<html><title>404</title></html>\n",
        "a safetensors file": (15).to_bytes(8, "little") + b'{"a":{"b":"c"}}',
        "a Python pickle": b"\x80\x02}q\x00.",
        "a Zstandard file": b"\x28\xb5\x2f\xfd" + bytes(20),
        "text in UTF-16": '{"id": "a", "prompt": "p"}\n'.encode("utf-16"),
        "a Parquet file": b"PAR1" + bytes(20) + b"PAR1",
    }
    made = {}
    for i, (name, content) in enumerate(kinds.items()):
        made[name] = folder / f"{i}.bin"
        made[name].write_bytes(content)
    for name, inside in ("a PyTorch file", "archive/data.pkl"), ("a zip archive", "d.jsonl"):
        made[name] = folder / f"{inside[0]}.zip"
        with zipfile.ZipFile(made[name], "w") as z:
            z.writestr(inside, "x")
    return made


def test_other_kinds_are_named_by_every_command(tmp_path):
    for name, path in make_kinds(tmp_path).items():
        for command, wanted in (
                (["inspect", path], "GGUF, HDF5 or JSON Lines"),
                (["evaluate", "-m", MODEL, path], "JSON Lines"),
                (["evaluate", "-m", MODEL, "--skip-bad", path], "JSON Lines"),
                (["evaluate", "-m", path, "x.jsonl"], "GGUF"),
                (["generate", "-m", path, "-p", "x"], "GGUF"),
                (["quantize", "-t", "q8_0", path, tmp_path / "out.gguf"], "GGUF"),
                (["bench", "-m", path], "GGUF")):
            error = harness(*command, status=2).error
            assert f"{path}: is {name}, not {wanted} (" in error
    assert not (tmp_path / "out.gguf").exists()


def test_what_is_no_results_file_is_named_by_every_reader(tmp_path):
    store = tmp_path / "a.store"
    (tmp_path / "t").write_text("some text")
    harness("datastore", "build", "-m", "bytes", "-o", store, tmp_path / "t")
    path = write_jsonl(tmp_path / "d.jsonl", RECORDS)
    ini = tmp_path / "c.ini"
    ini.write_text(GRID.format(name="mine", output="out", repeats=1, path=path, limit=0, n=1, k=4))
    run("sweep", "-q", ini)
    results = tmp_path / "out" / "mine.h5"
    cell = sorted((tmp_path / "out" / "mine" / "cells").iterdir())[0]
    kinds = {"a datastore": store, "a GGUF file": MODEL, **make_kinds(tmp_path)}
    for name, other in kinds.items():
        assert f"{other}: is {name}, not a results file" in harness("tables", other, status=2).error
    assert f"{path}: is not a results file" in harness("tables", path, status=2).error
    shutil.copy(store, cell)
    for command in ["collect", tmp_path / "out" / "mine"], ["sweep", "-q", ini]:
        assert f"{cell.name}: is a datastore, not a results file" in harness(*command, status=2).error
    cell.unlink()
    shutil.copy(MODEL, results)
    for command in ["collect", tmp_path / "out" / "mine"], ["sweep", "-q", ini], ["sweep", "-n", ini]:
        assert f"{results}: is a GGUF file, not a results file" in harness(*command, status=2).error
    assert results.read_bytes() == MODEL.read_bytes()


def test_what_downloads_leave_behind(tmp_path):
    whole = MODEL.read_bytes()
    path = tmp_path / "m.gguf"

    def error(content, at=path):
        at.write_bytes(content)
        return harness("generate", "-m", at, "-p", "x", status=2).error

    for text in b'{"error":"Repository not found"}', b"Entry not found", "Zugriff verweigert: gesch\u00fctzt\n".encode():
        message = error(text)
        assert f"{path}: is text, not GGUF (it begins \"" in message and "a server may have said that" in message
    assert "the file is empty" in error(b"")
    for n in len(whole) // 2, len(whole) - 100:
        assert f"the file has {n} of at least " in error(whole[:n])
    assert "are left in the file)" in error(whole[:4000])
    assert "version 1 (2 or 3; " in error(whole[:4] + b"\1\0\0\0" + whole[8:])
    assert "big-endian (little-endian; gguf_convert_endian.py" in error(whole[:4] + b"\0\0\0\3" + whole[8:])
    assert "is a llamafile, not GGUF (unzip" in error(b"MZqFpD='\n")
    assert "is a RAR archive, not GGUF (" in error(b"Rar!\x1a\x07\x01\0")
    for name in "m.gguf.part1of2", "m.gguf-split-a", "m.gguf.crdownload", "m.gguf.incomplete":
        for piece in whole[:len(whole) // 2], whole[:1000], whole[len(whole) // 2:]:
            assert "by its name it is one piece of a file" in error(piece, tmp_path / name)
    assert "by its name" not in error(whole[len(whole) // 2:])
    assert f"{tmp_path}: is a folder (a GGUF file)" in harness("generate", "-m", tmp_path, "-p", "x", status=2).error


def test_a_table_is_no_dataset(tmp_path):
    path = tmp_path / "d"
    for text, word in (json.dumps(RECORDS[0], indent=2), "objects over several lines"), \
            ("id,prompt\n1,hello\n", "a table (CSV)"):
        path.write_text(text)
        for command in ["inspect", path], ["inspect", "--skip-bad", path]:
            assert word in harness(*command, status=2).error


def test_the_case_file_of_unread_values(tmp_path):
    """Valid JSON (RFC 8259) that a parser may not hold, in keys that are not read."""
    lines = [f'{{"id": "{i}", "prompt": "Say it", "references": ["x y"], "output": "x y", "k": {v}}}'
             for i, v in enumerate(["18446744073709551615", "1e999", '"\\ud83d"', '{"a": [-1e999, "\\udc00"]}'])]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    assert "\nrecords  4\ndistinct 1 (3 repeat " in harness("inspect", tmp_path / "d.jsonl").text
    (tmp_path / "d.jsonl").write_text('{"id": "a", "prompt": 1e999}')
    assert f"{tmp_path}/d.jsonl:1: prompt is a number out of range" in harness("inspect", tmp_path / "d.jsonl", status=2).error
    (tmp_path / "d.jsonl").write_text('{"id": "a", "prompt": "p", "score": NaN}')
    assert "d.jsonl:1: not JSON: the line holds NaN" in harness("inspect", tmp_path / "d.jsonl", status=2).error


# ---- bad lines and keys ----

def test_one_of_a_thing_is_no_plural(tmp_path):
    chat = {"id": "a", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}
    path = write_jsonl(tmp_path / "d.jsonl", [chat])
    assert "\nturns    1 record is a conversation, of up to 1 turn, 1.0 on average\n" in harness("inspect", path).text
    write_jsonl(path, [RECORDS[0], {"id": "bad"}, {**RECORDS[0], "id": "b", "reference": []}])
    text = harness("inspect", "--skip-bad", path).text
    assert "\ndistinct 1 (1 repeats the prompt," in text
    assert "harness: 1 bad record was left out\n" in harness("evaluate", "-m", MODEL, "-n", 1, "--skip-bad", path).error


def test_skip_bad_in_inspect_and_evaluate(tmp_path):
    path = write_jsonl(tmp_path / "d.jsonl", RECORDS)
    good = harness("inspect", path).text
    assert "\nrecords  4\ndistinct 2 (2 repeat the prompt, references and output of an earlier record: 2 = 0, 3 = 1)\n" in good
    path.write_text(path.read_text() + '{"id": "x"}\nnonsense\n{"id": "y", "prompt": "p"}\n')
    assert f"{path}:5: " in harness("inspect", path, status=2).error
    done = harness("inspect", "--skip-bad", path)
    assert [f"harness: skipped: {path}:{n}: " in done.error for n in (5, 6, 7)] == [True, True, False]
    assert "\nrecords  5\nbad      2 (lines left out)\n" in done.text
    assert harness("evaluate", "-m", MODEL, "-n", 4, path, status=2).error.startswith(f"harness: {path}:5: ")
    done = harness("evaluate", "-m", MODEL, "-n", 4, "--skip-bad", path)
    assert "harness: 3 bad records were left out\n" in done.error  # the last one has no output to compare with
    assert f"skipped: {path}:7: no output" in done.error
    assert done.text == harness("evaluate", "-m", MODEL, "-n", 4, write_jsonl(tmp_path / "good.jsonl", RECORDS)).text


def test_render_and_evaluate_read_a_dataset_alike(tmp_path):
    """Each option changes what both get; the sweep's keys of the same names are in experiments/README.md."""
    llma = {"query_id": 1, "query": "q", "docs": ["one two three four"], "result": {"text": "one"}}
    path = write_jsonl(tmp_path / "d.jsonl", [llma, {**llma, "query_id": 2}])
    seen = set()
    for options in ([], ["--append-docs"], ["--append-docs", "--doc-tokens", 1], ["--as-turn", "--chat=vicuna"], ["--limit", 1],
                    ["--format=llma", "--tools=skip"]):
        rendered = harness("render", "-m", MODEL, path, *options).text
        seen.add(rendered)
        records = harness("evaluate", "-m", MODEL, "-n", 1, path, *options).text.splitlines()[-1].split()[1]
        assert int(records) == len(rendered.splitlines()), options
    assert len(seen) == 5
    for command in "render", "evaluate":
        assert 'd.jsonl:1: "id" is missing' in harness(command, "-m", MODEL, "-f", "native", path, status=2).error
        for option, wrong in (("--format", "lama"), ("--chat", "vicunia")):  # told before the model is read
            error = harness(command, "-m", "no-such.gguf", option, wrong, path, status=2).error
            assert error.startswith(f"harness: {option}: unknown ") and "did you mean" in error


def test_a_key_that_was_probably_meant(tmp_path):
    wrong = [{("reference" if key == "references" else key): value for key, value in r.items()} for r in RECORDS]
    path = write_jsonl(tmp_path / "d.jsonl", wrong)
    note = f'd.jsonl:1: key "reference" is not read; did you mean "references"? (4 of 4 records)\n'
    ini = tmp_path / "c.ini"
    ini.write_text(GRID.format(name="a", output="out", repeats=1, path=path, limit=0, n=1, k=4))
    assert run("sweep", "-n", ini).stderr.count(note) == 1
    for command in ["evaluate", "-n", 4], ["render"]:
        assert note in harness(*command, "-m", MODEL, path).error
    assert "      4  reference (did you mean references? 4 of them have none)\n" in harness("inspect", path).text
    path.write_text('{"id": "a", "promt": "p"}\n')
    assert 'did you mean "prompt" by "promt"?' in harness("inspect", path, status=2).error


# ---- our own files ----

def test_inspect_of_a_sweeps_folder(tmp_path):
    path = write_jsonl(tmp_path / "d.jsonl", RECORDS)
    ini = tmp_path / "c.ini"
    ini.write_text(GRID.format(name="mine", output="out", repeats=1, path=path, limit=0, n=1, k="4, 8"))
    run("sweep", "-q", "--collect", "no", "-s", "policy llma.k=4", ini)
    sweep = tmp_path / "out" / "mine"
    finished = len(list((sweep / "cells").iterdir()))
    for shown in sweep, sweep / "cells", f"{sweep}/":
        text = harness("inspect", shown).text
        assert f"{shown}\nthe folder of the sweep mine\nfinished {finished} cells, " in text
        assert f"\nresults  {sweep}.h5 (not there yet)\n" in text
    run("sweep", "-q", ini)
    text = harness("inspect", "cells", cwd=sweep).text
    assert "finished 4 cells" in text and f"\nresults  {sweep}.h5\n" in text
    assert "is a folder (a GGUF, HDF5 or JSONL file, or " in harness("inspect", tmp_path, status=2).error


def test_a_folder_of_hugging_face(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    error = harness("inspect", tmp_path, status=2).error
    assert "is a folder with a model of Hugging Face, not GGUF (convert_hf_to_gguf.py" in error


def test_inspect_of_a_training(tmp_path):
    (tmp_path / "t.ini").write_text(
        "[train]\nname = tiny\noutput = .\nsteps = 4\nbatch = 2\nvalidate = 2\nvalidation = 2\n"
        "[model]\nlayers = 1\ndim = 32\nheads = 2\nffn = 64\n[adamw]\nwarmup = 1\n[tokenizer]\nvocab = 360\nrecords = 20\n"
        "[source names]\nscenario = repeat\n[export]\ntype = f16\n")
    harness("train", "-q", tmp_path / "t.ini")
    text = harness("inspect", tmp_path / "tiny.h5").text
    assert f"{tmp_path}/tiny.h5\nthe loss curve of the training tiny (analysis/plot_training.py draws it)\nsteps    4\n" in text
    assert "\nlast     step 3: loss " in text
    assert "\nvalidation after 4 steps\n    loss  accuracy  source\n" in text and "%  names\n" in text
    assert "\nconfig\n    [train]\n    name = tiny\n" in text
    assert "tiny.h5: --format is given" in harness("inspect", "-f", "native", tmp_path / "tiny.h5", status=2).error


# ---- missing public data ----

@pytest.fixture
def elsewhere(tmp_path):
    """A folder with the project's own part of the data: the manifest and the script."""
    (tmp_path / "datasets").mkdir()
    for name in "manifest.tsv", "fetch.sh":
        shutil.copy(ROOT / "datasets" / name, tmp_path / "datasets")
    shutil.copytree(ROOT / "experiments" / "configs", tmp_path / "experiments" / "configs")
    return tmp_path


def test_missing_public_data_name_the_command(elsewhere):
    ini = elsewhere / "experiments/configs/llma_rag.ini"
    text = ini.read_text()
    ini.write_text(text[:text.index("[needs records]")] + text[text.index("[model llama]"):])  # nothing is declared
    error = harness("sweep", "-n", ini, status=2, cwd=elsewhere).error
    assert "llma_rag.ini:15: " in error and error.endswith("(datasets/fetch.sh llama-vocab brings it)\n")
    command = ["sweep", "-n", "experiments/configs/llma_rag.ini", "--set", f"model llama.tokenizer={MODEL}"]
    error = harness(*command, status=2, cwd=elsewhere).error
    assert "llma_rag.ini:18: " in error and error.endswith("(datasets/fetch.sh llma-rag brings it)\n")
    (elsewhere / "datasets" / "data").mkdir()
    for args in ["inspect", "datasets/data/cnndm.jsonl"], ["evaluate", "-m", MODEL, "datasets/data/cnndm.jsonl"]:
        assert harness(*args, status=2, cwd=elsewhere).error.endswith("(datasets/fetch.sh llma-cnndm brings it)\n")
    error = harness("inspect", "data/cnndm.jsonl", status=2, cwd=elsewhere / "datasets").error
    assert error.endswith("(./fetch.sh llma-cnndm brings it)\n")
    for name in "datasets/data/other.jsonl", "datasets/cnndm.jsonl", "cnndm.jsonl":
        assert "fetch.sh" not in harness("inspect", name, status=2, cwd=elsewhere).error


def test_no_name_acts_on_a_terminal(tmp_path):
    """Names come from archives and other people's configs."""
    done = harness("tables", f"{tmp_path}/\x1b[31m\u202eh5.x", status=2)
    assert f"{tmp_path}/?[31m?h5.x: cannot open" in done.error
