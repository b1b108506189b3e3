"""harness dataset and harness train: generated records, and a small training that is the same every time."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import h5py
import pytest

from program import HARNESS, harness

CONFIG = """
[train]
name = tiny
output = out
steps = 100
batch = 6
validate = 50
validation = 4
checkpoint = 0
[model]
layers = 1
dim = 32
heads = 2
ffn = 64
[adamw]
lr = 5e-3
warmup = 10
[muon]
lr = 5e-3
[tokenizer]
vocab = 420
records = 60
[source programs]
scenario = editing
max_lines = 4
[source answers]
scenario = retrieval
max_passages = 2
min_passages = 1
from = 50
[export]
type = f16
"""
FILES = ["tiny.gguf", "tiny.checkpoint", "tiny.h5", "tiny.vocab.gguf"]


def train(folder, *args, config=CONFIG, **options):
    folder.mkdir(exist_ok=True)
    (folder / "t.ini").write_text(config)
    return harness("train", "-q", folder / "t.ini", *args, **options)


def files(folder):
    return {name: (folder / "out" / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training from the first to the last step."""
    folder = tmp_path_factory.mktemp("train") / "whole"
    train(folder)
    return folder


def test_two_trainings_are_equal(whole, tmp_path):
    train(tmp_path / "again")
    assert files(tmp_path / "again") == files(whole)


def test_threads_change_nothing(whole, tmp_path):
    folder = tmp_path / "threads"
    train(folder, "--set", "train.threads=1")
    ours, theirs = files(folder), files(whole)
    for name in FILES:
        if name != "tiny.h5":  # it holds the config with its number of threads
            assert ours[name] == theirs[name], name
    with h5py.File(folder / "out/tiny.h5") as a, h5py.File(whole / "out/tiny.h5") as b:
        assert (a["curve"][:] == b["curve"][:]).all()


def test_resumed_at_50_is_equal(whole, tmp_path):
    folder = tmp_path / "resumed"
    train(folder, "--until", "50")
    assert files(folder)["tiny.gguf"] != files(whole)["tiny.gguf"]
    train(folder)
    assert files(folder) == files(whole)


def test_interrupted_and_killed_is_equal(whole, tmp_path):
    folder = tmp_path / "killed"
    folder.mkdir()
    (folder / "t.ini").write_text(CONFIG.replace("checkpoint = 0", "checkpoint = 5"))
    for stop in [signal.SIGINT, signal.SIGKILL]:
        running = subprocess.Popen([HARNESS, "train", "-q", folder / "t.ini"], stderr=subprocess.PIPE)
        while not (folder / "out/tiny.checkpoint").exists() and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(stop)
        _, error = running.communicate(timeout=60)
        if running.returncode == 1:
            assert b"stopped after step" in error
    train(folder, config=CONFIG.replace("checkpoint = 0", "checkpoint = 5"))
    ours, theirs = files(folder), files(whole)
    assert ours["tiny.gguf"] == theirs["tiny.gguf"]
    assert ours["tiny.checkpoint"] == theirs["tiny.checkpoint"]


def test_curve(whole):
    with h5py.File(whole / "out/tiny.h5") as f:
        curve, validation = f["curve"][:], f["validation"][:]
        assert f.attrs["config"].decode() == CONFIG
    assert list(curve["step"]) == list(range(100))
    assert curve["loss"][-10:].mean() < 0.8 * curve["loss"][:10].mean()
    assert curve["lr"].argmax() in (9, 10) and curve["lr"][-1] < 1e-4
    assert [(int(v["step"]), v["source"].decode()) for v in validation] == [
        (s, n) for s in (50, 100) for n in ("programs", "answers")]


def test_the_model_runs(whole, tmp_path):
    text = harness("inspect", whole / "out/tiny.gguf").text
    assert "llama" in text and "F16" in text
    harness("dataset", "make", "--scenario", "editing:max_lines=3,min_lines=2", "--count", "3", "--split", "test", "-o",
            tmp_path / "test.jsonl")
    (tmp_path / "s.ini").write_text(f"""
[sweep]
name = s
output = {tmp_path}
[model tiny]
target = transformer
path = {whole}/out/tiny.gguf
[dataset test]
path = {tmp_path}/test.jsonl
max_new_tokens = 40
[policy llma]
[accept greedy]
""")
    harness("sweep", "-q", tmp_path / "s.ini")
    with h5py.File(tmp_path / "s.h5") as f:
        assert f["trials"]["equal"].all() and (f["trials"]["logits_equal"] == 1).all()


