#!/usr/bin/env python3
"""All evidence, from nothing but this folder: sweeps, tables, figures, notebooks and the paper, in the order of STEPS.

    make reproduce                                  builds first
    experiments/reproduce.py [-n] [-o DIR] [--isa NAME] [--expected FILE] [STEP...]

A sweep keeps its finished trials, and any other step is done when what it makes is there and was made by the same
command from the same files: so this goes on where it was stopped, and a second run does nothing. A step whose data must
be fetched is named with the command that brings them; fetch them and run again, and its part is done, too.

At the end the hashes of all results (`harness inspect --hash`: everything but times and provenance) are compared with the
list in results/README.md. Exit status: 0: all steps ran, and all hashes agree; 1: a step failed or a hash differs; 2:
usage. Steps without their data change nothing in that.
"""
import argparse
import configparser
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "experiments" / "configs"
COPIER = "datasets/models/copier.gguf"
SMOLLM2 = "datasets/data/SmolLM2-135M-Instruct.Q4_1.gguf"
GEMMA3 = "datasets/data/gemma-3-270m-q4_k_m.gguf"
SPEC_BENCH = "datasets/data/spec_bench.jsonl"
FETCH = {SMOLLM2: "smollm2", GEMMA3: "gemma3-270m", "datasets/data/rag.jsonl": "llma-rag",
         SPEC_BENCH: "spec-bench", "datasets/data/ggml-vocab-llama-spm.gguf": "llama-vocab"}


@dataclasses.dataclass
class Sweep:
    """A sweep of experiments/configs. Its [needs] say what must be there; what the harness itself can make is made."""
    name: str
    about: str
    minutes: float  # on one quiet core
    config: str
    sets: tuple = ()  # overrides
    jobs: int = 1  # more where no times are of interest
    needs: tuple = ()  # beside those of the config
    same: bool = True  # the results are the same on every machine, and so is their hash
    first: tuple = ()  # (path, command) of what overrides name, made where it is missing


@dataclasses.dataclass
class Make:
    """Files that a command makes from others."""
    name: str
    about: str
    minutes: float
    command: str
    makes: tuple
    reads: tuple = ()
    needs: tuple = ()  # of FETCH


def other(name, *sets):
    """Overrides that make a sweep of a config under another name."""
    return (f"sweep.name={name}", *sets)


def tables(name, *kinds):
    made = [f"results/tables/{name}-{kind}.txt" for kind in kinds]
    write = " && ".join(f"./harness tables {kind} results/{name}.h5 -o {path}" for kind, path in zip(kinds, made))
    return Make(f"tables of {name}", ", ".join(kinds), 0, f"mkdir -p results/tables && {write}", tuple(made),
                (f"results/{name}.h5", "build/release/harness"))


def figures(name):
    return Make(f"figures of {name}", "heat map, acceptance, speed-up", 0.1,
                f"{shlex.quote(sys.executable)} analysis/plots.py results/{name}.h5 results/figures/{name}",
                (f"results/figures/{name}/heatmap.pdf",), (f"results/{name}.h5", "analysis/plots.py", "analysis/plotting/*.py"))


def times(name, model, needs=(), options=""):
    return Make(f"times of {name}", f"T(m, context) of {name}'s passes", 1,
                f"./harness bench -q -m {model} -t 1 -c 0,512 -r 5 {options} --cost build/{name}.cost",
                (f"build/{name}.cost",), (), needs)


def recommend(name, data, model, needs=(), options=""):
    folder = f"results/recommend_{name}"
    return Make(f"recommend for {name}", "a policy chosen on half of the records, measured on the other half", 3,
                f"./harness recommend {data} -m {model} -t 1 --check --cost build/{name}.cost -o {folder} -q {options}"
                f" > {folder}.txt.new && mv {folder}.txt.new {folder}.txt", (f"{folder}.txt", f"{folder}/check.h5"),
                (data, f"build/{name}.cost"), needs)


def audit(folder, model, original, records):
    """Of outputs that are kept in the repository. Their model is made unless a sweep has made it."""
    result = f"results/{pathlib.PurePath(folder).name}"
    return Make("audit", "llama.cpp's outputs with its drafters beside its plain ones", 5,
                f"{{ [ -e {model} ] || ./harness quantize -q -t f16 {original} {model}; }} && "
                f"{shlex.quote(sys.executable)} experiments/audit_outputs.py -t 2 {model} {records} {folder} {result}.csv",
                (f"{result}.csv", f"{result}_records.csv"),
                (f"{folder}/*.jsonl", f"{folder}/drafters.csv", "experiments/audit_outputs.py"), (original, records))


