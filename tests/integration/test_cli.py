"""Common to all commands: help, usage errors, exit status, a full disk."""
import pathlib
import re

import pytest

from program import harness
from sweeps import ROOT


def commands():
    return re.findall(r"^  ([\w-]+) +\S", harness("--help").text.split("INI files:")[0], re.M)


def test_help_lists_commands_that_all_have_help():
    names = commands()
    assert {"sweep", "generate", "collect", "tables", "report", "make-model", "inspect", "policies", "rules"} <= set(names)
    assert all(len(line) <= 80 for line in harness("--help").text.splitlines())
    for name in names:
        for option in ("-h", "--help"):
            done = harness(name, option)
            assert done.text.startswith(f"usage: harness {name}"), name
            assert done.error == "", name
            for line in done.text.splitlines():
                assert len(line) <= 80, line


def test_inspect_lists_the_formats_of_datasets():
    text = harness("inspect", "-h").text
    for name in ("native", "llma", "ms-marco", "ragtruth", "humaneval", "chat", "spec-bench"):
        assert re.search(rf"^  {name} +\S", text, re.M), name


def test_short_and_long_help_are_equal():
    assert harness("-h").text == harness("--help").text


def test_help_of_one_command_is_what_the_command_says():
    assert harness("help").text == harness("-h").text
    for name in commands():
        assert harness("help", name).text == harness(name, "-h").text, name


def described(name):
    """{section: {key: default}} from the program's output."""
    sections = {}
    for line in harness("help", name).text.splitlines():
        assert len(line) <= 80, line
        if title := re.fullmatch(r"\[(.*)\]", line):
            keys = sections.setdefault(title[1], {})
        elif key := re.match(r"  (\w+)(?: = (\S+))? \((.*)", line):
            keys[key[1]] = key[2] or ("required" if "required)" in key[3] else "")
    return sections


def documented(name):
    """The same from README's tables: rows of keys with their defaults, the section in the header or before them."""
    text = (pathlib.Path(__file__).parents[2] / "experiments" / "README.md").read_text()
    sections, section = {}, None
    text = text[text.index("## Training"):] if name == "train-config" else text[:text.index("## Randomness")]
    for line in text.splitlines():
        cells = [c.strip().replace("`", "") for c in line.split("|")[1:-1]] if line.startswith("|") else []
        if not cells or set(cells[0]) == {"-"}:
            continue
        if title := re.fullmatch(r"\[(.*)\]", cells[0]):
            section = title[1]
            cells = cells[1:]
        elif cells[0] == "":
            cells = cells[1:]
        if section is not None and cells[0] != "default" and len(cells) == 3:
            defaults = [c.strip() for c in cells[1].split(",")]
            for key, default in zip(cells[0].split(", "), defaults, strict=True):
                sections.setdefault(section, {})[key] = default
    return sections


@pytest.mark.parametrize("name", ["sweep-config", "train-config"])
def test_readme_documents_the_keys_that_the_program_reads(name):
    program = {title: keys for title, keys in described(name).items() if keys}
    assert documented(name) == program


def test_help_describes_a_cost_file():
    assert described("cost-file") == {"cost": {"model": "", "threads": "", "rounds": "0", "loaded": "no"}, "T CONTEXT": {}}


def test_every_option_can_be_asked_for_as_its_help_says():
    for name in commands():
        text = harness(name, "-h").text
        options = re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S+))?(?:  |$)", text, re.M)
        assert ("h", "help", "") in options, name
        for letter, word, value in options:
            for option in filter(None, [f"-{letter}" if letter else "", f"--{word}"]):
                if value:
                    assert f"no value after option '{option}'" in harness(name, option, status=2).error
                else:
                    assert harness(name, option, "-h").text, (name, option)


def test_version():
    assert re.fullmatch(r"harness \d+\.\d+\.\d+\n", harness("--version").text)
    assert harness("version").text == harness("--version").text


