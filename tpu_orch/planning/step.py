"""A step of training by estimate: rollouts simulated with the programs' costs, then the reshard, the update and its applying."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp

from tpu_orch.engine.lanes import FeedShape
from tpu_orch.planning.collectives import bytes_by_ring
from tpu_orch.planning.compiled import Measured, device_bytes
from tpu_orch.planning.estimate import Assumptions, Seconds, Work, seconds
from tpu_orch.planning.formulas import context, host_bytes, useful_flops
from tpu_orch.planning.programs import Abstract
from tpu_orch.planning.setting import Setting, batch_ways
from tpu_orch.planning.simulate import Costs, Places, Simulated, simulate
from tpu_orch.planning.slices import Slice
from tpu_orch.planning.workload import WorkloadOptions, draw_lengths

LOGITS_PASSES = 6  # times that the logits of a step are read or written until a token is drawn


class Step(NamedTuple):
    """Of training, by estimate."""

    seconds: dict[str, float]
    """rollout, reshard, update, apply, total"""
    bounds: dict[str, str]
    """what each program waits for"""
    micro_batches: int
    simulated: Simulated
    tokens_per_s: float
    """drawn, over the whole step"""
    rollout_tokens_per_s: float
    mfu: float
    """of the update: products that its tokens need, padding left out, over the chips' peak"""


def work_of(program: Measured, held: Abstract, setting: Setting, mesh: Mapping[str, int]) -> Work:
    """What one call of a program does; decode: one token."""
    memory = program.arguments + program.outputs
    if program.name in ("prefill", "decode"):
        size = jnp.dtype(setting.model.dtype).itemsize
        rows = setting.engine_rows(mesh) / batch_ways(mesh)
        model = setting.model
        logits = rows * model.vocab_size * 4 / (mesh["model"] if program.name == "prefill" else 1)
        token = 2 * model.layers * model.kv_heads * model.head_dim * size
        split = mesh["model"] if model.kv_heads % mesh["model"] == 0 else 1
        memory = device_bytes(held.rollout_weights) + rows * context(setting) * token / split + LOGITS_PASSES * logits
    return Work(program.flops, memory, bytes_by_ring(program.collectives))


def estimate_step(
    setting: Setting,
    where: Slice,
    mesh: Mapping[str, int],
    made: Sequence[Measured],
    held: Abstract,
    workload: WorkloadOptions,
    assume: Assumptions,
) -> Step:
    """Seconds of a step: rollouts simulated with the programs' estimated costs, then the update."""
    run = setting.run
    took: dict[str, Seconds] = {one.name: seconds(work_of(one, held, setting, mesh), where, assume) for one in made}
    fetched = 2 * host_bytes(held.state.opt_state) / assume.host_link
    costs = linear_costs(took, setting, where, mesh, workload, assume)
    episodes = draw_lengths(workload, run.trainer.prompts, run.trainer.group, run.result_limit, run.seed)
    rows = setting.engine_rows(mesh)
    played = simulate(episodes, run.engine, Places(1, rows, (FeedShape(run.engine.chunk, rows),)), costs)
    shape = setting.micro_batch(mesh)
    spared = _spared(setting, workload)
    trained = played.sampled + played.fed - spared
    batches = max(-(-trained // (shape.rows * shape.tokens)), 1)
    spent = {
        "rollout": played.seconds,
        "reshard": took["reshard"].total + assume.launch,
        "update": batches * (took["update"].total + assume.launch),
        "apply": took["apply"].total + fetched + assume.launch,
    }
    spent["total"] = sum(spent.values())
    pairs = played.pairs - spared * workload.prompt_tokens / 2
    useful = useful_flops(setting.model, trained, pairs / trained)
    return Step(
        spent,
        {name: one.bound for name, one in took.items()},
        batches,
        played,
        played.sampled / spent["total"],
        played.sampled / spent["rollout"],
        useful / (spent["update"] + spent["apply"]) / where.devices / where.chip.flops,
    )


def _spared(setting: Setting, workload: WorkloadOptions) -> int:
    """Prompt tokens that an update need not read again, as groups share a prompt where it is most of a row."""
    trainer = setting.run.trainer
    if not trainer.share_prompts or 2 * workload.prompt_tokens < setting.run.engine.capacity:
        return 0
    return trainer.prompts * (trainer.group - 1) * workload.prompt_tokens


def linear_costs(
    took: Mapping[str, Seconds],
    setting: Setting,
    where: Slice,
    mesh: Mapping[str, int],
    workload: WorkloadOptions,
    assume: Assumptions,
) -> Costs:
    """The costs of feeding and drawing as a line in the longest row's tokens, through the estimate at half of the capacity."""
    model, middle = setting.model, context(setting)
    rows = setting.engine_rows(mesh) / batch_ways(mesh)
    split = mesh["model"] if model.kv_heads % mesh["model"] == 0 else 1
    token = 2 * model.layers * model.kv_heads * model.head_dim * jnp.dtype(model.dtype).itemsize * rows / split
    read = token / where.chip.bandwidth / assume.memory
    attended = 4.0 * model.layers * model.heads * model.head_dim * setting.engine_rows(mesh)
    multiplied = attended / where.devices / where.chip.flops / assume.compute

    def line(total: float, tokens: int) -> tuple[float, float]:
        slope = min(max(read, multiplied * tokens), total / middle)
        return total - slope * middle, slope

    feed, feed_token = line(took["prefill"].total, setting.run.engine.chunk)
    step, step_token = line(took["decode"].total, 1)
    return Costs(
        feed + assume.launch,
        feed_token,
        step,
        step_token,
        2 * assume.launch,
        workload.tool_ms / 1e3,
        workload.tool_wait_ms / 1e3,
    )
