"""What `make install` puts where, that it works without the source, that `make uninstall` takes it away again, and what
`make dist` packs. Shells and readers of manuals that are not installed are skipped."""
import os
import re
import shutil
import stat
import subprocess
import tarfile

import pytest

from program import HARNESS, harness
from sweeps import ROOT
from test_build import ENV, make

PROGRAM = f"PROGRAM={os.path.abspath(HARNESS)}"
PAGES = harness("help", "--pages").text.split()
SHIPPED = ["datasets/fetch.sh", "datasets/manifest.tsv", "datasets/models/README.md", "datasets/models/copier.gguf",
           *(f"datasets/samples/{path.name}" for path in (ROOT / "datasets/samples").glob("*.jsonl"))]


def needed(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def install(target, *args, build):
    return make(build, target, PROGRAM, *args)


def run(*command, status=0, **options):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An installation whose owner lets nobody else read what he makes, as some administrators do."""
    folder = tmp_path_factory.mktemp("installed")
    old = os.umask(0o077)
    try:
        install("install", f"PREFIX={folder / 'prefix'}", build=folder / "build")
    finally:
        os.umask(old)
    return folder / "prefix"


@pytest.fixture(scope="module")
def away(prefix):
    """What precedes a command for which the source is not there: an empty folder hides it. Without the right to mount, it
    stays."""
    hide = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs none "{ROOT}" && exec "$@"', "sh"]
    hides = shutil.which("unshare") and subprocess.run([*hide, "true"], capture_output=True).returncode == 0
    return hide if hides and ROOT not in prefix.parents else []


# ---- what is there ---------------------------------------------------------------------------------------

def test_all_is_there(prefix):
    expected = {"bin/harness", "share/bash-completion/completions/harness", "share/zsh/site-functions/_harness",
                "share/fish/vendor_completions.d/harness.fish"}
    expected |= {f"share/man/man{page[-1]}/{page}" for page in PAGES}
    expected |= {f"share/harness/configs/{path.name}" for path in (ROOT / "experiments/configs").glob("*.ini")}
    expected |= {f"share/harness/{path}" for path in SHIPPED}
    expected |= {f"share/harness/python/harness_plots/{path.name}" for path in (ROOT / "analysis/plotting").glob("*.py")}
    expected |= {f"share/doc/harness/{name}" for name in ("README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "results.md")}
    assert files(prefix) == expected and len(PAGES) > 20


def test_everybody_may_read_it(prefix):
    for path in prefix.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        runs = path.is_dir() or path.name in ("harness", "fetch.sh") and "completions" not in path.parts
        assert mode == (0o755 if runs else 0o644), path


def test_configs_name_what_is_there_or_how_to_get_it(prefix):
    """Every path of an installed config leads to a file that is installed too, or is one of its needs."""
    for ini in (prefix / "share/harness/configs").glob("*.ini"):
        text = ini.read_text()
        assert "../../" not in text and "output" not in re.findall(r"^(\w+) *=", text, re.M), ini
        needs = set(re.findall(r"^\[needs .*\]\npath *= (\S+)", text, re.M))
        for path in re.findall(r"^(?:path|tokenizer|cost|store|model) *= *((?:\.\./[^\s,]+(?:, )?)+)", text, re.M):
            for one in path.split(", "):
                assert one in needs or (ini.parent / one).is_file(), (ini, one)
        for command in re.findall(r"^command *= (.*)", text, re.M):
            program = re.sub(r"^mkdir -p \.\./build && ", "", command).split()[0]
            assert program == "harness" or os.access(ini.parent / program, os.X_OK), (ini, command)


def test_staged_below_a_folder_for_packages(tmp_path):
    """DESTDIR, which may hold a space, and places of their own for the manual and Python."""
    root = tmp_path / "a package"
    install("install", f"DESTDIR={root}", "PREFIX=/usr", "MANDIR=/usr/man", "PYTHONDIR=/usr/lib/python3/dist-packages",
            build=tmp_path / "build")
    found = files(root)
    assert {"usr/bin/harness", "usr/man/man1/harness.1", "usr/share/harness/configs/quick.ini",
            "usr/lib/python3/dist-packages/harness_plots/figures.py"} <= found
    assert str(root) not in "".join((root / path).read_text() for path in found if path.endswith((".ini", ".1", ".py")))
    install("uninstall", f"DESTDIR={root}", "PREFIX=/usr", "MANDIR=/usr/man", "PYTHONDIR=/usr/lib/python3/dist-packages",
            build=tmp_path / "build")
    assert files(root) == set()


def test_uninstall_leaves_others_alone(tmp_path):
    prefix = tmp_path / "prefix"
    others = ["bin/other", "share/man/man1/harness-other.1", "share/harness/configs/mine.ini", "share/doc/other/README.md"]
    for path in others:
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).write_text("theirs")
    install("install", f"PREFIX={prefix}", build=tmp_path / "build")
    install("install", f"PREFIX={prefix}", build=tmp_path / "build")  # again, over the first
    assert len(files(prefix)) > 60
    install("uninstall", f"PREFIX={prefix}", build=tmp_path / "build")
    assert files(prefix) == set(others)
    assert not (prefix / "share/harness/datasets").exists() and not (prefix / "share/doc/harness").exists()
    (prefix / others[2]).unlink()
    install("uninstall", f"PREFIX={prefix}", build=tmp_path / "build")  # where nothing is left
    assert not (prefix / "share/harness").exists() and (prefix / "share/man/man1").is_dir()


def test_a_program_that_fails_installs_no_manual(tmp_path):
    (tmp_path / "broken").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError):
        make(tmp_path / "build", "install", f"PROGRAM={tmp_path / 'broken'}", f"PREFIX={tmp_path / 'prefix'}")


# ---- that it works ---------------------------------------------------------------------------------------

def test_a_first_sweep_from_anywhere(prefix, away, tmp_path):
    """The source hidden, a folder of nobody's choosing, and the installed folders left as they were."""
    before = files(prefix)
    run(*away, prefix / "bin/harness", "sweep", "-q", prefix / "share/harness/configs/quick.ini", "--set",
        "dataset scenarios.limit=2", cwd=tmp_path)
    assert (tmp_path / "results/quick.h5").is_file() and files(prefix) == before
    table = run(*away, prefix / "bin/harness", "tables", "summary", "results/quick.h5", cwd=tmp_path).stdout
    assert "2/2" in table


def test_files_to_fetch_are_named_with_a_command_that_is_there(prefix, away, tmp_path):
    done = run(*away, prefix / "bin/harness", "sweep", "-q", prefix / "share/harness/configs/divergence.ini", cwd=tmp_path,
               status=1)
    assert f"mkdir -p {os.path.relpath(prefix, tmp_path)}/share/harness/build && " in done.stderr
    copy = tmp_path / "copy"
    shutil.copytree(prefix / "share/harness", copy)
    done = run(prefix / "bin/harness", "sweep", "-q", "configs/divergence.ini", cwd=copy, status=1)
    command = next(line for line in done.stderr.splitlines() if "quantize" in line)
    run("sh", "-c", command, cwd=copy)
    assert (copy / "build/copier-f32.gguf").is_file()


def test_figures_of_an_installed_sweep(prefix, away, tmp_path):
    env = {**ENV, "PATH": f"{prefix / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(prefix / "share/harness/python"),
           "MPLCONFIGDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("HARNESS", None)
    run(*away, "harness", "sweep", "-q", prefix / "share/harness/configs/replay.ini", "--set", "dataset quickstart.limit=4",
        cwd=tmp_path, env=env)
    run(*away, "/usr/bin/python3", "-m", "harness_plots", "results/replay.h5", "figures", "svg", cwd=tmp_path, env=env)
    assert (tmp_path / "figures/speedup.svg").stat().st_size > 1000
    done = run("/usr/bin/python3", "-m", "harness_plots", "results/replay.h5", "figures", "bmp", cwd=tmp_path, env=env, status=1)
    assert done.stderr == "harness_plots: no format bmp (pdf, svg, png)\n"


@needed("man")
def test_man_finds_the_pages(prefix):
    env = {**ENV, "MANPATH": str(prefix / "share/man"), "MANWIDTH": "80", "MANPAGER": "cat"}
    for page in ("harness", "harness-sweep", "harness-sweep-config"):
        assert page.upper() in run("man", page, env=env).stdout.upper()


@needed("mandoc")
def test_mandoc_reads_the_pages(prefix):
    run("mandoc", "-T", "utf8", *(prefix / f"share/man/man{page[-1]}/{page}" for page in PAGES))


def in_bash(prefix):
    return run("bash", "--norc", "-c", 'source "$1"; complete -p harness; COMP_WORDS=(harness sw); COMP_CWORD=1; _harness; '
               'echo "${COMPREPLY[@]}"', "bash", prefix / "share/bash-completion/completions/harness").stdout


def in_zsh(prefix):
    return run("zsh", "-f", "-c", 'fpath=("$1" $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[harness]; '
               'autoload +X _harness; functions _harness', "zsh", prefix / "share/zsh/site-functions").stdout


def in_fish(prefix):
    """It completes only for what it can run."""
    env = {**ENV, "XDG_DATA_DIRS": str(prefix / "share"), "PATH": f"{prefix / 'bin'}:{os.environ['PATH']}"}
    return run("fish", "-c", "complete -C 'harness sw'", env=env, stdin=subprocess.DEVNULL).stdout


@pytest.mark.parametrize("shell", [pytest.param(f, marks=needed(f.__name__[3:])) for f in (in_bash, in_zsh, in_fish)])
def test_shells_complete(prefix, shell):
    """From the folder in which the shell looks by itself; test_manual.py has what is completed."""
    said = shell(prefix)
    assert "sweep" in said and ("_harness" in said or shell is in_fish)


# ---- versions, tarballs, lists ---------------------------------------------------------------------------

def test_one_version():
    version = harness("--version").text.split()[1]
    header = (ROOT / "experiments/sweep/provenance.h").read_text()
    date = re.search(r'#define HARNESS_DATE +"(.*)"', header)[1]
    assert re.search(r'#define HARNESS_VERSION +"(.*)"', header)[1] == version
    assert re.search(r"^## \[(\d.*)\] - (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M).groups() == (version, date)
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {version}\n" in citation and f"\ndate-released: {date}\n" in citation
    assert (ROOT / "debian/changelog").read_text().startswith(f"inference-harness ({version}) ")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no repository, which is what is packed")
def test_a_tarball_is_whole_and_says_what_it_is(tmp_path):
    version = harness("--version").text.split()[1]
    commit = run("git", "-C", ROOT, "rev-parse", "HEAD", env=ENV).stdout.strip()
    packed = []
    for _ in range(2):
        assert f"build/harness-{version}.tar.gz\n" in make(tmp_path / "build", "dist")
        path = ROOT / f"build/harness-{version}.tar.gz"
        packed.append(path.read_bytes())
    assert packed[0] == packed[1]
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path)
    folder = tmp_path / f"harness-{version}"
    assert {"Makefile", "debian", "packaging", "CHANGELOG.md"} <= set(os.listdir(folder))
    target = "build/release/version.h"
    make("build/release", target, folder=folder)
    assert f'#define BUILD_COMMIT "{commit}"' in (folder / target).read_text()
    assert "experiments/sweep/provenance.o" in make("build/release", "-n", "V=1", "harness", folder=folder)
    said = make("build/release", "install", PROGRAM, f"PREFIX={tmp_path / 'prefix'}", folder=folder)
    assert f"harness {version} is installed below {tmp_path / 'prefix'}" in said
    with pytest.raises(subprocess.CalledProcessError) as failed:
        make("build/release", "dist", folder=folder)
    assert "not a git repository" in failed.value.stderr


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no repository, which is what is packed")
def test_half_a_tarball_is_none(tmp_path):
    fake = tmp_path / "git"
    fake.write_text("#!/bin/bash\nfor word; do [ \"$word\" = archive ] && dying=1; [ \"$last\" = -o ] && to=$word; last=$word; done\n"
                    "[ -z \"$dying\" ] && exec git \"$@\"\nif [ -n \"$to\" ]; then echo half > \"$to\"; else echo half; fi\nexit 3\n")
    fake.chmod(0o755)
    version = harness("--version").text.split()[1]
    with pytest.raises(subprocess.CalledProcessError):
        make(tmp_path / "build", "dist", f"GIT={fake}")
    assert not (ROOT / f"build/harness-{version}.tar.gz").exists() and not (ROOT / f"build/harness-{version}.tar").exists()


def test_the_lists_of_dependencies_agree():
    """What `make deps` installs, what debian/control says, and the table of other systems' names."""
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    deps = set(re.search(r"^DEPS +:= (.*)$", text, re.M)[1].split())
    control = (ROOT / "debian/control").read_text()
    build = set(re.findall(r"[a-z0-9][a-z0-9+.-]+", re.search(r"^Build-Depends: (.*?)^\S", control, re.M | re.S)[1]))
    assert deps - build == {"gcc", "g++", "make", "git", "libopenblas0"}  # of every Debian build, or not for building
    table = (ROOT / "packaging/README.md").read_text()
    named = set(re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| [^|]+ \| ([^|]+) \|", table, re.M))))
    assert deps - named == set()
