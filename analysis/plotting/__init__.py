"""Figures from results files; `make install` installs this folder as the package harness_plots.

figures is what others import. It is made of results files (results), numbers of them (numbers), how pictures look
(style), and the pictures (speed, drafts, quality).
"""
