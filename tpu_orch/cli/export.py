"""`tpu-orch export`: trained or imported weights as a folder that `transformers` loads."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tpu_orch.config import MeshOptions


@dataclass(frozen=True)
class Args:
    """Writes the weights of a run, or of an import, as a folder that `transformers` and servers built on it load.

    An imported model comes out with the configuration, tokenizer and chat template that it came with. Adapters are merged into
    their base; --adapter writes them alone, for peft. For example:
    tpu-orch export --from weights/qwen3-0.6b --out Qwen3-0.6B-tools
    """

    source: Annotated[Path, tyro.conf.arg(name="from", metavar="WEIGHTS")]
    """Folder of a run or of an import."""

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The folder to make; it appears when it is complete."""

    step: int | None = None
    """Of a run, the checkpoint of this step, such as the best one that its end names. Left out: the newest."""

    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Type of the written weights. Left out: as stored."""

    adapter: bool = False
    """Of a run that trained adapters (--lora.rank): write only those, as a folder that peft loads onto the published base."""

    base: str | None = None
    """With --adapter: the published base's name in adapter_config.json. Left out: that of the folder trained from."""

    mesh: MeshOptions = field(default_factory=lambda: MeshOptions(data=1, fsdp=-1))


def run(args: Args) -> int:
    from data_pipeline.errors import InputError
    from models.table import parameter_count
    from tpu_orch.weights import export_weights, open_mesh, open_weights

    if args.out.exists():
        raise InputError(f"{args.out} exists: choose another folder or remove it")
    if args.adapter:
        return adapter_alone(args)
    weights = open_weights(args.source, open_mesh(args.mesh), args.step)
    export_weights(weights, args.out, args.dtype)
    kind = args.dtype or weights.config.param_dtype
    print(
        f"{args.out}: {parameter_count(weights.config):,} parameters in {kind}, from step {weights.step} of {args.source}"
    )
    return 0


def adapter_alone(args: Args) -> int:
    from data_pipeline.errors import InputError
    from tpu_orch.weights import export_adapter, open_adapted, open_mesh

    adapted = open_adapted(args.source, open_mesh(args.mesh), args.step)
    if adapted is None:
        raise InputError(f"{args.source} is no run that trained adapters: leave out --adapter")
    export_adapter(adapted, args.out, args.base)
    print(f"{args.out}: adapters of rank {adapted.lora.rank}, from step {adapted.step} of {args.source}")
    return 0
