"""Experiments: arms that differ in one thing, from one start, over seeds, with intervals.

One file an experiment, whose docstring is its command, time and decision rule; `frame` says what an experiment is.
"""
