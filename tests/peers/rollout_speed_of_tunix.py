"""Tokens a second of google-tunix's own sampler on a Qwen3 of five million random weights.

For an environment with google-tunix:

    python rollout_speed_of_tunix.py ROWS PROMPT NEW

Prints {"google-tunix VERSION": tokens a second}: the median of three timed calls after one that is not.
"""

import json
import sys
import time
from statistics import median

import numpy as np
from tunix.generate.sampler import CacheConfig, Sampler
from tunix_policy import NAME, VOCAB, Numbers, one_device, policy, prompts


def main(rows: int, prompt: int, new: int) -> None:
    mesh = one_device()
    random = np.random.default_rng(0)
    seconds = []
    with mesh:
        sampler = Sampler(policy(), Numbers(), CacheConfig(prompt + new + 1, 4, 2, 64))
        for _ in range(4):
            texts = prompts(random, rows, prompt)
            began = time.perf_counter()
            # top_p 1 draws from the whole vocabulary; the end is an id that is never drawn, so all have the same length.
            made = sampler(
                texts, new, max_prompt_length=prompt, temperature=1.0, top_p=1.0, eos_tokens=[VOCAB], seed=len(seconds)
            )
            seconds.append(time.perf_counter() - began)
            assert all(len(tokens) == new for tokens in made.tokens)
    print(json.dumps({NAME: rows * new / median(seconds[1:])}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
