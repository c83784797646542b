"""Evaluation on held-out tasks: accuracy by depth with intervals."""
