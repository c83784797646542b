"""Experiments: arms that differ in one thing, from one start, over seeds, with intervals.

frame says what an experiment is; plan, running and what they use make its runs and rows; designs has every experiment, one file
each, whose docstring is its command, time and decision rule; outcome draws tables and figures from the rows.
"""
