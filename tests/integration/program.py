"""The binary under test."""
import os
import pathlib
import subprocess

HARNESS = os.environ.get("HARNESS", str(pathlib.Path(__file__).resolve().parents[2] / "harness"))


def harness(*args, status=0, **options):
    """Runs the program, checks its exit status and the form of its errors, and returns what it printed."""
    done = subprocess.run([HARNESS, *map(str, args)], stdin=subprocess.DEVNULL, timeout=300,
                          **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})
    stderr = (done.stderr or b"").decode()
    assert done.returncode == status, (args, done.returncode, stderr)
    if status != 0:
        last = stderr.splitlines()[-1]
        assert last.startswith("harness: "), stderr
        assert not last.endswith("."), stderr
    done.text = done.stdout.decode() if done.stdout is not None else None
    done.error = stderr
    return done