def test_another_config_does_not_take_up_a_checkpoint(whole, tmp_path):
    folder = tmp_path / "other"
    train(folder, "--until", "3")
    done = train(folder, "--set", "adamw.lr=1e-3", status=2)
    assert "another config" in done.error


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:20], lambda b: b"",
                                    lambda b: b[:5000] + bytes([b[5000] ^ 1]) + b[5001:], lambda b: b"x" + b[1:]])
def test_damaged_checkpoint(whole, tmp_path, damage):
    folder = tmp_path / "damaged"
    (folder / "out").mkdir(parents=True)
    bad = damage((whole / "out/tiny.checkpoint").read_bytes())
    (folder / "out/tiny.checkpoint").write_bytes(bad)
    assert "tiny.checkpoint: " in train(folder, status=2).error
    assert (folder / "out/tiny.checkpoint").read_bytes() == bad


@pytest.mark.parametrize("change, message", [
    (("heads = 2", "heads = 3"), "t.ini:13: dim = 32 over heads = 3"),
    (("dim = 32\nheads = 2", "dim = 30"), "t.ini:12: dim = 30 over heads = 8"),
    (("lr = 5e-3", "lr = 5e-6"), "t.ini:16: min_lr = 1e-05 (the default) is not allowed (at most lr = 5e-06)"),
    (("lr = 5e-3", "rate = 1"), 't.ini:16: unknown key of [adamw] "rate"'),
    (("name = tiny\n", ""), 't.ini:2: [train] has no "name"'),
    (("steps = 100", "steps = 1e9"), 't.ini:5: steps = "1e9" is not allowed (an integer from 1 to 100000000: '),
    (("lr = 5e-3", "lr = 11"), 't.ini:16: lr = "11" is not allowed (a number from 1e-09 to 10: '),
    (("max_lines", "max_line"), 'unknown key of [source programs] "max_line"; did you mean "max_lines"?'),
    (("[train]", "[trian]"), 'did you mean "train"'),
    (("scenario = editing", "scenario = edit"), "unknown scenario"),
    (("scenario = editing\n", ""), '[source programs] has no "scenario"'),
    (("max_lines = 4", "max_lines = 99"), "max_lines"),
    (("vocab = 420", "vocab = 300"), "too small"),
    (("vocab = 420", "vocab = 60000"), "too large"),
    (("type = f16", "type = q4"), "unknown type"),
    (("warmup = 10", "warmup = 100"), "warmup = 100"),
    (("lr = 5e-3\nwarmup", "lr = 5e-3\nmin_lr = 6e-3\nwarmup"), "t.ini:17: min_lr = 0.006 is not allowed (at most lr = 0.005)"),
    (("from = 50", "from = 50\nuntil = 50"), "until = 50 is not allowed (after from = 50)"),
    (("from = 50", "from = 50\nshare = 0\n[source nothing]\nscenario = cache\nuntil = 20\nshare = 0"), None),
    (("max_lines = 4", "max_lines = 4\nuntil = 20"), "no source has a share in step 20"),
    (("max_lines = 4", "max_lines = 3"), "max_lines = 3 is less than min_lines = 4"),
])
def test_bad_configs(tmp_path, change, message):
    assert change[0] in CONFIG
    config = CONFIG.replace(*change)
    if message is None:
        train(tmp_path / "x", "--dry-run", config=config)
    else:
        assert message in train(tmp_path / "x", config=config, status=2).error


@pytest.mark.parametrize("sets, message", [
    (["model.ffn=65", "export.type=q8_0"], '--set "model.ffn=65": ffn = 65 cannot be written as Q8_0 (a multiple of 32)'),
    (["source programs.until=20", "source programs.from=30"], "until = 20 is not allowed (after from = 30)"),
    (["source answers.from=7", "source answers.until=7"], '--set "source answers.until=7": until = 7'),
    (["train.steps=10"], '--set "train.steps=10": warmup = 10 is not allowed (fewer than steps = 10)'),
    (["model.ffn=48", "export.type=q8_0"], '--set "model.ffn=48": ffn = 48'),
    (["model.dim=48", "model.ffn=64"], None),
    (["export.path=out/tiny.checkpoint"], '--set "export.path=out/tiny.checkpoint": path = '),
    (["export.path=./out/../out/tiny.vocab.gguf"], "is where the training keeps its tokenizer"),
    (["export.path=out/tiny.h5"], "is where the training keeps its loss curve"),
    (["export.path=t.ini"], "the model would be written over this config"),
    (["adamw.warmup=100"], '--set "adamw.warmup=100": warmup = 100 is not allowed (fewer than steps = 100)'),
    (["model.heads=2", "model.dim=33"], '--set "model.heads=2": dim = 33 over heads = 2'),
    (["model.dim=33"], '--set "model.dim=33": dim = 33 over heads = 2'),
])
def test_overrides_are_named(tmp_path, sets, message):
    done = train(tmp_path / "x", "--dry-run", *(word for text in sets for word in ("--set", text)),
                 status=0 if message is None else 2)
    assert message is None or message in done.error


