"""harness tokenize, on small vocabularies."""
import pytest

import gguf_files
from program import harness
from sweeps import write_jsonl

END = 259  # after the 256 bytes and three merges


@pytest.fixture(scope="module")
def bpe(tmp_path_factory):
    return gguf_files.write_bpe_vocab(tmp_path_factory.mktemp("bpe") / "bpe.gguf", merges=["t h", "th e", "_ the"])


@pytest.fixture(scope="module")
def spm(tmp_path_factory):
    return gguf_files.write_vocab(tmp_path_factory.mktemp("spm") / "spm.gguf")


@pytest.fixture
def tokenize(tmp_path):
    """Runs the command on a text given as a file."""
    def run(model, text, *options, **more):
        path = tmp_path / "input"
        path.write_bytes(text)
        return harness("tokenize", "-m", model, *options, path, **more)
    return run


def test_ids_are_on_one_line(bpe, tokenize):
    assert tokenize(bpe, b"the the\n").text == "257 258 10\n"
    assert tokenize(bpe, b"").text == "\n"
    assert tokenize("bytes", b"hi\0").text == "104 105 0\n"


def test_standard_input_is_read_without_a_file(bpe, tmp_path):
    (tmp_path / "text").write_bytes(b" the")
    for args in ([], ["-"]):
        with open(tmp_path / "text", "rb") as text:
            assert harness("tokenize", "-m", bpe, *args, stdin=text).text == "258\n"


def test_null_separates_texts(bpe, tokenize):
    assert tokenize(bpe, b"the\0\0a b\n\0the", "-0").text == "257\n\n97 32 98 10\n257\n"
    assert tokenize(bpe, b"a\0", "-0").text == "97\n\n"  # the second is empty


def test_bos_eos_and_control_tokens_come_when_asked_for(bpe, spm, tokenize):
    spelled = tokenize(bpe, b"a<|end|>")
    assert str(END) not in spelled.text.split()
    assert tokenize(bpe, b"a<|end|>", "--special").text == f"97 {END}\n"
    assert tokenize(bpe, b"a", "--eos").text == f"97 {END}\n"
    plain = tokenize(spm, b"the").text
    assert tokenize(spm, b"the", "--bos").text == f"{gguf_files.BOS} {plain}"
    assert "has no BOS" in tokenize(bpe, b"a", "--bos", status=2).error


def test_pieces_can_be_read_and_told_apart(bpe, tokenize):
    text = 'the "\n\\ \u00e9<|end|>'.encode()
    assert tokenize(bpe, text, "--pieces", "--special").text.splitlines() == [
        '257 "the"', '32 " "', '34 "\\""', '10 "\\n"', '92 "\\\\"', '32 " "', '195 "\\xc3"', '169 "\\xa9"',
        f"{END} [<|end|>]"]
    assert tokenize(bpe, b"a\0b", "-0", "--pieces").text == '97 "a"\n\n98 "b"\n'


TEXTS = [b"", b"the cat\n", b" the  the\r\n", "\u4e2d\u6587 \u00e9 \U0001f600".encode(), b"<s>a</s>", b"\n", b" "]


@pytest.mark.parametrize("which", ["bpe", "spm", "bytes"])
def test_decoding_gives_the_text_back(which, request, tokenize):
    model = which if which == "bytes" else request.getfixturevalue(which)
    for text in TEXTS:
        ids = tokenize(model, text).stdout
        assert tokenize(model, ids, "--decode").stdout == text
    ids = tokenize(model, b"\0".join(TEXTS), "-0").stdout
    assert len(ids.splitlines()) == len(TEXTS)
    assert tokenize(model, ids, "-0", "--decode").stdout == b"\0".join(TEXTS)


def test_bad_ids_are_named_with_their_line(bpe, tokenize):
    for ids, word in ((b"1 2\n3 x\n", ':2: "x" is not a token id (0 to 259)'), (b"260", ':1: "260" is not a token id'),
                      (b"-1", ':1: "-1" is not'), (b"1\0", ":1: "), (b"1" * 50, ":1: ")):
        assert word in tokenize(bpe, ids, "--decode", status=2).error


def test_options_that_do_not_go_together_are_refused(bpe, tokenize):
    for option in ("--pieces", "--bos", "--eos", "--special"):
        assert "--decode goes with" in tokenize(bpe, b"1", "--decode", option, status=2).error


# ---- what does not come through ----

def test_text_must_be_utf8(bpe, tokenize):
    for text, where in (b"a\n\xff", ":2: byte 0xFF"), (b"a\0\xe9", ":1: byte 0xE9"):
        for model in bpe, "bytes":
            assert where + " is not text (UTF-8 is needed)" in tokenize(model, text, "-0", status=2).error


