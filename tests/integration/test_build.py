"""Promises of the Makefile: its own flags win, changed flags rebuild all objects, and the commit is this folder's."""
import os
import re
import shutil
import subprocess

import pytest

from sweeps import ROOT

OBJECT = "engine/base/number.o"
# Variables that make passes to the tests must not reach the makes that they run.
OURS = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "config", "B", "V"}
ENV = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") and k not in OURS}


def make(build, *args, folder=ROOT, **env):
    return subprocess.run(["make", "-C", folder, f"B={build}", *args], env={**ENV, **env}, check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout


def macros(build, **env):
    """The macros of version.h, as a C compiler reads them."""
    make(build, f"{build}/version.h", **env)
    (build / "print.c").write_text('#include <stdio.h>\n#include "version.h"\n'
                                   'int main(void) { printf("%s\\n%s\\n%s\\n%s\\n", BUILD_COMMIT, BUILD_COMPILER, '
                                   "BUILD_FLAGS, BUILD_USER_FLAGS); return 0; }\n")
    subprocess.run(["gcc", "-I", build, "-o", build / "print", build / "print.c"], check=True)
    lines = subprocess.run([build / "print"], check=True, text=True, stdout=subprocess.PIPE).stdout.split("\n")
    return dict(zip(["commit", "compiler", "flags", "user"], lines))


def test_own_flags_come_last(tmp_path):
    """Also those of an instruction set, of C++, and of the linker."""
    loose = "-Ofast -ffast-math -ffp-contract=fast -march=x86-64 -g0"
    targets = [f"{tmp_path}/engine/kernels/generic_portable.o", f"{tmp_path}/engine/base/rng.o", f"{tmp_path}/harness"]
    text = make(tmp_path, "-n", "V=1", *targets, CFLAGS=loose, CXXFLAGS=loose, LDFLAGS=loose)
    lines = [line.split() for line in text.splitlines() if "-Ofast" in line]
    assert len(lines) > 50 and any("-o" in line and f"{tmp_path}/harness" in line for line in lines)
    for words in lines:
        last = len(words) - words[::-1].index("-g0")
        for flag in ("-O3", "-fno-fast-math", "-fno-unsafe-math-optimizations", "-ffp-contract=off", "-fsigned-zeros"):
            assert flag in words[last:], words


def test_objects_follow_the_flags(tmp_path):
    target = f"{tmp_path}/{OBJECT}"
    assert "CC " in make(tmp_path, target)
    assert "CC " not in make(tmp_path, target)
    assert "CC " in make(tmp_path, target, CFLAGS="-DOTHER")
    assert "CC " not in make(tmp_path, target, CFLAGS="-DOTHER")
    assert "CC " in make(tmp_path, target, LDFLAGS="-Wl,-O1")
    assert "CC " in make(tmp_path, target)


def test_recorded_flags_are_those_used(tmp_path):
    plain, user = macros(tmp_path / "a"), macros(tmp_path / "b", CFLAGS=" -DA=1  -g3 ", LDFLAGS="-s")
    assert plain["user"] == "" and user["user"] == "-DA=1 -g3 -s"
    assert "-DA=1 -g3 -std=c17 -O3" in user["flags"]
    line = next(x for x in make(tmp_path / "b", "-n", "V=1", f"{tmp_path}/b/{OBJECT}", CFLAGS="-DA=1  -g3").splitlines()
                if "-DA=1" in x and " -c " in x)
    assert " ".join(line.split()).startswith(f"gcc {user['flags']} ")


def test_quotes_and_backslashes_in_flags(tmp_path):
    flags = "-DA='\"x y\"' -DB=\\\"z\\\" -DC='%d#,'"
    assert macros(tmp_path, CFLAGS=flags.replace("#", r"\#"))["user"].replace(r"\#", "#") == flags


def git(folder, *args):
    subprocess.run(["git", "-C", folder, "-c", "user.name=n", "-c", "user.email=e", *args], check=True, env=ENV,
                   stdout=subprocess.PIPE)


@pytest.fixture
def repository(tmp_path):
    """A repository with a commit, around a folder with our Makefile that is not part of it."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "theirs")
    (tmp_path / "inner").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path / "inner")
    for part in ("tests/fuzz", "packaging"):  # the Makefile includes what is in them
        shutil.copytree(ROOT / part, tmp_path / "inner" / part)
    return tmp_path


def commit_of(folder, **env):
    make(folder / "build", f"{folder}/build/version.h", folder=folder, **env)
    return re.search('BUILD_COMMIT "(.*)"', (folder / "build" / "version.h").read_text())[1]


def test_the_commit_is_not_that_of_a_repository_around(repository):
    inner = repository / "inner"
    assert commit_of(inner) == "unknown"
    assert commit_of(inner, GIT_DIR=str(repository / ".git")) == "unknown"  # as in a hook
    git(inner, "init", "-q")
    git(inner, "add", "Makefile", "tests/fuzz/fuzz.mk", "packaging")
    git(inner, "commit", "-q", "-m", "ours")
    own = commit_of(inner)
    assert re.fullmatch("[0-9a-f]{40}", own)
    (inner / "Makefile").write_text((inner / "Makefile").read_text() + "\n# changed\n")
    assert commit_of(inner) == own + "-dirty"


def test_a_tarball_says_its_commit(repository):
    """Also inside another repository; one of its own is what counts."""
    inner = repository / "inner"
    (inner / "packaging" / "commit").write_text("0123456789" * 4 + "\n")
    assert commit_of(inner) == "0123456789" * 4
    git(inner, "init", "-q")
    git(inner, "add", "Makefile")
    git(inner, "commit", "-q", "-m", "ours")
    assert commit_of(inner) != "0123456789" * 4


def test_where_a_package_is_built_is_not_recorded(tmp_path):
    flags = macros(tmp_path, CFLAGS=f"-g -ffile-prefix-map={tmp_path}=. -DA=1")
    assert flags["user"] == "-g -DA=1" and str(tmp_path) + "=" not in flags["flags"]


def test_the_commit_of_a_work_tree_and_behind_a_link(repository):
    inner = repository / "inner"
    git(inner, "init", "-q")
    git(inner, "add", "Makefile", "tests/fuzz/fuzz.mk", "packaging")
    git(inner, "commit", "-q", "-m", "ours")
    git(inner, "worktree", "add", "-q", "../tree")
    (repository / "link").symlink_to("tree")
    assert commit_of(repository / "tree") == commit_of(repository / "link") == commit_of(inner)
    assert re.fullmatch("[0-9a-f]{40}", commit_of(repository / "tree"))


@pytest.mark.parametrize("flag", ["-Ofast", "-ffast-math", "-funsafe-math-optimizations", "-ffinite-math-only",
                                  "-freciprocal-math", "-fno-signed-zeros", "-fsingle-precision-constant"])
def test_by_hand_such_flags_do_not_compile(flag):
    for source in ("engine/kernels/generic.c", "engine/kernels/detmath.c", "engine/kernels/floats_portable.c",
                   "engine/rules/logits.c", "analysis/spreads.c", "engine/base/rng.cc"):
        compiler = ["g++", "-std=c++17"] if source.endswith(".cc") else ["gcc", "-std=c17", "-DKERNEL_ISA=portable"]
        done = subprocess.run([*compiler, "-D_GNU_SOURCE", "-O2", "-I.", flag, "-fsyntax-only", source],
                              cwd=ROOT, text=True, stderr=subprocess.PIPE)
        assert done.returncode != 0 and "change" in done.stderr, (source, done.stderr)
