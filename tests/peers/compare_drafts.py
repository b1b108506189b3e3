"""Our policies beside the drafters of llama.cpp and ik_llama.cpp over recorded outputs: the same drafts in every step?

    python3 tests/peers/compare_drafts.py MODEL.gguf RECORDS.jsonl [-l N] [POLICY[:NAME=VALUE,...]...]

RECORDS have outputs, which our tokenizer splits by the model's vocabulary; records may be LLMA's, with documents before
the question. Each step drafts, accepts what the recorded output goes on with, and tells both, so that they adapt alike.
Without policies: all for which `make peer` and `make peer_ik` have built the programs, with the originals' presets and with
shorter triggers.
Exit status: 0: all drafts are the same. 1: some differ, of which the first is shown.
"""
import argparse
import subprocess

import peers

DRAFTS, DRAFTS_IK = "peer_drafts", "peer_drafts_ik"
POLICIES = [
    "ngram_simple", "ngram_simple:n=3,k=8", "ngram_simple:n=1,k=4",
    "ngram_map_k:compat=yes", "ngram_map_k:n=3,k=8,compat=yes", "ngram_map_k:n=1,k=4,compat=yes",
    "ngram_map_k:n=2,k=6,min_hits=2,compat=yes",
    "ngram_map_k4v:compat=yes", "ngram_map_k4v:n=3,k=8,compat=yes", "ngram_map_k4v:n=1,k=4,compat=yes",
    "ngram_map_k4v:n=2,k=3,min_hits=2,compat=yes",
    "ngram_mod:compat=yes", "ngram_mod:n=3,k=16,n_min=0,compat=yes", "ngram_mod:n=2,k=8,n_min=2,compat=yes,memory=cell",
    "ngram_mod:n=3,k=16,n_min=0,memory=cell", "ngram_mod:memory=cell",
    "ngram_cache:compat=yes", "ngram_cache:k=8", "ngram_cache:k=16,memory=cell", "ngram_cache:k=3,memory=cell",
    "suffix", "suffix:n=2,p_min=0.1", "suffix:n=1,k=64,max_depth=24,p_min=0", "suffix:compat=yes,requests=0,memory=cell",
    "suffix:n=2,p_min=0.1,compat=yes,requests=0,memory=cell", "suffix:n=2,p_min=0.1,requests=1,memory=cell",
]


def program(policy):
    return peers.BUILD / (DRAFTS_IK if policy.split(":")[0] == "suffix" else DRAFTS)


def sequences(model, path, n):
    """A prompt's ids, then its output's."""
    texts = []
    for record in peers.read_records(path):
        if "docs" in record:
            prompt = "docs:\n" + "\n".join(record["docs"]) + "\nquery: " + record["query"] + "\nanswer:"
            texts.append((prompt.encode(), record["result"]["text"].encode()))
        else:
            texts.append(peers.prompt_and_output(record))
    texts = [pair for pair in texts if all(pair)][:n]
    prompts = peers.tokenize(peers.OURS, model, [prompt for prompt, _ in texts], "-b")
    outputs = peers.tokenize(peers.OURS, model, [output for _, output in texts])
    return [ids for pair in zip(prompts, outputs) for ids in pair]


def main():
    parser = argparse.ArgumentParser(description="our drafts beside others'")
    parser.add_argument("model", metavar="MODEL.gguf")
    parser.add_argument("records", metavar="RECORDS.jsonl")
    parser.add_argument("policies", metavar="POLICY", nargs="*", default=[p for p in POLICIES if program(p).exists()])
    parser.add_argument("-l", type=int, default=30, help="records used (default 30)")
    args = parser.parse_args()
    request, failed = peers.lines_of(sequences(args.model, args.records, args.l)), 0
    for policy in args.policies:
        done = subprocess.run([program(policy), *policy.split(":", 1)], input=request, stdout=subprocess.PIPE)
        print(f"{policy}: {done.stdout.decode().strip()}", flush=True)
        failed += done.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
