"""Paths that a shell would have expanded, and paths with characters that are special elsewhere."""
import pytest

from sweeps import run

INI = """[sweep]
name = a
output = {output}
[model m]
target = replay
tokenizer = bytes
[dataset d]
path = {path}
forced = yes
[policy none]
[accept greedy]
"""


@pytest.fixture
def sweep(tmp_path):
    """Writes a config and one record, sweeps in the folder, and returns the new entries there."""
    (tmp_path / "a, b ; c.jsonl").write_text('{"id": "1", "prompt": "p", "output": "out"}\n')

    def make(output, *options, path='"a, b ; c.jsonl"'):
        (tmp_path / "c.ini").write_text(INI.format(output=output, path=path))
        before = set(tmp_path.iterdir())
        done = run("sweep", "-q", *options, "c.ini", check=False, cwd=tmp_path)
        return done, {p.name for p in set(tmp_path.iterdir()) - before}
    return make


@pytest.mark.parametrize("output", ["~/results", "$HOME/results", "${VAR}", "my\\ results", '"results', "`date`", "r*"])
def test_what_a_shell_would_expand_makes_no_folder(sweep, output):
    done, new = sweep(output)
    assert done.returncode == 2 and new == set()
    assert done.stderr.startswith(f"harness: c.ini:3: output = {output}: ")


@pytest.mark.parametrize("output, folder", [("'~'", "~"), ("'$HOME'", "$HOME"), ("'a\\b'", "a\\b"), ('"a, b ; c"', "a, b ; c"),
                                            ("./~", "~"), ('"plain"  ; a comment', "plain")])
def test_every_name_can_be_said(sweep, output, folder):
    done, new = sweep(output)
    assert done.returncode == 0, done.stderr
    assert new == {folder}


@pytest.mark.parametrize("options", [["-o~/x"], ["--output=~/x"], ["-o", "$HOME/x"], ["-o", "a\\b"]])
def test_the_output_option_is_no_exception(sweep, options):
    done, new = sweep("results", *options)
    assert done.returncode == 2 and new == set()
    assert done.stderr.startswith("harness: --output ") and "sweep.output='" in done.stderr


def test_overrides_take_quotes_too(sweep):
    done, new = sweep("results", "--set", "sweep.output='$HOME'")
    assert done.returncode == 0 and new == {"$HOME"}
    done, new = sweep("results", "--set", "sweep.output=$USER")
    assert done.returncode == 2 and new == set()
    assert done.stderr.startswith('harness: --set "sweep.output=$USER": output = $USER: ')
