"""python3 -m harness_plots RESULTS.h5 FOLDER [pdf|png|svg]: main() of figures.py."""

import sys

from .figures import main

main(sys.argv[1:], name="harness_plots")
