"""Makes trl_goldens.json: losses, gradients and advantages that trl's own trainers give for seeded arrays.

Not part of the suite; it needs torch and trl (1.16.0 made the file), which the project never installs:

    python make_trl_goldens.py > trl_goldens.json

The trainers' loss functions are called on a stand-in `self` that holds their settings and a stand-in forward pass that gives
the log-probs drawn here. The advantages stand in the middle of a long function of theirs: that block of its source is run as
it is.
"""

import collections
import inspect
import json
import sys
import textwrap
from types import SimpleNamespace

import torch
import trl
from trl.trainer import grpo_trainer, rloo_trainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer

ROWS, LENGTH, BUDGET = 6, 7, 9
COMMON = {"clip_low": 0.2, "clip_high": 0.2, "kl_weight": 0.0, "entropy_weight": 0.0}
CASES = {
    "grpo": {"loss_type": "grpo"},
    "grpo with divergence": {"loss_type": "grpo", "kl_weight": 0.04},
    "bnpo": {"loss_type": "bnpo"},
    "bnpo with entropy bonus": {"loss_type": "bnpo", "entropy_weight": 0.03},
    "dr-grpo": {"loss_type": "dr_grpo"},
    "dapo": {"loss_type": "dapo", "clip_high": 0.28},
    "gspo": {"loss_type": "grpo", "level": "sequence", "clip_low": 0.05, "clip_high": 0.06},
    "dapo with truncated importance sampling": {"loss_type": "dapo", "clip_high": 0.28, "importance_cap": 1.1},
    "grpo with off-policy masking": {"loss_type": "grpo", "drift_limit": 0.02},
    "rloo": {"loss_type": "rloo", "clip_low": 0.3, "clip_high": 0.3},
}


def arrays() -> dict[str, torch.Tensor]:
    """Log-probs around -2 that differ a little between the policies, and masks with holes."""
    torch.manual_seed(0)
    new = -2 + 0.7 * torch.randn(ROWS, LENGTH, dtype=torch.float64)
    mask = (torch.rand(ROWS, LENGTH) < 0.7).to(torch.float64)
    mask[:, 0] = 1
    return {
        "logprobs": new,
        "old": new + 0.25 * torch.randn_like(new),
        "reference": new + 0.3 * torch.randn_like(new),
        "entropy": 3 * torch.rand_like(new),
        "mask": mask,
        "advantages": torch.tensor([1.1, -0.7, 0.4, -1.3, 0.9, -0.2], dtype=torch.float64),
    }


def stand_in(case: dict, data: dict[str, torch.Tensor], logprobs: torch.Tensor) -> SimpleNamespace:
    """What the loss functions read of a trainer."""
    capped = case.get("importance_cap") is not None
    return SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logprobs, data["entropy"], None),
        accelerator=SimpleNamespace(
            gather=lambda x: x,
            reduce=lambda x, reduction: x,
            num_processes=1,
            sync_gradients=True,
            gather_for_metrics=lambda x: x,
        ),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=case.get("drift_limit"),
        get_off_policy_mask=GRPOTrainer.get_off_policy_mask,
        importance_sampling_level=case.get("level", "token"),
        beta=case["kl_weight"],
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
        loss_type=case["loss_type"],
        epsilon_low=case["clip_low"],
        epsilon_high=case["clip_high"],
        use_vllm=capped,
        vllm_importance_sampling_correction=capped,
        current_gradient_accumulation_steps=1,
        max_completion_length=BUDGET,
        _entropy_bonus_enabled=case["entropy_weight"] > 0,
        use_adaptive_entropy=False,
        entropy_coef=case["entropy_weight"],
        model=SimpleNamespace(training=True),
        _metrics={"train": collections.defaultdict(list)},
    )


def loss_case(options: dict) -> dict:
    case, data = COMMON | options, arrays()
    logprobs = data["logprobs"].clone().requires_grad_()
    mask, old = data["mask"], data["old"]
    inputs = {
        "prompt_ids": torch.zeros(ROWS, 1),
        "prompt_mask": torch.ones(ROWS, 1),
        "completion_ids": torch.zeros(ROWS, LENGTH),
        "completion_mask": mask,
        "advantages": data["advantages"],
        "old_per_token_logps": old,
        "ref_per_token_logps": data["reference"],
        "num_items_in_batch": mask.sum(),
        "old_logps": (old * mask).sum(1),
    }
    if "importance_cap" in case:  # the sampler is then a third policy: the reference serves as one
        inputs["importance_sampling_ratio"] = torch.exp((old - data["reference"]) * mask).clamp(
            max=case["importance_cap"]
        )
    trainer = RLOOTrainer if case["loss_type"] == "rloo" else GRPOTrainer
    loss = trainer._compute_loss(stand_in(case, data, logprobs), SimpleNamespace(training=True), inputs)
    loss.backward()
    return {"options": case, "loss": loss.item(), "gradient": (logprobs.grad * mask).tolist()}


def run_block(module: object, function: object, first: str, last: str, names: dict) -> torch.Tensor:
    """Runs the lines of `function` from the one that starts with `first` to before `last`; gives `advantages`."""
    lines = inspect.getsource(function).splitlines()
    start = next(n for n, line in enumerate(lines) if line.strip().startswith(first))
    end = next(n for n, line in enumerate(lines) if n > start and line.strip().startswith(last))
    scope = {**vars(module), **names}
    exec(textwrap.dedent("\n".join(lines[start:end])), scope)
    return scope["advantages"]


def advantage_cases() -> dict:
    torch.manual_seed(1)
    rewards = torch.rand(12, dtype=torch.float64)
    rewards[4:8] = 0.3
    made = {"rewards": rewards.tolist(), "groups": [n // 4 for n in range(12)]}
    for scale in ("group", "none", "batch"):
        settings = SimpleNamespace(
            multi_objective_aggregation="sum_then_normalize", reward_weights=torch.ones(1), scale_rewards=scale
        )
        names = {
            "self": settings,
            "rewards_per_func": rewards[:, None],
            "device": "cpu",
            "unscorable_mask": torch.zeros(12, dtype=torch.bool),
            "num_generations": 4,
        }
        function = GRPOTrainer._generate_and_score_completions
        block = ("if self.multi_objective_aggregation ==", "# Slice to keep")
        made[f"grpo {scale}"] = run_block(grpo_trainer, function, *block, names).tolist()
    for normalised in (False, True):
        names = {"self": SimpleNamespace(normalize_advantages=normalised), "rewards": rewards, "num_generations": 4}
        function = RLOOTrainer._generate_and_score_completions
        block = ("grouped_rewards = rewards.view", "# Slice to keep")
        made[f"rloo {normalised}"] = run_block(rloo_trainer, function, *block, names).tolist()
    return made


def main() -> None:
    data = {name: array.tolist() for name, array in arrays().items()}
    losses = {name: loss_case(options) for name, options in CASES.items()}
    whole = {
        "trl": trl.__version__,
        "budget": BUDGET,
        "arrays": data,
        "losses": losses,
        "advantages": advantage_cases(),
    }
    json.dump(whole, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
