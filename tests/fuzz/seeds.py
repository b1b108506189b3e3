"""Writes small valid GGUF files into the folder named by the argument, for the fuzzer to start from."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "integration"))
import gguf_files as gf

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
small = dict(layers=1, dim=32, heads=2, kv_heads=1, ffn=32)
gf.write_model(folder / "f32.gguf", **small)
gf.write_model(folder / "q8_0_tied_v2.gguf", dtype="Q8_0", tied=True, version=2, rope_factor=2, **small)
gf.write_vocab(folder / "vocab.gguf")
for pre in ("gpt-2", "llama-bpe", "qwen2", "deepseek-v3", None):
    gf.write_bpe_vocab(folder / f"bpe_{pre}.gguf", pre=pre, merges=["t h", "th e", "_ the"])
g = gf.Gguf(alignment=64)
for kind in (gf.U8, gf.I8, gf.U16, gf.I16, gf.U32, gf.I32, gf.F32, gf.BOOL, gf.U64, gf.I64, gf.F64):
    g.put(f"one.{kind}", kind, 1).put_array(f"two.{kind}", kind, [0, 1])
g.put("text", gf.STRING, "a").put_array("texts", gf.STRING, ["a", "", "b"])
g.put_stored("known", (3, 2), 0, bytes(24)).put_stored("unknown", (256,), 12, bytes(144)).save(folder / "types.gguf")
