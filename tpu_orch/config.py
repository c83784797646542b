"""The configuration of a run: one readable screen, frozen and typed. A run writes it, resolved, into its folder.

Every field can be set on the command line by its path: `tpu-orch train sandbox --trainer.steps 50`.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import tyro

from data_pipeline.backends.faults import parse_faults
from data_pipeline.chat import Manner, Schemas
from data_pipeline.errors import InputError
from tpu_orch.engine.episodes import EngineOptions
from tpu_orch.training.objective import ObjectiveName

T = TypeVar("T")
Form = Literal["turns", "parameters", "plan"]


def _at_least(least: int, options: Any, where: str, *names: str) -> None:
    """Raises InputError for a field that is less; `where` stands in front of its name."""
    for name in names:
        if getattr(options, name) < least:
            raise InputError(f"{where}{name} is {getattr(options, name)}, and must be at least {least}")


@dataclass(frozen=True)
class ModelOptions:
    """Shape of a policy trained from scratch: a Qwen3 decoder."""

    layers: int = 4
    d_model: int = 128
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 32
    d_ff: int = 384
    rope_theta: float = 10_000.0
    vocab: int = 0
    """Rows of the embedding table; 0: as many as the tokenizer has tokens."""
    tied: bool = True
    """The output head is the embedding table."""
    previous_token_head: bool = False
    """One head begins by attending to the previous token: a small policy then learns in a third of the steps to copy values."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of activations, and of weights where they are used; the weights that are trained, and all sums, stay float32."""
    remat: Literal["none", "dots", "block"] = "none"
    """What the backward pass computes again instead of keeping it: nothing, all but products with weights, whole blocks."""
    attention: Literal["auto", "xla", "blocks", "cudnn", "splash"] = "xla"
    """Kernel of an update's attention; auto: splash on TPUs, cuDNN on GPUs, blocks (it leaves out what nobody sees) on CPUs."""
    query_block: int = 0
    """Queries of a row whose attention scores exist at one time in an update, 0: all; for blocks their size, 0: 256."""


@dataclass(frozen=True)
class LoraOptions:
    """Low-rank adapters: gradients, optimiser state and checkpoints exist for them alone, the other weights are frozen."""

    rank: int = 0
    """Width of the adapters; 0: there are none, all weights are trained."""
    alpha: float = 32.0
    """What they add is multiplied by alpha / rank."""
    rate: float = 1.0
    """Learning rates are multiplied by this while adapters are trained: they want some ten times that of all weights, or more."""
    targets: tuple[Literal["q", "k", "v", "o", "gate", "up", "down"], ...] = ("q", "k", "v", "o", "gate", "up", "down")
    """Projections that have adapters."""
    dtype: Literal["float32", "bfloat16"] | None = None
    """Of the frozen weights; left out: as they are stored, fresh ones in float32."""


@dataclass(frozen=True)
class ChatOptions:
    """How conversations with a released model are written (preset own)."""

    thinking: bool = True
    """Whether the model may think before it speaks, where its family can (Qwen3)."""
    thinking_budget: int | None = None
    """Tokens of one thought; one that is longer is closed for the model. Left out: as many as it likes."""
    system: str = ""
    """What the system message says first."""
    date: str = Manner().date
    """Today, which Llama 3's template writes."""

    def __post_init__(self) -> None:
        if self.thinking_budget is not None and (self.thinking_budget < 1 or not self.thinking):
            raise InputError("chat.thinking_budget must be at least 1, and is of use only where chat.thinking is on")

    def manner(self) -> Manner:
        return Manner(self.thinking, self.thinking_budget, self.date)