def test_bytes_that_no_token_spells_are_reported(tmp_path, tokenize):
    """GPT-2's letters without the two bytes of an e with an acute accent."""
    lacking = gguf_files.make_bpe_vocab()
    letters = [gguf_files.byte_letter(b).encode() for b in (0xC3, 0xA9)]
    whole = lacking.to_bytes()
    for i, letter in enumerate(letters):
        spelled = len(letter).to_bytes(8, "little") + letter
        assert whole.count(spelled) == 1
        whole = whole.replace(spelled, spelled[:8] + bytes([0xE2, 0x80 + i]))
    path = tmp_path / "lacking.gguf"
    path.write_bytes(whole)
    done = tokenize(path, "a\n\u00e9b\u00e9".encode())
    assert done.text == "97 10 98\n"
    assert done.error.endswith("input: 4 bytes left out, the first one on line 2: no token spells it\n")

    records = [{"id": "1", "prompt": "a", "output": "b"},
               {"id": "2", "prompt": "b\u00e9", "references": ["\u00e9\u00e9"], "output": "a"}]
    data = write_jsonl(tmp_path / "records.jsonl", records)
    said = f"{data}: 6 bytes left out, the first one on line 2: no token spells them\n"
    assert said in harness("render", "-m", path, data).error
    (tmp_path / "s.ini").write_text(f"[sweep]\nname = s\noutput = {tmp_path}\n[model m]\ntarget = replay\ntokenizer = {path}\n"
                                    f"[dataset d]\npath = {data}\nforced = yes\nmax_new_tokens = 9\n[policy pld]\n[accept greedy]\n")
    assert said in harness("sweep", "-n", tmp_path / "s.ini").error


def test_unknown_tokens_are_reported(tmp_path, tokenize):
    """SentencePiece without byte tokens."""
    pieces = [*gguf_files.SPECIAL, gguf_files.SPACE, "a", "b"]
    vocab = gguf_files.Gguf().put("general.architecture", gguf_files.STRING, "llama")
    vocab.put("tokenizer.ggml.model", gguf_files.STRING, "llama")
    vocab.put_array("tokenizer.ggml.tokens", gguf_files.STRING, pieces)
    vocab.put_array("tokenizer.ggml.scores", gguf_files.F32, [0.0] * len(pieces))
    vocab.put_array("tokenizer.ggml.token_type", gguf_files.I32, [2, 3, 3, 1, 1, 1])
    path = vocab.save(tmp_path / "v.gguf")
    done = tokenize(path, "a\u00e9b".encode())
    assert str(gguf_files.UNK) in done.text.split()
    assert done.error.endswith("input: 1 token is unknown, in place of text that no token spells\n")
    assert tokenize(path, b"ab").error == ""


def test_ids_without_text_and_bytes_that_are_no_text_are_reported(spm, tokenize):
    byte = gguf_files.byte_id
    done = tokenize(spm, f"{byte(97)}\n{gguf_files.BOS} {byte(98)} {gguf_files.EOS}\n".encode(), "--decode")
    assert done.text == "ab"
    assert done.error.endswith("input: 2 tokens left out, the first one on line 2: it has no text\n")
    done = tokenize(spm, f"{byte(0xC3)} {byte(97)}\n{byte(0xC3)} {byte(0xA9)}\n".encode(), "--decode", "-0")
    assert done.text == "\ufffda\0\u00e9"
    assert done.error.endswith("input: 1 byte is not UTF-8 and became U+FFFD\n")
    assert tokenize(spm, f"{byte(97)}".encode(), "--decode").error == ""


def test_a_missing_pre_tokenizer_is_reported(tmp_path, tokenize):
    old = gguf_files.write_bpe_vocab(tmp_path / "old.gguf", pre=None)
    done = tokenize(old, b"a")
    assert done.text == "97\n"
    assert done.error.startswith(f"harness: {old}: ") and "tokenizer.ggml.pre" in done.error
    assert "doubtful: " in harness("inspect", old).text


def test_an_unknown_pre_tokenizer_is_refused_with_the_known_ones(tmp_path, tokenize):
    new = gguf_files.write_bpe_vocab(tmp_path / "new.gguf", pre="smolm")
    error = tokenize(new, b"a", status=2).error
    assert f'{new}: tokenizer.ggml.pre: unknown pre-tokenizer "smolm"; did you mean "smollm"?' in error
    for name in ("gpt-2", "llama-bpe", "tekken", "gemma4"):
        assert f'"{name}"' in error, name


def test_inspect_shows_what_splits_a_text(bpe):
    text = harness("inspect", bpe).text
    assert "bpe (gpt-2, Unicode " in text
