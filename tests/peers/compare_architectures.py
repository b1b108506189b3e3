"""A random model of every architecture: how far apart are our logits and llama.cpp's, and do greedy texts part?

    python3 tests/peers/compare_architectures.py [-l SEQUENCES] [--longest IDS] [--greedy N]

Models are made by harness make-model, in F32, so that both engines multiply the same numbers, with windows that the sequences
cross. Their texts are noise, which is the hardest case: the likeliest tokens are close together.
"""
import argparse
import pathlib
import random
import subprocess
import tempfile

import numpy

import peers

HARNESS = pathlib.Path(__file__).resolve().parents[2] / "harness"
SHAPE = "dim=128,heads=4,kv_heads=2,ffn=160,vocab=600,context=1024"  # llama.cpp rounds a context up to 256s: both take the short factors
MODELS = [("llama", "layers=4", "--biases"), ("llama", "layers=4,scaling=factors"), ("llama", "layers=4,scaling=linear"),
          ("llama", "layers=4,scaling=yarn"), ("llama", "layers=4,head_dim=48"), ("llama", "layers=3,experts=6"),
          ("qwen2", "layers=4"), ("qwen3", "layers=4,head_dim=64"), ("qwen3moe", "layers=4,experts=8,used=3,expert_ffn=48"),
          ("gemma2", "layers=4,window=40", "--tied"), ("gemma3", "layers=7,window=40", "--tied"), ("phi3", "layers=4,rope_dim=24"),
          ("phi3", "layers=4,rope_dim=24,scaling=factors"), ("granite", "layers=4", "--biases"), ("olmo2", "layers=4"),
          ("olmo2", "layers=5,window=40,scaling=yarn"), ("smollm3", "layers=8", "--biases")]


def measure(model, sequences, args):
    """Largest difference, share of equal likeliest tokens, greedy texts that are the same, widest margin where they part."""
    largest = same = positions = 0
    for ours, theirs in zip(*(peers.logits(who, model, sequences) for who in (peers.OURS, peers.THEIRS))):
        largest = max(largest, float(numpy.abs(ours.astype(float) - theirs).max()))
        same += int((ours.argmax(axis=1) == theirs.argmax(axis=1)).sum())
        positions += len(ours)
    prompts = [ids[:args.prompt] for ids in sequences]
    equal, widest = 0, 0.0
    for (ours, margins), (theirs, others) in zip(*(peers.greedy(who, model, prompts, args.greedy) for who in (peers.OURS, peers.THEIRS))):
        at = next((i for i in range(args.greedy) if ours[i] != theirs[i]), None)
        equal += at is None
        widest = widest if at is None else max(widest, margins[at], others[at])
    return largest, same / positions, equal, widest


def main():
    parser = argparse.ArgumentParser(description="random models of every architecture beside llama.cpp")
    parser.add_argument("-l", "--limit", type=int, default=200, help="sequences (default 200)")
    parser.add_argument("--longest", type=int, default=100, help="ids of a sequence (default 100)")
    parser.add_argument("--prompt", type=int, default=32, help="of them, ids of a greedy text's prompt (default 32)")
    parser.add_argument("--greedy", type=int, default=64, help="tokens of a greedy text (default 64)")
    args = parser.parse_args()
    chance = random.Random(5)
    sequences = [[1] + [chance.randrange(3, 600) for _ in range(args.longest - 1)] for _ in range(args.limit)]
    print("| architecture | shape | largest difference | same likeliest token | same greedy texts | margin where they part |\n"
          "| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for arch, shape, *options in MODELS:
            model = pathlib.Path(folder) / "random.gguf"
            subprocess.run([HARNESS, "make-model", "-q", "-a", arch, "-s", f"{SHAPE},{shape}", "-t", "f32", *options, model], check=True)
            largest, same, equal, widest = measure(model, sequences, args)
            margin = f"{widest:.2g}" if equal < args.limit else ""
            print(f"| {arch} | {shape.replace(',', ', ')} | {largest:.2g} | {same:.2%} | {equal} of {args.limit} | {margin} |", flush=True)


if __name__ == "__main__":
    main()
