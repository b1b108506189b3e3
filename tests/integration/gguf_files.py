"""Small Llama GGUF files with random weights for integration tests; equal arguments give equal files.

    write_model(path, dtype="Q8_0", seed=3)     weights and tokenizer
    write_vocab(path)                           tokenizer only
    Gguf(version=2).put("key", U32, 7).save(path)   anything, valid or not

The vocabulary: <unk>, <s>, </s>; 256 byte tokens; U+2581 and the printable ASCII characters; merged pieces, so
that ordinary text encodes.
"""
import struct

import numpy as np

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}
TYPE_IDS = {"F32": 0, "F16": 1, "Q8_0": 8, "BF16": 30, "Q4_K": 12}

SPACE = "\u2581"
# Best first; each joins two pieces, so that merging reaches it.
MERGED = [p.replace("_", SPACE) for p in (
    "_t he _a in _the er _w nd _s re on ou ed _b at en _c is it or es _h _of ing _and _to _in _f _o _p an _d al ar _m "
    "ll om ion __ st ly _I _is ver _for un ha _ha as _was _on _it ve ma _n _no").split()]
SPECIAL = ["<unk>", "<s>", "</s>"]
PIECES = (SPECIAL + [f"<0x{b:02X}>" for b in range(256)] +
          [SPACE if c == " " else c for c in map(chr, range(32, 127))] + MERGED)
UNK, BOS, EOS = 0, 1, 2


def byte_id(byte):
    return len(SPECIAL) + byte


def _scalar(kind, value):
    if kind == STRING:
        data = value if isinstance(value, bytes) else value.encode()
        return struct.pack("<Q", len(data)) + data
    return struct.pack("<" + _FORMATS[kind], value)


def encode_tensor(dtype, values):
    """float32 array -> bytes in the type's storage layout."""
    values = np.ascontiguousarray(values, dtype="<f4")
    if dtype == "F32":
        return values.tobytes()
    if dtype == "F16":
        return values.astype("<f2").tobytes()
    if dtype == "BF16":
        bits = values.view("<u4")
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()
    if dtype == "Q8_0":
        blocks = values.reshape(-1, 32)
        scales = (np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)).astype("<f2")
        divisor = np.where(scales == 0, 1, scales).astype("<f4")
        quants = np.clip(np.rint(blocks / divisor), -127, 127).astype("i1")
        return np.hstack([scales.view("u1").reshape(-1, 2), quants.view("u1")]).tobytes()
    raise ValueError(f"no encoder for {dtype}")


class Gguf:
    """Collects values and tensors, then writes them. Checks nothing: tests need bad files, too."""

    def __init__(self, version=3, alignment=32):
        self.version, self.alignment = version, alignment
        self.values, self.tensors = [], []  # encoded entries; (name, shape, type id, bytes)
        if alignment != 32:
            self.put("general.alignment", U32, alignment)

    def put(self, key, kind, value):
        self.values.append(_scalar(STRING, key) + struct.pack("<I", kind) + _scalar(kind, value))
        return self

    def put_array(self, key, kind, items):
        body = b"".join(_scalar(kind, item) for item in items)
        self.values.append(_scalar(STRING, key) + struct.pack("<IIQ", ARRAY, kind, len(items)) + body)
        return self

    def put_tensor(self, name, dtype, values):
        """`values`: a float array in row-major order, its last axis the row. GGUF names the row first."""
        values = np.asarray(values, dtype="f4")
        return self.put_stored(name, values.shape[::-1], TYPE_IDS[dtype], encode_tensor(dtype, values))

    def put_stored(self, name, shape, type_id, data):
        self.tensors.append((name, shape, type_id, data))
        return self

    def to_bytes(self):
        head = struct.pack("<4sIQQ", b"GGUF", self.version, len(self.tensors), len(self.values))
        head += b"".join(self.values)
        data = b""
        for name, shape, type_id, stored in self.tensors:
            head += _scalar(STRING, name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, type_id, len(data))
            data += stored + bytes(-len(stored) % self.alignment)
        return head + bytes(-len(head) % self.alignment) + data

    def save(self, path):
        with open(path, "wb") as f:
            f.write(self.to_bytes())
        return path


