"""datasets/fetch.sh against a local server: downloads complete, resumed, altered, refused, cut and interrupted."""
import hashlib
import http.server
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading

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
    done = subprocess.run([str(house / "fetch.sh"), *args], cwd=house, capture_output=True, text=True, timeout=120,
                          **{"env": environment(), **options})
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


def test_without_curl(house):
    tools = house / "tools"
    tools.mkdir()
    for tool in ("bash", "cut", "dirname", "env", "sha256sum", "tr", "wc"):
        (tools / tool).symlink_to(shutil.which(tool))
    env = {**environment(), "PATH": str(tools)}
    assert fetch(house, env=env).stdout.startswith("name ")
    assert "curl is missing" in fetch(house, "good", status=1, env=env).error


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
                                 "good\tg.bin\tnative\t1\tabc\thttps://x\tCC0"])
def test_a_bad_manifest(house, row):
    (house / "manifest.tsv").write_text(f"# comment\n\n{row}\n")
    assert f"{house}/manifest.tsv:3: " in fetch(house, status=2).error


def test_the_manifest():
    """Checks without a network: each URL is for a fixed commit and over https, and each set has its own file."""
    rows = [line.split("\t") for line in (ROOT / "datasets" / "manifest.tsv").read_text().splitlines()
            if not line.startswith("#")]
    assert {row[0] for row in rows} == {"llma-rag", "llma-cnndm", "spec-bench", "llama-vocab"}
    assert len({row[1] for row in rows}) == len(rows)
    for name, file, form, size, digest, url, licence in rows:
        assert re.fullmatch(r"https://raw\.githubusercontent\.com/[\w.-]+/[\w.-]+/[0-9a-f]{40}/[\w./-]+", url), name
        assert form in ("llma", "spec-bench", "GGUF") and licence
    text = (ROOT / "datasets" / "README.md").read_text()
    assert all(f"`{row[0]}`" in text for row in rows)
    config = (ROOT / "experiments" / "configs" / "llma_rag.ini").read_text()
    for name in ("llma-rag", "llama-vocab"):
        assert f"../../datasets/data/{next(r[1] for r in rows if r[0] == name)}" in config