STEPS = [
    # From nothing but this folder.
    Sweep("quick", "llma and pld on the embedded model, in time", 1, "quick.ini"),
    Sweep("lossless", "every policy, every rule that keeps tokens", 1, "lossless.ini", jobs=2),
    Sweep("rules", "every rule", 2, "rules.ini", jobs=2),
    Sweep("replay", "n and k over recorded outputs", 0.1, "replay.ini"),
    Sweep("policies_own", "every policy that can be replayed, and the bound of copying", 0.5, "policies.ini",
          other("policies_own", f"model smollm2.tokenizer=../../{COPIER}", "dataset rag.format=native",
                "dataset rag.path=../../datasets/samples/scenarios.jsonl", "dataset rag.append_docs=no",
                "policy rest.store=../../build/scenarios.store"), jobs=2,
          first=("build/scenarios.store", f"./harness datastore build -m {COPIER} -o build/scenarios.store "
                 "datasets/samples/scenarios.jsonl")),
    Sweep("divergence", "products through BLAS", 4, "divergence.ini", ("dataset held.limit=100",), jobs=2, same=False),
    times("copier", COPIER),
    recommend("copier", "datasets/samples/scenarios.jsonl", COPIER),
    # LLMA's data and real models, where they were fetched.
    Sweep("llma_rag", "LLMA's own experiment: n and k over its recorded outputs", 0.1, "llma_rag.ini", jobs=2),
    Sweep("policies", "every policy over LLMA's outputs, and the bound of copying", 2, "policies.ini", jobs=2),
    times("smollm2", SMOLLM2, (SMOLLM2,)),
    times("gemma3", GEMMA3, (GEMMA3,)),
    recommend("smollm2", "datasets/samples/code_edits.jsonl", SMOLLM2, (SMOLLM2,), "--as-turn -N 96"),
    Sweep("instruct", "SmolLM2 and Gemma 3, n and k in time", 15, "instruct.ini",
          ("dataset rag.limit=2", "dataset mt-bench.limit=2", "dataset edits.limit=4")),
    Sweep("policies_timed", "every policy on SmolLM2, in time", 3, "policies_timed.ini", ("dataset edits.limit=3",), same=False),
    Sweep("lossless_smollm2", "as lossless", 3, "lossless.ini",
          other("lossless_smollm2", f"model m.path=../../{SMOLLM2}", "dataset edits.limit=1"), needs=(SMOLLM2,), jobs=2),
    Sweep("lossless_gemma3", "as lossless", 6, "lossless.ini",
          other("lossless_gemma3", f"model m.path=../../{GEMMA3}", "model m.chat=gemma", "dataset edits.limit=1"),
          needs=(GEMMA3,), jobs=2),
    Sweep("lossless_files", "a datastore and a draft model", 3, "lossless_files.ini", jobs=2),
    audit("datasets/samples/audit", "build/smollm2-f16.gguf", SMOLLM2, SPEC_BENCH),
    # What people read.
    tables("quick", "summary", "grid", "positions", "sources"),
    tables("lossless", "equality"),
    tables("rules", "equality"),
    tables("policies_own", "drafting"),
    figures("quick"),
    Make("notebooks", "executed over results/quick.h5", 1, "make --no-print-directory notebooks RESULTS=results/quick.h5",
         tuple(f"build/notebooks/{name}.html" for name in ("first_steps", "explore", "rules")),
         ("results/quick.h5", "analysis/*.ipynb", "analysis/plots.py", "analysis/plotting/*.py")),
    Make("paper", "paper/paper.pdf", 1, "make --no-print-directory -C paper", ("paper/paper.pdf",),
         ("results/*.h5", "results/audit.csv", "build/*.cost", "results/recommend_*/check.h5", "paper/*.tex", "paper/*.py", "paper/*.bib",
          "paper/Makefile", "analysis/plotting/*.py"), tuple(FETCH)),
]


class Missing(Exception):
    """Files that must be fetched; its text is the command."""


class Failed(Exception):
    """A command failed."""


