"""`tpu-orch bench rollout`: tokens a second of the rollout engine, single-turn and with tools, beside the machine's ceiling."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import tyro

from data_pipeline.errors import InputError
from tpu_orch.reports.bench import Goal, report

PROMPT, NEW, EPISODES, GROUP, TURNS = 64, 128, 32, 8, 3
PEER_SCRIPT = Path("tests/peers/rollout_speed.py")


@dataclass(frozen=True)
class Args:
    """Measures the engine on a model of 5 million random weights (4 layers of width 256, 4096 tokens).

    Single turn: 32 prompts of 64 tokens, 128 new tokens each. With tools: 4 prompts of 8 rollouts, 3 turns each, results of 16 to
    200 bytes, every continuation drawn at random; and the same work with the cache dropped between turns. Programs are
    compiled before; what is compiled while measuring is counted. It does not measure the quality of text.
    """

    rounds: int = 5
    """Times that each side is measured, in turn; medians are given."""

    peers: Annotated[Path | None, tyro.conf.arg(metavar="PYTHON")] = None
    """Python of an environment with torch and transformers: its `generate` is measured in the same rounds (from a checkout)."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.rounds < 1:
        raise InputError("--rounds must be 1 or more")
    if args.peers and not PEER_SCRIPT.exists():
        raise InputError(f"--peers needs {PEER_SCRIPT}: run it from a checkout")
    from tpu_orch.engine.compilations import Compilations
    from tpu_orch.trainer.platform import prepare_platform

    prepare_platform()
    print("compiling", file=sys.stderr)
    with Compilations() as before:
        sides, ceiling = benches(), ceiling_bench()
        ceiling()
        for side in sides.values():
            side()
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    limits, peers = [], []
    with Compilations() as after:
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
            limits.append(ceiling())
            for name, side in sides.items():
                rows[name].append(side())
            if args.peers:
                peers.append(peer(args.peers))
    medians = {name: {key: median(one[key] for one in found) for key in found[0]} for name, found in rows.items()}
    table: list[dict[str, Any]] = [{"side": name, **values} for name, values in medians.items()]
    blank = dict.fromkeys(table[0], "")
    table.append({**blank, "side": "products alone: the ceiling of decoding", "sampled/s": median(limits)})
    if peers:
        table.append({**blank, "side": "transformers generate", "sampled/s": median(peers)})
    print(f"{before.count} programs compiled in {before.seconds:.1f} s before the rounds, {after.count} during them")
    report("rollout", table, goals(medians, peers, after.count), args.json)
    return 0


def goals(medians: dict[str, dict[str, float]], peers: list[float], compiled: int) -> list[Goal]:
    """What the design promises of these figures."""
    single, tools, dropped = (medians[name] for name in ("single turn", "with tools", "with tools, cache dropped"))
    found = [
        Goal("programs compiled while measuring", compiled, 0, at_most=True),
        Goal("with tools over single turn, sampled and fed tokens/s", tools["with fed/s"] / single["with fed/s"], 0.7),
        Goal("cache kept over cache dropped, time", dropped["seconds"] / tools["seconds"], 3.0),
        Goal("167 s of Tunix's agentic path over the step with tools", 167 / tools["seconds"], 30),
    ]
    if peers:
        found.append(Goal("single turn over transformers generate", single["sampled/s"] / median(peers), 1.5))
    return found


def peer(python: Path) -> float:
    """Tokens a second of the peer, in a process of its own."""
    command = [str(python), str(PEER_SCRIPT), str(EPISODES), str(PROMPT), str(NEW)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["tokens_per_s"])


def model() -> tuple[Any, Any]:
    """(configuration, random weights) of the measured model."""
    import jax

    from models.config import small
    from models.decoder import init

    config = replace(small(4096), remat="none")
    return config, jax.jit(partial(init, config))(jax.random.key(0))


def ceiling_bench() -> Callable[[], float]:
    """Measures tokens a second of the products with the weights alone, one thread a core, a lane's rows at a time."""
    import jax
    import jax.numpy as jnp

    from tpu_orch.engine.engine import core_count
    from tpu_orch.engine.policy import LANE_ROWS, ONE_THREAD

    config, params = model()
    layers = [{name: leaf[layer] for name, leaf in params["layers"].items()} for layer in range(config.layers)]
    steps = 32

    def products(layers: Any, table: Any, x: Any) -> Any:
        def step(_: Any, x: Any) -> Any:
            for weights in layers:
                heads = jnp.einsum("bd,dnh->bnh", x, weights["q"])
                k, v = (jnp.einsum("bd,dnh->bnh", x, weights[name]) for name in ("k", "v"))
                x = x + jnp.einsum("bnh,nhd->bd", heads + k.sum() + v.sum(), weights["o"])
                x = x + (x @ weights["gate"] * (x @ weights["up"])) @ weights["down"]
                x = x / jnp.max(jnp.abs(x))
            return x + (x @ table.T).max()

        return jax.lax.fori_loop(0, steps, step, x)

    compiled = jax.jit(products, compiler_options=ONE_THREAD)
    x = jnp.ones((LANE_ROWS, config.d_model))
    work = partial(compiled, layers, params["embedding"]["table"], x)
    work().block_until_ready()
    cores = core_count()

    def measured() -> float:
        with ThreadPoolExecutor(cores) as pool:
            began = time.perf_counter()
            list(pool.map(lambda _: work().block_until_ready(), range(4 * cores)))
            return 4 * cores * steps * LANE_ROWS / (time.perf_counter() - began)

    return measured


