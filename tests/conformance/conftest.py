"""Public data in the folder that HARNESS_DATA names; without it these tests are skipped."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))


@pytest.fixture
def public():
    root = os.environ.get("HARNESS_DATA")
    if not root:
        pytest.skip("HARNESS_DATA is not set")
    return pathlib.Path(root)
