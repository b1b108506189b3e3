"""The binary under test."""
import os
import pathlib
import pty
import subprocess

HARNESS = os.environ.get("HARNESS", str(pathlib.Path(__file__).resolve().parents[2] / "harness"))


def harness(*args, status=0, **options):
    """Runs the program, checks its exit status (None: any) and the form of its errors, and returns its output."""
    done = subprocess.run([HARNESS, *map(str, args)], **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                                                         "stderr": subprocess.PIPE, "timeout": 900, **options})
    stderr = (done.stderr or b"").decode()
    assert status is None or done.returncode == status, (args, done.returncode, stderr)
    if done.returncode != 0:
        last = stderr.splitlines()[-1]
        assert last.startswith("harness: "), stderr
        assert not last.endswith("."), stderr
    done.text = done.stdout.decode() if done.stdout is not None else None
    done.error = stderr
    return done


def on_terminal(*args, stream="stdout", env=None):
    """The program's output when a terminal is its stdout or stderr."""
    ours, theirs = pty.openpty()
    known = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: theirs}
    with subprocess.Popen([HARNESS, *map(str, args)], stdin=subprocess.DEVNULL, env=known | (env or {}),
                          **streams) as process:
        os.close(theirs)
        out = b""
        try:
            while part := os.read(ours, 4096):
                out += part
        except OSError:  # EIO: the other side is closed
            pass
        os.close(ours)
    assert process.returncode == 0
    return out.replace(b"\r\n", b"\n")
