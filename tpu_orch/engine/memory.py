"""What the slots' cache takes, and whether it may."""

from data_pipeline.errors import InputError
from tpu_orch.engine.episodes import EngineOptions

GB = 1e9


def require_memory(options: EngineOptions, rows: int, token_bytes: int) -> None:
    """Raises InputError, saying what would fit, if all slots at full length take more than `memory_gb`.

    token_bytes: of one token of one row: 2 * layers * kv_heads * head_dim * bytes of a number (147,456 for Qwen3-8B in bfloat16).
    """
    limit = options.memory_gb * GB
    copies = rows // options.prompt_rows if options.prompt_rows else 0  # of prompts, which may be as long as a row
    needed = (rows + copies) * options.capacity * token_bytes
    if not limit or needed <= limit:
        return
    slot = options.capacity * token_bytes
    told = (
        f"{rows} slots of {options.capacity} tokens at {token_bytes} bytes a token take {needed / GB:.2f} GB, "
        f"more than engine.memory_gb {options.memory_gb:g}"
    )
    fitting = [
        text
        for number, text in (
            (int(limit // slot), "engine.rows {}"),
            (int(limit // ((rows + copies) * token_bytes)), "engine.capacity {}"),
        )
        if number
        for text in (text.format(number),)
    ]
    advice = f"; {' or '.join(fitting)} would fit" if fitting else "; not one slot of one token fits"
    raise InputError(told + advice)
