"""A GRPO step of google-tunix on the same work as `tpu-orch bench step`; run by it with an interpreter that has google-tunix.

python step_of_tunix.py PROMPTS GROUP PROMPT DRAWN ROUNDS      last line: {"google-tunix VERSION": median seconds}

A step is the time from one call of the reward to the next: update, then sampling. Its own rollouts ("vanilla"), no KL term.
"""

import json
import sys
import time
from statistics import median

import jax
import numpy as np
import optax
from flax import nnx
from tunix.rl.grpo.grpo_learner import GRPOConfig, GRPOLearner
from tunix.rl.rl_cluster import ClusterConfig, RLCluster, RLTrainingConfig, Role
from tunix.rl.rollout.base_rollout import RolloutConfig
from tunix_policy import NAME, VOCAB, Numbers, one_device, policy
from tunix_policy import prompts as made_prompts


def main(prompts: int, group: int, prompt: int, drawn: int, rounds: int) -> None:
    mesh = one_device()
    with mesh:
        model = policy()
    weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
    marks: list[float] = []

    def reward(prompts, completions, **_) -> list[float]:
        marks.append(time.perf_counter())
        return [float(np.mean([int(word) % 2 == 0 for word in text.split()] or [0.0])) for text in completions]

    cluster = RLCluster(
        actor=model,
        tokenizer=Numbers(),
        cluster_config=ClusterConfig(
            role_to_mesh={Role.ACTOR: mesh, Role.ROLLOUT: mesh, Role.REFERENCE: mesh},
            training_config=RLTrainingConfig(
                actor_optimizer=optax.adamw(1e-5),
                eval_every_n_steps=10_000,
                max_steps=rounds + 2,
                mini_batch_size=prompts,
                train_micro_batch_size=prompts,
                rollout_micro_batch_size=prompts,
                compute_logps_micro_batch_size=prompts,
            ),
            rollout_config=RolloutConfig(
                max_tokens_to_generate=drawn,
                max_prompt_length=prompt,
                kv_cache_size=prompt + drawn + 1,
                temperature=1.0,
                eos_tokens=[VOCAB],  # never drawn: all rollouts have the same length
            ),
        ),
    )
    learner = GRPOLearner(cluster, GRPOConfig(num_generations=group, beta=0.0), reward)
    texts = made_prompts(np.random.default_rng(0), prompts, prompt)
    learner.train([{"prompts": np.array(texts)}] * (rounds + 2))
    print(f"{weights:,} weights, {len(marks)} steps", file=sys.stderr)
    print(json.dumps({NAME: median(np.diff(marks)[1:].tolist())}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:6]))
