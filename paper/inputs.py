"""What the paper is made from: results files, an audit and times of passes, and the steps of experiments/reproduce.py that make them."""
import csv
import io
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
# name: (file, step of experiments/reproduce.py)
INPUTS = {
    "llma_rag": ("results/llma_rag.h5", "llma_rag"),
    "policies": ("results/policies.h5", "policies"),
    "instruct": ("results/instruct.h5", "instruct"),
    "policies_timed": ("results/policies_timed.h5", "policies_timed"),
    "quick": ("results/quick.h5", "quick"),
    "lossless": ("results/lossless.h5", "lossless"),
    "rules": ("results/rules.h5", "rules"),
    "divergence": ("results/divergence.h5", "divergence"),
    "check_smollm2": ("results/recommend_smollm2/check.h5", "recommend for smollm2"),
    "check_copier": ("results/recommend_copier/check.h5", "recommend for copier"),
    "audit": ("results/audit.csv", "audit"),
    "cost_smollm2": ("build/smollm2.cost", "times of smollm2"),
    "cost_copier": ("build/copier.cost", "times of copier"),
    "cost_gemma3": ("build/gemma3.cost", "times of gemma3"),
}


def missing(root=ROOT, inputs=None):
    """The steps whose results are not there."""
    return [step for path, step in (inputs or INPUTS).values() if not (root / path).exists()]


def require(root=ROOT, inputs=None):
    """Ends the program with what is missing and the command that makes it."""
    steps = missing(root, inputs)
    if steps:
        named = " ".join(f"'{s}'" if " " in s else s for s in steps)
        sys.exit(f"the paper needs results that are missing; to make them, run:\n    experiments/reproduce.py {named}")


def path_of(name):
    return ROOT / INPUTS[name][0]


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def rows(text):
    """Of CSV: numbers as floats, empty where there is no value."""
    return [{key: number(value) for key, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def table(kind, name):
    """The rows of `harness tables KIND` of a results file."""
    done = subprocess.run([ROOT / "harness", "tables", kind, path_of(name), "--format", "csv"], stdout=subprocess.PIPE,
                          text=True, check=True)
    return rows(done.stdout)


def file(name):
    """The rows of a file that is CSV already."""
    return rows(path_of(name).read_text(encoding="utf-8"))


def cost(name):
    """{context: {k: (median, first quartile, third quartile)}} in nanoseconds, and the lines that doubt them."""
    times, doubts, context = {}, [], None
    for line in path_of(name).read_text().splitlines():
        if line.startswith("; doubtful"):
            doubts.append(line)
        elif match := re.fullmatch(r"\[T (\d+)\]", line):
            context = times.setdefault(int(match[1]), {})
        elif context is not None and (match := re.match(r"(\d+) = ([\d ]+)$", line)):
            values = [int(v) for v in match[2].split()]
            context[int(match[1])] = tuple(values) if len(values) == 3 else (values[0],) * 3
    return times, doubts
