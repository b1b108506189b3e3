"""harness generate, on small random models."""
import os
import re

import h5py
import pytest

import gguf_files
from program import harness, on_terminal

# All that need no file, with their presets, then other forms of some.
POLICIES = [name for name, about in re.findall(r"^(\w+)\n((?:  .*\n)+)", harness("policies").text, re.M)
            if "must be given" not in about] + [
    "llma:n=2,k=7", "llma:key=history,sources=references_prompt_output,fallback=yes,cross=yes,tie=most_frequent",
    "ngram_simple:n=2,k=5", "ngram_map_k:n=2,k=5", "ngram_map_k4v:n=2,k=5", "ngram_mod:n=2,n_min=1", "oracle:from=copies",
    "sam:static=chain,len_bias=0", "sam:len_bias=0", "suffix_tree:form=tree", "sglang_ngram:prompt=yes,match=prob",
    "adaptive:slope=0.01", "recycle:compat=yes", "lookahead:level=3,window=2,guess=2,pool_from_prompt=yes",
    "chain:stages=suffix_tree form=tree at_least=3 > llma n=2 > ngram_mod n=2 n_min=1"]
PROMPT = "the cat is in the hat and the rat is on the mat"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return gguf_files.write_model(tmp_path_factory.mktemp("model") / "tiny.gguf", seed=5)


def generate(model, *args, prompt=PROMPT, n=60, **options):
    return harness("generate", "-m", model, "-p", prompt, "-n", n, *args, **options)


@pytest.fixture(scope="module")
def plain(model):
    """Plain decoding's output as bytes, and its logits' hash."""
    text, last = generate(model, "--policy", "none", "--hash").stdout.rstrip(b"\n").rsplit(b"\n", 1)
    assert re.fullmatch(rb"logits [0-9a-f]{16}", last)
    return text, last


@pytest.fixture
def reference(tmp_path, plain):
    """A text to copy from: the model's own output, between other words."""
    path = tmp_path / "reference.txt"
    path.write_bytes(b"so it was said: " + plain[0] + b" and no more")
    return path


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_gives_plain_decodings_text_and_logits(model, plain, reference, policy):
    done = generate(model, "--policy", policy, "-r", reference, "--check", "--hash", "-t", 2)
    assert done.stdout == plain[0] + b"\n" + plain[1] + b"\n"
    assert "equal plain decoding's, bit for bit" in done.error


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_gives_plain_samplings_text(model, reference, policy):
    sampling = ["--rule", "coupled:temperature=0.7", "--seed", 11, "--hash"]
    want = generate(model, "--policy", "none", *sampling).stdout
    assert generate(model, "--policy", policy, "-r", reference, "--check", *sampling).stdout == want


def test_the_seed_decides_what_is_sampled(model):
    outputs = {generate(model, "--rule", "coupled:temperature=2", "--seed", seed).stdout for seed in range(4)}
    assert len(outputs) == 4


def test_the_oracle_needs_the_fewest_steps(model):
    done = generate(model, "--policy", "oracle", n=50)
    tokens, steps = map(int, re.match(r"(\d+) tokens in (\d+) steps", done.error).groups())
    assert tokens <= 50
    assert steps < tokens


def test_wrong_drafts_are_never_accepted(model):
    assert re.search(r"drafted [1-9]\d*, testable [1-9]\d*, accepted 0 ", generate(model, "--policy", "wrong").error)


def test_prompt_from_a_file_and_no_reference_text(model, plain, tmp_path):
    prompt, empty = tmp_path / "prompt.txt", tmp_path / "empty.txt"
    prompt.write_text(PROMPT)
    empty.write_bytes(b"")
    done = harness("generate", "-m", model, "-f", prompt, "-n", 60, "-r", empty, "--check")
    assert done.stdout == plain[0] + b"\n"
    assert "drafted 0, testable 0, accepted 0" in done.error


def test_an_empty_prompt_begins_with_bos(model):
    assert "1 token in 1 step (" in generate(model, prompt="", n=1).error


def test_the_context_ends_the_text(model):
    done = generate(model, "--policy", "oracle", "--check", n=100000)
    assert "cut where the model's context ends" in done.error
    assert "cut at the length limit (-n)" in generate(model, n=3).error


def test_colours_only_where_asked_for(model, reference):
    plainly = generate(model, "--policy", "oracle", "-r", reference)
    style = rb"\033\[\d+m"
    assert not re.search(style, plainly.stdout)
    assert "copied from" not in plainly.error
    coloured = generate(model, "--policy", "oracle", "-r", reference, "--color", "always")
    assert re.search(style, coloured.stdout)
    assert re.sub(style, b"", coloured.stdout) == plainly.stdout
    assert "copied from: " in coloured.error
    assert not re.search(style, generate(model, "--policy", "oracle", "--color", "never").stdout)


def test_a_terminal_gets_colours_and_no_other_control_characters(model):
    args = ["generate", "-m", model, "-p", PROMPT, "-n", 200, "--policy", "oracle", "--rule", "coupled:temperature=3"]
    raw = harness(*args).stdout
    assert re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", raw), "the sample must hold some to show anything"
    shown = on_terminal(*args)
    assert b"\033[" in shown
    text = re.sub(rb"\033\[\d*m", b"", shown)
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", text)
    assert text.decode() == re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", raw.decode())


