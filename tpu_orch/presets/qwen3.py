"""Qwen3-8B under the two papers' settings, with random weights: what a pod must hold and how long a step takes there.

The settings are those of the papers' published launch scripts (ToolOrchestrationReward, training/launch/run.sh; TIER,
scripts/train_tier.sh). With random weights nothing is learnt: the tokenizer is trained for the run's tools, and only shapes,
memory and speed are those of the real thing. `--model.layers 2` and a small batch take a step on a laptop.
"""

from pathlib import Path

from models.released import released
from tpu_orch.config import EvaluationOptions, MeshOptions, ModelOptions, RunConfig, TrainerOptions, WarmupOptions
from tpu_orch.engine import EngineOptions

LOGITS_CHUNK, QUERY_BLOCK = 512, 512


def qwen3_8b_model() -> ModelOptions:
    """The published shape: bfloat16 where it is used, a float32 master, each block computed again in the backward pass."""
    shape = released("qwen3-8b")
    return ModelOptions(
        layers=shape.layers,
        d_model=shape.d_model,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        d_ff=shape.d_ff,
        rope_theta=shape.rope_theta,
        vocab=shape.vocab_size,
        tied=shape.tied_embeddings,
        dtype="bfloat16",
        remat="block",
        attention="auto",
        query_block=QUERY_BLOCK,
    )


def qwen3_8b_graduated() -> RunConfig:
    """`tpu-orch train qwen3-8b-graduated --data DIR`: arXiv 2603.24709 on random weights; 16 tasks x 16 rollouts, 100 steps.

    Full schemas in prompts of up to 12,384 tokens, 16,384 tokens of rollout with results of up to 8,192, 20 turns; GRPO with the
    group's deviation over the step's tokens (bnpo), learning rate 1e-6, k3 divergence at 0.001, clip 0.2, moments in host memory.
    The paper's learning rate is constant, here it falls as a cosine to a tenth. To try the shapes anywhere: --model.layers 2 and
    a smaller batch.
    """
    return RunConfig(
        preset="qwen3-8b-graduated",
        out=Path("runs/qwen3-8b-graduated"),
        reward="graduated",
        tokens=8192,
        schemas="full",
        result_limit=8192,
        micro_tokens=32_768,
        logits_chunk=LOGITS_CHUNK,
        optimizer_on_host=True,
        model=qwen3_8b_model(),
        engine=EngineOptions(
            rows=64, capacity=12_384 + 16_384, chunk=256, visit_steps=64, max_new_tokens=16_384, max_turns=20
        ),
        warmup=WarmupOptions(steps=0),
        trainer=TrainerOptions(
            steps=100,
            prompts=16,
            group=16,
            learning_rate=1e-6,
            objective="bnpo",
            kl=0.001,
            kl_kind="k3",
            replay=0,
        ),
        eval=EvaluationOptions(per_depth=0),
        mesh=MeshOptions(data=1, fsdp=-1),
    )


def qwen3_8b_tier() -> RunConfig:
    """`tpu-orch train qwen3-8b-tier --data DIR`: arXiv 2605.16790 on random weights; plans, 32 tasks x 8 rollouts a step.

    Sequences of 4,096 tokens, 2,048 of them sampled; GRPO normalised over the batch's tokens with the group's deviation (bnpo),
    no divergence term, weight decay 0.1, learning rate 5e-6 falling as a cosine, moments in host memory. The paper also warms up
    over a tenth of the steps and clips gradients at 0.1; here they are clipped at 1. To try the shapes anywhere: --model.layers 2
    and a smaller batch.
    """
    return RunConfig(
        preset="qwen3-8b-tier",
        out=Path("runs/qwen3-8b-tier"),
        reward="tier",
        tokens=8192,
        schemas="full",
        result_limit=1024,
        micro_tokens=32_768,
        logits_chunk=LOGITS_CHUNK,
        optimizer_on_host=True,
        model=qwen3_8b_model(),
        engine=EngineOptions(rows=128, capacity=4096, chunk=256, visit_steps=64, max_new_tokens=2048, max_turns=10),
        warmup=WarmupOptions(steps=0),
        trainer=TrainerOptions(
            steps=1000,
            prompts=32,
            group=8,
            learning_rate=5e-6,
            objective="bnpo",
            weight_decay=0.1,
            replay=0,
        ),
        eval=EvaluationOptions(per_depth=0),
        mesh=MeshOptions(data=1, fsdp=-1),
    )
