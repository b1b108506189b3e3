"""`harness slurm`: its scripts and messages anywhere; its jobs on a real cluster where Slurm is installed (cluster.py).

`make slurm-test` installs what the cluster needs and prints what happens.
"""
import errno
import os
import pathlib
import random
import re
import shutil
import signal
import stat
import subprocess
import time

import h5py
import pytest

from cluster import Cluster, missing
from faults import faults  # noqa: F401
from sweeps import HARNESS, run, write_jsonl

CONFIG = """[sweep]
name = grid
output = results
repeats = {repeats}
[model bytes]
target = replay
tokenizer = bytes
{datasets}
[policy llma]
n = {n}
k = {k}
[accept greedy]
"""
DATA = "[dataset d{i}]\npath = d{i}.jsonl\nforced = yes\n"


def write_ini(folder, groups=2, records=6, repeats=2, n="1, 2, 3", k="4, 8"):
    folder.mkdir(exist_ok=True)
    for i in range(groups):
        text = " ".join(f"w{i * k % 7}" for k in range(60))
        write_jsonl(folder / f"d{i}.jsonl", [{"id": str(k), "prompt": f"p {k}", "references": [text[k:]], "output": text}
                                             for k in range(records)])
    ini = folder / "c.ini"
    ini.write_text(CONFIG.format(repeats=repeats, n=n, k=k,
                                 datasets="".join(DATA.format(i=i) for i in range(groups))))
    return ini


def hash_of(path):
    return run("inspect", "--hash", path).stdout.splitlines()[0].split()[0]


# ---- without a cluster ------------------------------------------------------------------------------------------

