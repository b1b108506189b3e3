"""Runs the fuzzers, one after another or some at a time, within a budget of seconds for all of them.

Each starts from its seeds, its kept corpus (tests/fuzz/corpus/NAME.tar.gz) and what earlier runs have added in
build/fuzz/corpus/NAME. Prints a row for each: executions, per second, inputs in the corpus, what was found. Status 1 when
something was found, a leak, a slow input or too much memory included.
"""
import argparse
import concurrent.futures
import gzip
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/fuzz"
KEPT = ROOT / "tests/fuzz/corpus"
# Seconds for an input, MiB of memory in all and in one allocation; bytes of an input.
LIMITS = ["-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=512"]
# Short stacks of allocations cost less; an input that is repeated alone has them whole.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "malloc_context_size=2",
               "LSAN_OPTIONS": f"suppressions={ROOT}/tests/fuzz/leaks.supp:print_suppressions=0",
               "OMP_NUM_THREADS": "1"}
LONGEST = {"gguf": 16384, "results": 65536, "datastore": 8192, "checkpoint": 4096}
# Bytes of a kept corpus, and of an input in it.
MOST_KEPT, MOST_INPUT = 150_000, 20_000


def prepare(names):
    """The seeds anew; the kept corpora unpacked."""
    shutil.rmtree(BUILD / "seeds", ignore_errors=True)
    subprocess.run([sys.executable, ROOT / "tests/fuzz/seeds.py", BUILD / "seeds", BUILD / "seed_files"], check=True)
    (BUILD / "found").mkdir(exist_ok=True)
    for name in names:
        for folder in (BUILD / "seeds" / name, BUILD / "corpus" / name):
            folder.mkdir(parents=True, exist_ok=True)
        if (KEPT / f"{name}.tar.gz").exists():
            with tarfile.open(KEPT / f"{name}.tar.gz") as tar:
                tar.extractall(BUILD / "seeds" / name)


def command(name, *arguments):
    dictionary = BUILD / f"seeds/{name}.dict"
    return ["nice", str(BUILD / name), *LIMITS, f"-max_len={LONGEST.get(name, 4096)}",
            *([f"-dict={dictionary}"] if dictionary.exists() else []),
            f"-artifact_prefix={BUILD}/found/{name}-", *arguments]


def run(name, seconds):
    """(executions, corpus, seconds, what was found or "")"""
    start, log = time.time(), BUILD / f"{name}.log"
    with open(log, "w") as out:
        code = subprocess.run(command(name, f"-max_total_time={seconds:.0f}", "-print_final_stats=1", "-close_fd_mask=2",
                                      str(BUILD / "corpus" / name), str(BUILD / "seeds" / name)),
                              stdout=out, stderr=subprocess.STDOUT, env=ENVIRONMENT).returncode
    text = log.read_text(errors="replace")
    executions = re.findall(r"stat::number_of_executed_units: (\d+)", text) or re.findall(r"^#(\d+)", text, re.M)[-1:]
    corpus = re.findall(r"corp: (\d+)/", text)[-1:] or ["0"]
    found = ""
    if code != 0:
        what = re.findall(r"(SUMMARY: .*|ERROR: libFuzzer: .*|does not hold: .*)", text)
        found = what[0] if what else f"status {code}"
    return int(executions[0]) if executions else 0, int(corpus[0]), time.time() - start, found


def fuzz(names, seconds, jobs):
    prepare(names)
    failed = False
    print(f"{'fuzzer':<14}{'executions':>12}{'per second':>12}{'corpus':>8}  found")
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # Those that take long to come to their depths get as much as the others: coverage says where more would pay.
        for name, (n, corpus, took, found) in zip(names, pool.map(lambda x: run(x, seconds * jobs / len(names)), names)):
            print(f"{name:<14}{n:>12}{n / took:>12.0f}{corpus:>8}  {found or '-'}", flush=True)
            failed = failed or found != ""
    if failed:
        print(f"what was found is in {BUILD}/found; its reports are in {BUILD}/NAME.log; {BUILD}/NAME FILE repeats one")
    return 1 if failed else 0


def keep(names):
    """Minimizes each corpus into its archive, which is the same for the same inputs."""
    prepare(names)
    KEPT.mkdir(exist_ok=True)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(command(name, "-merge=1", "-close_fd_mask=2", folder, str(BUILD / "corpus" / name),
                                   str(BUILD / "seeds" / name)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env=ENVIRONMENT)
            inputs, total = sorted(pathlib.Path(folder).iterdir(), key=lambda p: (p.stat().st_size, p.name)), 0
            plain = io.BytesIO()
            with tarfile.open(fileobj=plain, mode="w") as tar:
                for path in inputs:
                    size = path.stat().st_size
                    if size > MOST_INPUT or total + size > MOST_KEPT:
                        break
                    total += size
                    info = tarfile.TarInfo(path.name)
                    info.size = size
                    tar.addfile(info, io.BytesIO(path.read_bytes()))
            with open(KEPT / f"{name}.tar.gz", "wb") as out, gzip.GzipFile("", "wb", 9, out, 0) as packed:
                packed.write(plain.getvalue())
            print(f"{name}: {len(inputs)} inputs, {total} bytes kept, {(KEPT / f'{name}.tar.gz').stat().st_size} packed")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300, help="for all fuzzers together")
    parser.add_argument("--jobs", type=int, default=1, help="how many run at a time")
    parser.add_argument("--keep", action="store_true", help="minimize the corpora into tests/fuzz/corpus instead")
    parser.add_argument("names", nargs="+")
    o = parser.parse_args()
    return keep(o.names) if o.keep else fuzz(o.names, o.seconds, o.jobs)


if __name__ == "__main__":
    sys.exit(main())
