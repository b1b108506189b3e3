"""includes.py refuses what the table of CONTRIBUTING.md forbids, and says where."""
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))

TABLE = """# Working
| folder | holds | may include |
| --- | --- | --- |
| `engine/base` | errors | nothing |
| `engine/draft.*` | a proposal | base |
| `engine/model` | weights | base |
| `engine/rules` | what is accepted | base, model/rows.h |
| `engine` | the loop | all above |
| `experiments` | the program | base, engine |
"""
SOURCES = {
    "engine/base/err.h": "",
    "engine/base/err.c": '#include "engine/base/err.h"\n#include <stdio.h>\n',
    "engine/draft.h": '#include "engine/base/err.h"\n',
    "engine/model/model.h": '#include "engine/base/err.h"\n',
    "engine/model/rows.h": "",
    "engine/rules/greedy.c": '#include "engine/base/err.h"\n#include "engine/model/rows.h"\n',
    "engine/decode.c": '#include "engine/model/model.h"\n#include "engine/draft.h"\n',
    "experiments/main.c": '#include "version.h"\n#include "engine/decode.c"\n',
}


def lint(root, *arguments):
    script = os.path.join(HERE, "includes.py")
    done = subprocess.run([sys.executable, script, *arguments, str(root)], capture_output=True, text=True)
    return done.returncode, done.stderr.splitlines(), done.stdout


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "CONTRIBUTING.md").write_text(TABLE)
    (tmp_path / "Makefile").write_text("$(B)/version.h: FORCE\n")
    for path, text in SOURCES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_this_tree_keeps_to_its_table():
    assert lint(os.path.join(HERE, "..", "..")) == (0, [], "")


def test_arrows_are_counted(tree):
    code, faults, out = lint(tree, "-v")
    assert (code, faults) == (0, [])
    assert out == "8 includes of ours, 7 arrows between folders, 0 upward\n"


@pytest.mark.parametrize(
    "path, text, fault",
    [
        # A neighbour that the row does not name.
        ("engine/rules/typical.c", '#include "engine/base/err.h"\n\n#include "engine/model/model.h"\n',
         'engine/rules/typical.c:3: includes "engine/model/model.h" (engine/rules may include: base, model/rows.h)'),
        # A file with a row of its own is not its folder's.
        ("engine/model/tree.c", '#include "engine/draft.h"\n',
         'engine/model/tree.c:1: includes "engine/draft.h" (engine/model may include: base)'),
        ("engine/model/above.c", '#  include <engine/decode.c>\n',
         'engine/model/above.c:1: includes "engine/decode.c" (engine/model may include: base)'),
        ("engine/base/up.c", '#include "../model/rows.h"\n',
         'engine/base/up.c:1: includes "engine/model/rows.h" (engine/base may include: nothing)'),
        # A header that is not there, and that the Makefile does not make.
        ("engine/model/gone.c", '#include "engine/base/gone/gone.h"\n',
         'engine/model/gone.c:1: includes "engine/base/gone/gone.h" (engine/model may include: base)'),
        ("engine/train/net.c", "", "engine/train/net.c:1: engine/train has no row in the table of CONTRIBUTING.md"),
    ],
)
def test_what_the_table_forbids_is_refused(tree, path, text, fault):
    (tree / path).parent.mkdir(exist_ok=True)
    (tree / path).write_text(text)
    code, faults, _ = lint(tree)
    assert code == 1
    assert faults[0] == fault


@pytest.mark.parametrize(
    "row, fault",
    [
        ("| `engine/train` | a net | base |", "CONTRIBUTING.md:10: no source is in engine/train: its row is out of date"),
        ("| `engine/base` | again | nothing |", "CONTRIBUTING.md:10: a second row for engine/base"),
        ("| `store` | results | tokenizer |",
         'CONTRIBUTING.md:10: store may include "tokenizer", which is no row and no header (name one)'),
    ],
)
def test_a_row_that_is_wrong_is_refused(tree, row, fault):
    (tree / "CONTRIBUTING.md").write_text(TABLE + row + "\n")
    code, faults, _ = lint(tree)
    assert code == 1
    assert fault in faults


def test_a_row_names_rows_above_it_only(tree):
    (tree / "CONTRIBUTING.md").write_text(TABLE.replace("| errors | nothing |", "| errors | model |"))
    code, faults, _ = lint(tree)
    assert code == 1
    assert faults == ["CONTRIBUTING.md:4: engine/base may include model, whose row is not above it"]


def test_a_circle_is_shown_with_its_places(tree):
    (tree / "engine/base/up.c").write_text('#include "engine/model/rows.h"\n')
    code, faults, out = lint(tree, "-v")
    assert code == 1
    assert faults[-1] == (
        "CONTRIBUTING.md: these include each other in a circle: "
        "engine/base -> engine/model (engine/base/up.c:1), engine/model -> engine/base (engine/model/model.h:1)"
    )
    assert out.endswith(", 1 upward\n")


def test_without_a_table_nothing_passes(tree):
    (tree / "CONTRIBUTING.md").write_text("# Working\n")
    code, faults, _ = lint(tree)
    assert code == 1
    assert faults[0] == 'CONTRIBUTING.md: no table with a column "may include"'
