"""Progress on stderr: redrawn on a terminal that can, plain lines elsewhere, nothing with --quiet."""
import re

import pytest

from program import harness, on_terminal
from sweeps import GRID, ROOT

SHAPE = "dim=64,layers=2,heads=4,kv_heads=2,ffn=96,vocab=400,context=96"
TRAINING = """
[train]
name = tiny
output = {folder}
steps = 4
batch = 2
validate = 2
validation = 1
[model]
layers = 1
dim = 32
heads = 2
ffn = 64
[adamw]
warmup = 1
[tokenizer]
vocab = 400
records = 20
[source programs]
scenario = editing
max_lines = 4
"""


@pytest.fixture(params=["make-model", "quantize", "train", "sweep"])
def work(request, tmp_path):
    """A command's arguments, and the last line of its progress."""
    model = tmp_path / "a.gguf"
    if request.param == "make-model":
        return ["make-model", "-s", SHAPE, model], r"a\.gguf: matrices 16/16  MB 1/1 \(100%\)"
    if request.param == "quantize":
        harness("make-model", "-q", "-s", SHAPE, model)
        return ["quantize", "-t", "f16", model, tmp_path / "b.gguf"], r"b\.gguf: matrices 16/16  MB 1/1 \(100%\)"
    config = tmp_path / "c.ini"
    if request.param == "train":
        config.write_text(TRAINING.format(folder=tmp_path / "out"))
        return ["train", config], r"tiny: steps 4/4 \(100%\)(  loss \d+\.\d+, accuracy \d+\.\d+%, \d+ tokens/s)?"
    config.write_text(GRID.format(name="quick", output=tmp_path / "out", limit=2, n="1", k="5", repeats=1,
                                  path=ROOT / "datasets" / "samples" / "quickstart.jsonl"))
    return ["sweep", config], r"quick: cells (\d+)/\1  trials (\d+)/\2 \(100%\)"


def test_a_terminal_has_one_line_redrawn(work):
    args, last = work
    assert re.search(rb"\r\033\[K" + last.encode() + rb"\n", on_terminal(*args, stream="stderr"))


def test_a_dumb_terminal_has_plain_lines(work):
    args, last = work
    shown = on_terminal(*args, stream="stderr", env={"TERM": "dumb"})
    assert b"\033" not in shown and b"\r" not in shown
    assert re.search(rf"^{last}$", shown.decode(), re.M)


def test_a_file_has_plain_lines(work):
    args, last = work
    shown = harness(*args).error
    assert "\033" not in shown and "\r" not in shown
    assert re.search(rf"^{last}$", shown, re.M)


def test_quiet_shows_none(work):
    args, last = work
    command, *rest = args
    assert not re.search(last, harness(command, "-q", *rest).error)
    assert not re.search(last, harness(command, "--quiet", *rest).error)


def test_workers_count_each_trial_once(quick_ini, tmp_path):
    """Also where one sees the file of another that has not yet told that it is done."""
    ini = quick_ini(repeats=7)
    for turn in range(10):
        shown = harness("sweep", ini, "--jobs", 2, "-o", tmp_path / str(turn)).error
        assert re.search(r"^quick: cells 6/6  trials 168/168 \(100%\)$", shown, re.M), shown
