"""`tpu-orch bench model`: forward, training step and decoding of a decoder, beside `transformers` on the same machine."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import tyro

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.reports.bench import Goal, report
from tpu_orch.reports.turns import medians_in_turn, seconds_of

SCRIPT = Path(__file__).resolve().parents[2] / "tests" / "peers" / "model_peer.py"
LOGITS, MFU = 1e-4, 0.45


@dataclass(frozen=True)
class Args:
    """Measures tokens a second of a forward pass, of a training step (AdamW) and of greedy decoding over a cache.

    With --peers the same weights are exported and loaded by `transformers` in its own Python, and both take turns; medians are
    given, and how far the logits differ. It does not measure a trainer or a server: no packing, no tools, no batching of
    requests. `of peak` is the model's FLOPs (MFU) as a share of what the accelerator's maker promises in bfloat16 (goal 45 % of a
    training step), elsewhere of one large product of matrices on this machine.
    """

    model: str = "small"
    """`small` (5 million parameters), or a released name such as llama-3.2-1b, with random weights."""

    rows: int = 32
    """Sequences at once."""

    length: int = 192
    """Tokens of a sequence, forward and in training."""

    prompt: int = 64
    """Tokens before decoding."""

    new: int = 128
    """Tokens that decoding draws."""

    rounds: int = 5
    """Measurements of each side."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of weights and activations."""

    layers: int | None = None
    """Fewer layers than the released model has."""

    remat: Literal["none", "dots", "block"] = "none"
    """What our training step computes again instead of keeping it; the peer keeps everything."""

    peers: Annotated[Path | None, tyro.conf.arg(metavar="PYTHON")] = None
    """A Python that has torch and transformers (this project never needs them)."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    import jax

    from models.decoder import init
    from models.table import parameter_count
    from tpu_orch.trainer.platform import prepare_platform
    from tpu_orch.weights.bench import Sizes, peak_of, reshard_work, token_ids, works

    if min(args.rows, args.length, args.prompt, args.new, args.rounds) < 1 or args.prompt > args.length:
        raise InputError("--rows, --length, --prompt, --new and --rounds must be at least 1, --prompt at most --length")
    prepare_platform()
    config = _config(args)
    sizes = Sizes(args.rows, args.length, args.prompt, args.new)
    params = jax.jit(partial(init, config))(jax.random.key(0))
    print(f"{parameter_count(config):,} parameters in {config.param_dtype}", file=sys.stderr)
    peak = peak_of(jax.devices()[0], config.dtype)
    how = "as its maker says" if peak.promised else "measured on a product of matrices"
    print(f"peak of one device: {peak.flops:.3g} FLOP/s, {how}", file=sys.stderr)
    ours = works(config, params, sizes)
    rows: list[dict[str, Any]] = []
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory() as folder, _Peer(args, config, params, Path(folder)) as peer:
        for name, work in ours.items():
            sides: dict[str, Callable[[], float]] = {"ours": partial(seconds_of, work.run)}
            if peer.present:
                sides["transformers"] = partial(peer.seconds, name)
            print(f"measuring {name}", file=sys.stderr)
            taken = medians_in_turn(sides, args.rounds)
            rows.append(_row(name, work.tokens, taken, work.flops / peak.flops))
        if peer.present:
            difference = peer.difference(token_ids(config, sizes))
            if config.dtype == "float32":
                goals.append(Goal("largest difference of logits", difference, LOGITS, at_most=True))
    reshard = reshard_work(config, params)
    taken = medians_in_turn({"ours": partial(seconds_of, reshard.run)}, args.rounds)
    rows.append(_row("reshard and cast, weights", reshard.tokens, taken, 0.0))
    for row in rows:
        if row["ratio"]:
            goals.append(Goal(f"{row['what']}, over transformers", row["ratio"], 1.0))
    if peak.promised:
        goals.append(Goal("share of the peak in a training step", rows[1]["of peak"], MFU))
    report("model", rows, goals, args.json)
    return 0 if all(goal.met for goal in goals) else 1


def _row(name: str, tokens: int, taken: dict[str, float], of_peak_seconds: float) -> dict[str, Any]:
    """A row of the table; of_peak_seconds: what the work takes at the device's peak, 0 if its FLOPs are not counted."""
    theirs = taken.get("transformers")
    return {
        "what": name,
        "tokens/s": tokens / taken["ours"],
        "seconds": taken["ours"],
        "transformers tokens/s": tokens / theirs if theirs else 0.0,
        "ratio": theirs / taken["ours"] if theirs else 0.0,
        "of peak": of_peak_seconds / taken["ours"],
    }


def _config(args: Args) -> Any:
    import jax

    from models.config import small
    from models.released import released
    from tpu_orch.trainer.build import UNROLLED

    config = small() if args.model == "small" else released(args.model)
    layers = args.layers or config.layers
    attention: Literal["auto", "xla"] = "auto" if args.dtype == "bfloat16" else "xla"
    unroll = layers if jax.default_backend() == "cpu" and layers <= UNROLLED else 1  # as training does
    shape = replace(config, layers=layers, attention=attention, unroll=unroll, remat=args.remat)
    return replace(shape, dtype=args.dtype, param_dtype=args.dtype)


class _Peer:
    """`transformers` in its own process, holding the exported weights; it does one kind of work whenever asked."""

    def __init__(self, args: Args, config: Any, params: Any, folder: Path) -> None:
        self.present = args.peers is not None
        self._args, self._config, self._params, self._folder = args, config, params, folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "_Peer":
        if not self.present:
            return self
        import numpy as np

        from models.hf.configs import published_config
        from models.hf.save import save_folder
        from tpu_orch.weights.bench import Sizes, token_ids

        args = self._args
        if not SCRIPT.is_file():
            raise InputError(f"--peers needs a checkout of the project: {SCRIPT} is not there")
        save_folder(self._folder / "model", self._config, self._params, published_config(self._config, 4096))
        np.save(self._folder / "ids.npy", token_ids(self._config, Sizes(args.rows, args.length, args.prompt, args.new)))
        sizes = [str(args.prompt), str(args.new), args.dtype]
        command = [str(args.peers), str(SCRIPT), str(self._folder), *sizes]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, text=True, bufsize=1
            )
        except OSError as error:
            raise InputError(f"--peers {args.peers}: {error.strerror or error}") from error
        self._read()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._pipe(self._process.stdin).close()
            self._process.wait(timeout=60)

    def seconds(self, name: str) -> float:
        """Seconds of one run of that work."""
        assert self._process is not None
        self._pipe(self._process.stdin).write(name + "\n")
        return float(self._read())

    def difference(self, ids: Any) -> float:
        """The largest difference between its logits of the ids and ours."""
        import jax
        import jax.numpy as jnp
        import numpy as np

        from models.decoder import forward

        self.seconds("save logits")
        theirs = np.load(self._folder / "logits.npy")
        positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)
        ours = jax.jit(partial(forward, self._config))(self._params, jnp.asarray(ids), positions)
        return float(np.abs(np.asarray(ours)[: len(theirs)] - theirs).max())

    def _read(self) -> str:
        assert self._process is not None
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise WorkFailed("the peer ended early: its message stands above")
        return line.strip()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe
