"""From rollouts to rewards: verdicts on the host, then pure functions over padded arrays."""
