"""The program's environment: few threads, little memory, a missing library, a processor that is set to flush
subnormals."""
import os
import platform
import resource
import shutil
import subprocess
import tempfile

import pytest

from program import HARNESS, harness
from sweeps import ROOT, SANITIZED

MODEL = ROOT / "datasets/models/copier.gguf"
NOBODY = 65534
TRAIN = "[train]\nname = t\noutput = out\nsteps = 200\n[source programs]\nscenario = editing\n"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    harness("sweep", "-q", "-o", folder, ROOT / "experiments/configs/replay.ini")
    return folder / "replay.h5"


def limit(what, most):
    return lambda: resource.setrlimit(what, (most, most))


@pytest.fixture
def no_openblas(tmp_path):
    """An environment in which OpenBLAS is not a library."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libopenblas.so.0").write_text("damaged")
    return {**os.environ, "LD_LIBRARY_PATH": str(tmp_path / "lib")}


@pytest.mark.skipif(SANITIZED, reason="a sanitizer needs terabytes of addresses")
def test_tables_end_with_little_memory(results):
    done = harness("tables", results, preexec_fn=limit(resource.RLIMIT_AS, 130_000_000))
    assert "tokens/step" in done.text


@pytest.mark.skipif(SANITIZED, reason="a sanitizer starts a thread of its own")
def test_commands_that_do_not_compute_start_no_thread(results):
    """Root may start as many as it likes, so this runs as nobody."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are not for others
        os.chmod(folder, 0o755)
        copies = [shutil.copy(x, folder) for x in (HARNESS, results, MODEL)]
        for path in copies:
            os.chmod(path, 0o755)
        program, table, model = copies
        who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        for args in (["policies"], ["rules"], ["tables", table], ["report", table], ["inspect", model], ["inspect", table],
                     ["generate", "-m", model, "-p", "a", "-n", "2", "-t", "1"]):
            done = subprocess.run([program, *args], capture_output=True, timeout=60,
                                  preexec_fn=limit(resource.RLIMIT_NPROC, 1), **who)
            assert done.returncode == 0 and done.stdout, (args, done)


def test_openblas_is_for_training_and_gemm_blas_alone(no_openblas, tmp_path):
    harness("policies", env=no_openblas)
    harness("sweep", "-q", "-o", tmp_path, ROOT / "experiments/configs/replay.ini", env=no_openblas)
    harness("generate", "-m", MODEL, "-p", "a", "-n", "2", env=no_openblas)
    harness("quantize", "-t", "f32", MODEL, tmp_path / "m.gguf", env=no_openblas)
    (tmp_path / "s.ini").write_text(f"[sweep]\nname = s\noutput = {tmp_path}\n"
                                    f"[model blas]\ntarget = transformer\npath = {tmp_path}/m.gguf\ngemm = blas\n"
                                    f"[dataset d]\npath = {ROOT}/datasets/samples/scenarios.jsonl\nlimit = 1\n"
                                    "max_new_tokens = 4\n[policy none]\n[accept greedy]\n")
    (tmp_path / "t.ini").write_text(TRAIN)
    for command in ("sweep", "train"):
        error = harness(command, "-q", tmp_path / f"{command[0]}.ini", env=no_openblas, status=1).error
        assert "cannot load OpenBLAS" in error and "libopenblas.so.0" in error and "libopenblas0" in error


@pytest.fixture(scope="module")
def flushing(tmp_path_factory):
    """An environment in which a preloaded library has the processor flush subnormals, as those built with -ffast-math do."""
    if platform.machine() != "x86_64":
        pytest.skip("the register is that of x86-64")
    folder = tmp_path_factory.mktemp("preload")
    (folder / "flush.c").write_text("#include <immintrin.h>\n"
                                    "__attribute__((constructor)) static void f(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "flush.so", folder / "flush.c"], check=True)
    options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return {**os.environ, "LD_PRELOAD": str(folder / "flush.so"), "ASAN_OPTIONS": options}


@pytest.mark.parametrize("isa", ["portable", ""])
def test_flushed_subnormals_are_refused(flushing, results, tmp_path, isa):
    env = {**flushing, "HARNESS_ISA": isa}
    train = tmp_path / "t.ini"
    train.write_text(TRAIN)
    for args in (["generate", "-m", MODEL, "-p", "a"], ["bench", "-m", MODEL, "-k", "1"], ["train", train],
                 ["sweep", "-o", tmp_path, ROOT / "experiments/configs/replay.ini"],
                 ["quantize", "-t", "q4_0", MODEL, tmp_path / "m.gguf"], ["make-model", "-s", "15m", tmp_path / "m.gguf"],
                 ["evaluate", "-m", MODEL, ROOT / "datasets/samples/scenarios.jsonl"]):
        error = harness(*args, env=env, status=1).error
        assert "floating-point settings that change results" in error, (args, error)
    assert not (tmp_path / "m.gguf").exists() and not (tmp_path / "replay.h5").exists()
    harness("tables", results, env=env)
    harness("policies", env=env)
