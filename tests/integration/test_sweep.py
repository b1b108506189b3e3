"""harness sweep: from an INI file to HDF5, through kills, stops, full disks and bad input."""
import os
import random
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

import gguf_files
from sweeps import HARNESS, assert_same, content, run, run_together, write_jsonl


def test_results_table_and_resume(quick_ini, tmp_path):
    ini = quick_ini()
    first = run("sweep", ini)
    assert "llma" in first.stdout
    results = tmp_path / "results" / "quick.h5"
    cells = sorted((tmp_path / "results" / "quick" / "cells").iterdir())
    assert len(cells) == 6  # 2 x 2 llma, pld, none
    before = {c: (c.stat().st_mtime_ns, c.read_bytes()) for c in cells}
    made = content(results)

    again = run("sweep", ini)
    assert "6 of 6 cells were finished before" in again.stderr
    assert {c: (c.stat().st_mtime_ns, c.read_bytes()) for c in cells} == before, "a finished cell was rewritten"
    assert again.stdout == first.stdout
    assert_same(made, content(results))

    with h5py.File(results) as f:
        trials = f["trials"][:]
        assert len(trials) == 6 * 4
        assert (trials["equal"] == 1).all()
        assert (trials["logits_equal"] == 2).all()
        assert np.isnan(trials["speedup"]).all()
        steps = f["steps"][:]
        sums = np.bincount(steps["trial"], steps["emitted"])
        np.testing.assert_array_equal(sums, trials["tokens"])
        assert f["configs"]["quick.ini"][()].decode() == ini.read_text()


def test_jobs_and_processes_give_the_same_results(quick_ini, tmp_path):
    ini = quick_ini("a", repeats=2)
    run("sweep", ini, "-o", tmp_path / "one")
    run("sweep", ini, "-o", tmp_path / "two", "--jobs", 3)
    run_together(3, "sweep", ini, "-o", tmp_path / "three")
    run_together(3, "sweep", ini, "-o", tmp_path / "split", "--parts", 3)
    one = content(tmp_path / "one" / "a.h5")
    assert_same(one, content(tmp_path / "two" / "a.h5"))
    assert_same(one, content(tmp_path / "three" / "a.h5"))
    assert_same(one, content(tmp_path / "split" / "a.h5"))