def test_a_refused_training_changes_nothing(whole, tmp_path):
    folder = tmp_path / "x"
    shutil.copytree(whole, folder)
    before = files(folder)
    assert "another config" in train(folder, "--set", "tokenizer.vocab=410", status=2).error
    assert files(folder) == before


def test_a_training_replaces_no_other_file(tmp_path):
    (tmp_path / "x/out").mkdir(parents=True)
    (tmp_path / "x/out/tiny.h5").write_text("mine")
    assert "tiny.h5: exists and is not a loss curve" in train(tmp_path / "x", status=2).error
    assert os.listdir(tmp_path / "x/out") == ["tiny.h5"]


@pytest.mark.parametrize("path, status, message", [
    ("missing/x.gguf", 1, "missing/: cannot write into the output folder"),
    ("folder", 2, "not a regular file"), ("notes.txt", 2, "notes.txt: exists and is not a GGUF"),
    ("way", 1, "cannot write into the output folder"), ("to_curve", 2, "is where the training keeps its loss curve"),
    ("to_checkpoint", 2, "is where the training keeps its checkpoint")])
def test_the_models_place_is_asked_for_first(tmp_path, path, status, message):
    folder = tmp_path / "x"
    (folder / "folder").mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "way").symlink_to("missing/x.gguf")
    (folder / "to_curve").symlink_to("out/tiny.h5")
    (folder / "to_checkpoint").symlink_to(folder / "out/tiny.checkpoint")
    assert message in train(folder, "--set", f"export.path={path}", status=status).error
    assert not (folder / "out").exists() or os.listdir(folder / "out") == []
    assert (folder / "notes.txt").read_text() == "mine"


