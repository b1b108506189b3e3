"""The statistics of analysis/stats/ beside SciPy's, from the same resamples, and R's where it is installed."""
import pathlib
import re
import subprocess
import sys

import pytest

from sweeps import HARNESS, ROOT

PEER = pathlib.Path(HARNESS).resolve().parent / "peer_stats"


def test_every_statistic_equals_scipys():
    pytest.importorskip("scipy", minversion="1.10")
    if not PEER.exists():
        pytest.skip("make build/release/peer_stats was not run")
    done = subprocess.run([sys.executable, ROOT / "tests" / "peers" / "compare_stats.py", "-p", PEER, "-r", "5"],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall("largest relative difference", done.stdout)) >= 18
