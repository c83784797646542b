"""Training numerics: advantages, losses, batches, the train state and its one update. Pure functions over arrays."""
