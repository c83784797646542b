"""A run from start to end: prepare, warm up, reinforce, evaluate, and go on after any interruption."""
