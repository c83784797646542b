"""Rows that share a prompt: the model's log-probs, the same bits in any company, each prompt read once, nothing compiled late."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from test_contract import CHAT, ENVIRONMENT, OPTIONS, TINY, assert_logprobs_are_the_models, task, tiny_episodes

import models.decoder
from data_pipeline.errors import InputError
from data_pipeline.words import Rollout
from models.cache import init_cache
from models.sharding import make_mesh
from tpu_orch.engine import Engine, EngineOptions, Episode, Policy, decoder_policy
from tpu_orch.engine.banks import SharingLane
from tpu_orch.engine.compilations import Compilations
from tpu_orch.engine.lanes import FeedShape
from tpu_orch.engine.policy import Sharing, prompts_of, with_prompts
from tpu_orch.engine.running import Running

SHARING = replace(OPTIONS, rows=16, prompt_rows=4, capacity=320, max_new_tokens=40)


@pytest.fixture(scope="module")
def params() -> models.decoder.Params:
    return models.decoder.init(TINY, jax.random.key(0))


@pytest.fixture(scope="module")
def engine(params: models.decoder.Params) -> Engine:
    engine = Engine(decoder_policy(TINY), CHAT, SHARING)
    engine.warm_up(params)
    return engine


def groups(sizes: list[int]) -> list[Episode]:
    """Members of one group follow each other; prompts of different lengths."""
    prompts = [np.asarray(CHAT.prompt(task(n), ENVIRONMENT.tools) * (1 + n % 3), np.int32) for n in range(len(sizes))]
    return [Episode(task(n), prompts[n], index) for n, size in enumerate(sizes) for index in range(size)]


def assert_same(one: Rollout, other: Rollout) -> None:
    assert one.ledger is not None and other.ledger is not None
    np.testing.assert_array_equal(one.ledger.ids, other.ledger.ids)
    np.testing.assert_array_equal(one.ledger.logprobs, other.ledger.logprobs)


def long_ones(rollouts: list[Rollout], least: int) -> list[Rollout]:
    """Those that drew more than a few tokens; some end at once, by chance."""
    found = [one for one in rollouts if one.ledger is not None and one.ledger.sampled.sum() > 3]
    assert len(found) >= least
    return found


def test_logprobs_are_the_models_and_nothing_is_compiled(engine: Engine, params: models.decoder.Params) -> None:
    with Compilations() as compiled:
        rollouts = engine.run(params, groups([4, 9, 1, 3, 8]), ENVIRONMENT)
    assert compiled.count == 0
    assert len({rollout.ledger.ids.tobytes() for rollout in rollouts if rollout.ledger is not None}) == 25
    assert_logprobs_are_the_models(params, long_ones(rollouts[::3], 6))


def test_company_and_order_change_no_bit(engine: Engine, params: models.decoder.Params) -> None:
    episodes = groups([6, 5, 3])
    first = engine.run(params, episodes, ENVIRONMENT)
    order = np.random.default_rng(3).permutation(len(episodes))[:9]
    for place, rollout in zip(order, engine.run(params, [episodes[n] for n in order], ENVIRONMENT), strict=True):
        assert_same(rollout, first[place])


def test_episodes_of_one_prompt_each_are_played_as_if_nothing_were_shared(
    engine: Engine, params: models.decoder.Params
) -> None:
    episodes = groups([1] * 6)
    plain = Engine(decoder_policy(TINY), CHAT, replace(SHARING, prompt_rows=0))
    assert plain.unshared is plain
    again = engine.of_turns(2).unshared
    assert again.options == replace(plain.options, max_turns=2)
    for one, other in zip(*(made.run(params, episodes, ENVIRONMENT) for made in (engine.unshared, plain)), strict=True):
        assert_same(one, other)


def test_layers_in_a_scan_share_prompts_too(params: models.decoder.Params) -> None:
    """The form for accelerators, on one device."""

    def extend(params: models.decoder.Params, cache: object, ids: jax.Array, counts: jax.Array) -> tuple:
        return models.decoder.extend(TINY, params, cache, ids, counts)

    def read(
        params: models.decoder.Params, prompts: object, ids: jax.Array, counts: jax.Array, row: jax.Array
    ) -> tuple:
        return models.decoder.read_prompt(TINY, params, prompts, ids, counts, row)

    policy = Policy(
        TINY.vocab_size,
        lambda rows, capacity: init_cache(TINY, rows, capacity),
        extend,
        row_axis=1,
        sharing=Sharing(with_prompts, prompts_of, read),
    )
    rollouts = Engine(policy, CHAT, replace(SHARING, rows=8)).run(params, groups([4, 6]), ENVIRONMENT)
    assert_logprobs_are_the_models(params, long_ones(rollouts, 7))


def test_a_prompt_is_read_once_for_its_bank() -> None:
    lane = SharingLane(rows=8, shapes=[FeedShape(32, 4)], sharing=4, read_chunk=64)

    def admit(episode: Episode) -> int | None:
        row = lane.row_for(episode.prompt)
        if row is not None:
            session = ENVIRONMENT.session(episode.task, 0)
            lane.admit(row, Running(0, episode, session, CHAT, EngineOptions(capacity=400)))
        return row

    one, other, third = groups([1, 1, 1])
    assert [admit(episode) for episode in (one, one, other, one, third)] == [0, 1, 4, 2, None]
    plan = lane.plan({"multi_turn": 0}, 400, 16, 4)
    assert sum(int(read.counts[0]) for read in plan.beginning.reads) == one.prompt.size + other.prompt.size
    assert plan.feeds == []
    assert np.flatnonzero(plan.beginning.fresh).tolist() == [0, 1, 2, 4]
    assert plan.room == 16, "rows hold only what follows their prompt"
    assert plan.rows.lengths.tolist() == [one.prompt.size] * 3 + [0, other.prompt.size, 0, 0, 0]
    lane.rows[4] = None
    assert admit(one) == 3
    assert lane.plan({"multi_turn": 0}, 400, 16, 4).beginning.reads == (), "it lies there already"
    assert admit(third) == 4, "nobody is in the second bank"
    lengths = [read.lengths.tolist() for read in lane.plan({"multi_turn": 0}, 400, 16, 4).beginning.reads]
    assert lengths[0] == [one.prompt.size, 0]


def test_banks_that_cannot_be_are_refused(params: models.decoder.Params) -> None:
    with pytest.raises(InputError, match="prompt_rows 5 does not divide the 16 rows"):
        Engine(decoder_policy(TINY), CHAT, replace(SHARING, prompt_rows=5))


def test_over_a_mesh_every_row_holds_its_prompt() -> None:
    over_a_mesh = Engine(decoder_policy(TINY, make_mesh({"data": 2, "fsdp": 4})), CHAT, SHARING)
    assert over_a_mesh.options.prompt_rows == 0 and over_a_mesh.unshared is over_a_mesh


def test_many_members_of_long_prompts_end_in_order(engine: Engine, params: models.decoder.Params) -> None:
    long = tiny_episodes(1)[0]
    episodes = [long._replace(prompt=np.tile(long.prompt, 4)[:250], group_index=index) for index in range(30)]
    rollouts = engine.run(params, episodes, ENVIRONMENT)
    assert [rollout.group_index for rollout in rollouts] == list(range(30))
