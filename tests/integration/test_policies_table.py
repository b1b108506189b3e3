"""analysis/policies_table.py: policies over several data sets, side by side."""
import subprocess
import sys

import pytest

from program import HARNESS, harness
from sweeps import ROOT


def table(*files, status=0):
    done = subprocess.run([sys.executable, ROOT / "analysis" / "policies_table.py", *files], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env={"PATH": "/usr/bin", "HARNESS": HARNESS}, check=False)
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture
def swept(quick_ini, tmp_path):
    """Sweeps of our samples under a name each, with other overrides."""
    def sweep(name, *sets):
        harness("sweep", "-q", quick_ini(), "-o", tmp_path, "-s", f"sweep.name={name}", *sets)
        return tmp_path / f"{name}.h5"
    return sweep


def test_sets_stand_side_by_side(swept):
    whole, part = swept("own-all", "-s", "dataset quick.limit=8"), swept("own-two", "-s", "dataset quick.limit=2")
    head, _, *rows = [[field.strip() for field in line.strip("|").split("|")] for line in table(whole, part).stdout.splitlines()]
    assert head == ["policy", "all", "two", "share", "coverage", "acceptance", "wasted", "p50 ns", "p99 ns"]
    assert {row[0] for row in rows} == {"`none`", "`pld` n=3 k=10", *(f"`llma` n={n} k={k}" for n in (1, 2) for k in (5, 20))}
    for path, column in ((whole, 1), (part, 2)):
        lines = harness("tables", "drafting", path, "--format", "csv").text.splitlines()
        at = lines[0].split(",").index("tokens_per_step")
        expected = sorted(f"{float(line.split(',')[at]):.2f}" for line in lines[1:])
        assert sorted(row[column] for row in rows) == expected
    assert {row[3] for row in rows} == {"-"}, "no bound, and so no share of one"


def test_what_cannot_stand_in_one_table(swept, tmp_path):
    one, other = swept("a-x"), swept("a-y", "-s", "policy llma.cut=9")
    said = table(one, other, status=1).stderr
    assert "x and y differ in policies or their parameters: `llma` n=" in said and said.count("`llma` n=1 k=5") == 1
    twin = tmp_path / "b-x.h5"
    twin.write_bytes(one.read_bytes())
    assert "another file is named x, too" in table(one, twin, status=1).stderr
    assert "no such file" in table(tmp_path / "none.h5", status=1).stderr
