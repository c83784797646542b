"""Seeds of the parts of a run, drawn from the run's own: nothing random is remembered from one step to the next."""

import numpy as np

# What a seed is for. Numbers, not strings: they go into checkpoints' meaning and must never change.
ROLLOUTS, TASKS, WARMUP_ORDER, REPLAY_ORDER = range(4)


def derive(run_seed: int, purpose: int, step: int) -> int:
    """A 32-bit seed for one purpose at one step."""
    return int(np.random.SeedSequence([run_seed, purpose, step]).generate_state(1)[0])


def batch_of(total: int, size: int, run_seed: int, purpose: int, step: int) -> list[int]:
    """Places of the demonstrations of one step: each epoch goes through all of them in an order of its own.

    Args:
      total: demonstrations there are.
      size: how many the step takes.
      step: counted from 0; step k takes places k * size to (k + 1) * size - 1 of the endless shuffled stream.
    """
    chosen: list[int] = []
    place = step * size
    while len(chosen) < size:
        epoch, start = divmod(place, total)
        order = np.random.default_rng([run_seed, purpose, epoch]).permutation(total)
        piece = order[start : start + size - len(chosen)]
        chosen += [int(number) for number in piece]
        place += len(piece)
    return chosen