@pytest.mark.parametrize("env, args, coloured", [
    ({}, [], True),
    ({"NO_COLOR": ""}, [], True),
    ({"NO_COLOR": "1"}, [], False),
    ({"NO_COLOR": "1"}, ["--color", "auto"], False),
    ({"NO_COLOR": "1"}, ["--color", "always"], True),
    ({"TERM": "dumb"}, [], False),
    ({"TERM": "dumb"}, ["--color", "always"], True),
    ({}, ["--color", "never"], False),
])
def test_the_environment_may_forbid_colours_and_the_option_decides(model, env, args, coloured):
    shown = on_terminal("generate", "-m", model, "-p", PROMPT, "-n", 60, "--policy", "oracle", *args, env=env)
    assert (b"\033[" in shown) == coloured


@pytest.mark.parametrize("args, words", [
    (["-m", "{model}"], ["one of -p TEXT and -f FILE"]),
    (["-p", "x"], ["-m MODEL.gguf"]),
    (["-m", "{model}", "-p", "x", "-f", "y"], ["one of -p TEXT and -f FILE"]),
    (["-m", "/no/such.gguf", "-p", "x"], ["/no/such.gguf"]),
    (["-m", "{model}", "-f", "/no/such.txt"], ["/no/such.txt: cannot open"]),
    (["-m", "{model}", "-f", "/"], ["/: cannot read"]),
    (["-m", "{model}", "-p", "x", "-r", "/no/such.txt"], ["/no/such.txt: cannot open"]),
    (["-m", "{model}", "-p", "x", "--policy", "lama"], ['unknown policy "lama"', 'did you mean "llma"']),
    (["-m", "{model}", "-p", "x", "--policy", "llma:k=0"], ["k", "1 to"]),
    (["-m", "{model}", "-p", "x", "--policy", "llma:j=1"], ['"j"', '"n"']),
    (["-m", "{model}", "-p", "x", "--rule", "gredy"], ['unknown rule "gredy"', 'did you mean "greedy"']),
    (["-m", "{model}", "-p", "x", "--rule", "coupled:temperature=hot"], ["temperature"]),
    (["-m", "{model}", "-p", "x", "--rule", "rejection", "--check"], ["--check does not work"]),
    (["-m", "{model}", "-p", "x", "-n", "0"], ["--max-new-tokens", "1 to"]),
    (["-m", "{model}", "-p", "x", "-t", "0"], ["--threads", "1 to"]),
    (["-m", "{model}", "-p", "x", "-t", "2x"], ['"2x"']),
    (["-m", "{model}", "-p", "x", "--seed", "-1"], ["--seed"]),
    (["-m", "{model}", "-p", "x", "--seed", "18446744073709551616"], ["--seed"]),
    (["-m", "{model}", "-p", "x", "--color", "maybe"], ['"maybe"', '"auto", "always" or "never"']),
    (["-m", "{model}", "-p", "x " * 300], ["--prompt: the prompt has", "at most 255 leave room for one more"]),
    (["-m", "{model}", "-p", "x", "y"], ["unexpected argument 'y'"]),
])
def test_bad_input(model, args, words):
    done = harness("generate", *[a.format(model=model) for a in args], status=2)
    assert done.text == ""
    for word in words:
        assert word in done.error


def test_a_vocabulary_without_weights_is_refused(tmp_path):
    vocab = gguf_files.write_vocab(tmp_path / "vocab.gguf")
    assert str(vocab) in generate(vocab, status=2).error


def test_text_that_cannot_be_written_is_a_failure(model):
    with open("/dev/full", "wb") as full:
        done = generate(model, status=1, stdout=full)
    assert "standard output: cannot write: No space left on device" in done.error


SWEEP = """
[sweep]
name = s
output = {folder}
seed = {seed}
[model m]
target = transformer
path = {model}
[dataset d]
path = {folder}/d.jsonl
max_new_tokens = 5
[policy llma]
[accept greedy]
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model that adds BOS, one that has it but does not add it, and one without."""
    folder, found = tmp_path_factory.mktemp("models"), {}
    for name in ("adds", "has", "none"):
        g = gguf_files.make_model(seed=5)
        if name == "has":
            g.put("tokenizer.ggml.add_bos_token", gguf_files.BOOL, False)
        if name == "none":
            g.values = [v for v in g.values if b"bos_token_id" not in v]
            g.put("tokenizer.ggml.bos_token_id", gguf_files.U32, 2**32 - 1)  # a missing key would be SentencePiece's own
        found[name] = g.save(folder / f"{name}.gguf")
    return found


def swept(folder, model, prompt, seed=1):
    """A sweep's message about a prompt, without the file and line, and the ids of its output."""
    (folder / "d.jsonl").write_bytes(b'{"id": "a", "references": [], "prompt": "' + prompt + b'"}\n')
    (folder / "s.ini").write_text(SWEEP.format(folder=folder, model=model, seed=seed))
    done = harness("sweep", "-q", folder / "s.ini", status=None)
    if done.returncode != 0:
        return done, None
    with h5py.File(folder / "s.h5") as f:
        return done, int(f["trials"]["tokens"][0])


