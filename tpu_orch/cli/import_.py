"""`tpu-orch import`: a published model into a folder that training starts from."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tpu_orch.config import MeshOptions


@dataclass(frozen=True)
class Args:
    """Reads a released model (config.json, safetensors, tokenizer files) into a folder that training starts from.

    Families: Qwen3, Qwen2.5, Llama 3, Gemma 2 and 3 (text). Every name, shape and type is checked before anything is read; then
    one tensor at a time goes to the devices. For example: tpu-orch import --from Qwen3-0.6B --out weights/qwen3-0.6b
    """

    source: Annotated[Path, tyro.conf.arg(name="from", metavar="DIR")]
    """The published folder, as downloaded."""

    out: Annotated[Path, tyro.conf.arg(metavar="WEIGHTS")]
    """The folder to make; it appears when it is complete."""

    dtype: Literal["float32", "bfloat16"] | None = None
    """Type of the stored weights: float32 for a master that training updates. Left out: as published."""

    mesh: MeshOptions = field(default_factory=lambda: MeshOptions(data=1, fsdp=-1))


def run(args: Args) -> int:
    from models.table import parameter_count
    from tpu_orch.weights import import_weights, open_mesh

    start = time.perf_counter()
    config = import_weights(
        args.source,
        args.out,
        open_mesh(args.mesh),
        param_dtype=args.dtype,
        tell=lambda line: print(line, file=sys.stderr),
    )
    seconds = time.perf_counter() - start
    print(f"{args.out}: {parameter_count(config):,} parameters in {config.param_dtype}, {seconds:.1f} s")
    return 0
