"""harness datastore, and the policy rest over what it builds."""
import h5py
import pytest

import gguf_files
from program import harness
from sweeps import ROOT, write_jsonl

RECORDS = [{"id": "a", "prompt": "one two", "references": ["red green", "blue"], "output": "red"},
           {"id": "b", "prompt": "three", "references": ["red green"]}]


@pytest.fixture
def build(tmp_path):
    """Builds tmp_path/store with byte tokens and returns what it holds, as `show` tells it."""
    def run(*args, model="bytes", to="store"):
        path = tmp_path / to
        path.unlink(missing_ok=True)
        harness("datastore", "build", "-m", model, "-o", path, *args)
        lines = harness("datastore", "show", path).text.splitlines()
        assert lines[0] == str(path)
        return dict(line.strip().split(None, 1) for line in lines[1:])
    return run


@pytest.fixture
def records(tmp_path):
    write_jsonl(tmp_path / "records.jsonl", RECORDS)
    return tmp_path / "records.jsonl"


def test_text_files_are_documents(build, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b").write_text("hello, too")
    (tmp_path / "empty").write_text("")
    held = build(tmp_path / "a.txt", tmp_path / "b", tmp_path / "empty")
    assert held["tokens"] == "15 in 2 documents"
    assert held["vocabulary"] == "258 ids, 2 bytes each"
    said = harness("datastore", "build", "-m", "bytes", "-o", tmp_path / "again", tmp_path / "a.txt", tmp_path / "empty").error
    assert "1 empty document is left out" in said and "5 tokens of 1 document" in said
    assert build("--joined", tmp_path / "a.txt")["tokens"] == "5 in 1 document, joined: matches may cross"


def test_passages_of_records_are_documents(build, records, tmp_path):
    assert build(records)["tokens"] == "22 in 3 documents"
    assert build("--take", "prompts", records)["tokens"] == "12 in 2 documents"
    assert build("--take", "outputs", records)["tokens"] == "3 in 1 document"
    assert build("--take", "all", records)["tokens"] == "37 in 6 documents"
    assert build("-f", "text", records)["tokens"] == f"{records.stat().st_size} in 1 document"
    plain = tmp_path / "records"
    plain.write_bytes(records.read_bytes())
    assert build("-f", "native", plain)["tokens"] == "22 in 3 documents"


def test_what_is_about_records_needs_some(build, records, tmp_path):
    """An option that the files make meaningless is no option that worked."""
    text = tmp_path / "a.txt"
    text.write_text("hello")
    command = ["datastore", "build", "-m", "bytes", "-o", tmp_path / "store"]
    for option in ["--take", "references"], ["--take", "prompts"], ["--tools", "skip"], ["--skip-bad"]:
        for more in [text], [text, text], ["-f", "text", records]:
            error = harness(*command, *option, *more, status=2).error
            assert f"{option[0]} is about the records of datasets, but {more[-1]} is read as text (-f auto" in error
        assert build(*option, text, records)["tokens"].endswith("documents")
    assert build("--take", "prompts", text, records)["tokens"] == "17 in 3 documents"


def test_threads_do_not_change_the_file(build, tmp_path):
    text = (ROOT / "README.md", ROOT / "Makefile")
    build("-t", 1, *text)
    first = (tmp_path / "store").read_bytes()
    build("-t", 3, *text)
    assert (tmp_path / "store").read_bytes() == first


def test_bad_lines_and_files_are_named(build, records, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text(records.read_text() + '{"id": "c", "prompt": 1}\n')
    store = tmp_path / "store"

    def fails(*args, status=2):
        return harness("datastore", "build", "-m", "bytes", "-o", store, *args, status=status).error

    assert f"{bad}:3: " in fails(bad)
    assert not store.exists()
    assert build("--skip-bad", bad)["tokens"] == "22 in 3 documents"
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    assert "latin" in fails(tmp_path / "latin")
    assert "no-such" in fails(tmp_path / "no-such")
    assert 'unknown dataset format "nativ"; did you mean "native"?' in fails("-f", "nativ", records)
    (tmp_path / "empty").write_text("")
    assert "a datastore needs at least one token" in fails(tmp_path / "empty")
    assert "datastore build needs -m MODEL.gguf" in harness("datastore", "build", "-o", store, records, status=2).error
    assert "datastore build needs -o STORE" in harness("datastore", "build", "-m", "bytes", records, status=2).error


def test_other_files_are_refused_by_name(build, records, tmp_path):
    build(records)
    store = tmp_path / "store"
    assert "is a datastore, not GGUF, HDF5 or JSON Lines" in harness("inspect", store, status=2).error
    assert "is not a datastore" in harness("datastore", "show", records, status=2).error
    data = bytearray(store.read_bytes())
    data[len(data) // 2] ^= 1
    store.write_bytes(data)
    assert "damaged" in harness("datastore", "show", store, status=2).error
    store.write_bytes(data[:1000])
    assert "was cut" in harness("datastore", "show", store, status=2).error


SWEEP = """[sweep]
name = rest
output = {out}
[model bytes]
target = replay
tokenizer = bytes
[dataset records]
path = {data}
forced = yes
[policy rest]
store = {store}
form = tree, chain
[accept greedy]
"""


def test_a_sweep_copies_from_it(build, tmp_path):
    text = "The quick brown fox jumps over the lazy dog."
    write_jsonl(tmp_path / "data.jsonl", [{"id": "a", "prompt": "x", "references": [], "output": text}])
    (tmp_path / "text").write_text(f"He said: {text} And left.")
    build(tmp_path / "text")
    ini = tmp_path / "rest.ini"
    ini.write_text(SWEEP.format(out=tmp_path / "out", data=tmp_path / "data.jsonl", store=tmp_path / "store"))
    harness("sweep", ini)
    with h5py.File(tmp_path / "out" / "rest.h5") as file:
        steps = sorted(file["trials"]["steps"])
    assert len(steps) == 3 and steps[2] == len(text) + 1  # plain decoding, and its baseline's EOS
    assert steps[0] < len(text) / 4


def test_another_vocabulary_is_refused(build, tmp_path):
    vocab = gguf_files.write_bpe_vocab(tmp_path / "bpe.gguf", merges=["t h"])
    (tmp_path / "text").write_text("the text of the store")
    write_jsonl(tmp_path / "data.jsonl", [{"id": "a", "prompt": "x", "references": [], "output": "the"}])
    build(tmp_path / "text", model=vocab)
    ini = tmp_path / "rest.ini"
    ini.write_text(SWEEP.format(out=tmp_path / "out", data=tmp_path / "data.jsonl", store=tmp_path / "store"))
    assert "was made by another tokenizer" in harness("sweep", ini, status=2).error


def test_show_takes_no_options_of_build(build, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    build(tmp_path / "a.txt")
    for option in (["-m", "bytes"], ["-o", "x"], ["--joined"], ["--take", "references"], ["--tools", "error"], ["-t", "2"]):
        assert "show takes no options" in harness("datastore", "show", *option, tmp_path / "store", status=2).error


# ---- a path with blanks and commas -----------------------------------------------------------------------

NAME = "a store, of > mine"


def test_a_chain_names_a_file_that_is_made_first(build, tmp_path):
    text = "The quick brown fox jumps over the lazy dog."
    write_jsonl(tmp_path / "data.jsonl", [{"id": "a", "prompt": "x", "references": [], "output": text}])
    (tmp_path / "text").write_text(f"He said: {text} And left.")
    ini = tmp_path / "chain.ini"
    ini.write_text(SWEEP.replace("[policy rest]\nstore = {store}\nform = tree, chain\n", """[policy chain]
stages = 'pld n=9 > rest store="{store}" form=chain', hf
[needs store]
path = "{store}"
command = ./make.sh
""").format(out=tmp_path / "out", data=tmp_path / "data.jsonl", store=NAME))
    error = harness("sweep", "-n", ini, status=1).error
    assert f"{NAME} is missing; to get it, run:" in error and "/make.sh\n" in error
    ini.write_text(ini.read_text().split("[needs")[0] + "[accept greedy]\n")
    assert f"chain.ini:11: {tmp_path / NAME}: cannot open" in harness("sweep", "-n", ini, status=2).error
    build(tmp_path / "text", to=NAME)
    harness("sweep", ini)
    with h5py.File(tmp_path / "out" / "rest.h5") as file:
        steps = sorted(file["trials"]["steps"])
    assert steps[0] < len(text) / 2 and steps[2] == len(text) + 1


# Each copies from the store what the prompt does not hold.
SPECS = ['rest:store="{}",form=chain', "rest:form=chain,store='{}'", "chain:stages='rest store=\"{}\" form=chain > pld'",
         'ngram_cache:static="{}"', 'sam:corpus="{}",static=chain,len_bias=0', 'sam:corpus="{}",len_bias=0',
         'sglang_ngram:corpus="{}",corpus_budget=4', 'sglang_ngram:corpus="{}",corpus_budget=4,match=prob,form=chain']


@pytest.mark.parametrize("spec", SPECS)
def test_a_policy_on_the_command_line_names_it(build, tmp_path, spec):
    model = ROOT / "datasets" / "models" / "copier.gguf"
    options = "-m", model, "-p", "Once upon", "-n", "12"
    text = harness("generate", *options, "--policy", "none").text
    (tmp_path / "text").write_text("Once upon" + text)
    build(tmp_path / "text", model=model, to=NAME)
    done = harness("generate", *options, "--steps", "--check", "--policy", spec.format(tmp_path / NAME))
    assert "equal" in done.error or "equal" in done.text
    assert "+" in done.text, "nothing of it stood"


@pytest.mark.parametrize("spec", SPECS)
def test_a_store_that_cannot_be_read_is_named(build, tmp_path, spec):
    model = ROOT / "datasets" / "models" / "copier.gguf"
    path = tmp_path / NAME

    def error():
        return harness("generate", "-m", model, "-p", "x", "-n", "4", "--policy", spec.format(path), status=2).error

    assert f"{path}: cannot open" in error()
    (tmp_path / "text").write_text("Once upon a time")
    build(tmp_path / "text", to=NAME)
    assert "was made by another tokenizer" in error()
    build(tmp_path / "text", model=model, to=NAME)
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    assert str(path) in error()
    path.write_bytes(b"")
    assert str(path) in error()


@pytest.mark.parametrize("spec, words", [
    ('rest:store="a,form=chain', 'store="a,form=chain: the quote at character 7 has no end'),
    ('rest:store="a"b', "the quote at character 9 does not end the value"),
    ("chain:stages='rest store=\"a > pld'", 'rest store="a > pld: the quote at character 12 has no end'),
    ("chain:stages='rest store=a,b'", "the comma at character 13 is not allowed"),
])
def test_quotes_that_are_wrong_are_shown(spec, words):
    model = ROOT / "datasets" / "models" / "copier.gguf"
    assert words in harness("generate", "-m", model, "-p", "x", "--policy", spec, status=2).error