@pytest.mark.parametrize("args, words", [
    ([], ["no command", "harness -h"]),
    (["policy"], ['unknown command "policy"', 'did you mean "policies"']),
    (["zzzzzzzz"], ['unknown command "zzzzzzzz"', '"policies"']),
    ([""], ['unknown command ""']),
    (["--halp"], ["unknown option '--halp'; did you mean '--help'?"]),
    (["help", "swep-config"], ['unknown command "swep-config"; did you mean "sweep-config"?']),
    (["help", "swep"], ['unknown command "swep"; did you mean "sweep"?']),
    (["help", "sweep", "tables"], ["unexpected argument 'tables'"]),
    (["version", "2"], ["unexpected argument '2'"]),
    (["bench", "--treads", "2"], ["unknown option '--treads'; did you mean '--threads'? (see harness bench -h)"]),
    (["bench", "--treads=2"], ["unknown option '--treads=2'; did you mean '--threads'?"]),
    (["generate", "--pro", "x"], ["unknown option '--pro'; did you mean '--prompt' or '--prompt-file'?"]),
    (["sweep", "--zzzzzzzz"], ["unknown option '--zzzzzzzz' (see"]),
    (["tables", "sumary", "no-such.h5"], ['unknown table "sumary"; did you mean "summary"? (allowed: "summary", ']),
    (["tables", "-f", "latx", "no-such.h5"], ['unknown table format "latx"; did you mean "latex"?']),
    (["inspect", "-f", "nativ", __file__], ['unknown dataset format "nativ"; did you mean "native"?']),
    (["dataset", "make", "--scenario", "retreival"], ['unknown scenario "retreival"; did you mean "retrieval"?']),
    (["dataset", "make", "--scenario", "retrieval:min_passage=2"],
     ['unknown parameter "min_passage"; did you mean "min_passages"?']),
    (["dataset", "mak"], ['unknown job "mak"; did you mean "make"?']),
    (["quantize", "-t", "q4k", "a", "b"], ['unknown type "q4k"; did you mean "q4_k"?']),
    (["make-model", "-s", "1.1", "a"], ['unknown shape "1.1"; did you mean "1.1b"?']),
    (["make-model", "-s", "1.1b:layer=2", "a"], ['unknown parameter "layer"; did you mean "layers"?']),
    (["-x"], ["unknown option '-x'"]),
    (["policies", "--halp"], ["unknown option '--halp'", "harness policies -h"]),
    (["policies", "-x"], ["unknown option '-x'"]),
    (["policies", "-xh"], ["unknown option '-x'"]),
    (["policies", "--help=3"], ["no value is allowed", "--help=3"]),
    (["policies", "llma", "lmla"], ['unknown policy "lmla"', 'did you mean "llma"']),
    (["rules", "greedi"], ['unknown rule "greedi"', 'did you mean "greedy"']),
    (["generate", "-m", "x", "--chat", "gemma", "-p", "y"], ["unexpected argument 'gemma'; did you mean --chat=gemma? ("]),
    (["policies", "a" * 100000], ["unknown policy"]),
    (["generate", "-m"], ["no value after option '-m'"]),
    (["generate", "--seed"], ["no value after option '--seed'"]),
    (["generate", "-p", "x"], ["generate needs -m MODEL.gguf (see harness generate -h)"]),
    (["evaluate", "d.jsonl"], ["evaluate needs -m MODEL.gguf (see harness evaluate -h)"]),
    (["quantize", "a", "b"], ["quantize needs -t TYPE (see harness quantize -h)"]),
    (["quantize", "-t", "f16", "a"], ["quantize needs IN.gguf OUT.gguf (see harness quantize -h)"]),
    (["sweep"], ["sweep needs CONFIG.ini... (see harness sweep -h)"]),
    (["tables"], ["tables needs [NAME] FILE.h5... (see harness tables -h)"]),
    (["dataset", "make"], ["dataset make needs --scenario NAME (see harness dataset scenarios)"]),
    (["dataset", "make", "--split", "tset"], ['--split: unknown value "tset"; did you mean "test"?']),
])
def test_usage_errors(args, words):
    done = harness(*args, status=2)
    assert done.text == "", "results only on stdout"
    assert len(done.error.splitlines()) == 1
    for word in words:
        assert word in done.error


def test_every_command_refuses_an_unknown_option():
    for name in commands():
        done = harness(name, "--no-such-option", status=2)
        assert f"'--no-such-option' (see harness {name} -h)" in done.error


def test_policies_and_rules_say_what_can_be_swept():
    policies = harness("policies").text
    for name in ("none", "llma", "pld", "oracle", "random", "wrong"):
        assert re.search(rf"^{name}$", policies, re.M), name
    assert re.search(r"^  k = 20 \(integer, 1 to \d+\)$", policies, re.M)
    lists = re.findall(r"^  \w+ = \w+ \(([^)]*)\)?", policies, re.M)
    assert all(names.count('"') % 2 == 0 for names in lists) and any(names.endswith('"earlier_output_prompt_references"') for names in lists)
    rules = harness("rules").text
    for name in ("greedy", "coupled", "rejection", "typical"):
        assert re.search(rf"^{name}$", rules, re.M), name
    assert re.search(r"^  temperature = \S+ \(number, .* to .*\)$", rules, re.M)
    assert rules.count("  keeps: ") == len(re.findall(r"^\w+$", rules, re.M))


def test_policies_and_rules_that_are_named():
    for command, names in (("policies", ["pld", "llma"]), ("rules", ["greedy"])):
        whole = harness(command).text.split("\n\n")
        parts = harness(command, *names).text.split("\n\n")
        assert [part.split("\n")[0] for part in parts] == names
        assert {part.strip() for part in parts} <= {part.strip() for part in whole}


@pytest.mark.parametrize("args", [
    "--help", "--version", "policies", "rules", "generate -h", "help sweep-config", "tables --list", "inspect {records}",
    "inspect {model}", "dataset scenarios", "dataset make --scenario repeat", "render -m {model} {records}",
    "tokenize -m {model} {records}", "tokenize -m {model} --pieces -0 {records}", "tokenize -m {model} --decode {ids}",
    "evaluate -m {model} --limit 1 -n 2 {records}", "quantize -t q8_0 {model} {folder}/q.gguf",
    "sweep -n {root}/experiments/configs/quick.ini"])
def test_output_that_cannot_be_written_is_a_failure(tmp_path, args):
    (tmp_path / "ids").write_text("40 41 42")
    args = args.format(root=ROOT, model=ROOT / "datasets/models/copier.gguf", records=ROOT / "datasets/samples/scenarios.jsonl",
                       ids=tmp_path / "ids", folder=tmp_path)
    with open("/dev/full", "wb") as full:
        done = harness(*args.split(), status=1, stdout=full, cwd=tmp_path)
    assert "standard output: cannot write: No space left on device" in done.error
