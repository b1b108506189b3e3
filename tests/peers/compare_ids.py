"""Texts split into tokens by our tokenizer and by llama.cpp's: the same ids?

    python3 tests/peers/compare_ids.py MODEL.gguf TEXTS...

TEXTS are files of texts that NULs separate, or .jsonl with prompts and outputs. Control tokens in them are ordinary text.
Exit status: 0: all are the same. 1: some differ, of which the first are shown.
"""
import argparse

import peers


def show(text, ours, theirs):
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    print(f"  {text[:100]!r}{'...' if len(text) > 100 else ''}")
    print(f"    at token {at}: ours {ours[at:at + 8]}, llama.cpp {theirs[at:at + 8]}")


def main():
    parser = argparse.ArgumentParser(description="our tokenizer beside llama.cpp's")
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("texts", metavar="TEXTS", nargs="+")
    parser.add_argument("--show", type=int, default=10, help="differences to print (default 10)")
    args = parser.parse_args()
    failed = 0
    for path in args.texts:
        texts = peers.read_texts(path)
        ours, theirs = (peers.tokenize(who, args.model, texts) for who in (peers.OURS, peers.THEIRS))
        wrong = [i for i in range(len(texts)) if ours[i] != theirs[i]]
        print(f"{path}: {len(texts)} texts, {sum(map(len, theirs))} tokens: {len(wrong)} texts differ")
        for i in wrong[:args.show]:
            show(texts[i], ours[i], theirs[i])
        failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
