"""Two engines beside the same model in double precision: whose logits are nearer to what the weights say?

    python3 tests/peers/compare_f64.py MODEL.gguf FILE [-l SEQUENCES] [--longest IDS]

FILE as for compare_logits.py. Of quantized weights both engines round activations to 8 bits, and GELU comes from a table of
halves in llama.cpp; here nothing is rounded below double precision, so each engine's distance is its own error. Models of
architectures llama, qwen2, qwen3, gemma2 and gemma3, without scaled rotations. Needs numpy and the package gguf (pip).
"""
import argparse
import math
import pathlib

import numpy

import peers

HALVES = {"qwen2", "qwen3", "gemma2", "gemma3"}  # rotate pairs (i, n / 2 + i)
KNOWN = HALVES | {"llama"}


class Model:
    def __init__(self, path):
        import gguf
        reader = gguf.GGUFReader(path)
        self.values = {name: field.contents() for name, field in reader.fields.items()}
        self.arch = self.values["general.architecture"]
        if self.arch not in KNOWN:
            raise SystemExit(f"{path}: architecture {self.arch} ({', '.join(sorted(KNOWN))})")
        self.tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(numpy.float64) for t in reader.tensors}

    def key(self, name, preset=None):
        return self.values.get(f"{self.arch}.{name}", preset)

    def tensor(self, name, layer=None):
        return self.tensors.get(name if layer is None else f"blk.{layer}.{name}")


def norm(x, weight, eps):
    return x if weight is None else x / numpy.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * weight


def rotated(x, base, halves):
    """x: [tokens, heads, width]."""
    n, _, width = x.shape
    angles = numpy.outer(numpy.arange(n), base ** (-2.0 * numpy.arange(width // 2) / width))[:, None, :]
    cosine, sine = numpy.cos(angles), numpy.sin(angles)
    a, b = (x[..., :width // 2], x[..., width // 2:]) if halves else (x[..., 0::2], x[..., 1::2])
    out = numpy.empty_like(x)
    first, second = (numpy.s_[..., :width // 2], numpy.s_[..., width // 2:]) if halves else (numpy.s_[..., 0::2], numpy.s_[..., 1::2])
    out[first], out[second] = a * cosine - b * sine, a * sine + b * cosine
    return out


def attention(m, layer, x, window, base):
    n, heads, kv = len(x), m.key("attention.head_count"), m.key("attention.head_count_kv", m.key("attention.head_count"))
    width = m.key("attention.key_length", m.key("embedding_length") // heads)
    parts = []
    for name, count in (("q", heads), ("k", kv), ("v", kv)):
        y = x @ m.tensor(f"attn_{name}.weight", layer).T
        bias = m.tensor(f"attn_{name}.bias", layer)
        y = (y if bias is None else y + bias).reshape(n, count, width)
        if name != "v":
            y = rotated(norm(y, m.tensor(f"attn_{name}_norm.weight", layer), m.key("attention.layer_norm_rms_epsilon")), base,
                        m.arch in HALVES)
        parts.append(numpy.repeat(y, heads // count, axis=1))
    q, k, v = parts
    scores = numpy.einsum("ihd,jhd->hij", q, k) / math.sqrt(width)
    cap = m.key("attn_logit_softcapping", 50.0 if m.arch == "gemma2" else 0)
    if cap:
        scores = cap * numpy.tanh(scores / cap)
    age = numpy.arange(n)[:, None] - numpy.arange(n)[None, :]
    scores[:, (age < 0) | ((age >= window) if window else False)] = -numpy.inf
    weights = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return numpy.einsum("hij,jhd->ihd", weights, v).reshape(n, -1) @ m.tensor("attn_output.weight", layer).T


def feed_forward(m, layer, x):
    gate = x @ m.tensor("ffn_gate.weight", layer).T
    if m.arch.startswith("gemma"):
        gate = 0.5 * gate * (1 + numpy.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)))
    else:
        gate = gate / (1 + numpy.exp(-gate))
    return (gate * (x @ m.tensor("ffn_up.weight", layer).T)) @ m.tensor("ffn_down.weight", layer).T


def logits(m, ids):
    gemma, eps = m.arch.startswith("gemma"), m.key("attention.layer_norm_rms_epsilon")
    period = {"gemma2": 2, "gemma3": 6}.get(m.arch, 1)
    x = m.tensor("token_embd.weight")[ids]
    if gemma:
        x = x * numpy.float64(numpy.sqrt(numpy.float32(m.key("embedding_length"))))
    for layer in range(m.key("block_count")):
        windowed = gemma and layer % period < period - 1
        base = 10000.0 if m.arch == "gemma3" and windowed else m.key("rope.freq_base", 10000.0)
        window = m.key("attention.sliding_window", 0) if windowed else 0
        d = attention(m, layer, norm(x, m.tensor("attn_norm.weight", layer), eps), window, base)
        x = x + norm(d, m.tensor("post_attention_norm.weight", layer), eps)
        d = feed_forward(m, layer, norm(x, m.tensor("ffn_norm.weight", layer), eps))
        x = x + norm(d, m.tensor("post_ffw_norm.weight", layer), eps)
    output = m.tensor("output.weight")
    out = norm(x, m.tensor("output_norm.weight"), eps) @ (m.tensor("token_embd.weight") if output is None else output).T
    cap = m.key("final_logit_softcapping", 30.0 if m.arch == "gemma2" else 0)
    return cap * numpy.tanh(out / cap) if cap else out


def main():
    parser = argparse.ArgumentParser(description="our logits and llama.cpp's beside double precision")
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("-l", "--limit", type=int, default=4, help="sequences (default 4)")
    parser.add_argument("--longest", type=int, default=256, help="ids of a sequence, the rest is cut (default 256)")
    args = parser.parse_args()
    sequences = peers.read_sequences(args.model, args.file, args.longest)[:args.limit]
    m = Model(args.model)
    exact = [logits(m, ids) for ids in sequences]
    print(f"{args.model}, {pathlib.Path(args.file).name}: {len(sequences)} sequences, {sum(map(len, sequences))} positions, "
          "beside double precision", flush=True)
    for title, who in (("ours", peers.OURS), ("llama.cpp", peers.THEIRS)):
        largest = squares = same = 0
        for want, got in zip(exact, peers.logits(who, args.model, sequences)):
            gaps = numpy.abs(want - got)
            largest, squares = max(largest, gaps.max()), squares + (gaps * gaps).mean(axis=1).sum()
            same += int((want.argmax(axis=1) == got.argmax(axis=1)).sum())
        n = sum(map(len, sequences))
        print(f"  {title}: largest difference {largest:.3g}, root mean square {math.sqrt(squares / n):.3g}, "
              f"same likeliest token at {same} ({same / n:.2%})", flush=True)


if __name__ == "__main__":
    main()
