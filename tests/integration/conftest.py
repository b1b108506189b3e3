import pytest

from sweeps import GRID, ROOT


@pytest.fixture
def quick_ini(tmp_path):
    """Writes the INI of a small replay sweep over the embedded samples and returns its path."""
    def make(name="quick", limit=4, n="1, 2", k="5, 20", repeats=1, output=None):
        ini = tmp_path / f"{name}.ini"
        ini.write_text(GRID.format(name=name, output=output or tmp_path / "results", limit=limit, n=n, k=k,
                                   repeats=repeats, path=ROOT / "datasets" / "samples" / "quickstart.jsonl"))
        return ini
    return make
