"""When a run evaluates its policy, and how these moments are called for people."""

STAGES = (("before", "untrained"), ("after_sft", "after warm-up"), ("after", "after RL"))
"""(key in summary.json and of the files of rollouts, label), in the order of the run."""