@dataclass(frozen=True)
class WorldOptions:
    """Tasks of the built-in world (presets sandbox and routes)."""

    shown_depths: tuple[int, ...] = (0, 1, 2, 3)
    """Calls of the tasks that demonstrations show; deeper ones are left to reinforcement learning."""
    shown_per_depth: int = 6000
    shown_deeper: int = 0
    """Preset routes: demonstrations of each number of calls that `trained_depths` has beyond `shown_depths`: a few, for a start
    that seldom finds its way there, yet sometimes does."""
    shown_timeouts: float = 0.0
    """Share of the demonstrated calls that time out and are made again: who has seen it does not stop by counting calls."""
    shown_mistakes: float = 0.0
    """Share of the demonstrated calls before which a wrong one stands, on which no loss falls: what to do after a mistake."""
    trained_depths: tuple[int, ...] = (0, 1, 2, 3)
    """Calls of the tasks that reinforcement learning draws from."""
    trained_per_depth: int = 200
    shown_trained: bool = False
    """Preset routes: demonstrations show the references of the tasks that reinforcement learning draws from, too."""
    shortcuts: int = 8
    """Preset routes: tools that find in one call what two or three others find together; 0: one route to every answer."""
    entities: int = 0
    """Preset routes: so many entities of each kind, the id of each one token; 0: 1,000 of each, ids of two tokens."""
    longer: int = 2
    """Preset routes: calls by which a reference may exceed the shortest route."""
    repeats: bool = False
    """Preset routes: train on tasks whose reference calls some tool more than once."""
    openness: float = 1.0
    """Preset routes: share of the calls that are answered beside the references, as if a store held no others."""
    drawn: Literal["constrained", "unconstrained"] = "constrained"
    """Preset synthesised: how the tasks that demonstrations show are drawn from the store."""
    attempts: int = 20_000
    """Preset synthesised: draws for the tasks of each number of calls, at most."""
    distractors: int | None = None
    """Preset routes: tools offered beside the needed ones; left out: every tool of the world is offered."""
    evolved: Literal["", "rename", "require", "deprecate", "reorder"] = ""
    """Preset routes: the interface is changed so, for training and evaluation alike (`tpu-orch tools mutate`)."""
    form: Form = "turns"
    """Preset routes: what the policy writes. turns: a call, its result, the next call; parameters: the same, calls spelled as
    Llama 3 and Gemma 3 do; plan: all calls at once, earlier results by reference (no tasks without calls, no time-outs)."""
    evaluated: Literal["dev", "test"] = "test"
    """Preset routes: the split that evaluations ask."""


@dataclass(frozen=True)
class WarmupOptions:
    """Supervised fine-tuning on demonstrations, before reinforcement learning."""

    steps: int = 240
    batch: int = 64
    """Demonstrations per step."""
    learning_rate: float = 3e-3
    """At its peak; rises over the first 5 % of the steps, then falls as a cosine to a tenth."""
    optimizer: str = ""
    """As trainer.optimizer; left out: the same."""

    def __post_init__(self) -> None:
        _at_least(0, self, "warmup.", "steps")
        _at_least(1, self, "warmup.", "batch")


@dataclass(frozen=True)
class TrainerOptions:
    """Reinforcement learning. Values left at None are those of the objective."""

    steps: int = 12
    prompts: int = 16
    """Tasks per step."""
    group: int = 16
    """Rollouts per task: the group that an advantage is relative to."""
    learning_rate: float = 7e-4
    """At its peak; falls as a cosine to a tenth."""
    rise: int = 0
    """Steps over which it rises first: the first steps of a fresh optimiser are as long as the later ones, and blinder."""
    objective: ObjectiveName = "centred"
    """What an update minimises; the README has a table."""
    divide_by_std: bool | None = None
    """Divide advantages by a standard deviation."""
    clip_low: float | None = None
    clip_high: float | None = None
    kl: float = 0.0
    """Weight of the divergence from the policy as it was when reinforcement learning began; 0 keeps no copy of it."""
    kl_kind: Literal["k1", "k2", "k3"] | None = None
    kl_in: Literal["loss", "reward", "tokens"] | None = None
    """Where the divergence is charged: in the loss, to the rollout's reward, or to each token and those before it."""
    entropy: float = 0.0
    """Weight of the entropy bonus."""
    importance_cap: float | None = None
    """Weigh each token by its probability at the start of the update over the sampler's, at most this (off-policy data)."""
    drift_limit: float | None = None
    """Drop rollouts of negative advantage that drifted further than this from their sampler, in nats a token."""
    dynamic_sampling: bool | None = None
    """Sample until `prompts` groups have unequal rewards; the others are left out."""
    rounds: int = 3
    """Most rounds of dynamic sampling in a step."""
    kept_of_group: int | None = None
    """Learn from so many rollouts of each group, those whose rewards differ most: drawing is cheaper than learning."""
    overlong_buffer: int | None = None
    """Tokens before engine.max_new_tokens over which a reward falls by up to 1."""
    best_of_group: int | None = None
    """Of objective rejection: the best so many rollouts of each group become demonstrations."""
    floor: float | None = None
    """Of objective rejection: the reward that they need."""
    credit: Literal["rollout", "verdicts", "forks"] = "rollout"
    """verdicts: the tokens of a call also get what the reward says of it, less the mean over the group's calls in that turn.
    forks: instead, each turn gets what it changed in the mean reward of rollouts forked after and before it (no bias, many
    more rollouts)."""
    credit_weight: float = 1.0
    """Of the part that verdicts give."""
    forks: int = 2
    """Of credit forks: rollouts from the end of each turn of each rollout."""
    even: bool = False
    """Draw every number of calls alike, instead of by how much there is to learn: then rewards are compared on the same tasks."""
    share_prompts: bool = True
    """Run a group's prompt once in the update; the gradient is the same."""
    overlap: bool = False
    """Sample the next step's rollouts while the update runs, with weights one step old; importance_cap is then 2 unless set."""
    optimizer: str = "adamw"
    """By its name in optax or optax.contrib: adamw, lion, adafactor, muon, ... The warm-up's too, unless it has its own."""
    weight_decay: float = 0.0
    epochs: int = 1
    """Updates on each batch of rollouts."""
    replay: int = 64
    """Demonstrations beside the rollouts of each step; 0 for none."""
    replay_weight: float = 1.0
    """Of the demonstrations' loss. Their gradient is often ten times as long as that of the rollouts: where no reward moves, try
    0.05."""

    def __post_init__(self) -> None:
        _at_least(1, self, "trainer.", "prompts", "group", "rounds", "epochs")
        _at_least(0, self, "trainer.", "steps", "rise", "replay", "forks")


