"""Rollouts over several processes: each plays a share of the groups on its own devices and answers its own slots' calls.

Nothing large is exchanged while they play: at each visit the processes tell each other only whether anyone still plays and, by
`on_visit`, whether to stop. A rollout depends on itself alone, so where it is played changes nothing; at the end every process
holds them all, in the order of the episodes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from data_pipeline.environment import Environment
from data_pipeline.formats.rollouts import rollout_from_row, rollout_row_from_fields, rollout_to_row
from data_pipeline.formats.rows import Fields
from data_pipeline.jsontext import read_json, write_json
from data_pipeline.words import Rollout
from tpu_orch.engine.episodes import Episode
from tpu_orch.engine.policy import Params
from tpu_orch.runs.processes import any_process, gather_bytes


def shares(episodes: Sequence[Episode], processes: int) -> list[list[int]]:
    """Places of the episodes that each process plays: whole groups, so that each prompt is read once, about equally many each."""
    groups: list[list[int]] = []
    for place, episode in enumerate(episodes):
        if place and episode.task.id == episodes[place - 1].task.id:
            groups[-1].append(place)
        else:
            groups.append([place])
    found: list[list[int]] = [[] for _ in range(processes)]
    for group in groups:
        min(found, key=len).extend(group)
    return found


def run_over_processes(
    play: Callable[..., list[Rollout]],
    params: Params,
    episodes: Sequence[Episode],
    environment: Environment,
    *,
    on_visit: Callable[[], None] | None = None,
    **more: Any,
) -> list[Rollout]:
    """Plays episodes with the work split over all processes; every one of them calls this with the same episodes.

    Args:
      play: `Engine.run` of a policy on this process' own devices.
      params: its weights there.
      on_visit: called equally often in every process, so that it may ask the others.
      more: as `Engine.run` takes it; `on_rollout` is called with places among this process' own episodes.
    """
    if jax.process_count() == 1:
        return play(params, episodes, environment, on_visit=on_visit, **more)
    split = shares(episodes, jax.process_count())

    def visit() -> None:
        any_process(True)
        if on_visit is not None:
            on_visit()

    mine = [episodes[place] for place in split[jax.process_index()]]
    rollouts = play(params, mine, environment, on_visit=visit, **more)
    while any_process(False):  # the others still play
        if on_visit is not None:
            on_visit()
    gathered = gather_bytes(write_json([rollout_to_row(rollout) for rollout in rollouts]))
    placed: dict[int, Rollout] = {}
    for places, rows in zip(split, gathered, strict=True):
        for place, row in zip(places, read_json(rows), strict=True):
            placed[place] = rollout_from_row(rollout_row_from_fields(Fields(row, "process", place)))
    return [placed[place] for place in range(len(episodes))]
