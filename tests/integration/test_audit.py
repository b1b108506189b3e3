"""harness audit: outputs that are the same, that part in each of its ways, and files that do not fit.

The engine is our own: the embedded model's greedy outputs are exact, so that every fault is one that a test has planted."""
import csv
import io
import json
import re

import pytest

import gguf_files
from program import harness
from sweeps import ROOT

MODEL = ROOT / "datasets/models/copier.gguf"
N = 6


def rows(done):
    return list(csv.DictReader(io.StringIO(done.text)))


def ids_of(text, model=MODEL):
    return [int(word) for word in harness("tokenize", "-m", model, "-", stdin=None, input=text.encode()).text.split()]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Records with text and with ids: {"id", "prompt", "prompt_ids", "output", "output_ids"}."""
    records = []
    source = ROOT / "datasets/samples/scenarios.jsonl"
    for line in harness("render", "-m", MODEL, "--limit", N, source).text.split("\n")[:-1]:
        r = json.loads(line)
        prompt = tmp_path_factory.mktemp("prompt") / "prompt"
        prompt.write_text(r["text"])
        # The tokenizer puts a blank before a text's first word, as the model does before an answer's.
        text = harness("generate", "-m", MODEL, "-f", prompt, "-n", 24).text.removesuffix("\n")
        records.append({"id": r["id"], "prompt": r["text"], "prompt_ids": r["prompt_ids"], "output": text, "output_ids": ids_of(text.removeprefix(" "))})
    return records


def write(path, records, *keys):
    """One of the spellings of prompts and outputs."""
    path.write_text("".join(json.dumps({k: r[k] for k in keys if k in r}) + "\n" for r in records))
    return path


def as_ids(path, records):
    return write(path, records, "id", "prompt_ids", "output_ids")


def changed(records, **new):
    """Copies, of which each has what new[key](record, index) gives."""
    return [{**r, **{key: make(r, i) for key, make in new.items()}} for i, r in enumerate(records)]


def audit(folder, plain, other, *args, model=MODEL, write_as=as_ids, status=0):
    return harness("audit", write_as(folder / "plain.jsonl", plain), write_as(folder / "other.jsonl", other),
                   *(["-m", model] if model else []), "-f", "csv", "-a", *args, status=status)


def kinds(done):
    return [row["kind"] for row in rows(done)]


def replaced(record, at, token):
    return record["output_ids"][:at] + [token] + record["output_ids"][at + 1:]


def far_token(record):
    """One that the embedded model writes nowhere."""
    return next(i for i in range(300, 400) if i not in record["output_ids"])


def test_equal_outputs_are_the_same_and_exact(tmp_path, plain):
    done = audit(tmp_path, plain, plain)
    assert kinds(done) == ["same"] * N
    assert all(row["plain_departures"] == "0" and int(row["plain_tokens"]) > 3 for row in rows(done))
    text = harness("audit", tmp_path / "plain.jsonl", tmp_path / "other.jsonl", "-m", MODEL).text
    assert text.startswith(f"{N} records: same {N}\n")
    assert "plain: 0 of " in text


def test_a_planted_token_is_a_bug_of_the_side_that_has_it(tmp_path, plain):
    broken = changed(plain, output_ids=lambda r, i: replaced(r, 2, far_token(r)))
    for sides, whose in (((plain, broken), "speculative"), ((broken, plain), "plain")):
        done = audit(tmp_path, *sides, "--tolerance", 3, status=1)
        assert kinds(done) == ["bug"] * N
        assert {row["whose"] for row in rows(done)} == {whose}
        assert {row["at"] for row in rows(done)} == {"2"}
        assert f"harness: {N} of {N} outputs differ in a way that rounding does not explain" in done.error
        for row, record in zip(rows(done), plain):
            gap = float(row["gap"])
            assert gap == pytest.approx(float(row["plain_logit"]) - float(row["speculative_logit"])) or whose == "plain"
            assert gap >= float(row["margin"]) > 0
            assert row["speculative_rank" if whose == "plain" else "plain_rank"] == "1"
            assert int(row[f"{whose}_rank"]) > 1


def test_the_tolerance_decides(tmp_path, plain):
    broken = changed(plain, output_ids=lambda r, i: replaced(r, 2, far_token(r)))
    assert kinds(audit(tmp_path, plain, broken, "--tolerance", 1000)) == ["rounding"] * N
    assert kinds(audit(tmp_path, plain, broken, "--tolerance", 0.001, status=1)) == ["bug"] * N


def test_rows_for_programs_have_the_tolerance(tmp_path, plain):
    assert {row["tolerance"] for row in rows(audit(tmp_path, plain, plain, "--tolerance", 2.5))} == {"2.5"}
    derived, = {row["tolerance"] for row in rows(audit(tmp_path, plain, plain))}
    text = harness("audit", tmp_path / "plain.jsonl", tmp_path / "other.jsonl", "-m", MODEL).text
    assert f"tolerance {float(derived):.3g}: " in text and "\ntolerance" not in text.partition("\n\n")[2]
    assert {row["tolerance"] for row in rows(audit(tmp_path, plain, plain, model=None))} == {""}


def test_the_tolerance_is_derived_from_plains_tokens(tmp_path, plain):
    """Plain is exact: the more of its tokens there are, the nearer the tolerance comes to nothing."""
    many = [{**r, "id": f"{r['id']}-{k}"} for k in range(8) for r in plain]
    broken = changed(many, output_ids=lambda r, i: replaced(r, 2, far_token(r)))
    seen = []
    for n in (N, 8 * N):
        as_ids(tmp_path / "plain.jsonl", many[:n])
        done = harness("audit", tmp_path / "plain.jsonl", as_ids(tmp_path / "other.jsonl", broken[:n]), "-m", MODEL, status=None)
        seen.append(float(re.search(r"tolerance ([0-9.]+):", done.text)[1]))
    assert 0 < seen[1] < seen[0]
    assert " bug " in done.text


def test_neither_token_is_the_models(tmp_path, plain):
    first = changed(plain, output_ids=lambda r, i: replaced(r, 2, far_token(r)))
    second = changed(plain, output_ids=lambda r, i: replaced(r, 2, far_token(r) + 50))
    assert kinds(audit(tmp_path, first, second, "--tolerance", 3, status=1)) == ["unrelated"] * N


def test_another_prompt_is_doubted(tmp_path, plain):
    moved = changed(plain, prompt_ids=lambda r, i: plain[(i + 1) % N]["prompt_ids"][::-1])
    as_ids(tmp_path / "plain.jsonl", moved)
    done = harness("audit", tmp_path / "plain.jsonl", tmp_path / "plain.jsonl", "-m", MODEL)
    assert "doubt: " in done.text


def test_lengths(tmp_path, plain):
    longest = max(len(r["output_ids"]) for r in plain)
    cut = changed(plain, output_ids=lambda r, i: r["output_ids"][:3])
    done = rows(audit(tmp_path, plain, cut))  # all are at the limit, 3
    assert [row["kind"] for row in done] == ["length"] * N
    assert {row["speculative"] for row in done} == {"(end)"}
    early = changed(plain, output_ids=lambda r, i: r["output_ids"][:-3] if len(r["output_ids"]) < longest or i == 0 else r["output_ids"])
    got = rows(audit(tmp_path, plain, early, "--tolerance", 0.5, status=1))
    assert {row["kind"] for row in got} <= {"early", "same", "length"}
    assert any(row["kind"] == "early" and row["whose"] == "speculative" for row in got)
    eos = json.loads(harness("render", "-m", MODEL, "--limit", 1, ROOT / "datasets/samples/scenarios.jsonl").text)["output_ids"][-1]
    ended = changed(plain, output_ids=lambda r, i: r["output_ids"][:5] + ([eos] if i > 0 else r["output_ids"][5:]))
    bare = changed(plain, output_ids=lambda r, i: r["output_ids"][:5] if i > 0 else r["output_ids"])
    assert kinds(audit(tmp_path, ended, bare)) == ["same"] + ["length"] * (N - 1)


def test_an_output_that_ends_too_soon_is_no_limit(tmp_path, plain):
    """Nothing is explained by a limit where none is known: of texts without a model, or of outputs that are empty."""
    def as_text(path, records):
        return write(path, records, "id", "prompt", "output")

    cut = changed(plain, output=lambda r, i: r["output"][:4])
    done = audit(tmp_path, plain, cut, write_as=as_text, model=None, status=1)
    assert kinds(done) == ["parted"] * N and "without a model (-m) nothing says why" in done.error
    empty = changed(plain, output_ids=lambda r, i: [])
    assert set(kinds(audit(tmp_path, plain, empty, model=None, status=1))) == {"parted"}
    assert set(kinds(audit(tmp_path, plain, empty, "--tolerance", 0.5, status=1))) <= {"early", "unrelated"}


def test_other_limits_are_doubted(tmp_path, plain):
    cut = changed(plain, output_ids=lambda r, i: r["output_ids"][:3])
    audit(tmp_path, plain, cut)
    said = " ".join(harness("audit", tmp_path / "plain.jsonl", tmp_path / "other.jsonl").text.split())
    longest = max(len(r["output_ids"]) for r in plain)
    assert f"doubt: plain's longest output has {longest} tokens, speculation's 3: other limits, or all were cut" in said


def test_a_tie(tmp_path):
    """Two tokens with the same weights always have the same logit."""
    model = gguf_files.make_model(seed=3, tied=True)
    a, b = gguf_files.byte_id(65), gguf_files.byte_id(66)
    table = next(t for t in model.tensors if t[0] == "token_embd.weight")
    row = 64 * 4
    data = bytearray(table[3])
    data[b * row:(b + 1) * row] = data[a * row:(a + 1) * row]
    model.tensors[model.tensors.index(table)] = (*table[:3], bytes(data))
    path = model.save(tmp_path / "twins.gguf")
    records = [{"id": "x", "prompt_ids": [1, 5], "output_ids": [7, a, 9]}]
    done = audit(tmp_path, records, changed(records, output_ids=lambda r, i: [7, b, 9]), "--tolerance", 1000, model=path)
    assert kinds(done) == ["tie"]
    assert rows(done)[0]["gap"] == "0"


def test_what_comes_after_the_first_difference_counts(tmp_path, plain):
    """The first difference passes for rounding, but what follows does not."""
    later = changed(plain, output_ids=lambda r, i: r["output_ids"][:2] + [far_token(r)] * 12)
    done = audit(tmp_path, plain, later, "--tolerance", 3, status=1)
    assert all(int(row["speculative_beyond"]) > 0 for row in rows(done))
    assert {row["plain_beyond"] for row in rows(done)} == {"0"}


def test_texts_with_and_without_a_model(tmp_path, plain):
    def as_text(path, records):
        return write(path, records, "id", "prompt", "output")

    def half(r, i):
        return r["output"][:len(r["output"]) // 2] + " ~~ é" if i == 0 else r["output"]

    other = changed(plain, output=half)
    done = rows(audit(tmp_path, plain, other, write_as=as_text, status=1))
    assert [row["kind"] for row in done] == ["bug"] + ["same"] * (N - 1)
    text = plain[0]["output"]
    assert int(done[0]["byte"]) == len(text[:len(text) // 2].encode())
    assert done[1]["plain_departures"] == "0"
    done = audit(tmp_path, plain, other, write_as=as_text, model=None, status=1)
    assert kinds(done) == ["parted"] + ["same"] * (N - 1)
    assert rows(done)[0]["at"] == str(len(text) // 2)
    assert f"1 of {N} outputs differ, and without a model (-m) nothing says why" in done.error
    assert "character" in harness("audit", tmp_path / "plain.jsonl", tmp_path / "other.jsonl", status=1).text


def test_bytes_of_a_text_are_counted_up_to_a_character(tmp_path):
    def alone(path, records):
        return write(path, records, "output")

    done = rows(audit(tmp_path, [{"output": "né à"}], [{"output": "né á"}], model=None, write_as=alone, status=1))
    assert (done[0]["at"], done[0]["byte"], done[0]["record"]) == ("3", "4", "1")


def test_ids_without_a_model(tmp_path, plain):
    other = changed(plain, output_ids=lambda r, i: replaced(r, 1, 7))
    done = rows(audit(tmp_path, plain, other, model=None, status=1))
    assert {(row["kind"], row["at"], row["byte"], row["speculative"]) for row in done} == {("parted", "1", "", "7")}


def test_conversations_are_rendered(tmp_path):
    """As for other commands; without a template a transcript."""
    records = [{"id": "x", "prompt": "Say it.", "output": " yes"}]
    for option in ([], ["--as-turn", "--chat=chatml"]):
        done = harness("audit", write(tmp_path / "p.jsonl", records, "id", "prompt", "output"),
                       write(tmp_path / "o.jsonl", records, "id", "output"), "-m", MODEL, *option, status=None)
        assert done.returncode == (2 if option else 0), done.error
    assert "--chat chatml" in done.error  # whose control tokens this model lacks


@pytest.mark.parametrize("form", ["text", "md", "latex"])
def test_formats(tmp_path, plain, form):
    broken = changed(plain, output_ids=lambda r, i: replaced(r, 2, far_token(r)))
    done = harness("audit", as_ids(tmp_path / "p.jsonl", plain), as_ids(tmp_path / "o.jsonl", broken), "-m", MODEL, "-f", form, status=1)
    assert "bug" in done.text and "speculative" in done.text


def test_limit_and_threads(tmp_path, plain):
    assert len(rows(audit(tmp_path, plain, plain[::-1], "--limit", 2, "-t", 2))) == 2


GOOD = '{"id": "x", "prompt_ids": [1, 2], "output_ids": [3, 4]}\n'


@pytest.mark.parametrize("plain_text, other_text, words", [
    ("", GOOD, ["plain.jsonl: the file is empty"]),
    (GOOD, "", ["other.jsonl: the file is empty"]),
    (GOOD, GOOD[:30], ["other.jsonl:1: "]),
    (GOOD, "GGUF" + "\0" * 40, ["other.jsonl: ", "GGUF"]),
    (GOOD, GOOD * 2, ['other.jsonl:2: id "x" was already given on line 1']),
    (GOOD, GOOD.replace('"x"', '"y"'), ['plain.jsonl:1: no record of ', 'has the id "x"']),
    (GOOD, GOOD.replace("[1, 2]", "[1, 3]"), ["other.jsonl:1: the prompt is not that of ", "plain.jsonl:1"]),
    (GOOD, '{"id": "x", "output": "a"}\n', ["other.jsonl:1: the output is a text, in ", "plain.jsonl:1 it is ids"]),
    (GOOD, '{"id": "x", "prompt_ids": [1, 2]}\n', ["other.jsonl:1: no output"]),
    (GOOD, '{"output_ids": [3, 4]}\n', ["other.jsonl: the records have no ids"]),
    (GOOD, GOOD.replace("[3, 4]", "[3, 99999999]"), ["other.jsonl:1: output_ids[1] is 99999999"]),
    ('{"output_ids": [3]}\n', '{"output_ids": [3]}\n', ["plain.jsonl:1: no prompt in either file"]),
    (GOOD.replace("[3, 4]", str([3] * 3000)), GOOD, ["plain.jsonl:1: 3002 tokens of prompt and output (at most "]),
])
def test_what_does_not_fit_is_refused(tmp_path, plain_text, other_text, words):
    paths = tmp_path / "plain.jsonl", tmp_path / "other.jsonl"
    for path, text in zip(paths, (plain_text, other_text)):
        path.write_text(text)
    done = harness("audit", *paths, "-m", MODEL, status=2)
    assert done.text == ""
    for word in words:
        assert word in done.error, done.error


def test_what_does_not_fit_can_be_left_out(tmp_path):
    (tmp_path / "plain.jsonl").write_text(GOOD + GOOD.replace('"x"', '"y"') + GOOD.replace('"x"', '"z"').replace("[3, 4]", str([3] * 3000)))
    (tmp_path / "other.jsonl").write_text(GOOD + "{\n" + GOOD.replace('"x"', '"z"'))
    done = harness("audit", tmp_path / "plain.jsonl", tmp_path / "other.jsonl", "-m", MODEL, "--skip-bad", "-a", "-f", "csv", status=None)
    assert [row["record"] for row in rows(done)] == ["x"]
    for word in ("other.jsonl:2: ", 'has the id "y"', "3002 tokens of prompt and output"):
        assert word in done.error


def test_files_that_are_not_there(tmp_path, plain):
    path = as_ids(tmp_path / "p.jsonl", plain)
    assert "no.jsonl: cannot open" in harness("audit", path, tmp_path / "no.jsonl", status=2).error
    assert "no.gguf: cannot open" in harness("audit", path, path, "-m", tmp_path / "no.gguf", status=2).error
    assert "p.jsonl: " in harness("audit", path, path, "-m", path, status=2).error
    assert "--tolerance \"-1\" is not allowed (auto, or a number" in harness("audit", path, path, "--tolerance", "-1", status=2).error
    assert '--records: unknown dataset format "nativ"' in harness("audit", path, path, "--records", "nativ", status=2).error


def test_output_that_cannot_be_written(tmp_path, plain):
    path = as_ids(tmp_path / "p.jsonl", plain)
    with open("/dev/full", "wb") as full:
        assert "cannot write" in harness("audit", path, path, status=1, stdout=full).error


def test_no_table_where_nothing_differs(tmp_path, plain):
    path = as_ids(tmp_path / "plain.jsonl", plain)
    text = harness("audit", path, path, "-m", MODEL).text
    assert f"{N} records: same {N}" in text and "no output differs, so no record is listed (--all lists" in text
    assert "---" not in text and "kind" not in text
    assert "---" in harness("audit", path, path, "-m", MODEL, "--all").text


def test_few_tokens_do_not_call_a_bug_rounding(tmp_path, plain):
    """All of plain's tokens are the exact ones, and few: how far rounding goes is not known yet, and nothing passes for it."""
    second = changed(plain, output_ids=lambda r, i: replaced(r, 2, far_token(r)) if i == 0 else r["output_ids"])
    done = audit(tmp_path, plain, second, status=1)
    assert set(kinds(done)) <= {"same", "parted", "bug"} and kinds(done).count("same") == N - 1
    text = " ".join(harness("audit", tmp_path / "plain.jsonl", tmp_path / "other.jsonl", "-m", MODEL, status=1).text.split())
    share = float(re.search(r"within it at ([\d.]+)% of the positions", text)[1])
    assert ("TOO FEW tokens to tell rounding from a bug" in text) == (share > 50)
