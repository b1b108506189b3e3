"""harness sweep without files that its config says how to get."""
import os
import re
import shutil
import subprocess

import pytest

from program import HARNESS, harness
from sweeps import ROOT

CONFIGS = ["adaptive.ini", "divergence.ini", "grid.ini", "instruct.ini", "llma_rag.ini", "llma_rag_real.ini",
           "lossless.ini", "lossless_files.ini", "policies.ini", "policies_timed.ini", "quick.ini", "real.ini", "replay.ini",
           "rules.ini"]
SHORTER = ["--set", "policy llma.n=1", "--set", "policy llma.k=5", "--set", "sweep.repeats=1", "--set", "sweep.paired=no"]
RECORDS = 1  # sanitizers are slow


@pytest.fixture
def fresh(tmp_path):
    """The files that a checkout has for its sweeps, after `make`."""
    root = tmp_path / "fresh"
    shutil.copytree(ROOT / "experiments" / "configs", root / "experiments" / "configs")
    shutil.copytree(ROOT / "datasets", root / "datasets", ignore=shutil.ignore_patterns("data"))
    for records in (root / "datasets" / "samples").glob("*.jsonl"):
        records.write_text("".join(records.read_text().splitlines(keepends=True)[:RECORDS]))
    (root / "build").mkdir()
    (root / "harness").symlink_to(HARNESS)
    return root


