"""Random texts for tokenizers to differ on, a NUL between them, for compare_ids.py:

    python3 tests/peers/random_texts.py MODEL.gguf -n 100000 > texts
    python3 tests/peers/compare_ids.py MODEL.gguf texts

A text is made of what splits are made at: words of the model's own vocabulary whole and cut, characters of every Unicode
category, runs of one, line ends, contractions, digits of many scripts, marks without a base, control tokens that are text.
"""
import argparse
import os
import pathlib
import random
import re
import subprocess
import sys
import unicodedata

HARNESS = os.environ.get("HARNESS", pathlib.Path(__file__).resolve().parents[2] / "harness")
RUNS = [" ", "  ", "\t", "\n", "\r\n", "\r", "\u00a0", "\u2003", "\u3000", "\u2028", "\x0b", "\x85", "-", "=", "\u2581", "a", "0", "\u0301"]
JOINTS = ["'s", "'T", "'re", "'LL", "'ve", "'d", "'m", "\u2019s", "'x", "''", "'\n", ".\n\n", "!\r\n", "_", "/", "$1,000.00", "1.2e-5",
          "<s>", "</s>", "<|endoftext|>", "<0x0A>", "\u200d", "\ufe0f", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\ufffd", "\ufeff"]


def categories():
    """The characters of each Unicode category; surrogates are none, and NUL separates texts. What an unassigned one is
    depends on the version of Unicode: llama.cpp's may be another than ours, which harness inspect names."""
    of = {}
    for code in [*range(1, 0xD800), *range(0xE000, 0x20000), 0xE0001, 0x10FFFF]:
        of.setdefault(unicodedata.category(chr(code)), []).append(chr(code))
    del of["Cn"]
    return list(of.values())


def harness(*args, **options):
    return subprocess.run([HARNESS, *args], check=True, stdout=subprocess.PIPE, **options).stdout


def pieces(model):
    """The texts of the vocabulary's tokens, those that are UTF-8."""
    size = int(re.search(rb"^tokenizer .*, (\d+) ids", harness("inspect", model), re.M)[1])
    ids = "\n".join(map(str, range(size))).encode()
    return [text for text in map(decoded, harness("tokenize", "-m", model, "-0", "--decode", input=ids).split(b"\0")) if text]


def decoded(piece):
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return ""


def text(draw, words, kinds):
    def part():
        which = draw.random()
        if which < 0.35:
            return draw.choice(words)
        if which < 0.45:
            word = draw.choice(words)
            return word[draw.randrange(len(word)):] or word
        if which < 0.7:
            kind = draw.choice(kinds)
            return "".join(draw.choice(kind) for _ in range(draw.choice([1, 1, 1, 2, 3, 7])))
        if which < 0.85:
            return draw.choice(RUNS) * draw.choice([1, 1, 1, 2, 3, 4, 5, 17, 40])
        return draw.choice(JOINTS)
    return "".join(part() for _ in range(draw.choice([1, 2, 3, 5, 8, 13, 30])))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("-n", type=int, default=10000, help="texts (default 10000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nfc", action="store_true", help="in NFC: llama.cpp leaves out a normalization that some models ask for")
    args = parser.parse_args()
    words, kinds, draw = pieces(args.model), categories(), random.Random(args.seed)
    for _ in range(args.n):
        drawn = text(draw, words, kinds).replace("\0", "")
        sys.stdout.buffer.write((unicodedata.normalize("NFC", drawn) if args.nfc else drawn).encode() + b"\0")


if __name__ == "__main__":
    main()
