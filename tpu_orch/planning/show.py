"""A plan for people, and as one JSON object."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from tpu_orch.planning.plan import Plan
from tpu_orch.planning.slices import GIB


def gib(size: float) -> str:
    return f"{size / GIB:.2f}"


def print_plan(plan: Plan, price: float, console: Console) -> None:
    """Memory by program and by kind, time, and what would fit."""
    where, step = plan.where, plan.step
    mesh = ", ".join(f"{axis}={size}" for axis, size in plan.mesh.items() if size > 1) or "one device"
    how = "compiled" if plan.compiled else "by formula, an estimate"
    devices = "" if where.devices == where.chips else f", {where.devices} devices"
    console.print(
        f"{where.name}: {where.chips} chips{devices}, {gib(plan.memory)} GiB a device for programs; mesh {mesh}; {how}"
    )
    table = Table(
        "program", "arguments", "new outputs", "temporaries", "code", "beside it", "peak", "fits", title="GiB a device"
    )
    for phase in plan.phases:
        one = phase.program
        short = phase.peak - plan.memory
        table.add_row(
            phase.name,
            *map(gib, (one.arguments, one.outputs, one.temporaries, one.code, phase.resident, phase.peak)),
            "yes" if short <= 0 and one.fits else f"no, {gib(max(short, one.bytes - plan.memory))} too much",
        )
    console.print(table)
    console.print("GiB a device: " + ", ".join(f"{name} {gib(size)}" for name, size in plan.kinds.items()))
    work = Table("program", "TFLOP", "GB sent a device", "waits for", title="one call (decode: one token)")
    for phase in plan.phases:
        sent = sum(one.bytes * one.turns for one in phase.program.collectives) / 1e9
        about = "" if phase.program.told and plan.compiled else "about "
        work.add_row(phase.name, f"{phase.program.flops / 1e12:.4g}", f"{about}{sent:.4g}", step.bounds[phase.name])
    console.print(work)
    spent = step.seconds
    parts = ", ".join(f"{name} {spent[name]:.3g}" for name in ("rollout", "reshard", "update", "apply"))
    console.print(f"a step by estimate: {spent['total']:.3g} s ({parts}; {step.micro_batches} micro-batches)")
    assume = plan.assume
    console.print(
        f"assumed: {assume.compute:.0%} of the peak of products, {assume.memory:.0%} of the memory's bandwidth, "
        f"{assume.network:.0%} of the links', {1e3 * assume.launch:g} ms a call (--assume); lengths under --workload"
    )
    played = step.simulated
    console.print(
        f"{played.sampled} tokens drawn, {played.fed} fed; {step.rollout_tokens_per_s:,.0f} tokens/s while drawing, "
        f"{step.tokens_per_s:,.0f} over the step; rows busy {played.occupancy:.0%}; MFU of the update {step.mfu:.1%}"
    )
    if price:
        cost = spent["total"] / 3600 * where.chips * price
        steps = plan.setting.run.trainer.steps
        console.print(f"cost at {price:g} a chip-hour: {cost:.3g} a step, {cost * steps:.4g} for {steps} steps")
    console.print(f"checkpoint {plan.checkpoint / 1e9:.2f} GB")
    fitting = ", ".join(f"{name} {value:,}" for name, value in plan.largest.items())
    console.print(f"largest that fit, each by itself: {fitting}")
    peak = plan.peak
    if plan.fits:
        console.print(f"FITS: the peak is {peak.name}, {gib(peak.peak)} of {gib(plan.memory)} GiB")
    else:
        console.print(f"DOES NOT FIT: {peak.name} needs {gib(peak.peak)} of {gib(plan.memory)} GiB")
        for line in advice(plan):
            console.print(f"  {line}")


def advice(plan: Plan) -> list[str]:
    """What to try where it does not fit, from what takes the memory."""
    run, kinds, found = plan.setting.run, plan.kinds, []
    if not run.optimizer_on_host and kinds.get("optimiser", 0.0) > 0.1 * plan.memory:
        found.append(
            f"--optimizer-on-host True: the moments, {gib(kinds['optimiser'])} GiB a device, wait in the host's memory"
        )
    if plan.setting.lora is None and kinds["weights"] + kinds["gradients"] > 0.5 * plan.memory:
        found.append("--lora 16: only adapters have gradients and moments, and the base is held in bfloat16")
    over = {phase.name for phase in plan.phases if phase.peak > plan.memory}
    if over & {"decode", "prefill"}:
        found.append(
            f"--rows {plan.largest['engine.rows']} or --capacity {plan.largest['engine.capacity']}: a smaller cache"
        )
        found.append("more of the mesh to the model axis: weights for sampling are split over it alone")
    if "update" in over:
        found.append(f"--micro-tokens {plan.largest['micro_tokens']}: fewer activations at one time")
    return [*found, "a larger slice"]


def plan_json(plan: Plan, price: float) -> dict[str, Any]:
    """Everything, bytes and seconds as numbers."""
    step, where = plan.step, plan.where
    return {
        "slice": where.name,
        "chips": where.chips,
        "devices": where.devices,
        "mesh": plan.mesh,
        "how": "compiled" if plan.compiled else "formula",
        "fits": plan.fits,
        "memory_bytes": plan.memory,
        "peak": {"phase": plan.peak.name, "bytes": plan.peak.peak},
        "kinds_bytes": plan.kinds,
        "programs": [
            {
                "name": phase.name,
                "fits": phase.program.fits and phase.peak <= plan.memory,
                "argument_bytes": phase.program.arguments,
                "output_bytes": phase.program.outputs,
                "temporary_bytes": phase.program.temporaries,
                "code_bytes": phase.program.code,
                "beside_bytes": phase.resident,
                "peak_bytes": phase.peak,
                "kinds_bytes": phase.program.kinds,
                "flops": phase.program.flops,
                "collectives_told": phase.program.told and plan.compiled,
                "collectives": [one._asdict() for one in phase.program.collectives],
                "waits_for": step.bounds[phase.name],
                "compile_seconds": phase.program.seconds,
            }
            for phase in plan.phases
        ],
        "step": {
            "seconds": step.seconds,
            "micro_batches": step.micro_batches,
            "tokens_per_s": step.tokens_per_s,
            "rollout_tokens_per_s": step.rollout_tokens_per_s,
            "mfu": step.mfu,
            "rollout": step.simulated._asdict(),
        },
        "assumed": asdict(plan.assume),
        "checkpoint_bytes": plan.checkpoint,
        "cost_a_step": step.seconds["total"] / 3600 * where.chips * price if price else None,
        "largest": plan.largest,
    }