def sweep(folder, program, *args, status=0):
    """Runs `program sweep` in a folder as a user types it, and returns stdout and stderr."""
    done = subprocess.run([program, "sweep", *args], cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def commands(error):
    """The commands that a message shows."""
    lines = error.splitlines()
    return [lines[i + 1].strip() for i, line in enumerate(lines) if line.endswith(" is missing; to get it, run:")]


def test_all_our_configs_in_a_fresh_copy(fresh):
    """Configs with all files run; for the others it shows commands that work in the user's folder."""
    assert sorted(p.name for p in (fresh / "experiments/configs").glob("*.ini")) == CONFIGS
    out, error = sweep(fresh / "experiments", "../harness", "-q", *[f"configs/{name}" for name in CONFIGS], *SHORTER,
                       status=1)
    assert sorted(p.name for p in (fresh / "results").iterdir()) == ["grid", "grid.h5", "lossless", "lossless.h5", "quick",
                                                                        "quick.h5", "replay", "replay.h5", "rules", "rules.h5"]
    assert "quick: config = quick.ini" in out and "replay: config = replay.ini" in out
    assert error.startswith("configs/adaptive.ini: skipped: 3 files that it needs are missing (see below)\n")
    assert "\n14 configs:\n  skipped  configs/adaptive.ini\n" in error
    assert ("  skipped  configs/divergence.ini\n"
            "           ../build/copier-f32.gguf is missing; to get it, run:\n"
            "               ../harness quantize -t f32 ../datasets/models/copier.gguf ../build/copier-f32.gguf\n") in error
    assert "  ran      configs/grid.ini\n" in error
    assert ("  skipped  configs/llma_rag.ini\n"
            "           ../datasets/data/ggml-vocab-llama-spm.gguf is missing; to get it, run:\n"
            "               ../datasets/fetch.sh llama-vocab\n"
            "           ../datasets/data/rag.jsonl is missing; to get it, run:\n"
            "               ../datasets/fetch.sh llma-rag\n") in error
    assert error.endswith("  ran      configs/quick.ini\n"
                          "  skipped  configs/real.ini\n"
                          "           ../datasets/data/SmolLM2-135M-Instruct.Q4_1.gguf is missing; to get it, run:\n"
                          "               ../datasets/fetch.sh smollm2\n"
                          "           ../datasets/data/rag.jsonl is missing; to get it, run:\n"
                          "               ../datasets/fetch.sh llma-rag\n"
                          "  ran      configs/replay.ini\n"
                          "  ran      configs/rules.ini\n"
                          "harness: 9 of 14 configs were skipped: files that they need are missing (see above)\n")
    # All of these files are missing, and the fetched ones are in the manifest.
    manifest = [line.split("\t")[0] for line in (fresh / "datasets/manifest.tsv").read_text().splitlines()]
    for name in re.findall(r"fetch\.sh (\S+)", error):
        assert name in manifest


@pytest.mark.parametrize("folder, to_root", [("", "./"), ("datasets", "../"), ("experiments/configs", "../../")])
def test_the_commands_work_where_the_user_is(fresh, folder, to_root):
    ini = os.path.relpath(fresh / "experiments/configs/divergence.ini", fresh / folder)
    _, error = sweep(fresh / folder, to_root + "harness", "-n", ini, status=1)
    assert error.endswith(f"harness: {ini}: skipped: files that it needs are missing (see above)\n")
    shown = commands(error)
    assert len(shown) == 2
    for command in shown:
        assert command.startswith(to_root + "harness ")
        subprocess.run(command, shell=True, check=True, cwd=fresh / folder, timeout=300)
    out, error = sweep(fresh / folder, to_root + "harness", "-n", ini)
    assert "sweep divergence: " in out and "skipped" not in error
    assert not (fresh / "results").exists()


def test_a_dry_run_says_the_same(fresh):
    out, error = sweep(fresh, "./harness", "-n", "experiments/configs/llma_rag.ini", "experiments/configs/replay.ini",
                       status=1)
    assert out.startswith("sweep replay: ")
    assert "  ready    experiments/configs/replay.ini\n" in error
    assert commands(error) == ["datasets/fetch.sh llama-vocab", "datasets/fetch.sh llma-rag"]
    assert error.endswith("harness: 1 of 2 configs were skipped: files that they need are missing (see above)\n")


# ---- a config of our own ----

INI = """[sweep]
name = a
output = results
[needs records]
path = data/d.jsonl
command = {command}
[model m]
target = replay
tokenizer = bytes
[dataset d]
path = data/d.jsonl
forced = yes
[policy none]
[accept greedy]
"""
RECORD = '{"id": "1", "prompt": "p", "output": "out"}\n'


@pytest.fixture
def config(tmp_path):
    def make(command="cp ../source.jsonl data/d.jsonl", text=INI, folder="sub"):
        (tmp_path / folder / "data").mkdir(parents=True, exist_ok=True)
        path = tmp_path / folder / "c.ini"
        path.write_text(text.format(command=command))
        return path
    return make


def error_of(*args, status, cwd):
    return harness("sweep", "-q", *args, status=status, cwd=cwd).error


def test_words_that_are_paths_are_rewritten_and_others_are_not(config, tmp_path):
    config("cp -v ../source.jsonl  ./data/d.jsonl && echo a/b ..")
    shown, = commands(error_of("sub/c.ini", status=1, cwd=tmp_path))
    assert shown == "cp -v ./source.jsonl  sub/data/d.jsonl && echo a/b .."
    (tmp_path / "source.jsonl").write_text(RECORD)
    subprocess.run(shown, shell=True, check=True, cwd=tmp_path)
    error_of("sub/c.ini", status=0, cwd=tmp_path)
    # Once the file exists there is no message, even with several configs.
    assert "skipped" not in error_of("sub/c.ini", status=0, cwd=tmp_path)


def test_a_folder_with_blanks_and_quotes_is_quoted(config, tmp_path):
    config("cp ../source.jsonl ./data/d.jsonl", folder="a b's")
    shown, = commands(error_of("a b's/c.ini", status=1, cwd=tmp_path))
    (tmp_path / "source.jsonl").write_text(RECORD)
    subprocess.run(shown, shell=True, check=True, cwd=tmp_path)
    error_of("a b's/c.ini", status=0, cwd=tmp_path)


def test_a_file_that_lies_elsewhere_is_not_missing(config, tmp_path):
    config()
    (tmp_path / "mine.jsonl").write_text(RECORD)
    error_of("sub/c.ini", "--set", "dataset d.path=../mine.jsonl", status=0, cwd=tmp_path)


def test_a_missing_file_that_is_not_declared_is_an_error_and_nothing_runs(config, tmp_path):
    config()
    undeclared = INI[:INI.index("[needs")] + INI[INI.index("[model"):]
    (tmp_path / "other.ini").write_text(undeclared.replace("name = a", "name = b"))
    error = error_of("sub/c.ini", "other.ini", status=2, cwd=tmp_path)
    assert "harness: other.ini:8: data/d.jsonl: cannot open" in error and not (tmp_path / "results").exists()
    # Nor does the declared one hide it.
    config(text=INI.replace("tokenizer = bytes", "tokenizer = none.gguf"))
    error = error_of("sub/c.ini", status=2, cwd=tmp_path)
    assert error == "harness: sub/c.ini:9: sub/none.gguf: cannot open: No such file or directory\n"


@pytest.mark.parametrize("change, message", [
    ([("path = data/d.jsonl\ncommand", "path = data/e.jsonl\ncommand")],
     "c.ini:5: [needs records] path = data/e.jsonl is not a file that this config reads"),
    ([("command = {command}\n", "")], 'c.ini:4: [needs records] has no "command"'),
    ([("{command}", "cp --from=../x.jsonl ./d.jsonl")], 'c.ini:6: command = cp --from=../x.jsonl ./d.jsonl: the path in '
     '"--from=../x.jsonl" does not begin the word'),
    ([("[needs records]", "[needs]")], "c.ini:4: section [needs] is not allowed ([needs LABEL])"),
])
def test_what_is_wrong_with_a_need(tmp_path, change, message):
    text = INI
    for old, new in change:
        text = text.replace(old, new)
    (tmp_path / "c.ini").write_text(text)
    assert message in error_of("c.ini", status=2, cwd=tmp_path)
