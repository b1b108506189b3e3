"""The public folder's files are those that datasets/manifest.tsv names, and fetch.sh takes them."""
import functools
import http.server
import os
import shutil
import subprocess
import threading

from sweeps import ROOT, run

PUBLISHED = {"llma-rag": "llma/rag.jsonl", "llma-cnndm": "llma/cnndm.jsonl", "spec-bench": "spec_bench/question.jsonl",
             "llama-vocab": "tokenizers/ggml-vocab-llama-spm.gguf"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_published_files_are_fetched_and_read(public, tmp_path):
    served, house = tmp_path / "served", tmp_path / "house"
    served.mkdir()
    house.mkdir()
    for name in ("fetch.sh", "manifest.tsv"):
        shutil.copy(ROOT / "datasets" / name, house)
    rows = [line.split("\t") for line in (house / "manifest.tsv").read_text().splitlines() if not line.startswith("#")]
    rows = [row for row in rows if row[0] in PUBLISHED]
    for name, file, *_ in rows:
        (served / file).symlink_to(public / "data" / PUBLISHED[name])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=served)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        subprocess.run([house / "fetch.sh", "--mirror", f"http://127.0.0.1:{server.server_port}", *PUBLISHED],
                       check=True, timeout=120, env={**os.environ, "no_proxy": "*"})
        server.shutdown()
    assert sorted(p.name for p in (house / "data").iterdir()) == sorted(row[1] for row in rows)
    for _, file, form, *_ in rows:
        text = run("inspect", house / "data" / file).stdout
        assert "GGUF version 3" in text if form == "GGUF" else f"\nformat   {form}\n" in text
