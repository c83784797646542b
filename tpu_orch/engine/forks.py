"""Branches of a finished rollout at the boundary of a call: what would have come after it, or after another call in its place.

A branch is an episode whose prompt is the parent's ledger up to the boundary, so branches of one boundary share its reading.
It is a rollout of its own: with another place in the group it draws other tokens, and the same ones whenever it is made again.
"""

import numpy as np

from data_pipeline.backends.faults import rollout_seed
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.words import Rollout
from tpu_orch.engine.episodes import Episode, History


def turn_of_call(rollout: Rollout, call: int) -> int:
    """The turn that made the call, counted from 0 over the whole rollout. Raises IndexError if there is none."""
    made = 0
    for place, turn in enumerate(rollout.turns):
        made += len(turn.steps)
        if call < made:
            return place
    raise IndexError(f"call {call} of a rollout that made {made}")


def fork(episode: Episode, rollout: Rollout, call: int, *, index: int, after: bool = False) -> Episode:
    """A branch at a call.

    Args:
      episode: what the rollout was made from.
      rollout: the parent, with its ledger.
      call: counted from 0.
      index: the branch's place in the group: one that no rollout of the task has, or it draws the same again.
      after: go on after the call's results were read, instead of before its turn was written.
    Raises IndexError where there is no such call, or nothing was fed after it; ValueError without a ledger.
    """
    ledger = rollout.ledger
    if ledger is None:
        raise ValueError("a rollout without its ledger cannot be forked")
    turn = turn_of_call(rollout, call)
    if after:
        end = int(np.flatnonzero(ledger.turn == turn)[-1]) + 1
        results = np.flatnonzero(ledger.turn[end:] >= 0)
        border = end + (int(results[0]) if results.size else len(ledger.ids) - end)
        if border == end:
            raise IndexError(f"nothing was fed after call {call}: the rollout ended there")
    else:
        border = int(np.flatnonzero(ledger.turn == turn)[0])
    history = History(ledger.logprobs[:border], ledger.turn[:border], rollout.turns[: turn + after])
    return episode._replace(prompt=ledger.ids[:border], group_index=index, history=history)


def edited(
    episode: Episode, rollout: Rollout, call: int, message: str, chat: Chat, environment: Environment, *, index: int
) -> Episode:
    """A branch in which the turn that made the call says `message` instead, and its results follow: "what if it had been right".

    message: the whole text of the turn, with its call's mark, or with the mark of a turn's end after it. It is fed, not drawn.
    Raises as `fork`, and InputError if the message holds no call.
    """
    base = fork(episode, rollout, call, index=index)
    assert base.history is not None
    session = environment.session(episode.task, rollout_seed(episode.seed, episode.task.id, episode.group_index))
    session.go_on_after(base.history.steps)
    end = chat.stops[1].decode()
    turn = session.respond(message.split(end)[0], chat.form)
    ids = [*chat.turn(message), *chat.results(turn.steps, closed=message.endswith(end))]
    added = len(ids)
    history = History(
        np.concatenate([base.history.logprobs, np.zeros(added, np.float32)]),
        np.concatenate([base.history.turn, np.full(added, -1, np.int32)]),
        (*base.history.turns, turn),
    )
    return base._replace(prompt=np.concatenate([base.prompt, np.asarray(ids, np.int32)]), history=history)