@dataclass(frozen=True)
class EvaluationOptions:
    """Greedy rollouts on held-out tasks, before training, after the warm-up and at the end."""

    per_depth: int = 64
    """Tasks of each depth."""
    every: int = 0
    """Steps of reinforcement learning between further evaluations; 0: none. The best of them is kept as a checkpoint."""
    metric: str = "accuracy"
    """What decides which is best, and when to stop: accuracy, reward, or a depth's accuracy such as by_depth.3."""
    patience: int = 0
    """Stop after so many evaluations in a row without a better one; 0: never."""
    samples: int = 0
    """Rollouts of each of 32 training tasks at temperature 1 before anything is trained: pass@k, and whether RL can start."""

    def __post_init__(self) -> None:
        _at_least(0, self, "eval.", "per_depth", "every", "patience", "samples")


@dataclass(frozen=True)
class CheckpointOptions:
    every: int = 50
    """Steps of training between saves; 0: none. The end of each phase is saved always, and so is where a run was stopped."""
    keep: int = 2
    """The newest so many are kept, and the best, where there is one."""
    folder: str = ""
    """Where they lie instead of in the run folder: a folder that every host sees, or a bucket (gs://...). What a run needs to
    go on lies beside them, so that a new machine can."""
    adopt: bool = False
    """Go on although the configuration or the material differs from the checkpoint's; what differs is said."""

    def __post_init__(self) -> None:
        _at_least(0, self, "checkpoint.", "every")
        _at_least(1, self, "checkpoint.", "keep")


@dataclass(frozen=True)
class MeshOptions:
    """Devices along each axis of the mesh. -1: all that are left (one axis may say so)."""

    data: int = -1
    fsdp: int = 1
    model: int = 1
    sequence: int = 1
    """Splits the tokens of long rows in an update; sampling leaves it at 1."""
    slices: int = 1
    """Slices (or hosts) that a slower network joins: `data` is split over them first, so that only gradients cross it."""

    def sizes(self) -> dict[str, int]:
        """Devices along each axis by its name."""
        return {"data": self.data, "fsdp": self.fsdp, "model": self.model, "sequence": self.sequence}


@dataclass(frozen=True)
class SampleOptions:
    """Rollouts that are kept for people to read."""

    every: int = 5
    """Steps of reinforcement learning between them; 0: none. The evaluations' rollouts are always kept."""
    tasks: int = 4
    """Tasks of such a step whose rollouts are kept, each with its whole group."""

    def __post_init__(self) -> None:
        _at_least(0, self, "samples.", "every", "tasks")