@pytest.mark.parametrize("prompt, model, reason", [
    (b"x", "adds", None),
    (b"", "adds", None),
    (b"", "has", None),
    (b"", "none", "the prompt has no tokens (a transformer needs at least one)"),
    (b"x", "none", None),
    (b"</s>", "adds", None),
    (b"~" * 253, "adds", None),
    (b"~" * 254, "adds", "the prompt has 256 tokens (at most 255 leave room for one more in a context of 256)"),
    (b"~" * 255, "has", "the prompt has 256 tokens (at most 255 leave room for one more in a context of 256)"),
    (b"\xff", "adds", "UTF-8"),
    (b"caf\xe9", "adds", "UTF-8"),
], ids=lambda value: str(value)[:20])
def test_generate_refuses_what_a_sweep_refuses(models, tmp_path, prompt, model, reason):
    swept_as, tokens = swept(tmp_path, models[model], prompt)
    (tmp_path / "prompt.txt").write_bytes(prompt)
    for given in (["-p", os.fsdecode(prompt)], ["-f", tmp_path / "prompt.txt"]):
        done = harness("generate", "-m", models[model], *given, "-n", 5, status=None)
        if reason is None:
            assert done.returncode == swept_as.returncode == 0, (done.error, swept_as.error)
            assert f"{tokens} tokens in" in done.error
        else:
            assert done.returncode == swept_as.returncode == 2
            assert reason in done.error
            assert reason in swept_as.error or reason == "UTF-8"  # which the JSON parser says in its own words


def test_references_are_text(model, tmp_path):
    (tmp_path / "latin1.txt").write_bytes(b"one\ncaf\xe9\n")
    done = generate(model, "-r", tmp_path / "latin1.txt", status=2)
    assert f"{tmp_path / 'latin1.txt'}:2: byte 0xE9 is not text (UTF-8 is needed)" in done.error


@pytest.mark.parametrize("seed, good", [(2**63 - 1, True), (2**63, False)])
def test_seeds_are_those_of_a_sweep(model, tmp_path, seed, good):
    assert swept(tmp_path, model, b"x", seed)[0].returncode == (0 if good else 2)
    generate(model, "--seed", seed, n=2, status=0 if good else 2)


def steps_of(text):
    """(head, lines of the draft, the target's own token) of each step that --steps shows."""
    blocks = re.findall(r"^(step \d+, token \d+: .*)\n((?:  .*\n)*?)(  = \".*\")\n", text, re.M)
    assert "".join(f"{head}\n{drafts}{own}\n" for head, drafts, own in blocks) == text
    return blocks


def test_steps_show_what_was_drafted_from_where_and_what_stood(model, reference):
    blocks = steps_of(generate(model, "--policy", "llma", "-r", reference, "--steps").text)
    drafted = [(head, drafts) for head, drafts, _ in blocks if drafts]
    assert drafted and any(not drafts and head.endswith("nothing drafted") for head, drafts, _ in blocks)
    for head, drafts in drafted:
        source, n_stand, n = re.search(r"from (.*) at \d+, \d+ tokens? matched; (\d+) of (\d+) drafted", head).groups()
        assert source == str(reference) and drafts.count("\n") == 1, "a chain is one line"
        assert (drafts.count(' + "'), drafts.count(' - "')) == (int(n_stand), int(n) - int(n_stand))


def test_steps_show_a_tree(model):
    blocks = steps_of(generate(model, "--policy", "hedge:k=8,width=2", "--steps").text)
    head, drafts, _ = blocks[0]
    assert "3 of 6 drafted stand" in head
    drawn = [re.match(r"[ ├└─]*", line)[0].rstrip() for line in drafts.splitlines()]
    assert drawn == ["  ├─", "  └─", "     ├─", "     └─", "        ├─", "        └─"]
    assert [" + " in line for line in drafts.splitlines()] == [False, True] * 3


def test_steps_name_the_stage_that_drafted(model, reference):
    """A first stage that needs four equal tokens, and a second one that drafts where it does not."""
    chain = "chain:stages=llma n=4 > pld n=1 k=2"
    heads = [head for head, drafts, _ in steps_of(generate(model, "--policy", chain, "-r", reference, "--steps").text)
             if drafts]
    by = [re.search(r", by (\w+), stage (\d); ", head).groups() for head in heads]
    assert set(by) == {("llma", "1"), ("pld", "2")}
    for head, (name, _) in zip(heads, by):
        matched = int(re.search(r"(\d+) tokens? matched", head)[1])
        assert (str(reference) in head and matched >= 4) if name == "llma" else str(reference) not in head


def test_steps_and_the_text_are_the_same_generation(model, reference):
    args = ["--policy", "llma", "-r", reference, "--hash"]
    steps, text = generate(model, *args, "--steps"), generate(model, *args)
    assert steps.stdout.splitlines()[-1] == text.stdout.splitlines()[-1]
    assert len(re.findall(r'[+=] "', steps.text)) == 60
