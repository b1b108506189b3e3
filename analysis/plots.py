"""Figures from a results file (HDF5): all of plotting/figures.py, for the notebooks, the paper and

    python3 plots.py RESULTS.h5 FOLDER [pdf|png|svg]      writes the pictures that the file has something for
"""

import sys

from plotting.figures import *  # noqa: F403
from plotting.figures import main

if __name__ == "__main__":
    main(sys.argv[1:])