@dataclass(frozen=True)
class WatchOptions:
    """How a run is looked at; metrics.jsonl is always written."""

    tensorboard: bool = False
    """Scalars for TensorBoard in RUN/tensorboard (needs the package tensorboardX or torch)."""
    wandb: str = ""
    """Project of Weights & Biases (needs the package wandb)."""
    report: bool = True
    """Draw figure and report.html at the end; `tpu-orch report RUN` makes the report at any time."""
    profile: Annotated[int, tyro.conf.arg(aliases=["--profile"])] = 0
    """Steps that the profiler records into RUN/profile, from the third step of this sitting on."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that a run depends on."""

    preset: Annotated[str, tyro.conf.Suppress]
    out: Path
    """Run folder: config.json, metrics.jsonl, summary.json, checkpoints/, rollouts/. A run that was cut off goes on from it."""
    seed: int = 0
    data: Path | None = None
    """Folder with tools.json, tasks.jsonl and responses.jsonl; the built-in world needs none."""
    weights: Annotated[Path | None, tyro.conf.arg(aliases=["--model"])] = None
    """Preset own: the model to train: a published folder, one made by `tpu-orch import`, or a run."""
    tools: Path | None = None
    """Preset own: tools.json."""
    store: str | None = None
    """Preset own: what answers: a store file, a responses.jsonl, or functions of yours as module:name."""
    tasks: Path | None = None
    """Preset own: tasks.jsonl. Tasks whose split is not train are evaluated on."""
    reward: str = "tier"
    """By name (`tpu-orch score --help` lists them), or a function of yours as module:name."""
    faults: str = ""
    """Faults among the tools' answers while rollouts are made for training (evaluations meet none), as
    timeout=0.02,error=0.05,slow=0.1@200ms; drawn from each rollout's own rng."""
    tokens: int = 1024
    """Size of the vocabulary that is trained for the run's tools."""
    schemas: Schemas = "none"
    """How the prompt offers the tools; a policy trained for its tools needs none."""
    result_limit: int = 256
    """Longest tool result in tokens; longer ones are shortened structurally."""
    micro_tokens: int = 2048
    """Tokens of a micro-batch: bounds the memory of an update's forward and backward pass, and changes nothing else."""
    gather_to_sample: bool = True
    """While rollouts are drawn, hold weights whole along mesh.fsdp, split over mesh.model alone: nothing is gathered at every
    token. If that copy does not fit, raise mesh.model, or turn this off."""
    optimizer_on_host: bool = False
    """Keep the optimiser's moments in pinned host memory between updates."""
    logits_chunk: int = 0
    """Tokens of a row whose logits exist at one time in an update (they are most of its memory where V is large); 0: all."""
    world: WorldOptions = field(default_factory=WorldOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    lora: LoraOptions = field(default_factory=LoraOptions)
    chat: ChatOptions = field(default_factory=ChatOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    warmup: WarmupOptions = field(default_factory=WarmupOptions)
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    eval: EvaluationOptions = field(default_factory=EvaluationOptions)
    checkpoint: CheckpointOptions = field(default_factory=CheckpointOptions)
    samples: SampleOptions = field(default_factory=SampleOptions)
    mesh: MeshOptions = field(default_factory=MeshOptions)
    watch: WatchOptions = field(default_factory=WatchOptions)

    def __post_init__(self) -> None:
        parse_faults(self.faults)  # raises InputError before anything is begun
        _at_least(1, self, "", "tokens", "result_limit", "micro_tokens")
        _at_least(1, self.world, "world.", "shown_per_depth", "trained_per_depth", "attempts")
        _at_least(1, self.engine, "engine.", "rows", "capacity", "chunk", "visit_steps", "max_new_tokens", "max_turns")
        if self.trainer.steps and not self.engine.temperature:
            raise InputError(
                "engine.temperature is 0, and must be above 0 where trainer.steps are: greedy rollouts teach nothing"
            )


def to_json(config: Any) -> Any:
    """A configuration as plain JSON."""
    if dataclasses.is_dataclass(config):
        return {item.name: to_json(getattr(config, item.name)) for item in dataclasses.fields(config)}
    if isinstance(config, tuple):
        return [to_json(item) for item in config]
    return str(config) if isinstance(config, Path) else config


def unset(config: RunConfig) -> Any:
    """What a run's fields mean, as JSON, where an older version did not know them and so did not write them."""
    return to_json(RunConfig(config.preset, config.out))


def from_json(kind: type[T], value: Any) -> T:
    """The configuration back from its JSON. Fields that the JSON lacks keep their defaults.

    Raises:
      InputError: it has a field that this version does not know.
    """
    hints = get_type_hints(kind)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise InputError(f"the configuration has a field {unknown[0]!r:.80} that this version does not know")
    return kind(**{name: _field(hints[name], inner) for name, inner in value.items()})


def _field(hint: Any, value: Any) -> Any:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return from_json(hint, value)
    if value is not None and (hint is Path or Path in get_args(hint)):
        return Path(value)
    return tuple(value) if get_origin(hint) is tuple else value
