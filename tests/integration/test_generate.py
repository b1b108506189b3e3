"""harness generate, on small random models."""
import re

import pytest

import gguf_files
from program import harness, on_terminal

POLICIES = ["none", "llma", "llma:n=2,k=7", "pld", "oracle", "random", "wrong"]
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
    """A text to copy from: what the model says anyway, between other words."""
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
    assert re.search(r"drafted [1-9]\d*, accepted 0 ", generate(model, "--policy", "wrong").error)


def test_prompt_from_a_file_and_no_reference_text(model, plain, tmp_path):
    prompt, empty = tmp_path / "prompt.txt", tmp_path / "empty.txt"
    prompt.write_text(PROMPT)
    empty.write_bytes(b"")
    done = harness("generate", "-m", model, "-f", prompt, "-n", 60, "-r", empty, "--check")
    assert done.stdout == plain[0] + b"\n"
    assert "drafted 0, accepted 0" in done.error


def test_an_empty_prompt_begins_with_bos(model):
    assert "1 tokens in 1 steps" in generate(model, prompt="", n=1).error


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
    (["-m", "{model}"], ["one of -p PROMPT and -f FILE"]),
    (["-p", "x"], ["-m MODEL.gguf"]),
    (["-m", "{model}", "-p", "x", "-f", "y"], ["one of -p PROMPT and -f FILE"]),
    (["-m", "/no/such.gguf", "-p", "x"], ["/no/such.gguf"]),
    (["-m", "{model}", "-f", "/no/such.txt"], ["/no/such.txt: cannot open"]),
    (["-m", "{model}", "-f", "/"], ["/: cannot read"]),
    (["-m", "{model}", "-p", "x", "-r", "/no/such.txt"], ["/no/such.txt: cannot open"]),
    (["-m", "{model}", "-p", "x", "--policy", "lama"], ['unknown policy "lama"', 'did you mean "llma"']),
    (["-m", "{model}", "-p", "x", "--policy", "llma:k=0"], ["k", "1 to"]),
    (["-m", "{model}", "-p", "x", "--policy", "llma:j=1"], ['"j"', '"n"']),
    (["-m", "{model}", "-p", "x", "--rule", "gredy"], ['unknown rule "gredy"', 'did you mean "greedy"']),
    (["-m", "{model}", "-p", "x", "--rule", "coupled:temperature=hot"], ["temperature"]),
    (["-m", "{model}", "-p", "x", "--rule", "rejection", "--check"], ["--check cannot hold"]),
    (["-m", "{model}", "-p", "x", "-n", "0"], ["--max-new-tokens", "1 to"]),
    (["-m", "{model}", "-p", "x", "-t", "0"], ["--threads", "1 to"]),
    (["-m", "{model}", "-p", "x", "-t", "2x"], ['"2x"']),
    (["-m", "{model}", "-p", "x", "--seed", "-1"], ["--seed"]),
    (["-m", "{model}", "-p", "x", "--seed", "18446744073709551616"], ["--seed"]),
    (["-m", "{model}", "-p", "x", "--color", "maybe"], ['"maybe"', '"auto", "always" or "never"']),
    (["-m", "{model}", "-p", "x " * 300], ["the prompt has", "at most 256"]),
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
