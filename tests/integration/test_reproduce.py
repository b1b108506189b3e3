"""experiments/reproduce.py over a tiny table of steps: resume, what must be fetched, failures, hashes."""
import importlib.util
import json
import pathlib
import shutil
import sys

import pytest

from program import HARNESS, harness
from sweeps import GRID, ROOT, write_jsonl

RECORDS = [{"id": str(i), "prompt": f"p{i}", "references": ["a b c d e f"], "output": "b c d e"} for i in range(3)]


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """The driver as a module, in a folder of its own with two sweeps, one of them without its data, and a table."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("reproduce", ROOT / "experiments" / "reproduce.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "reproduce", module)
    spec.loader.exec_module(module)
    configs = tmp_path / "experiments" / "configs"
    configs.mkdir(parents=True)
    records = write_jsonl(tmp_path / "records.jsonl", RECORDS)
    (configs / "a.ini").write_text(GRID.format(name="a", output="../../results", repeats=1, path=records, limit=0, n=1, k=4))
    (configs / "b.ini").write_text(GRID.format(name="b", output="../../results", repeats=1, path="far.jsonl", limit=0, n=1, k=4)
                                   + "[needs far]\npath = far.jsonl\ncommand = ../../datasets/fetch.sh far\n")
    (tmp_path / "harness").symlink_to(HARNESS)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "README.md").write_text("# no hashes\n")
    module.ROOT, module.CONFIGS = tmp_path, configs
    module.STEPS = [module.Sweep("a", "tiny", 0, "a.ini"), module.Sweep("b", "tiny, of other data", 0, "b.ini"),
                    module.Make("table", "a table", 0, "./harness tables results/a.h5 -o table.txt", ("table.txt",),
                                ("results/a.h5",))]
    return module


@pytest.fixture
def call(driver, monkeypatch, capfd):
    def _call(*args):
        monkeypatch.setattr(sys, "argv", ["reproduce.py", *map(str, args)])
        status = driver.main()
        out, error = capfd.readouterr()
        return status, out, error
    return _call


def listed(out):
    """The row of the list, as it goes into results/README.md."""
    return out.splitlines()[0].rpartition("|")[0] + "|\n"


def test_second_run_does_nothing_and_agrees(driver, call, tmp_path):
    status, out, error = call()
    assert status == 0 and (tmp_path / "table.txt").exists()
    assert out.startswith("| `a` | 3 | 9 | `") and "not in the list" in out
    assert "NOT RUN: first datasets/fetch.sh far" in error and "not run: b (first datasets/fetch.sh far)" in error
    (tmp_path / "results" / "README.md").write_text(listed(out))
    made = (tmp_path / "table.txt").stat().st_mtime_ns
    status, again, error = call()
    assert status == 0 and "agrees" in again and listed(again) == listed(out)
    assert "was done before" in error and "1 of 1 agree with the list to the bit" in error
    assert (tmp_path / "table.txt").stat().st_mtime_ns == made


def test_other_instruction_sets_agree(driver, call, tmp_path):
    first = listed(call("a")[1])
    status, out, _ = call("--isa", "portable")
    assert status == 0 and listed(out) == first and (tmp_path / "results" / "portable" / "a.h5").exists()


def test_other_results_are_told(driver, call, tmp_path):
    row = listed(call("a")[1])
    value = row.split("`")[3]
    (tmp_path / "results" / "README.md").write_text(row.replace(value, value[::-1]))
    status, out, error = call("a")
    assert status == 1 and "DIFFERS: expected " + value[::-1] in out and "0 of 1 agree" in error and "1 DIFFER" in error


def test_fetched_data_are_used(driver, call, tmp_path):
    call()
    (driver.CONFIGS / "far.jsonl").write_bytes((tmp_path / "records.jsonl").read_bytes())
    status, out, error = call()
    assert status == 0 and "| `b` | 3 | 9 |" in out and "NOT RUN" not in error


def test_failures_are_named_and_the_rest_goes_on(driver, call, tmp_path):
    driver.STEPS.insert(0, driver.Make("wrong", "fails", 0, "false", ("x",)))
    driver.STEPS.insert(0, driver.Make("idle", "makes nothing", 0, "true", ("x",)))
    status, out, error = call()
    assert status == 1 and "FAILED: wrong" in error and "FAILED: idle" in error and "x was not made by: true" in error
    assert "| `a` |" in out and (tmp_path / "table.txt").exists()


def test_changed_inputs_are_made_again(driver, call, tmp_path):
    call()
    made = (tmp_path / "table.txt").stat().st_mtime_ns
    (driver.CONFIGS / "a.ini").write_text((driver.CONFIGS / "a.ini").read_text().replace("k = 4", "k = 3"))
    assert "was done before" not in call("a", "table")[2]
    assert (tmp_path / "table.txt").stat().st_mtime_ns != made


def test_kept_outputs_are_audited(driver, call, tmp_path):
    """The model is made, the prompts come from the fetched set; what is there is not audited again."""
    shutil.copy(ROOT / "experiments" / "audit_outputs.py", tmp_path / "experiments")
    driver.FETCH = {"model.gguf": "a-model", "records.jsonl": "some-records"}
    driver.STEPS = [driver.audit("kept", "f16.gguf", "model.gguf", "records.jsonl")]
    status, _, error = call()
    assert status == 0 and "NOT RUN: first datasets/fetch.sh a-model" in error
    shutil.copy(ROOT / driver.COPIER, tmp_path / "model.gguf")
    shutil.copy(ROOT / "datasets" / "samples" / "scenarios.jsonl", tmp_path / "records.jsonl")
    rendered = harness("render", "-m", tmp_path / "model.gguf", "--limit", 3, tmp_path / "records.jsonl").text.splitlines()
    (tmp_path / "kept").mkdir()
    for name in ("plain", "a"):
        write_jsonl(tmp_path / "kept" / f"{name}.jsonl", [{key: r[key] for key in ("id", "output_ids")} for r in map(json.loads, rendered)])
    (tmp_path / "kept" / "drafters.csv").write_text("drafter,drafted,accepted\na,9,3\n")
    assert call()[0] == 0 and (tmp_path / "f16.gguf").exists() and (tmp_path / "results" / "kept_records.csv").exists()
    head, row = (line.split(",") for line in (tmp_path / "results" / "kept.csv").read_text().splitlines())
    assert dict(zip(head, row))["same"] == "3"
    assert "was done before" in call()[2]
    (tmp_path / "kept" / "drafters.csv").write_text("drafter,drafted,accepted\na,9,4\n")
    assert "was done before" not in call()[2] and "a,9,4," in (tmp_path / "results" / "kept.csv").read_text()


def test_unknown_steps_are_refused(driver, call, capfd):
    with pytest.raises(SystemExit) as exit_:
        call("nothing")
    assert exit_.value.code == 2 and 'unknown step "nothing"' in capfd.readouterr().err


def test_the_table_names_what_is_there():
    spec = importlib.util.spec_from_file_location("reproduce_table", ROOT / "experiments" / "reproduce.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["reproduce_table"] = module
    spec.loader.exec_module(module)
    manifest = (ROOT / "datasets" / "manifest.tsv").read_text()
    assert all(f"\n{name}\t" in "\n" + manifest for name in module.FETCH.values())
    for step in module.STEPS:
        if isinstance(step, module.Sweep):
            assert pathlib.Path(ROOT / "experiments" / "configs" / step.config).exists()