def put_tokenizer(g, pieces=None, controls=()):
    """`controls`: control tokens after the pieces."""
    pieces = (PIECES if pieces is None else pieces) + list(controls)
    first_merged = len(PIECES) - len(MERGED)
    scores = [0.0 if i < len(SPECIAL) + 256 else -1000.0 - i if i < first_merged else float(first_merged - i)
              for i in range(len(pieces))]
    types = [2 if i == UNK else 3 if i < len(SPECIAL) else 6 if i < len(SPECIAL) + 256 else 1
             for i in range(len(pieces))]
    types = types[:len(pieces) - len(controls)] + [3] * len(controls)
    g.put("tokenizer.ggml.model", STRING, "llama")
    g.put_array("tokenizer.ggml.tokens", STRING, pieces)
    g.put_array("tokenizer.ggml.scores", F32, scores)
    g.put_array("tokenizer.ggml.token_type", I32, types)
    g.put("tokenizer.ggml.unknown_token_id", U32, UNK)
    g.put("tokenizer.ggml.bos_token_id", U32, BOS)
    g.put("tokenizer.ggml.eos_token_id", U32, EOS)
    return g


def make_vocab(version=3):
    return put_tokenizer(Gguf(version).put("general.architecture", STRING, "llama"))


def make_model(dtype="F32", seed=1, version=3, alignment=32, layers=2, dim=64, heads=4, kv_heads=2, ffn=96,
               context=256, tied=False, rope_theta=None, rope_factor=None, architecture="llama",
               controls=()):
    rng = np.random.default_rng(seed)
    g = Gguf(version, alignment)
    g.put("general.architecture", STRING, architecture)
    g.put("general.name", STRING, f"tiny {dtype}")
    for key, value in [("context_length", context), ("embedding_length", dim), ("block_count", layers),
                       ("feed_forward_length", ffn), ("attention.head_count", heads),
                       ("attention.head_count_kv", kv_heads), ("rope.dimension_count", dim // heads)]:
        g.put("llama." + key, U32, value)
    g.put("llama.attention.layer_norm_rms_epsilon", F32, 1e-5)
    if rope_theta is not None:
        g.put("llama.rope.freq_base", F32, rope_theta)
    if rope_factor is not None:
        g.put("llama.rope.scaling.type", STRING, "linear").put("llama.rope.scaling.factor", F32, rope_factor)
    put_tokenizer(g, controls=controls)

    def matrix(name, rows, cols):
        g.put_tensor(name + ".weight", dtype, rng.uniform(-1, 1, (rows, cols)) * (3 / cols) ** 0.5)

    def norm(name):
        g.put_tensor(name + ".weight", "F32", rng.uniform(0.9, 1.1, dim))

    kv = dim // heads * kv_heads
    matrix("token_embd", len(PIECES) + len(controls), dim)
    for layer in range(layers):
        blk = f"blk.{layer}."
        norm(blk + "attn_norm")
        matrix(blk + "attn_q", dim, dim)
        matrix(blk + "attn_k", kv, dim)
        matrix(blk + "attn_v", kv, dim)
        matrix(blk + "attn_output", dim, dim)
        norm(blk + "ffn_norm")
        matrix(blk + "ffn_gate", ffn, dim)
        matrix(blk + "ffn_up", ffn, dim)
        matrix(blk + "ffn_down", dim, ffn)
    norm("output_norm")
    if not tied:
        matrix("output", len(PIECES) + len(controls), dim)
    return g


def byte_letter(byte):
    """GPT-2's letter for a byte: the character of that code if it can be seen, else the next one from U+0100 on."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return chr(byte if byte in seen else 0x100 + sum(b not in seen for b in range(byte)))


def make_bpe_vocab(pre="gpt-2", merges=(), special=("<|end|>",)):
    """Byte-level BPE: token i is byte i, then what the merges ("t h", "_ t" with _ for a space) make, then `special`."""
    merges = [m.replace("_", byte_letter(32)) for m in merges]
    tokens = [byte_letter(b) for b in range(256)] + [m.replace(" ", "") for m in merges] + list(special)
    g = Gguf().put("general.architecture", STRING, "llama").put("tokenizer.ggml.model", STRING, "gpt2")
    if pre is not None:
        g.put("tokenizer.ggml.pre", STRING, pre)
    g.put_array("tokenizer.ggml.tokens", STRING, tokens)
    g.put_array("tokenizer.ggml.token_type", I32, [1] * (len(tokens) - len(special)) + [3] * len(special))
    g.put_array("tokenizer.ggml.merges", STRING, merges)
    return g.put("tokenizer.ggml.eos_token_id", U32, len(tokens) - 1)


def write_bpe_vocab(path, **options):
    return make_bpe_vocab(**options).save(path)


def write_vocab(path, **options):
    return make_vocab(**options).save(path)


def write_model(path, **options):
    return make_model(**options).save(path)
