"""Rows of stored model output in, the same rows with a benchmark's verdicts out."""
