"""Presets: a configuration with its docstring (command and expected result), and what makes the material of its runs."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from data_pipeline.errors import InputError
from tpu_orch.config import RunConfig
from tpu_orch.presets import own, qwen3, recorded, routes, sandbox, synthesised
from tpu_orch.trainer.material import Material


class Preset(NamedTuple):
    config: Callable[[], RunConfig]
    """Its defaults; the docstring is what people read."""
    prepare: Callable[[RunConfig, Path], Material]
    """Makes the material, writing store and tokenizer into the run folder (or reading them back on a resume)."""
    reads: tuple[str, ...] = ()
    """Which of `INPUTS` it reads."""


INPUTS = {"data": "--data", "weights": "--model", "tools": "--tools", "store": "--store", "tasks": "--tasks"}
"""Fields of a configuration that name what the user has -> their options."""


PRESETS: dict[str, Preset] = {
    "sandbox": Preset(sandbox.sandbox, sandbox.prepare),
    "sandbox-long": Preset(sandbox.sandbox_long, sandbox.prepare),
    "booking": Preset(recorded.booking, recorded.prepare, reads=("data",)),
    "own": Preset(own.own, own.prepare, reads=("weights", "tools", "store", "tasks")),
    "qwen3-8b-graduated": Preset(qwen3.qwen3_8b_graduated, recorded.prepare, reads=("data",)),
    "qwen3-8b-tier": Preset(qwen3.qwen3_8b_tier, recorded.prepare, reads=("data",)),
    "routes": Preset(routes.routes, routes.prepare, reads=("weights",)),
    "synthesised": Preset(synthesised.synthesised, synthesised.prepare),
}


def find_preset(name: str) -> Preset:
    """The preset of that name. Raises InputError."""
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r:.80}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def check_reads(config: RunConfig) -> None:
    """Raises InputError for an input that the preset would not look at."""
    reads = find_preset(config.preset).reads
    for field, option in INPUTS.items():
        if getattr(config, field) is not None and field not in reads:
            able = [name for name, preset in PRESETS.items() if field in preset.reads]
            raise InputError(f"preset {config.preset} does not read {option}, which is for {', '.join(able)}")
