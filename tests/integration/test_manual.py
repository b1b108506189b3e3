"""The manual and the completion for shells, which are made from the commands' tables: nothing that the help lists is
missing in them, and man, mandoc, bash, zsh and fish take them. Programs that are not installed are skipped."""
import pathlib
import re
import shutil
import subprocess

import pytest

from program import harness

COMMANDS = re.findall(r"^  (\S+) +\S", harness("help").text.split("\nINI files:")[0], re.M)
FILES = re.findall(r"^  (\S+) +\S", harness("help").text.split("\nINI files:")[1], re.M)
PAGES = harness("help", "--pages").text.split()


def needed(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def topic_of(page):
    return [] if page == "harness.1" else [page[len("harness-"):].rsplit(".", 1)[0]]


def page(name):
    return harness("help", "--man", *topic_of(name)).text


def options(command):
    """The options of a command as its help lists them: names with their dashes."""
    text = harness("help", command).text
    return [names for line in re.findall(r"^  ((?:-\S, | {4})--\S+)", text, re.M)
            for names in [re.findall(r"(?:^|\s)(--?[A-Za-z0-9][a-z-]*)", line)]]


def plain(roff):
    return roff.replace("\\-", "-").replace("\\ ", " ").replace("\\(aq", "'").replace("\\&", "")


def words(text):
    """What a reader sees of a text, whatever its lines are."""
    return " ".join(text.split())


def test_every_topic_has_a_page():
    assert len(COMMANDS) > 20 and len(FILES) == 3
    assert PAGES == ["harness.1", *(f"harness-{c}.1" for c in COMMANDS), *(f"harness-{f}.5" for f in FILES)]
    text = plain(page("harness.1"))
    for name in COMMANDS + FILES:
        assert re.search(rf"^\.BR harness-{re.escape(name)} \([15]\)$", text, re.M), name


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_holds_all_options(command):
    text = plain(page(f"harness-{command}.1"))
    shown = options(command)
    assert ["-h", "--help"] in shown
    for names in shown:
        assert ", ".join(rf"\fB{n}\fR" for n in names) in text, names


@pytest.mark.parametrize("name", FILES)
def test_a_page_holds_all_keys(name):
    keys = re.findall(r"^  (\S+)(?: =.*)? \(", harness("help", name).text, re.M)
    text = plain(page(f"harness-{name}.5"))
    assert len(keys) > 3
    for key in keys:
        assert re.search(rf"^\\fB{re.escape(key)}\\fR ", text, re.M), key


@needed("man")
def test_pages_say_what_the_help_says(tmp_path):
    """Each sentence about sweep's options, through man: nothing is lost or taken as a request."""
    (tmp_path / "page.1").write_text(page("harness-sweep.1"))
    seen = subprocess.run(["man", "-l", tmp_path / "page.1"], env={"MANWIDTH": "1000", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                          check=True, text=True, stdout=subprocess.PIPE).stdout
    told = harness("help", "sweep").text
    for piece in re.split(r"(?<=[.;)])\s+|\n\s+(?=-)", told.split("harness help sweep-config")[0].split("\n", 1)[1]):
        assert words(piece) in words(seen), piece


@needed("mandoc")
def test_mandoc_finds_nothing(tmp_path):
    for name in PAGES:
        (tmp_path / name).write_text(page(name))
    done = subprocess.run(["mandoc", "-T", "lint", *(tmp_path / name for name in PAGES)], text=True, stdout=subprocess.PIPE)
    assert done.stdout == "" and done.returncode == 0


@needed("man")
def test_groff_warns_of_nothing(tmp_path):
    for name in PAGES:
        (tmp_path / name).write_text(page(name))
        done = subprocess.run(["man", "--warnings", "-l", tmp_path / name], check=True, text=True,
                              env={"MANWIDTH": "80", "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert done.stderr == "", name


def test_wrong_requests():
    assert "give one" in harness("help", "--man", "--pages", status=2).error
    assert "leave out sweep" in harness("help", "--pages", "sweep", status=2).error
    assert "leave out sweep" in harness("help", "--completion", "bash", "sweep", status=2).error
    assert 'allowed: "bash", "fish" or "zsh"' in harness("help", "--completion", "tcsh", status=2).error
    assert "did you mean \"sweep\"" in harness("help", "--man", "swep", status=2).error


# ---- completion ------------------------------------------------------------------------------------------

HERE = pathlib.Path(__file__).resolve().parents[1] / "packaging"

BASH = r"""
source "$1"
words=$2
# As readline splits a line.
words=${words//=/ = }
COMP_WORDS=($words)
[[ $words != *' ' || $words == *'= ' ]] || COMP_WORDS+=('')
[[ $words != *'= ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
_harness
printf '%s\n' "${COMPREPLY[@]}"
"""


def in_bash(script, line, folder):
    return subprocess.run(["bash", "--norc", "-c", BASH, "bash", script, line], cwd=folder, check=True, text=True,
                          stdout=subprocess.PIPE).stdout.splitlines()


def in_zsh(script, line, folder):
    out = subprocess.run(["zsh", "-f", HERE / "complete.zsh", script, line], cwd=folder, check=True, text=True, timeout=60,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout.splitlines()
    return [word.replace("\\ ", " ") for word in out]


def in_fish(script, line, folder):
    out = subprocess.run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script, line], cwd=folder,
                         check=True, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout.splitlines()
    return [word.split("\t")[0].split("=")[-1].rstrip("/") for word in out]


SHELLS = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


@pytest.fixture(params=[pytest.param(shell, marks=needed(shell)) for shell in SHELLS])
def complete(request, tmp_path):
    """A function that completes a line in a folder with files of all kinds."""
    script = tmp_path / "completion"
    script.write_text(harness("help", "--completion", request.param).text)
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.gguf", "b.h5", "c.ini", "d.jsonl", "e f.gguf"):
        (folder / name).touch()
    run = lambda line: {word for word in SHELLS[request.param](script, line, folder) if word}
    run.shell = request.param
    return run


def test_commands(complete):
    assert set(COMMANDS) <= complete("harness ")
    assert complete("harness rec") == {"recommend"}
    assert set(COMMANDS + FILES) <= complete("harness help ")


@pytest.mark.parametrize("command", COMMANDS)
def test_options(complete, command):
    if complete.shell == "zsh" and command not in ("sweep", "generate", "tables"):
        pytest.skip("a terminal takes a second for each")
    longs = {names[-1] for names in options(command)}
    assert longs - complete(f"harness {command} --") == set()


def test_values(complete):
    listed = re.findall(r"^(\S+)$", harness("policies").text, re.M)
    assert len(listed) > 20 and complete("harness generate --policy ") == set(listed)
    assert complete("harness generate --policy=ll") == {"llma"}
    rules = re.findall(r"^(\S+)$", harness("rules").text, re.M)
    assert complete("harness generate --rule ") == set(rules) and len(rules) > 5
    assert complete("harness generate --color ") == {"auto", "always", "never"}
    assert complete("harness policies ngram_m") == {"ngram_map_k", "ngram_map_k4v", "ngram_mod"}
    assert complete("harness help --completion ") == set(SHELLS)
    assert complete("harness generate --chat=gem") == {"gemma"}
    assert {"make", "scenarios"} <= complete("harness dataset ")


def test_files(complete):
    """By their endings; fish puts those first and lists the others, too."""
    only = (lambda found, wanted: wanted <= found) if complete.shell == "fish" else (lambda found, wanted: found == wanted)
    assert only(complete("harness sweep "), {"c.ini", "sub"})
    assert only(complete("harness generate -m "), {"a.gguf", "e f.gguf", "sub"})
    assert only(complete("harness collect "), {"sub"})
    assert complete("harness sweep -o ") == {"sub"}
    assert only(complete("harness tables summary "),
                {"b.h5", "sub"} | set(re.findall(r"^(\S+) ", harness("tables", "--list").text, re.M)))


def test_the_scripts_parse(tmp_path):
    for shell in SHELLS:
        if shutil.which(shell):
            script = harness("help", "--completion", shell).text
            done = subprocess.run([shell, "-n"], input=script, text=True, stderr=subprocess.PIPE)
            assert done.returncode == 0 and done.stderr == "", shell
