"""One model, two engines: how far apart are the logits, and where do greedy texts part?

    python3 tests/peers/compare_logits.py MODEL.gguf FILE... [-t THREADS] [-s SPLIT] [--greedy N]

A FILE has ids, a line for each sequence (.ids), or texts as for compare_ids.py, which llama.cpp splits; a record's prompt and output
are one sequence. Logits of every position are compared, in passes of SPLIT tokens. Then each sequence's first tokens are a
prompt that both continue alone: with equal logits two greedy texts never part, and where they do, the margins say how close
the two likeliest tokens were in each engine. llama.cpp keeps its cache in f32 and uses no flash attention here; what it
rounds inside a product is its own, and depends on how many tokens a pass has: --itself shows by how much, the measure of
what a difference to another engine means. --f32 says more: who is nearer to the same weights without that rounding?
"""
import argparse

import numpy

import peers


def compare_rows(title, ours, theirs):
    """Prints how far two engines' logits are apart, which come sequence by sequence."""
    n = vocab = same = sequences = 0
    squares, largest, where = 0.0, -1.0, None
    for a, b in zip(ours, theirs):
        gaps = numpy.abs(a.astype(float) - b)
        squares += float((gaps * gaps).sum())
        same += int((a.argmax(axis=1) == b.argmax(axis=1)).sum())
        if gaps.max() > largest:
            largest, where = gaps.max(), (sequences, *numpy.unravel_index(gaps.argmax(), gaps.shape))
        sequences, n, vocab = sequences + 1, n + len(a), a.shape[1]
    print(f"  {title}: {sequences} sequences, {n} positions, {vocab} words: largest difference of a logit {largest:.3g} (sequence "
          f"{where[0]}, position {where[1]}, id {where[2]}), root mean square {(squares / n / vocab) ** 0.5:.3g}, "
          f"same likeliest token at {same} ({same / n:.2%})", flush=True)


def compare_greedy(args, sequences):
    prompts = [ids[:args.prompt] for ids in sequences]
    ours, theirs = (peers.greedy(who, args.model, prompts, args.greedy, "-t", args.threads) for who in (peers.OURS, peers.THEIRS))
    parted = []
    for line, ((our_ids, our_margins), (their_ids, their_margins)) in enumerate(zip(ours, theirs)):
        at = next((i for i in range(args.greedy) if our_ids[i] != their_ids[i]), None)
        if at is not None:
            parted.append((max(our_margins[at], their_margins[at]), line, at, our_margins[at], their_margins[at]))
    print(f"  {len(prompts)} greedy texts of {args.greedy} tokens: {len(prompts) - len(parted)} are the same")
    if parted:
        print(f"  where they part, the margin is {numpy.median([p[0] for p in parted]):.3g} in the median and {max(parted)[0]:.3g} at "
              "most; the widest:")
    for _, line, at, our_margin, their_margin in sorted(parted, reverse=True)[:args.show]:
        print(f"    sequence {line}, token {at}: ours by {our_margin:.3g}, llama.cpp's by {their_margin:.3g}")


def main():
    parser = argparse.ArgumentParser(description="our logits beside llama.cpp's")
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("files", metavar="FILE", nargs="+")
    parser.add_argument("-t", "--threads", type=int, default=1)
    parser.add_argument("-s", "--split", type=int, default=64, help="tokens of a pass (default 64)")
    parser.add_argument("-l", "--limit", type=int, default=200, help="sequences of a file (default 200)")
    parser.add_argument("--longest", type=int, default=256, help="ids of a sequence, the rest is cut (default 256)")
    parser.add_argument("--itself", action="store_true", help="also how far llama.cpp is from itself when passes differ")
    parser.add_argument("--f32", metavar="FILE", help="the same weights in F32 (harness quantize -t f32): also how far each "
                        "engine is from them, whose products round nothing to 8 bits")
    parser.add_argument("--greedy", type=int, default=64, help="tokens of a greedy text; 0: none (default 64)")
    parser.add_argument("--prompt", type=int, default=32, help="ids of its prompt (default 32)")
    parser.add_argument("--show", type=int, default=5, help="places where texts part to print (default 5)")
    args = parser.parse_args()
    for path in args.files:
        print(path, flush=True)
        sequences = peers.read_sequences(args.model, path, args.longest)[:args.limit]

        def logits(who, model=args.model, split=args.split):
            return peers.logits(who, model, sequences, "-t", args.threads, "-s", split)
        compare_rows("ours and llama.cpp's", logits(peers.OURS), logits(peers.THEIRS))
        if args.itself:
            compare_rows(f"llama.cpp's, tokens one by one and {args.split} in a pass", logits(peers.THEIRS, split=1),
                         logits(peers.THEIRS))
        if args.f32:
            compare_rows("in F32, ours and llama.cpp's", logits(peers.OURS, args.f32), logits(peers.THEIRS, args.f32))
            compare_rows("ours and ours in F32", logits(peers.OURS), logits(peers.OURS, args.f32))
            compare_rows("llama.cpp's and ours in F32", logits(peers.THEIRS), logits(peers.OURS, args.f32))
        if args.greedy:
            compare_greedy(args, sequences)


if __name__ == "__main__":
    main()
