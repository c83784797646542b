"""Own simulated APIs and multi-turn verdicts beside those of the benchmark's package, over its own data.

Run in an environment of its own, from the project's root:

    pip install bfcl-eval==2026.3.23 mpmath && pip install .
    python tests/peers/check_bfcl_eval.py [SEED]

Every reference call of the four multi-turn categories is carried out by both sides, results and public states compared;
then trajectories with calls left out, doubled or swapped are judged by both.
"""

import importlib.util
import random
import sys
from pathlib import Path
from typing import Any

from data_pipeline.simulators import World, long_context_filler
from data_pipeline.simulators.base import public_state
from data_pipeline.suites import BfclEntry, read_bfcl
from tpu_orch.evaluation.bfcl_items import OwnLive
from tpu_orch.evaluation.official_bfcl import OfficialLive

CATEGORIES = [f"multi_turn_{kind}" for kind in ("base", "miss_func", "miss_param", "long_context")]


def same_calls(entry: BfclEntry, number: int) -> list[str]:
    """What differs between both sides while the reference is carried out."""
    from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils import execute_multi_turn_func_call

    long = "long_context" in entry.category
    own = World(entry.classes, entry.config, owner="own", filler=long_context_filler() if long else None)
    for call in (call for turn in entry.answer for call in turn):
        results, instances = execute_multi_turn_func_call(
            [call], entry.config, list(entry.classes), f"peer_{number}", entry.id, long
        )
        made = own.execute(call)
        if made != results[0]:
            return [f"{entry.id}: {call}: {made!r:.200} here, {results[0]!r:.200} there"]
        for name, instance in instances.items():
            theirs = {key: repr(value) for key, value in vars(instance).items() if not key.startswith("_")}
            if {key: repr(value) for key, value in public_state(own.instances[name]).items()} != theirs:
                return [f"{entry.id}: {call}: the state of {name} differs"]
    return []


def disturbed(turns: list[list[str]], rng: random.Random) -> list[list[list[str]]]:
    """A trajectory near the reference."""
    made = [[call for call in turn for _ in range(rng.choice((0, 1, 1, 1, 1, 2)))] for turn in turns]
    for turn in made:
        if rng.random() < 0.2:
            rng.shuffle(turn)
    return [[turn] if turn else [] for turn in made]


def main(seed: int = 0) -> int:
    found = importlib.util.find_spec("bfcl_eval")
    assert found is not None and found.origin is not None, "bfcl-eval is not installed here"
    entries = read_bfcl(Path(found.origin).parent / "data", CATEGORIES)
    differences: list[str] = []
    calls = sum(len(turn) for entry in entries for turn in entry.answer)
    for number, entry in enumerate(entries):
        differences += same_calls(entry, number)
    rng, official, own = random.Random(seed), OfficialLive(), OwnLive()
    judged: list[tuple[Any, Any]] = []
    for entry in rng.sample(entries, 200):
        turns = disturbed(entry.answer, rng)
        judged.append((official.verdict(entry, turns, 0), own.verdict(entry, turns, 0)))
        if judged[-1][0] != judged[-1][1]:
            differences.append(f"{entry.id}: {judged[-1][0]} there, {judged[-1][1]} here")
    print("\n".join(differences[:20]))
    right = sum(theirs is None for theirs, _ in judged)
    print(
        f"{calls} calls of {len(entries)} entries, {len(judged)} trajectories ({right} right): {len(differences)} differ"
    )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
