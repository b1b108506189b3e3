"""Runs of the program in which the k-th allocation, read, write, ... fails (tests/faults/faults.c)."""
import errno
import os
import pathlib
import shlex
import subprocess

import pytest

from sweeps import HARNESS, SANITIZED

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "faults" / "faults.c"
KINDS = {"alloc": errno.ENOMEM, "read": errno.EIO, "write": errno.ENOSPC, "open": errno.EACCES, "sync": errno.EIO,
         "name": errno.EIO, "stat": errno.EIO}
HARMLESS = ("short", "signal")  # reads and writes that must be taken up again


class Faults:
    def __init__(self, folder):
        self.folder = folder
        self.library = folder / "faults.so"
        subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-O1", "-g", "-shared", "-fPIC", "-o", self.library, SOURCE, "-ldl"],
                       check=True)

    def run(self, args, kind, at=0, many=1, every=0, path=None, caller=None, code=None, timeout=120):
        """Runs the program. The result has `calls`, the number of calls of this kind (None after a crash), and
        `failed`, the callers of those that failed."""
        report = self.folder / "report"
        report.unlink(missing_ok=True)
        settings = {"LD_PRELOAD": self.library, "FAULT_CALL": kind, "FAULT_AT": at, "FAULT_MANY": many, "FAULT_EVERY": every,
                    "FAULT_PATH": path, "FAULT_CALLER": caller, "FAULT_REPORT": report,
                    "FAULT_ERRNO": KINDS.get(kind, errno.EINTR) if code is None else code}
        done = subprocess.run([HARNESS, *map(str, args)], capture_output=True, text=True, errors="replace",
                              timeout=timeout, stdin=subprocess.DEVNULL,
                              env={**os.environ, **{k: str(v) for k, v in settings.items() if v is not None}})
        lines = [line.split() for line in report.read_text().splitlines()] if report.exists() else []
        done.failed = [name for word, name in lines if word == "failed"]
        done.calls = next((int(n) for word, n in lines if word == "calls"), None)
        self.log(kind, done)
        return done

    @staticmethod
    def log(kind, done):
        """HARNESS_FAULTS_LOG=FILE: a line for each run with a fault, for tests/faults/README.md."""
        path = os.environ.get("HARNESS_FAULTS_LOG")
        if path and done.failed:
            outcome = "went on" if done.returncode == 0 else "reported it" if done.returncode > 0 else f"ended in {done.failed[0]}"
            with open(path, "a", encoding="utf-8") as log:
                log.write(f"{kind}: {outcome}\n")


@pytest.fixture(scope="session")
def faults(tmp_path_factory):
    if SANITIZED:
        pytest.skip("the sanitizer has an allocator of its own")
    return Faults(tmp_path_factory.mktemp("faults"))