def say(text=""):
    print(text, file=sys.stderr, flush=True)


def run(command, log, **options):
    """Runs a shell command in ROOT; its output goes into a log, its progress to the terminal."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w") as out:
        status = subprocess.run(["bash", "-o", "pipefail", "-c", command], **{"cwd": ROOT, "stdout": out, **options}).returncode
    if status != 0:
        raise Failed(f"exit status {status} of: {command}\n  its output: {log.relative_to(ROOT)}")


def fetch(names):
    """Raises Missing with the command that brings those of the files that are not there."""
    missing = [FETCH[name] for name in names if not (ROOT / name).exists()]
    if missing:
        raise Missing(f"datasets/fetch.sh {' '.join(missing)}")


def overridden(sets):
    """The keys of overrides: an input that is replaced is not needed."""
    return dict(text.split("=", 1) for text in sets)


# ---- sweeps -------------------------------------------------------------------------------------------------


def needs_of(step):
    """(path, command) of what a sweep's config says must be there and the sweep reads."""
    config = configparser.ConfigParser(inline_comment_prefixes=(" ;",), interpolation=None, strict=False)
    config.read(CONFIGS / step.config)
    replaced = overridden(step.sets)
    read = {value for name in config.sections() if not name.startswith("needs ") for key, value in config[name].items()
            if f"{name}.{key}" not in replaced}
    for name in config.sections():
        if name.startswith("needs ") and config[name]["path"] in read:
            yield config[name]["path"], config[name]["command"]


def make_needs(step, log):
    """Makes what the harness makes; what must be fetched is Missing."""
    fetch(step.needs)
    if step.first and not (ROOT / step.first[0]).exists():
        (ROOT / "build").mkdir(exist_ok=True)
        run(step.first[1], log)
    to_fetch = []
    for path, command in needs_of(step):
        place = (CONFIGS / path).resolve()
        if place.exists():
            continue
        if "fetch.sh" in command:
            to_fetch.append(command.split("&&")[0].split("fetch.sh")[1].strip())
        elif not to_fetch:
            place.parent.mkdir(parents=True, exist_ok=True)
            run(re.sub(r"^harness ", "../../harness ", command), log, cwd=CONFIGS)
    if to_fetch:
        raise Missing(f"datasets/fetch.sh {' '.join(to_fetch)}")


def sweep(step, folder, log, isa):
    make_needs(step, log)
    command = ["./harness", "sweep", f"experiments/configs/{step.config}", "-o", str(folder), "--jobs", str(step.jobs)]
    for text in step.sets:
        command += ["--set", text]
    environment = {**os.environ, **({"HARNESS_ISA": isa} if isa else {})}
    run(shlex.join(command), log, env=environment)


# ---- other steps --------------------------------------------------------------------------------------------


def digest(step):
    """Of a step's command and of what it reads. Large files by their sizes and dates."""
    sha = hashlib.sha256(step.command.encode())
    for pattern in step.reads:
        for path in sorted(ROOT.glob(pattern)):
            at = path.stat()
            sha.update(str(path.relative_to(ROOT)).encode())
            sha.update(path.read_bytes() if at.st_size < 1 << 24 else f"{at.st_size} {at.st_mtime_ns}".encode())
    return sha.hexdigest()


def make(step, log, done):
    """Whether there was something to do."""
    fetch(step.needs)
    absent = [path for path in step.reads if "*" not in path and not (ROOT / path).exists()]
    if absent:
        raise Missing(f"the step that makes {absent[0]}")
    if all((ROOT / path).exists() for path in step.makes) and done.get(step.name) == digest(step):
        return False
    run(step.command, log)
    gone = [path for path in step.makes if not (ROOT / path).exists()]
    if gone:
        raise Failed(f"{gone[0]} was not made by: {step.command}")
    done[step.name] = digest(step)
    return True


# ---- hashes -------------------------------------------------------------------------------------------------