def test_two_files_of_a_training_in_one_place(tmp_path):
    (tmp_path / "x/out").mkdir(parents=True)
    (tmp_path / "x/out/tiny.h5").symlink_to("tiny.checkpoint")
    assert "leads to the same file as" in train(tmp_path / "x", status=2).error
    assert os.listdir(tmp_path / "x/out") == ["tiny.h5"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_not_replaced(tmp_path):
    (tmp_path / "x/out").mkdir(parents=True)
    (tmp_path / "x/out/tiny.vocab.gguf").write_text("mine")
    (tmp_path / "x/out/tiny.vocab.gguf").chmod(0)
    assert "tiny.vocab.gguf: cannot read: Permission denied" in train(tmp_path / "x", status=1).error


def test_validations_that_cannot_be_made_are_found_first(tmp_path):
    config = CONFIG.replace("heads = 2", "heads = 2\ncontext = 260").replace(
        "max_passages = 2\nmin_passages = 1", "max_passages = 10\nmin_passages = 10")
    for _ in range(2):
        assert "[source answers]: 100 records in a row" in train(tmp_path / "x", config=config, status=2).error
        assert os.listdir(tmp_path / "x/out") == ["tiny.vocab.gguf"]


def test_records_that_cannot_be_made_keep_the_steps_before(tmp_path):
    config = CONFIG.replace("heads = 2", "heads = 2\ncontext = 260").replace("validate = 50", "validate = 0").replace(
        "max_passages = 2\nmin_passages = 1\nfrom = 50", "max_passages = 10\nmin_passages = 10\nfrom = 3")
    done = train(tmp_path / "x", config=config, status=2)
    assert "[source answers]: 100 records in a row are longer than context = 260" in done.error
    with h5py.File(tmp_path / "x/out/tiny.h5") as f:
        assert list(f["curve"]["step"]) == [0, 1, 2]
    assert "[source answers]: 100 records" in train(tmp_path / "x", config=config, status=2).error


def test_context_too_short_for_any_record(tmp_path):
    done = train(tmp_path / "x", "--set", "model.context=16", status=2)
    assert "longer than context = 16" in done.error


# ---- harness dataset --------------------------------------------------------------------------------------

SCENARIOS = ["retrieval", "editing", "cache", "multi_turn", "repeat"]


def make(*args, **options):
    return harness("dataset", "make", *args, **options)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_longer_files_begin_with_shorter_ones(scenario, tmp_path):
    long = make("--scenario", scenario, "--count", 20).text
    short = make("--scenario", scenario, "--count", 5).text
    rest = make("--scenario", scenario, "--count", 15, "--first", 5).text
    assert long == short + rest
    make("--scenario", scenario, "--count", 20, "-o", tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_text() == long
    assert make("--scenario", scenario, "--count", 20, "--seed", 2).text != long
    ids = [json.loads(line)["id"] for line in long.splitlines()]
    assert ids == [f"{scenario}/train/{i}" for i in range(20)]


def test_generated_records_are_read(tmp_path):
    make(*[a for s in SCENARIOS for a in ("--scenario", s)], "--count", 7, "--split", "test", "-o", tmp_path / "x.jsonl")
    text = harness("inspect", tmp_path / "x.jsonl").text
    assert "records  35" in text and "records with an output: 35 of 35" in text


def test_scenarios_are_listed():
    text = harness("dataset", "scenarios").text
    for name in SCENARIOS:
        assert f"\n{name}\n" in "\n" + text


@pytest.mark.parametrize("args, message", [
    (["make"], "needs --scenario"),
    ([], "dataset needs make|scenarios"),
    (["mke"], 'did you mean "make"'),
    (["make", "--scenario", "retreival"], 'did you mean "retrieval"'),
    (["make", "--scenario", "retrieval:passages=3"], "passages"),
    (["make", "--scenario", "retrieval:max_passages=17"], "max_passages"),
    (["make", "--scenario", "retrieval:max_passages=3"], "max_passages = 3 is less than min_passages = 5"),
    (["make", "--scenario", "cache", "--split", "dev"], "--split"),
    (["make", "--scenario", "cache", "--count", "0"], "--count"),
])
def test_dataset_bad_use(args, message):
    assert message in harness("dataset", *args, status=2).error


def test_no_half_file(tmp_path):
    make("--scenario", "cache", "--scenario", "nothing", "-o", tmp_path / "x.jsonl", status=2)
    assert os.listdir(tmp_path) == []


def test_samples_are_the_generators(tmp_path):
    ours = pathlib.Path(__file__).resolve().parents[2] / "datasets/samples/scenarios.jsonl"
    make(*[a for s in ("retrieval", "cache", "multi_turn", "editing") for a in ("--scenario", s)], "--split", "test",
         "--count", len(ours.read_text().splitlines()) // 4, "-o", tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_bytes() == ours.read_bytes()


# ---- harness evaluate -------------------------------------------------------------------------------------

def evaluate(model, records, *args, **options):
    folder = model.parent
    (folder / "e.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return harness("evaluate", "-m", model, folder / "e.jsonl", *args, **options)


def test_evaluate_counts(whole):
    """A model agrees with its own outputs, up to where they were changed."""
    model = whole / "out/tiny.gguf"
    prompt = "Here is a card.\ncard for x\n"
    own = subprocess.run([HARNESS, "generate", "-m", model, "-p", prompt, "-n", "12", "--policy", "none"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.decode()
    tokens = {"id": "t", "scenario": "a", "prompt": prompt, "references": [own], "output": own}
    text = evaluate(model, [tokens, {**tokens, "id": "u", "scenario": "b", "references": []}], "-n", 12).text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert list(rows) == ["scenario", "a", "b", "all"]
    assert rows["a"][0] == "1" and rows["all"][0] == "2"
    assert float(rows["b"][3][:-1]) == 0  # nothing to copy from


def test_evaluate_shows_any_number_of_any_names(whole):
    records = [{"id": f"\x1b[2J{i}", "scenario": f"s\n{i}", "prompt": "a", "references": [], "output": "b"} for i in range(70)]
    done = evaluate(whole / "out/tiny.gguf", records, "-n", 1, "--wrong", 1)
    lines = done.text.splitlines()
    assert sum(line.startswith("s?") for line in lines) == 70 and "\x1b" not in done.text
    assert "70 of 70 outputs were cut" in done.error


def test_a_stopped_writer_leaves_nothing(tmp_path):
    running = subprocess.Popen([HARNESS, "make-model", "-s", "1.1b", "-t", "q8_0", tmp_path / "x.gguf"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not os.listdir(tmp_path):
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=60) == -signal.SIGTERM
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("args, message", [(["x"], "-m MODEL"), (["-m", "x.gguf"], "evaluate needs FILE.jsonl"),
                                           (["-m", "x.gguf", "a", "b"], "unexpected")])
def test_evaluate_bad_use(args, message):
    assert message in harness("evaluate", *args, status=2).error


def test_the_curve_is_drawn(whole, tmp_path):
    script = pathlib.Path(__file__).resolve().parents[2] / "analysis/plot_training.py"
    for name in ("a.svg", "b.svg"):
        subprocess.run(["/usr/bin/python3", script, whole / "out/tiny.h5", tmp_path / name], check=True)
    svg = (tmp_path / "a.svg").read_text()
    assert svg == (tmp_path / "b.svg").read_text()
    assert "programs" in svg and "answers" in svg
