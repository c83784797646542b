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


PRESETS: dict[str, Preset] = {
    "sandbox": Preset(sandbox.sandbox, sandbox.prepare),
    "sandbox-long": Preset(sandbox.sandbox_long, sandbox.prepare),
    "booking": Preset(recorded.booking, recorded.prepare),
    "own": Preset(own.own, own.prepare),
    "qwen3-8b-graduated": Preset(qwen3.qwen3_8b_graduated, recorded.prepare),
    "qwen3-8b-tier": Preset(qwen3.qwen3_8b_tier, recorded.prepare),
    "routes": Preset(routes.routes, routes.prepare),
    "synthesised": Preset(synthesised.synthesised, synthesised.prepare),
}


def find_preset(name: str) -> Preset:
    """The preset of that name. Raises InputError."""
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r:.80}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