def hashes_in(path):
    """Expected hashes by sweep, from a list in Markdown: | sweep | cells | trials | hash |."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| `([0-9a-f]{16})` \|$", path.read_text(), re.M)
    return {name: (int(cells), int(trials), value) for name, cells, trials, value in rows}


def hash_of(path):
    """(cells, trials, hash) of a results file."""
    done = subprocess.run(["./harness", "inspect", "--hash", path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    told = re.match(r"([0-9a-f]{16})  .*: (\d+) cells?, (\d+) trials?$", done.stdout.partition("\n")[0])
    if done.returncode != 0 or told is None:
        raise Failed(f"no hash of {path}")
    return int(told[2]), int(told[3]), told[1]


def compare(found, expected):
    """Prints the hashes; returns how many differ."""
    differ = [name for name in found if name in expected and found[name] != expected[name]]
    say("\nhashes of results")
    for name, (cells, trials, value) in found.items():
        verdict = "not in the list" if name not in expected else "agrees" if name not in differ else (
            "DIFFERS: expected {2} of {0} cells, {1} trials".format(*expected[name]))
        print(f"| `{name}` | {cells} | {trials} | `{value}` |  {verdict}", flush=True)
    agree = len(found) - len(differ) - sum(name not in expected for name in found)
    say(f"{agree} of {len(found)} agree with the list to the bit" + (f"; {len(differ)} DIFFER" if differ else "") +
        ("" if agree + len(differ) == len(found) else "; the others are not in it"))
    return len(differ)


# ---- the job ------------------------------------------------------------------------------------------------


def perform(step, args, done):
    """Does a step; returns what is said of it."""
    log = ROOT / "build" / "reproduce" / f"{step.name.replace(' ', '_')}.log"
    if isinstance(step, Sweep):
        sweep(step, args.output, log, args.isa)
        return "done"
    return "done" if make(step, log, done) else "was done before"


def state_path():
    return ROOT / "results" / "reproduce.json"


def perform_all(steps, args):
    """Does the steps; returns those without data, (name, why), and the names of those that failed."""
    missing, failed, begun = [], [], time.monotonic()
    done = json.loads(state_path().read_text()) if state_path().exists() else {}
    for i, step in enumerate(steps, 1):
        say(f"\n[{i}/{len(steps)}] {step.name}: {step.about}" + (f", about {step.minutes:g} min" if step.minutes >= 1 else ""))
        start = time.monotonic()
        try:
            told = perform(step, args, done)
            say(f"  {told}, {time.monotonic() - start:.0f} s; {(time.monotonic() - begun) / 60:.1f} min so far")
        except Missing as why:
            missing.append((step.name, str(why)))
            say(f"  NOT RUN: first {why}")
        except Failed as why:
            failed.append(step.name)
            say(f"  FAILED: {why}")
        state_path().parent.mkdir(exist_ok=True)
        state_path().write_text(json.dumps(done, indent=1))
    return missing, failed


def chosen_steps(args, parser):
    known = {step.name: step for step in STEPS}
    for name in args.step:
        if name not in known:
            parser.error(f'unknown step "{name}" (-n lists them)')
    steps = [known[name] for name in args.step] or STEPS
    if args.isa or args.output != ROOT / "results":
        steps = [step for step in steps if isinstance(step, Sweep) and step.same]
    return steps


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("step", nargs="*", metavar="STEP", help="only these (default: all)")
    parser.add_argument("-n", "--list", action="store_true", help="list the steps and run nothing")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / "results", metavar="DIR",
                        help="only the sweeps whose hashes are the same everywhere, into another folder")
    parser.add_argument("--isa", help="the same with the kernels of this instruction set, by default into results/ISA")
    parser.add_argument("--expected", type=pathlib.Path, default=ROOT / "results" / "README.md", metavar="FILE",
                        help="the list of hashes to compare with (default: results/README.md)")
    args = parser.parse_args()
    if args.isa and args.output == ROOT / "results":
        args.output = ROOT / "results" / args.isa
    args.output = args.output.resolve()
    return args, chosen_steps(args, parser)


def main():
    args, steps = arguments()
    if args.list:
        for step in steps:
            print(f"{step.name:22} {step.minutes:5g} min  {step.about}")
        return 0
    missing, failed = perform_all(steps, args)
    found = {step.name: hash_of(args.output / f"{step.name}.h5") for step in steps
             if isinstance(step, Sweep) and step.same and step.name not in failed + [name for name, _ in missing]}
    differ = compare(found, hashes_in(args.expected)) if found else 0
    for name, why in missing:
        say(f"not run: {name} (first {why})")
    for name in failed:
        say(f"FAILED: {name}")
    return 1 if failed or differ else 0


if __name__ == "__main__":
    sys.exit(main())