def test_workers_of_a_parent_that_ignores_sigchld(quick_ini, tmp_path):
    run("sweep", quick_ini(), "--jobs", 2, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert (tmp_path / "results" / "quick.h5").exists()


def test_collect_gives_what_the_sweep_gave(quick_ini, tmp_path):
    run("sweep", quick_ini())
    run("collect", tmp_path / "results" / "quick", "-o", tmp_path / "collected.h5")
    assert_same(content(tmp_path / "results" / "quick.h5"), content(tmp_path / "collected.h5"))


def test_dry_run_writes_nothing(quick_ini, tmp_path):
    done = run("sweep", quick_ini(), "--dry-run")
    assert "llma" in done.stdout and "6 cells" in done.stdout
    assert not (tmp_path / "results").exists()


def test_set_changes_the_grid_and_is_recorded(quick_ini, tmp_path):
    run("sweep", quick_ini(), "--set", "policy llma.k=7", "--set", "dataset quick.limit=2")
    with h5py.File(tmp_path / "results" / "quick.h5") as f:
        assert set(f["cells"]["k"][f["cells"]["policy"] == b"llma"]) == {7}
        assert len(f["samples"]) == 2
        assert "policy llma.k=7" in f["configs"]["quick.ini"][()].decode()


def test_kill_9_at_random_moments_then_resume(quick_ini, tmp_path):
    ini = quick_ini("killed", limit=0, n="1, 2, 3", k="2, 5, 10, 20, 40", repeats=3)
    undisturbed = tmp_path / "undisturbed"
    begun = time.monotonic()
    run("sweep", ini, "-o", undisturbed)
    whole = time.monotonic() - begun
    moments = random.Random(1)
    killed = 0
    for attempt in range(20):
        p = subprocess.Popen([HARNESS, "sweep", str(ini), "--jobs", str(1 + attempt % 3)], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        try:
            p.wait(moments.uniform(0.05, 0.3) * whole)
        except subprocess.TimeoutExpired:
            killed += 1
        p.kill()
        p.wait()
        for cell in (tmp_path / "results" / "killed").glob("cells/*.h5"):
            with h5py.File(cell) as f:  # a file under its final name is complete
                assert len(f["trials"]) > 0
        if (tmp_path / "results" / "killed.h5").exists():
            assert_same(content(undisturbed / "killed.h5"), content(tmp_path / "results" / "killed.h5"))
    assert killed > 0, "no run was killed in its course"
    run("sweep", ini)
    assert_same(content(undisturbed / "killed.h5"), content(tmp_path / "results" / "killed.h5"))


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_keeps_what_is_finished(quick_ini, tmp_path, sig, jobs):
    ini = quick_ini("stopped", limit=0, n="1, 2, 3, 4, 5, 6", k="2, 5, 10, 20, 40", repeats=40)
    p = subprocess.Popen([HARNESS, "sweep", str(ini), "--jobs", jobs], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    folder = tmp_path / "results" / "stopped" / "cells"
    while p.poll() is None and len(list(folder.glob("*.h5"))) < 2:
        time.sleep(0.005)
    p.send_signal(sig)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 1, err
    assert "stopping after the trial in flight" in err
    assert "stopped; finished trials are kept, and the same command goes on" in err
    assert len(list(folder.glob("*.h5"))) >= 2
    assert not (tmp_path / "results" / "stopped.h5").exists(), "a partial result was passed off as whole"
    assert [f.name for f in folder.iterdir() if f.suffix != ".h5"] == []


def test_a_folder_that_cannot_be_written(quick_ini, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = run("sweep", quick_ini(output=blocked / "results"), check=False)
    assert done.returncode == 1
    assert "cannot make the output folder" in done.stderr


def test_a_disk_that_fills_up(quick_ini, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        ini = quick_ini("full", limit=0, n="1, 2, 3", k="2, 5, 10, 20", output=small)
        done = run("sweep", ini, check=False)
        assert done.returncode == 1, done.stderr
        assert "No space left on device" in done.stderr
        assert not (small / "full.h5").exists()
        kept = list((small / "full" / "cells").iterdir())
        assert kept, "the cells that fitted are gone"
        for cell in kept:
            with h5py.File(cell) as f:
                assert len(f["trials"]) > 0
        # Once there is room again, the sweep goes on from there.
        assert subprocess.run(["mount", "-o", "remount,size=64m", str(small)]).returncode == 0
        done = run("sweep", ini)
        assert f"{len(kept)} of 14 cells were finished before" in done.stderr
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_two_configs_with_one_name(quick_ini, tmp_path):
    a = quick_ini("same")
    b = tmp_path / "other.ini"
    b.write_text(a.read_text())
    done = run("sweep", a, b, check=False)
    assert done.returncode == 2
    assert "other.ini" in done.stderr and "same.ini" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_mistake_in_the_last_config_is_found_before_the_first_runs(quick_ini, tmp_path):
    good, bad = quick_ini("good"), quick_ini("bad")
    bad.write_text(bad.read_text().replace("limit = 4", "limmit = 4"))
    done = run("sweep", good, bad, check=False)
    assert done.returncode == 2
    assert f"{bad}:" in done.stderr and "limmit" in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("options", [["--jobs", "0"], ["--jobs", "x"], ["--parts", "-1"], ["--lease", "0"],
                                     ["--collect", "perhaps"], ["--bogus"], ["--set"], ["-j", ""]])
def test_usage_errors(quick_ini, tmp_path, options):
    done = run("sweep", quick_ini(), *options, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("harness: ")
    assert done.stdout == ""
    assert not (tmp_path / "results").exists()


def test_a_damaged_cell_file_is_named(quick_ini, tmp_path):
    ini = quick_ini()
    run("sweep", ini)
    cell = sorted((tmp_path / "results" / "quick" / "cells").iterdir())[0]
    os.truncate(cell, cell.stat().st_size // 2)
    done = run("sweep", ini, check=False)
    assert done.returncode == 2
    assert cell.name in done.stderr and "move the file away, and the sweep makes it again" in done.stderr
    assert "delete" not in done.stderr
    cell.unlink()
    run("sweep", ini)


def test_damaged_cells_are_named_before_the_missing_ones_run(quick_ini, tmp_path):
    ini = quick_ini()
    run("sweep", ini)
    damaged, missing = sorted((tmp_path / "results" / "quick" / "cells").iterdir())[-2:]
    damaged.write_bytes(b"")
    missing.unlink()
    done = run("sweep", ini, check=False)
    assert done.returncode == 2 and damaged.name in done.stderr
    assert not missing.exists()


def test_a_cell_under_another_ones_name(quick_ini, tmp_path):
    ini = quick_ini()
    run("sweep", ini)
    a, b, *_ = sorted((tmp_path / "results" / "quick" / "cells").iterdir())
    a.replace(b)
    done = run("sweep", ini, check=False)
    assert done.returncode == 2
    assert f"{b.name}: holds the cell {a.stem}, whose file has another name" in done.stderr
    b.unlink()
    run("sweep", ini)


def test_what_is_no_results_file_is_not_replaced(quick_ini, tmp_path):
    (tmp_path / "results").mkdir()
    mine = tmp_path / "results" / "quick.h5"
    mine.write_text("mine")
    for options in ([], ["--dry-run"]):
        done = run("sweep", quick_ini(), *options, check=False)
        assert done.returncode == 2 and "quick.h5: is not a results file" in done.stderr
    assert mine.read_text() == "mine" and os.listdir(tmp_path / "results") == ["quick.h5"]


def test_a_results_place_that_cannot_be_written(quick_ini, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "quick.h5").symlink_to(tmp_path / "missing" / "quick.h5")
    done = run("sweep", quick_ini(), check=False)
    assert done.returncode == 1 and "cannot write into the output folder" in done.stderr
    assert os.listdir(tmp_path / "results" / "quick" / "cells") == []
    (tmp_path / "missing").mkdir()
    run("sweep", quick_ini())
    assert (tmp_path / "missing" / "quick.h5").exists()


@pytest.mark.parametrize("options", [[], ["--parts", "2"], ["--collect", "only"]])
def test_a_results_place_that_leads_elsewhere_is_refused_first(quick_ini, tmp_path, options):
    run("sweep", quick_ini())
    results, cells = tmp_path / "results" / "quick.h5", tmp_path / "results" / "quick" / "cells"
    one = sorted(cells.iterdir())[0]
    before = one.read_bytes()
    for target, message, status in [(one, "own cells", 2), (cells / ("z" * 256), "File name too long", 1),
                                    ("quick", "not a regular", 2)]:
        results.unlink()
        results.symlink_to(target)
        done = run("sweep", quick_ini(), *options, check=False)
        assert done.returncode == status and message in done.stderr, done.stderr
        assert one.read_bytes() == before


def test_a_damaged_results_file_is_named(quick_ini, tmp_path):
    run("sweep", quick_ini())
    results = tmp_path / "results" / "quick.h5"
    os.truncate(results, 1000)
    done = run("sweep", quick_ini(), check=False)
    assert done.returncode == 2 and "truncated file" in done.stderr and "move it away, or" in done.stderr
    results.unlink()
    run("sweep", quick_ini())


def test_a_sweep_into_a_folder_called_cells_is_collected(quick_ini, tmp_path):
    run("sweep", quick_ini(output=tmp_path / "cells"))
    run("collect", tmp_path / "cells" / "quick")


def test_one_results_file_for_two_sweeps(quick_ini, tmp_path):
    one, two = quick_ini(), tmp_path / "two.ini"
    two.write_text(one.read_text().replace(f"output = {tmp_path}/results", "output = ./results"))
    done = run("sweep", one, two, check=False)
    assert done.returncode == 2 and "writes the same" in done.stderr
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "three.h5").symlink_to("quick.h5")
    done = run("sweep", one, quick_ini("three"), check=False)
    assert done.returncode == 2 and "writes the same" in done.stderr


def test_a_sweep_called_like_a_cell_is_collected_beside_others(quick_ini, tmp_path):
    for name in ("quick", "deadbeefdeadbeef"):
        run("sweep", quick_ini(name))
    for name in ("quick", "deadbeefdeadbeef"):
        run("collect", tmp_path / "results" / name)


def test_a_stop_of_the_whole_group_begins_no_other_sweep(quick_ini, tmp_path):
    """Workers get the signal from its sender and from their parent."""
    grid = dict(limit=0, n="1, 2, 3, 4, 5, 6", k="2, 5, 10, 20, 40", repeats=40)
    p = subprocess.Popen([HARNESS, "sweep", quick_ini("one", **grid), quick_ini("two", **grid), "--jobs", "2"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    folder = tmp_path / "results" / "one" / "cells"
    while p.poll() is None and len(list(folder.glob("*.h5"))) < 2:
        time.sleep(0.005)
    os.killpg(p.pid, signal.SIGTERM)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 1, err
    assert "was killed" not in err and "stopped; finished trials are kept" in err
    assert not (tmp_path / "results" / "two" / "cells").exists()


def test_a_stop_after_a_failure_is_a_stop(quick_ini, tmp_path):
    grid = dict(limit=0, n="1, 2, 3, 4, 5, 6", k="2, 5, 10, 20, 40", repeats=40)
    one, two = quick_ini("one", **grid), quick_ini("two", **grid)
    # A model whose logits overflow: it fails in its first trial, in the first cell to run.
    bad = gguf_files.make_model(context=4096)
    bad.tensors = [tensor for tensor in bad.tensors if tensor[0] != "output_norm.weight"]
    bad.put_tensor("output_norm.weight", "F32", [3e38] * 64)
    bad.save(tmp_path / "bad.gguf")
    one.write_text(one.read_text().replace("[model", f"[model bad]\ntarget = transformer\npath = {tmp_path}/bad.gguf\n"
                                                     "[model"))
    folder = tmp_path / "results" / "one" / "cells"
    p = subprocess.Popen([HARNESS, "sweep", one, two], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while p.poll() is None and len(list(folder.glob("*.h5"))) < 3:
        time.sleep(0.005)
    p.send_signal(signal.SIGTERM)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 1, err
    assert "not finite" in err and "stopped; finished trials are kept" in err
    assert not (tmp_path / "results" / "two" / "cells").exists()


def test_a_cell_that_cannot_be_saved_stops_the_sweep(quick_ini, tmp_path):
    """Results that cannot be kept are not computed."""
    ini = quick_ini("one", limit=0, n="1, 2, 3", k="2, 5, 10, 20, 40", repeats=3)
    cells = [line.split()[0] for line in run("sweep", ini, "--dry-run").stdout.splitlines() if "llma" in line]
    folder = tmp_path / "results" / "one" / "cells"
    folder.mkdir(parents=True)
    (folder / f"{cells[2]}.h5").symlink_to(tmp_path / "nowhere" / "x.h5")
    done = run("sweep", ini, check=False)
    assert done.returncode == 1, done.stderr
    assert f"cell {cells[2]}: " in done.stderr and "cannot write" in done.stderr
    assert "stopped here: nothing else could be saved either" in done.stderr
    assert sorted(f.stem for f in folder.iterdir() if f.is_file()) != [] and not (folder / f"{cells[3]}.h5").exists()
    assert not (tmp_path / "results" / "one.h5").exists()
    (tmp_path / "nowhere").mkdir()
    run("sweep", ini)


def test_collect_leaves_out_cells_of_another_version(quick_ini, tmp_path):
    run("sweep", quick_ini())
    cells = sorted((tmp_path / "results" / "quick" / "cells").iterdir())
    for cell in cells[:2]:
        with h5py.File(cell, "r+") as f:
            version = f.attrs["schema_version"]
            f.attrs.modify("schema_version", version - 1 - cells.index(cell))
    done = run("collect", tmp_path / "results" / "quick", "-o", tmp_path / "x.h5")
    assert f"2 of {len(cells)} cell files are of other schema versions than {version} and left out" in done.stderr
    assert f"{len(cells) - 2} cells" in done.stdout
    for cell in cells[2:]:
        cell.unlink()
    done = run("collect", tmp_path / "results" / "quick", "-o", tmp_path / "y.h5", check=False)
    assert done.returncode == 2 and "all cell files are of other schema versions" in done.stderr


def test_inspect_refuses_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = subprocess.Popen(["sh", "-c", f"echo '{{}}' > {tmp_path}/pipe"], stderr=subprocess.DEVNULL)
    done = run("inspect", tmp_path / "pipe", check=False)
    writer.wait(timeout=10)
    assert done.returncode == 2 and "pipe: is a pipe" in done.stderr


def test_a_modeled_speedup_without_a_pass_is_infinite(tmp_path):
    """A draft from the prompt that is right to the end leaves no pass after the prompt's. That is not a missing value, or
    a policy would lose its best trials."""
    write_jsonl(tmp_path / "data.jsonl", [{"id": "a", "scenario": "", "prompt": "x", "references": [], "output": "abc"}])
    (tmp_path / "cost.ini").write_text("[T]\n1 = 100\n64 = 200\n")
    (tmp_path / "one.ini").write_text(
        f"[sweep]\nname = one\noutput = {tmp_path}\n[model bytes]\ntarget = replay\ntokenizer = bytes\ncost = cost.ini\n"
        "[dataset d]\npath = data.jsonl\nforced = yes\n[policy none]\n[policy oracle]\nk = 2, 64\n[accept greedy]\n")
    run("sweep", tmp_path / "one.ini")
    with h5py.File(tmp_path / "one.h5") as f:
        trials = f["trials"][:]
        assert trials["steps"].tolist() == [4, 2, 1]
        np.testing.assert_array_equal(trials["modeled_speedup"][[0, 2]], [1, np.inf])
        assert 2.9 < trials["modeled_speedup"][1] < 3


def test_a_grown_grid_gives_what_it_gives_at_once(quick_ini, tmp_path):
    """Cells that ran for an earlier text of the config count as this config's, whose text is in the file."""
    run("sweep", quick_ini(k="5"))
    grown = quick_ini(k="5, 9")
    renamed = grown.rename(tmp_path / "aaa.ini")
    run("sweep", renamed)
    run("sweep", renamed, "-o", tmp_path / "fresh")
    assert_same(content(tmp_path / "fresh" / "quick.h5"), content(tmp_path / "results" / "quick.h5"))
    assert list(content(tmp_path / "results" / "quick.h5")["configs"]) == ["aaa.ini"]


def test_a_broken_trial_fails_every_run_that_reports_it(quick_ini, tmp_path):
    ini = quick_ini()
    run("sweep", ini)
    for cell in (tmp_path / "results" / "quick" / "cells").iterdir():
        with h5py.File(cell, "r+") as f:
            if f["cells"][0]["policy"] == b"pld":
                trials = f["trials"][:]
                trials["equal"][1], trials["first_divergence"][1] = 0, 3
                f["trials"][:] = trials
    done = run("sweep", ini, check=False)
    assert done.returncode == 1
    assert "1 trial differs from plain decoding" in done.stderr


def test_an_empty_output_folder_is_not_the_root(quick_ini):
    done = run("sweep", quick_ini(), "-o", "", "--dry-run", check=False)
    assert done.returncode == 2
    assert "--output" in done.stderr


def test_what_a_killed_run_left_behind_does_not_stop_the_next(quick_ini, tmp_path):
    cells = tmp_path / "results" / "quick" / "cells"
    cells.mkdir(parents=True)

    def occupy():  # what a killed process with this pid leaves: in containers pids repeat
        (cells / f".writable.{os.getpid()}").touch()
    done = run("sweep", quick_ini(), preexec_fn=occupy)
    assert [f.suffix for f in cells.iterdir() if not f.name.startswith(".writable")] == [".h5"] * 6, done.stderr


def test_an_unknown_instruction_set_is_refused_before_any_work(quick_ini, tmp_path):
    for attempt in range(2):  # also when all cells are finished
        done = run("sweep", quick_ini(), check=False, env={**os.environ, "HARNESS_ISA": "sse9"})
        assert done.returncode == 2
        assert done.stderr.startswith('harness: HARNESS_ISA: unknown instruction set "sse9"')
        assert (tmp_path / "results").exists() == bool(attempt)
        run("sweep", quick_ini())


@pytest.mark.parametrize("section, error", [
    ("[policy suffix]\nn_min = 0, 20\n", ":11: [model bytes]: policy suffix: n_min = 20 is more than k = 16"),
    ("[policy pld]\nmiss = 5000\n", "miss = 5000"),
])
def test_parameters_that_do_not_go_together_are_found_before_any_cell_runs(tmp_path, section, error):
    write_jsonl(tmp_path / "data.jsonl", [{"id": "a", "prompt": "p", "output": "o"}])
    ini = tmp_path / "bad.ini"
    ini.write_text(f"[sweep]\nname = bad\noutput = {tmp_path}/out\n[model bytes]\ntarget = replay\ntokenizer = bytes\n"
                   f"[dataset d]\npath = {tmp_path}/data.jsonl\nforced = yes\n[policy llma]\n{section}[accept greedy]\n")
    for options in (["-n"], []):
        done = run("sweep", *options, ini, check=False)
        assert done.returncode == 2 and error in done.stderr, done.stderr
    assert not (tmp_path / "out/bad/cells").exists()
