"""Processes that share a sweep's folder: who runs what, and what becomes of those that die, hang or lie."""
import os
import signal
import subprocess
import threading
import time

import pytest

from sweeps import HARNESS, assert_same, content, run, write_jsonl

CONFIG = """[sweep]
name = shared
output = {folder}/results
[model bytes]
target = replay
tokenizer = bytes
[dataset data]
path = {folder}/data.jsonl
forced = yes
[policy llma]
n = 1, 2, 3
k = 4, 8
[accept greedy]
"""
ELSEWHERE = "host = elsewhere\nboot = b\nspace = 1\npid = 7\nstarted = 9\nlease = {lease}\njob = 5_2\n"


def write_ini(folder):
    folder.mkdir(exist_ok=True)
    write_jsonl(folder / "data.jsonl", [{"id": str(i), "prompt": "p", "references": ["one two three"],
                                         "output": "one two three"} for i in range(4)])
    (folder / "c.ini").write_text(CONFIG.format(folder=folder))
    return folder / "c.ini"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run("sweep", write_ini(folder))
    return {k: v for k, v in content(folder / "results/shared.h5").items() if k != "configs"}


def same(folder, whole):
    assert_same(whole, {k: v for k, v in content(folder / "results/shared.h5").items() if k != "configs"})
    assert not (folder / "results/shared/claims").exists()
    return True


def cell_ids(ini):
    """All cells of the grid; plain decoding's comes first."""
    return [line.split()[0] for line in run("sweep", "-n", ini).stdout.splitlines() if line.startswith("  ") and
            "trials" not in line]


def claim(folder, cell, text, age=0):
    claims = folder / "results/shared/claims"
    claims.mkdir(parents=True, exist_ok=True)
    path = claims / f"{cell}.1-of-1.0"
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    return path


class Alive:
    """Touches a claim as its process would."""

    def __init__(self, path):
        self.path, self.end = path, threading.Event()
        self.thread = threading.Thread(target=self.touch)

    def touch(self):
        while not self.end.wait(0.1):
            os.utime(self.path)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


@pytest.mark.parametrize("which", [0, 3])
def test_a_claim_of_a_silent_process_is_taken_over(tmp_path, whole, which):
    ini = write_ini(tmp_path)
    claim(tmp_path, cell_ids(ini)[which], ELSEWHERE.format(lease=60), age=61)
    began = time.monotonic()
    run("sweep", ini)
    assert time.monotonic() - began < 30 and same(tmp_path, whole)


@pytest.mark.parametrize("age", [0, -86400])
def test_a_process_that_may_be_alive_gets_its_lease(tmp_path, whole, age):
    """Also where the claim's time lies in the future, because a clock was set."""
    ini = write_ini(tmp_path)
    claim(tmp_path, cell_ids(ini)[3], ELSEWHERE.format(lease=1), age=age)
    done = run("sweep", ini)
    assert "waiting for what another process has begun (elsewhere, process 7, Slurm job 5_2)" in done.stderr
    assert same(tmp_path, whole)


def test_what_another_process_runs_is_left_to_it(tmp_path, whole):
    ini = write_ini(tmp_path)
    with Alive(claim(tmp_path, cell_ids(ini)[3], ELSEWHERE.format(lease=60))):
        done = run("sweep", ini)
    assert done.stdout == "" and "6 of 7 cells are finished; other processes run the rest" in done.stderr
    assert not (tmp_path / "results/shared.h5").exists()
    assert run("sweep", "--collect", "only", ini, check=False).returncode == 1
    claim(tmp_path, cell_ids(ini)[3], "", age=3600)
    run("sweep", ini)
    assert same(tmp_path, whole)


def test_plain_decoding_by_another_process_is_waited_for(tmp_path, whole):
    ini = write_ini(tmp_path)
    path = claim(tmp_path, cell_ids(ini)[0], ELSEWHERE.format(lease=60))
    with Alive(path):
        p = subprocess.Popen([HARNESS, "sweep", str(ini)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert "waiting for what another process has begun" in p.stderr.readline()
        assert p.poll() is None
        p.send_signal(signal.SIGTERM)
        assert p.communicate(timeout=30)[1] and p.returncode == 1
    path.unlink()
    run("sweep", ini)
    assert same(tmp_path, whole)


@pytest.mark.parametrize("text", ["", "lease = 0\n", "\0\xff" * 700, "host = x\npid = 99999999999999999999\n"])
def test_a_claim_that_is_garbage(tmp_path, whole, text):
    ini = write_ini(tmp_path)
    claim(tmp_path, cell_ids(ini)[0], text, age=91)
    run("sweep", ini)
    assert same(tmp_path, whole)


def test_a_killed_sweep_leaves_claims_that_do_not_hinder(tmp_path, whole):
    ini = write_ini(tmp_path)
    for _ in range(5):
        p = subprocess.Popen([HARNESS, "sweep", "-q", str(ini)], stdout=subprocess.DEVNULL)
        while p.poll() is None and not list((tmp_path / "results/shared").glob("claims/*.0")):
            time.sleep(0.001)
        p.kill()
        p.wait()
    began = time.monotonic()
    run("sweep", ini)
    assert time.monotonic() - began < 30 and same(tmp_path, whole)


def test_a_claims_folder_that_cannot_be_made(tmp_path):
    ini = write_ini(tmp_path)
    (tmp_path / "results/shared").mkdir(parents=True)
    (tmp_path / "results/shared/claims").write_text("")
    done = run("sweep", ini, check=False)
    assert done.returncode == 1 and f"{tmp_path}/results/shared/claims" in done.stderr
    assert not (tmp_path / "results/shared.h5").exists()


def test_collecting_is_left_to_another_process(tmp_path, whole):
    ini = write_ini(tmp_path)
    done = run("sweep", "--collect", "only", ini, check=False)
    assert done.returncode == 1 and "0 of 7 cells are finished; harness sweep goes on with the others" in done.stderr
    done = run("sweep", "--collect", "no", ini)
    assert done.stdout == "" and "all 7 cells are finished" in done.stderr
    assert not (tmp_path / "results/shared.h5").exists()
    done = run("sweep", "--collect", "only", ini)
    assert "tokens/step" in done.stdout and same(tmp_path, whole)
