"""The two programs of `make peer`, asked from Python, and the texts that they are asked about."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

BUILD = pathlib.Path(os.environ.get("PEERS", pathlib.Path(__file__).resolve().parents[2] / "build" / "release"))
OURS, THEIRS = "peer_ours", "peer_llama_cpp"


def begin(who, command, model, *options, requests=None):
    """Starts a program; its requests come from the bytes given, else through a pipe. What it says about itself or what
    went wrong is on stderr, which is the user's."""
    path = BUILD / who
    if not path.exists():
        sys.exit(f"{path} is missing (make peer LLAMA_CPP=...)")
    source = subprocess.PIPE
    if requests is not None:
        source = tempfile.TemporaryFile()
        source.write(requests)
        source.seek(0)
    return subprocess.Popen([path, command, *map(str, options), model], stdin=source, stdout=subprocess.PIPE)


def end(program):
    if program.wait() != 0:
        sys.exit(program.returncode)


def read_records(path):
    return [json.loads(line) for line in pathlib.Path(path).read_bytes().splitlines() if line.strip()]


def prompt_and_output(record):
    """Of Spec-Bench's records the turns, a line each, are the prompt."""
    return ("\n".join(record["turns"]) if "turns" in record else record["prompt"]).encode(), (record.get("output") or "").encode()


def read_texts(path):
    """Texts as bytes: of a .jsonl, each record's prompt and output; else what NULs separate."""
    if str(path).endswith(".jsonl"):
        return [text for record in read_records(path) for text in prompt_and_output(record) if text]
    texts = pathlib.Path(path).read_bytes().split(b"\0")
    return texts if texts[-1] else texts[:-1]


def tokenize(who, model, texts, *options):
    """The ids of each text."""
    program = begin(who, "ids", model, *options, requests=b"".join(text + b"\0" for text in texts))
    lines = program.stdout.read().decode().split("\n")[:-1]
    end(program)
    assert len(lines) == len(texts)
    return [[int(word) for word in line.split()] for line in lines]


def read_sequences(model, path, longest):
    """Sequences of at most `longest` ids, at least one: of a .ids a line each, else texts as llama.cpp splits them, with BOS
    where the model asks for it; of a .jsonl each record's prompt and then its output."""
    if str(path).endswith(".ids"):
        sequences = [[int(word) for word in line.split()] for line in pathlib.Path(path).read_text().splitlines()]
    elif str(path).endswith(".jsonl"):
        records = read_records(path)
        prompts = tokenize(THEIRS, model, [prompt_and_output(record)[0] for record in records], "-b")
        outputs = tokenize(THEIRS, model, [prompt_and_output(record)[1] for record in records])
        sequences = [a + b for a, b in zip(prompts, outputs)]
    else:
        sequences = tokenize(THEIRS, model, read_texts(path), "-b")
    return [ids[:longest] for ids in sequences if ids]


def lines_of(sequences):
    return "".join(" ".join(map(str, ids)) + "\n" for ids in sequences).encode()


def logits(who, model, sequences, *options):
    """Yields the logits [ids, vocab] of each sequence."""
    program = begin(who, "logits", model, "-c", max(map(len, sequences)), *options, requests=lines_of(sequences))
    head = program.stdout.read(4)
    if len(head) < 4:
        end(program)
    vocab = int.from_bytes(head, sys.byteorder)
    for ids in sequences:
        rows = program.stdout.read(4 * vocab * len(ids))
        if len(rows) < 4 * vocab * len(ids):
            end(program)
        yield numpy.frombuffer(rows, numpy.float32).reshape(len(ids), vocab)
    end(program)


def greedy(who, model, prompts, n, *options):
    """For each prompt the n likeliest ids, one after the other, and each one's margin over the next likely."""
    context = max(map(len, prompts)) + n
    program = begin(who, "greedy", model, "-c", context, "-n", n, *options, requests=lines_of(prompts))
    lines = program.stdout.read().decode().splitlines()
    end(program)
    pairs = [[word.split(":") for word in line.split()] for line in lines]
    return [([int(i) for i, _ in line], [float(margin) for _, margin in line]) for line in pairs]
