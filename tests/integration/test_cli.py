"""What every command has in common: help, usage errors, exit status, a full disk."""
import re

import pytest

from program import harness


def commands():
    return re.findall(r"^  (\w+) +\S", harness("--help").text, re.M)


def test_help_lists_commands_that_all_have_help():
    names = commands()
    assert {"sweep", "generate", "collect", "tables", "inspect", "policies", "rules"} <= set(names)
    for name in names:
        for option in ("-h", "--help"):
            done = harness(name, option)
            assert done.text.startswith(f"usage: harness {name}"), name
            assert done.error == "", name
            for line in done.text.splitlines():
                assert len(line) <= 120, line


def test_inspect_lists_the_formats_of_datasets():
    text = harness("inspect", "-h").text
    for name in ("native", "llma", "ms-marco", "ragtruth", "humaneval", "chat", "spec-bench"):
        assert re.search(rf"^  {name} +\S", text, re.M), name


def test_short_and_long_help_are_equal():
    assert harness("-h").text == harness("--help").text


def test_version():
    assert re.fullmatch(r"harness \d+\.\d+\.\d+\n", harness("--version").text)


@pytest.mark.parametrize("args, words", [
    ([], ["no command", "harness -h"]),
    (["policy"], ['unknown command "policy"', 'did you mean "policies"']),
    (["zzzzzzzz"], ['unknown command "zzzzzzzz"', '"policies"']),
    ([""], ['unknown command ""']),
    (["--halp"], ["unknown option '--halp'"]),
    (["-x"], ["unknown option '-x'"]),
    (["policies", "--halp"], ["unknown option '--halp'", "harness policies -h"]),
    (["policies", "-x"], ["unknown option '-x'"]),
    (["policies", "-xh"], ["unknown option '-x'"]),
    (["policies", "--help=3"], ["no value is allowed", "--help=3"]),
    (["policies", "llma"], ["unexpected argument 'llma'"]),
    (["policies", "a" * 100000], ["unexpected argument"]),
    (["generate", "-m"], ["no value after option '-m'"]),
    (["generate", "--seed"], ["no value after option '--seed'"]),
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
    rules = harness("rules").text
    for name in ("greedy", "coupled", "rejection", "typical"):
        assert re.search(rf"^{name}$", rules, re.M), name
    assert re.search(r"^  temperature = \S+ \(number, .* to .*\)$", rules, re.M)
    assert rules.count("  keeps: ") == len(re.findall(r"^\w+$", rules, re.M))


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["policies"], ["rules"], ["generate", "-h"]])
def test_output_that_cannot_be_written_is_a_failure(args):
    with open("/dev/full", "wb") as full:
        done = harness(*args, status=1, stdout=full)
    assert "standard output: cannot write: No space left on device" in done.error
