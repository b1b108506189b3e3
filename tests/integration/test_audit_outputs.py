"""experiments/audit_outputs.py: outputs that are kept without prompts, and those that the repository keeps."""
import csv
import importlib.util
import json
import sys

import pytest

from program import HARNESS, harness
from sweeps import ROOT, write_jsonl

MODEL = ROOT / "datasets/models/copier.gguf"
RECORDS = ROOT / "datasets/samples/scenarios.jsonl"
KEPT = ROOT / "datasets/samples/audit"
N = 4


@pytest.fixture
def program(monkeypatch):
    """The script as a module; calling it gives the exit status."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("audit_outputs", ROOT / "experiments" / "audit_outputs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.HARNESS = HARNESS

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["audit_outputs.py", *map(str, args)])
        return module.main()
    return call


@pytest.fixture(scope="module")
def outputs():
    """What the embedded model writes after some prompts, as it is kept: {"id", "output_ids"}."""
    lines = harness("render", "-m", MODEL, "--limit", N, RECORDS).text.splitlines()
    return [{"id": r["id"], "output_ids": r["output_ids"][:24]} for r in map(json.loads, lines)]


def far_token(record):
    """One that the embedded model writes nowhere."""
    return next(i for i in range(300, 400) if i not in record["output_ids"])


def kept(folder, plain, *, drafters="drafter,drafted,accepted\nsound,70,60\n", **others):
    folder.mkdir()
    for name, records in {"plain": plain, **others}.items():
        write_jsonl(folder / f"{name}.jsonl", records)
    (folder / "drafters.csv").write_text(drafters)
    return folder


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_drafter(program, tmp_path, outputs):
    """One drafter writes what plain decoding does, in another order; the other spoils two outputs."""
    broken = [{**r, "output_ids": r["output_ids"][:3] + [far_token(r)] + r["output_ids"][4:]} for r in outputs[:2]] + outputs[2:]
    folder = kept(tmp_path / "kept", outputs, sound=outputs[::-1], broken=broken,
                  drafters="drafter,type,drafted,accepted\nsound,a,70,60\nbroken,b,90,10\n")
    result = tmp_path / "results" / "audit.csv"
    assert program(MODEL, RECORDS, folder, result) == 0
    sound, faulty = rows(result)
    assert [sound[key] for key in ("drafter", "drafted", "accepted", "records", "explained", "same")] == ["sound", "70", "60", "4", "1", "4"]
    assert sound["gap_least"] == sound["gap_most"] == "" and sound["speculative_beyond"] == "0"
    assert sound["plain_tokens"] == str(sum(len(r["output_ids"]) for r in outputs))
    assert faulty["drafter"] == "broken" and faulty["explained"] == "0" and faulty["same"] == "2"
    assert faulty["plain_tokens"] == sound["plain_tokens"] and 0 < float(sound["tolerance"]) < float(faulty["gap_least"])
    assert 0 < float(faulty["gap_least"]) <= float(faulty["gap_most"])
    records = rows(tmp_path / "results" / "audit_records.csv")
    assert [(r["drafter"], r["record"]) for r in records[:N]] == [("sound", r["id"]) for r in outputs]
    assert len(records) == 2 * N and {r["kind"] for r in records[N:]} > {"same"}
    parts = [float(r["gap"]) for r in records if r["kind"] != "same"]
    assert [min(parts), max(parts)] == [float(faulty[key]) for key in ("gap_least", "gap_most")]
    assert not list(result.parent.glob("*.new"))


@pytest.mark.parametrize("change, words", [
    ({"plain": [{"id": "nobody", "output_ids": [5]}]}, ["plain.jsonl:1: ", 'scenarios.jsonl has no record with the id "nobody"']),
    ({"plain": [{"id": "x"}]}, ["plain.jsonl:1: not a kept output (allowed: "]),
    ({"plain": [[5]]}, ["plain.jsonl:1: not a kept output"]),
    ({"drafters": "drafter,drafted\nsound,1\n"}, ["drafters.csv:2: a column is missing (needed: drafter, drafted, accepted)"]),
    ({"drafters": "drafter,drafted,accepted\n"}, ["drafters.csv: names no drafter"]),
    ({"drafters": "drafter,drafted,accepted\nfar,1,1\n"}, ["far.jsonl: cannot open", "exit status 2 of harness audit"]),
])
def test_what_does_not_fit_is_refused(program, tmp_path, capfd, outputs, change, words):
    folder = kept(tmp_path / "kept", **{"plain": outputs, "sound": outputs, **change})
    assert program(MODEL, RECORDS, folder, tmp_path / "audit.csv") == 2
    error = capfd.readouterr().err
    assert all(word in error for word in words), error
    assert not (tmp_path / "audit.csv").exists()


def test_a_folder_without_outputs_is_refused(program, tmp_path, capfd):
    assert program(MODEL, RECORDS, tmp_path, tmp_path / "audit.csv") == 2
    assert "drafters.csv" in capfd.readouterr().err
    assert program(MODEL, tmp_path / "no.jsonl", kept(tmp_path / "kept", []), tmp_path / "audit.csv") == 2
    assert "exit status 2 of harness render" in capfd.readouterr().err


def test_what_the_repository_keeps():
    """Ids only, of the same records in every file, and each drafter drafted."""
    drafters = rows(KEPT / "drafters.csv")
    plain = [json.loads(line) for line in (KEPT / "plain.jsonl").read_text().splitlines()]
    assert drafters and all(int(row["drafted"]) >= int(row["accepted"]) > 0 for row in drafters)
    assert {path.stem for path in KEPT.glob("*.jsonl")} == {"plain", *(row["drafter"] for row in drafters)}
    for row in drafters:
        records = [json.loads(line) for line in (KEPT / f"{row['drafter']}.jsonl").read_text().splitlines()]
        assert [r["id"] for r in records] == [r["id"] for r in plain]
        assert all(set(r) == {"id", "output_ids"} and 0 < len(r["output_ids"]) <= 96 for r in records + plain)
        differ = sum(a != b for a, b in zip(plain, records))
        done = harness("audit", KEPT / "plain.jsonl", KEPT / f"{row['drafter']}.jsonl", "-f", "csv", status=1 if differ else 0)
        assert len(done.text.splitlines()) == 1 + differ
    assert len({r["id"] for r in plain}) == len(plain)
    assert sum(path.stat().st_size for path in KEPT.iterdir()) < 1 << 20