def benches() -> dict[str, Callable[[], dict[str, float]]]:
    """The measured sides: each plays its work once and gives its figures."""
    import numpy as np

    from data_pipeline.backends import PythonBackend
    from data_pipeline.chat import Chat
    from data_pipeline.environment import Environment
    from data_pipeline.tokenizers import ByteTokenizer
    from data_pipeline.words import Task, Tool
    from tpu_orch.engine import Engine, EngineOptions, Episode, decoder_policy
    from tpu_orch.engine.forcing import ForcedParams, forced_policy

    config, weights = model()
    chat = Chat(ByteTokenizer(), schemas="none")
    rng = np.random.default_rng(0)
    number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tool = Tool("read", "Reads so many letters.", number)
    environment = Environment({"read": tool}, PythonBackend({"read": lambda n: "a" * n}))
    policy = forced_policy(decoder_policy(config))
    tasks = [Task(f"t{n}", "", ("read",), ()) for n in range(EPISODES)]

    def prompt(script: int) -> Any:
        return np.concatenate([[script], rng.integers(300, 4096, PROMPT - 1)]).astype(np.int32)

    def forced(messages: Sequence[str], task: Any) -> list[int]:
        """The ids of a rollout after its prompt; -1 where they are drawn."""
        ids: list[int] = []
        session = environment.session(task)
        for message in messages:
            ids += [-1] * (NEW // TURNS) + chat.turn(message)
            steps = session.respond(message.split("<|im_end|>")[0]).steps
            ids += chat.results(steps, closed=False) if steps else []
        return ids

    def wrapped(scripts: Sequence[Sequence[int]]) -> ForcedParams:
        table = np.full((len(scripts), PROMPT + max(map(len, scripts)) + 1), -1, np.int32)
        for row, script in enumerate(scripts):
            table[row, PROMPT : PROMPT + len(script)] = script
        return ForcedParams(weights, table, np.int32(300))

    lengths = rng.integers(16, 201, (EPISODES // GROUP, TURNS - 1))
    calls = '<tool_call>\n{{"name": "read", "arguments": {{"n": {}}}}}\n</tool_call>'
    messages = [[*(calls.format(n) for n in row), "Done.<|im_end|>"] for row in lengths]
    tools_params = wrapped([forced(one, tasks[row]) for row, one in enumerate(messages)])
    options = EngineOptions(
        rows=EPISODES, capacity=PROMPT + NEW, chunk=32, visit_steps=32, max_new_tokens=NEW, max_turns=9
    )
    long = replace(options, capacity=1024, max_new_tokens=512)
    single, many, once = (
        Engine(policy, chat, options),
        Engine(policy, chat, long),
        Engine(policy, chat, replace(long, max_turns=1)),
    )
    free = wrapped([[-1] * NEW] * EPISODES)
    singles = [Episode(task, prompt(place)) for place, task in enumerate(tasks)]
    prompts = [prompt(place) for place in range(EPISODES // GROUP)]
    grouped = [Episode(tasks[g], prompts[g], index) for g in range(EPISODES // GROUP) for index in range(GROUP)]
    for engine, params in ((single, free), (many, tools_params), (once, tools_params)):
        engine.warm_up(params)

    def played(engine: Engine, params: ForcedParams, episodes: list[Episode]) -> dict[str, float]:
        engine.run(params, episodes, environment)
        return figures(engine)

    def figures(engine: Engine) -> dict[str, float]:
        told, rows = engine.statistics, engine.rows
        return {
            "sampled/s": told.sampled / told.seconds,
            "with fed/s": (told.sampled + told.fed) / told.seconds,
            "seconds": told.seconds,
            "busy": told.busy,
            "tools": told.tool_seconds / told.seconds,
            "cache MB": rows * engine.options.capacity * policy.token_bytes / 1e6,
        }

    def dropped() -> dict[str, float]:
        """Each turn is a run of its own that reads the whole history again."""
        episodes, began, sampled, fed = grouped, time.perf_counter(), 0, 0
        found: dict[str, float] = {}
        for _ in range(TURNS):
            rollouts = once.run(tools_params, episodes, environment)
            found = figures(once)
            sampled += once.statistics.sampled
            fed += once.statistics.fed
            episodes = [
                episode._replace(
                    prompt=np.concatenate([r.ledger.ids, chat.results(r.steps, closed=False)]).astype(np.int32)
                )
                for episode, r in zip(episodes, rollouts, strict=True)
                if r.ledger is not None and r.steps
            ]
        seconds = time.perf_counter() - began
        return {**found, "sampled/s": sampled / seconds, "with fed/s": (sampled + fed) / seconds, "seconds": seconds}

    return {
        "single turn": partial(played, single, free, singles),
        "with tools": partial(played, many, tools_params, grouped),
        "with tools, cache dropped": dropped,
    }
