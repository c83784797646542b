"""The work itself: rollouts, training, evaluation and the command line."""
