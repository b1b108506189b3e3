"""Runs some commands under valgrind, on small files: status 1 when it finds an error or memory that was lost.

    valgrind.py HARNESS
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
import gguf_files as gf

VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
            f"--suppressions={ROOT}/tests/fuzz/valgrind.supp"]
SWEEP = """[sweep]
name = s
output = .
[model m]
target = transformer
path = m.gguf
[dataset d]
path = d.jsonl
max_new_tokens = 6
[policy llma]
n = 1
k = 4
[policy suffix]
[accept greedy]
"""


def make_files(folder):
    gf.write_model(folder / "m.gguf", layers=1, dim=32, heads=2, kv_heads=1, ffn=32)
    records = [{"id": str(i), "prompt": "the cat", "references": ["the cat sat"], "output": "sat"} for i in range(2)]
    (folder / "d.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "s.ini").write_text(SWEEP)


COMMANDS = [
    "tokenize -m m.gguf d.jsonl",
    "generate -m m.gguf -p the -n 6 --policy llma:n=1,k=4 --check",
    "sweep s.ini",
    "tables s.h5",
    "tables sources s.h5",
    "compare s.h5",
    "export -o out s.h5",
    "report -o r.html s.h5",
    "inspect s.h5",
    "inspect m.gguf",
    "audit d.jsonl d.jsonl -m m.gguf",
    "datastore build -m m.gguf -o d.store d.jsonl",
    "generate -m m.gguf -p the -n 6 --policy rest:store=d.store",
]


def main():
    harness, failed = pathlib.Path(sys.argv[1]).resolve(), False
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_files(folder)
        for command in COMMANDS:
            done = subprocess.run([*VALGRIND, harness, *command.split()], cwd=folder, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
            print(f"{done.returncode:3}  harness {command}", flush=True)
            if done.returncode != 0:
                print(done.stderr)
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
