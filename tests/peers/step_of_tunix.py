"""A GRPO step of google-tunix on the same work as `tpu-orch bench step`; run by it with an interpreter that has google-tunix.

python step_of_tunix.py PROMPTS GROUP PROMPT DRAWN ROUNDS      last line: {"google-tunix VERSION": median seconds}

A step is the time from one call of the reward to the next: update, then sampling. Its own rollouts ("vanilla"), no KL term.
"""

import json
import sys
import time
from importlib.metadata import version
from statistics import median

import jax
import numpy as np
import optax
from flax import nnx
from tunix.models.qwen3.model import ModelConfig, Qwen3
from tunix.rl.grpo.grpo_learner import GRPOConfig, GRPOLearner
from tunix.rl.rl_cluster import ClusterConfig, RLCluster, RLTrainingConfig, Role
from tunix.rl.rollout.base_rollout import RolloutConfig

VOCAB = 4096


class Numbers:
    """A tokenizer of texts that are ids with spaces between."""

    def encode(self, text: str, **_) -> list[int]:
        return [int(word) for word in text.split()]

    def decode(self, ids, **_) -> str:
        return " ".join(str(int(n)) for n in ids)

    def bos_id(self) -> int:
        return 2

    def eos_id(self) -> int:
        return 1

    def pad_id(self) -> int:
        return 0


def main(prompts: int, group: int, prompt: int, drawn: int, rounds: int) -> None:
    config = ModelConfig(
        num_layers=4,
        vocab_size=VOCAB,
        embed_dim=256,
        hidden_dim=1024,
        num_heads=4,
        head_dim=64,
        num_kv_heads=2,
        rope_theta=10_000,
        norm_eps=1e-6,
        use_tied_embedding=True,
    )
    mesh = jax.make_mesh((1, 1), ("fsdp", "tp"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    with mesh:
        model = Qwen3(config, rngs=nnx.Rngs(0))
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
    random = np.random.default_rng(0)
    # One id fewer: it puts a first token of its own before them.
    texts = [" ".join(map(str, random.integers(3, VOCAB, prompt - 1))) for _ in range(prompts)]
    learner.train([{"prompts": np.array(texts)}] * (rounds + 2))
    print(f"{weights:,} weights, {len(marks)} steps", file=sys.stderr)
    print(json.dumps({f"google-tunix {version('google-tunix')}": median(np.diff(marks)[1:].tolist())}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:6]))
