"""Meshes ranked by formula: every way to split a slice that divides the model, the fastest that fit first."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from models.errors import ConfigError
from tpu_orch.planning.estimate import Assumptions
from tpu_orch.planning.plan import Plan, make_plan
from tpu_orch.planning.setting import Setting
from tpu_orch.planning.slices import Slice
from tpu_orch.planning.workload import WorkloadOptions

SHARES = (0.5, 1.0, 2.0, 4.0)  # of the setting's micro-batch
SPARE = 0.8  # formulas are good to about a fifth: a mesh is taken to fit below this share of the memory


class Found(NamedTuple):
    """A setting, perhaps with another micro-batch, and its plan."""

    setting: Setting
    plan: Plan


def meshes(devices: int) -> Iterator[dict[str, int]]:
    """Every data x fsdp x model = devices."""
    sizes = [size for size in range(1, devices + 1) if devices % size == 0]
    for model in sizes:
        for fsdp in sizes:
            if devices % (model * fsdp) == 0:
                yield {"data": devices // model // fsdp, "fsdp": fsdp, "model": model, "sequence": 1}


def search(setting: Setting, where: Slice, workload: WorkloadOptions, assume: Assumptions) -> list[Found]:
    """Settings with other micro-batches and their plans by formula: those that fit by step time, then the others by peak."""
    found: list[Found] = []
    for mesh in meshes(where.devices):
        for share in SHARES:
            run = setting.run
            one = setting._replace(run=replace(run, micro_tokens=max(int(run.micro_tokens * share), 1)))
            if found and found[-1].plan.mesh == mesh and found[-1].setting.micro_batch(mesh) == one.micro_batch(mesh):
                continue
            try:
                plan = make_plan(one, where, mesh, compiles=False, workload=workload, assume=assume)
            except ConfigError:
                break  # this mesh does not divide the model
            found.append(Found(one, plan))
    return sorted(found, key=lambda one: rank(one.plan))


def rank(plan: Plan) -> tuple[bool, float, float]:
    tight = plan.peak.peak > SPARE * plan.memory
    return tight, plan.peak.peak if tight else 0.0, plan.step.seconds["total"]


def best(found: Sequence[Found], number: int) -> list[Found]:
    """The first so many, one for each mesh."""
    chosen: list[Found] = []
    for setting, plan in found:
        if all(plan.mesh != other.mesh for _, other in chosen):
            chosen.append(Found(setting, plan))
    return chosen[:number]
