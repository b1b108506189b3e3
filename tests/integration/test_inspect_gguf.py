"""harness inspect on GGUF files: its output, what it refuses, and that no raw bytes reach a terminal."""
import subprocess

import gguf_files as gf
import pytest
from program import HARNESS


def inspect(*args):
    r = subprocess.run([HARNESS, "inspect", *map(str, args)], capture_output=True)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def line(out, name):
    (found,) = [l for l in out.splitlines() if l.split()[:1] == [name]]
    return " ".join(found.split())


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "Q8_0"])
def test_a_model(tmp_path, dtype, version):
    path = tmp_path / "m.gguf"
    g = gf.make_model(dtype=dtype, version=version, alignment=64)
    g.save(path)
    status, out, errors = inspect(path)
    assert (status, errors) == (0, "")
    assert f"GGUF version {version}, {path.stat().st_size} bytes, alignment 64" in out
    assert line(out, "general.name") == f'general.name string "tiny {dtype}"'
    assert line(out, "llama.attention.layer_norm_rms_epsilon").endswith("f32 1e-05")
    assert line(out, "tokenizer.ggml.tokens").startswith(f'tokenizer.ggml.tokens string[{len(gf.PIECES)}] ["<unk>",')
    parameters = 0
    for name, shape, _, stored in g.tensors:
        size = 1
        for n in shape:
            size *= n
        parameters += size
        columns = line(out, name).split()
        assert columns[2:-2] == " x ".join(map(str, shape)).split()
        assert columns[-2] == str(len(stored))
        at = int(columns[-1])
        assert path.read_bytes()[at:at + len(stored)] == stored
    assert line(out, "parameters") == f"parameters {parameters}"
    assert line(out, "tokenizer").startswith(f"tokenizer yes: spm, {len(gf.PIECES)} ids")
    assert line(out, "transformer") == "transformer yes: llama, 2 layers, 64 wide, 4 heads over 2, context 256"


def test_says_why_it_cannot_run(tmp_path):
    def transformer(g):
        status, out, errors = inspect(g.save(tmp_path / "m.gguf"))
        assert (status, errors) == (0, "")
        return line(out, "transformer")

    assert 'no: architecture "mamba" is not supported' in transformer(gf.make_model(architecture="mamba"))
    assert "no: the file holds no tensors" in transformer(gf.make_vocab())
    g = gf.make_model()
    name, shape, _, stored = g.tensors[3]
    g.tensors[3] = (name, shape, 16, stored)
    assert f'no: tensor "{name}" has type IQ2_XXS ("F32", "F16", "BF16", "Q8_0", ' in transformer(g)
    g.tensors[3] = (name, shape, 99, stored)
    assert f'no: tensor "{name}" has type 99 ("F32", "F16", "BF16", "Q8_0", ' in transformer(g)
    assert line(inspect(tmp_path / "m.gguf")[1], name).split()[1] == "99"
    g = gf.make_model().put_tensor("blk.0.attn_norm.bias", "F32", [0.0] * 64)
    assert 'no: tensor "blk.0.attn_norm.bias" is not supported' in transformer(g)


def test_every_kind_of_value(tmp_path):
    g = gf.Gguf()
    g.put("a.u8", gf.U8, 255).put("a.i8", gf.I8, -128).put("a.u16", gf.U16, 65535).put("a.i16", gf.I16, -2)
    g.put("a.u32", gf.U32, 2**32 - 1).put("a.i32", gf.I32, -2**31).put("a.u64", gf.U64, 2**64 - 1)
    g.put("a.i64", gf.I64, -2**63).put("a.f32", gf.F32, 0.1).put("a.f64", gf.F64, 0.1).put("a.bool", gf.BOOL, True)
    g.put_array("a.empty", gf.F32, []).put_array("a.long", gf.I16, range(-3, 97)).put("a.text", gf.STRING, "x" * 5000)
    status, out, _ = inspect(g.save(tmp_path / "m.gguf"))
    assert status == 0
    values = {key: line(out, "a." + key).split(maxsplit=2)[2] for key in
              "u8 i8 u16 i16 u32 i32 u64 i64 f32 f64 bool empty long text".split()}
    assert values == {"u8": "255", "i8": "-128", "u16": "65535", "i16": "-2", "u32": "4294967295",
                      "i32": "-2147483648", "u64": "18446744073709551615", "i64": "-9223372036854775808",
                      "f32": "0.1", "f64": "0.1", "bool": "true", "empty": "[]",
                      "long": "[-3, -2, -1, 0, 1, 2, 3, 4, ...]", "text": values["text"]}
    assert values["text"].startswith('"xxx') and values["text"].endswith('"... (5000 bytes)') and len(values["text"]) < 130


def test_nothing_raw_reaches_the_terminal(tmp_path):
    evil = b"\x1b]0;owned\x07\x1b[2J\x00\r\x9b31m\xc2\x9b31m\xe2\x80\xae\xff"
    g = gf.Gguf()
    g.put("general.architecture", gf.STRING, evil).put(evil, gf.STRING, evil).put_array("k", gf.STRING, [evil] * 3)
    g.put_stored(evil, (8,), 0, bytes(32))
    path = g.save(tmp_path / "evil.gguf")
    r = subprocess.run([HARNESS, "inspect", path], capture_output=True)
    assert r.returncode == 0
    for raw in (b"\x1b", b"\x07", b"\x00", b"\r", b"\xc2\x9b", b"\xe2\x80\xae", b"\xff"):
        assert raw not in r.stdout + r.stderr
    assert b"\\x1b]0;owned" in r.stdout
    bad = gf.Gguf().put(evil, gf.U8, 1).put(evil, gf.U8, 1).save(tmp_path / "twice.gguf")
    r = subprocess.run([HARNESS, "inspect", bad], capture_output=True)
    assert r.returncode == 2 and b"\x1b" not in r.stderr and b"given twice" in r.stderr


def test_bad_files_exit_2(tmp_path):
    path = tmp_path / "m.gguf"
    whole = gf.make_model().to_bytes()
    for cut in (1, 3, 4, 7, 23, 100, len(whole) // 2, len(whole) - 64):
        path.write_bytes(whole[:cut])
        status, out, errors = inspect(path)
        assert status == 2 and errors.startswith(f"harness: {path}: byte ") and errors.count("\n") == 1
    for args in ([], [tmp_path], [tmp_path / "absent"], ["--no-such", path], [path, path]):
        status, out, errors = inspect(*args)
        assert status == 2 and out == "" and errors.startswith("harness: ")
    gf.write_vocab(path)
    status, _, errors = inspect("--format", "native", path)
    assert status == 2 and "--format" in errors


def test_help_goes_to_stdout():
    status, out, errors = inspect("-h")
    assert status == 0 and errors == "" and out.startswith("usage: harness inspect")


def test_a_dataset_is_told_apart(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"id": "1", "prompt": "GGUF", "references": ["GGUF"]}\n')
    status, out, _ = inspect(path)
    assert status == 0 and "native" in out