@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """A stand-in for sbatch, which notes its arguments and prints ids; STATUS makes it refuse."""
    folder = tmp_path / "bin"
    folder.mkdir()
    fake = folder / "sbatch"
    fake.write_text(f"#!/bin/bash\nprintf '%s\\n' \"$@\" '' >> {tmp_path}/calls\n"
                    "if [ -n \"$STATUS\" ]; then echo 'sbatch: error: Invalid account' >&2; exit $STATUS; fi\n"
                    f"echo \"$((40 + $(grep -c '^$' {tmp_path}/calls)));west\"\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path / "calls"


def array_of(folder):
    return (folder / "results/grid/slurm/array.sh").read_text()


def test_scripts_are_written_and_said(tmp_path):
    ini = write_ini(tmp_path)
    text = run("slurm", ini, "--", "-p", "two words").stdout
    assert "0 of 14 cells are finished; 14 parts of the others are left to run" in text
    assert f"harness sweep -n -- {ini}    # how much" in text and re.search(r"    tail \S*/results/grid/slurm/\*\.out\n", text)
    watched = run("slurm", ini, "-o", tmp_path / "x y", "-s", "sweep.seed=7", "--skip-bad", "--", "-o", "%j.log").stdout
    assert f"harness sweep -n --set sweep.seed=7 --output '{tmp_path}/x y' --skip-bad -- {ini}    # how much" in watched
    assert "tail " not in watched, "sbatch writes elsewhere"
    assert "sbatch --parsable -p 'two words' " in text and "${job%%;*}" in text and "squeue -r -j $job" in text
    script = array_of(tmp_path)
    assert "#SBATCH --array=1-2\n" in script and "#SBATCH --cpus-per-task=1\n" in script
    assert "#SBATCH --signal=B:TERM@120\n" in script and f"sweep --quiet --collect no --parts 1 -- {ini}\n" in script
    for name in ("array.sh", "collect.sh"):
        subprocess.run(["bash", "-n", tmp_path / "results/grid/slurm" / name], check=True)


def test_scripts_run_as_they_are(tmp_path):
    """The plan needs no Slurm: any shell runs a task."""
    ini = write_ini(tmp_path / "a 'quoted' %j \"folder\" $HOME")
    run("slurm", ini, "-t", 4, "-s", "sweep.seed=7")
    slurm = ini.parent / "results/grid/slurm"
    tasks = [subprocess.Popen(["bash", slurm / "array.sh"]) for _ in range(4)]
    assert [t.wait(60) for t in tasks] == [0] * 4
    assert subprocess.run(["bash", slurm / "collect.sh"], stdout=subprocess.DEVNULL, check=False).returncode == 0
    run("sweep", ini, "-s", "sweep.seed=7", "-o", tmp_path / "one")
    assert hash_of(ini.parent / "results/grid.h5") == hash_of(tmp_path / "one/grid.h5")


def test_tasks_are_as_many_as_there_is_work(tmp_path):
    ini = write_ini(tmp_path)
    run("slurm", ini, "-t", 100, "--at-once", 9)
    assert "#SBATCH --array=1-84%9\n" in array_of(tmp_path), "6 records in 6 parts, of 14 cells"
    run("sweep", ini, "--collect", "no", "-s", "policy llma.n=1")
    text = run("slurm", ini, "-t", 7).stdout
    assert "6 of 14 cells are finished" in text and "#SBATCH --array=1-7\n" in array_of(tmp_path)
    run("sweep", ini)
    assert "14 of 14 cells are finished; nothing is left to run" in run("slurm", ini, "--submit").stdout


def test_work_that_is_being_done_is_not_submitted_again(tmp_path):
    ini = write_ini(tmp_path)
    cells = [line.split()[0] for line in run("sweep", "-n", ini).stdout.splitlines() if re.match("  [0-9a-f]{16} ", line)]
    claims = tmp_path / "results/grid/claims"
    claims.mkdir(parents=True)
    for cell in cells[:13]:
        (claims / f"{cell}.1-of-1.0").write_text("host = elsewhere\nlease = 60\n")
    assert "of which processes are running 13" in run("slurm", ini, "-t", 2).stdout
    assert "#SBATCH --array=1-1\n" in array_of(tmp_path)
    (claims / f"{cells[13]}.1-of-1.0").write_text("")
    assert "nothing to submit: all of it is claimed by processes. What one that died had claimed is free again after 90 seconds" in run("slurm", ini, "-t", 2).stdout


def test_submitting(tmp_path, sbatch):
    ini = write_ini(tmp_path)
    text = run("slurm", ini, "--submit", "--", "--account=x y", "-p", "$(touch no)").stdout
    assert "submitted: tasks as job 41, collecting as job 42" in text and "squeue -r -j 41" in text
    slurm = tmp_path / "results/grid/slurm"
    assert sbatch.read_text().split("\n\n")[:2] == [
        f"--parsable\n--account=x y\n-p\n$(touch no)\n{slurm}/array.sh",
        f"--parsable\n--account=x y\n-p\n$(touch no)\n--dependency=afterany:41\n{slurm}/collect.sh"]


def test_sbatch_that_refuses(tmp_path, sbatch, monkeypatch):
    monkeypatch.setenv("STATUS", "3")
    done = run("slurm", write_ini(tmp_path), "--submit", check=False)
    assert done.returncode == 1 and "Invalid account" in done.stderr and sbatch.exists()
    assert "sbatch refused " in done.stderr and "its exit status is 3" in done.stderr


def test_no_sbatch(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run("slurm", write_ini(tmp_path), "--submit", check=False)
    assert done.returncode == 1 and "sbatch: is not on this machine" in done.stderr


@pytest.mark.parametrize("options, message", [(["--", "--array=1-5"], "--tasks"), (["--", "-a1-5"], "--tasks"),
                                              (["--", "--arr=1-5"], "--tasks"), (["--", "-Ha1-5"], "--tasks"),
                                              (["--", "--dependency=singleton"], "waits for the array"),
                                              (["--", "--depend=singleton"], "waits for the array"), (["--", "--wra=x"], "waits for the array"),
                                              (["-o", "~/x"], "--output \"~/x\": "), (["-o", "$X/y"], "--output \"$X/y\": "),
                                              (["other.ini"], "one config is allowed"), (["-t", "0"], "--tasks"),
                                              (["-o", ""], "--output"), (["-s", "sweep.nothing=1"], "nothing")])
def test_options_that_cannot_be(tmp_path, options, message):
    done = run("slurm", write_ini(tmp_path), *options, check=False)
    assert done.returncode == 2 and message in done.stderr and done.stdout == ""


@pytest.mark.parametrize("content", [None, b"", b"\0\1\2", b"[sweep]\nname"])
def test_configs_that_cannot_be(tmp_path, content):
    path = tmp_path / "c.ini"
    if content is not None:
        path.write_bytes(content)
    assert run("slurm", path, check=False).returncode == 2


def test_a_folder_that_cannot_be_written(tmp_path):
    ini = write_ini(tmp_path)
    (tmp_path / "results/grid").mkdir(parents=True)
    (tmp_path / "results/grid/slurm").write_text("")
    done = run("slurm", ini, check=False)
    assert done.returncode == 1 and "results/grid/slurm" in done.stderr


# ---- on a cluster -----------------------------------------------------------------------------------------------

needs_slurm = pytest.mark.skipif(missing() != [], reason=f"a cluster needs {', '.join(missing())}")


@pytest.fixture
def shared():
    """A folder that all tasks see."""
    folder = pathlib.Path(subprocess.run(["mktemp", "-d", "/tmp/shared.XXXXXX"], capture_output=True, text=True,
                                         check=True).stdout.strip())
    yield folder
    shutil.rmtree(folder)


def say(*words):
    print(*words, flush=True)


def submit(cluster, ini, *options, env=None):
    say(f"$ harness slurm {ini.name} {' '.join(map(str, options))} --submit -- --time=10")
    done = subprocess.run([HARNESS, "slurm", str(ini), *map(str, options), "--submit", "--", "--time=10"],
                          env={**cluster.env, **(env or {})}, capture_output=True, text=True, check=False)
    say(done.stdout + done.stderr)
    assert done.returncode == 0
    found = re.search(r"tasks as job (\d+), collecting as job (\d+)", done.stdout)
    return found.groups() if found else None


def wait_for_all(cluster):
    """Nodes that register again say which jobs they have lost with their slurmstepd; else Slurm asks minutes later."""
    def ended():
        cluster.call("scontrol", "reconfigure", check=False)
        time.sleep(2)
        return cluster.queue() == []
    cluster.until(ended, "jobs do not end", seconds=240)


def states(cluster, job):
    """How the tasks of an array ended, and how many of them."""
    text = cluster.call("scontrol", "show", "job", job).stdout
    found = re.findall(r"JobState=(\w+)", text)
    return {state: found.count(state) for state in sorted(set(found))}


def kill_some(cluster, job, n, seed):
    """Kills running tasks: every other one by scancel, the others by killing the slurmstepd that watches over them."""
    draw, killed = random.Random(seed), set()
    end = time.monotonic() + 120
    while len(killed) < n and time.monotonic() < end:
        running = [i for i, state in cluster.queue() if state == "RUNNING" and i.startswith(f"{job}_") and i not in killed]
        if not running:
            time.sleep(0.1)
            continue
        task = draw.choice(running)
        if len(killed) % 2 == 0:
            cluster.call("scancel", *(["--signal=KILL", "--full"] if len(killed) % 4 == 0 else []), task)
            how = "scancel"
        else:
            steps = [pid for pid, _, text in cluster.processes("slurmstepd") if str(cluster.folder) in text]
            inside = {parent: text for _, parent, text in cluster.processes("harness")}
            watching = [pid for pid in steps if f"SLURM_ARRAY_TASK_ID={task.split('_')[1]}\0" in inside.get(pid, "")]
            if not watching:
                continue
            os.kill(watching[0], signal.SIGKILL)
            how = f"SIGKILL of slurmstepd {watching[0]}"
        say(f"  killed {task}: {how}")
        killed.add(task)
        time.sleep(draw.random() * 0.5)
    return killed


@needs_slurm
def test_a_hundred_tasks_some_of_which_are_killed(shared, faults):
    """Ten of them: nine killed, one with a full disk. The file is that of one process."""
    ini = write_ini(shared, groups=25, records=8, repeats=40, n="1, 2", k="4")
    run("sweep", "-q", ini, "-o", shared / "one")
    (shared / "disk.sh").write_text(
        "if [ \"$SLURM_ARRAY_TASK_ID\" = 7 ]; then export LD_PRELOAD=%s FAULT_CALL=write FAULT_AT=1 FAULT_MANY=1000000 "
        "FAULT_ERRNO=%d FAULT_PATH=/results/; fi\n" % (faults.library, errno.ENOSPC))
    with Cluster() as cluster:
        job, _ = submit(cluster, ini, "-t", 100, env={"BASH_ENV": str(shared / "disk.sh")})
        killed = kill_some(cluster, job, 9, seed=1)
        wait_for_all(cluster)
        say(f"tasks: {states(cluster, job)}")
        assert len(killed) == 9
        full = next((shared / "results/grid/slurm").glob(f"{job}_7.out")).read_text()
        say(f"task 7 said: {full.strip().splitlines()[-1]}")
        assert "No space left on device" in full
        cluster.call("scontrol", "update", "nodename=ALL", "state=resume", check=False)
        if again := submit(cluster, ini, "-t", 100):
            wait_for_all(cluster)
            say(f"tasks: {states(cluster, again[0])}")
            assert submit(cluster, ini, "-t", 100) is None
    if not (shared / "results/grid.h5").exists():
        run("sweep", "--collect", "only", ini)
    say(f"$ harness inspect --hash results/grid.h5 one/grid.h5\n{hash_of(shared / 'results/grid.h5')}  100 tasks\n"
        f"{hash_of(shared / 'one/grid.h5')}  one process")
    assert hash_of(shared / "results/grid.h5") == hash_of(shared / "one/grid.h5")
    with h5py.File(shared / "results/grid.h5") as f:
        say(f"{len(f['trials'])} trials by {len(f['processes'])} processes")
        assert len(f["processes"]) > 5


@needs_slurm
def test_an_array_that_is_cancelled_goes_on(shared):
    """In the middle of its work, by SIGTERM: finished trials are kept, the collecting job says what is missing."""
    ini = write_ini(shared / "with space %j", groups=2, records=20, repeats=400)
    run("sweep", "-q", ini, "-o", shared / "one")
    with Cluster(nodes=2, cpus=2) as cluster:
        job, collect = submit(cluster, ini, "-t", 8)
        cells = ini.parent / "results/grid/cells"
        cluster.until(lambda: any(cells.glob("*.h5")), "no cell is finished")
        cluster.call("scancel", "--signal=TERM", "--full", job, check=False)  # no task may run just now
        cluster.call("scancel", job)
        wait_for_all(cluster)
        slurm = ini.parent / "results/grid/slurm"
        assert "harness sweep goes on with the others" in (slurm / f"collect_{collect}.out").read_text()
        assert not (ini.parent / "results/grid.h5").exists()
        assert submit(cluster, ini, "-t", 8) is not None
        wait_for_all(cluster)
        assert submit(cluster, ini, "-t", 8) is None
    assert hash_of(ini.parent / "results/grid.h5") == hash_of(shared / "one/grid.h5")
    assert stat.S_ISDIR((ini.parent / "results/grid").stat().st_mode)
