"""Scoring of stored rollouts at scale: a pure function of lines, and runners that feed it."""
