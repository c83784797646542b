"""Lanes: nothing is compiled after the warm-up, and a prompt read once gives the rollouts of prompts read alone."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import models.decoder
from data_pipeline.backends import PythonBackend
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.words import Rollout, Task
from models.config import ModelConfig
from tpu_orch.engine import Engine, EngineOptions, Episode, decoder_policy
from tpu_orch.engine.compilations import Compilations
from tpu_orch.engine.lanes import FeedShape, Lane
from tpu_orch.engine.programs import cache_sizes, feed_shapes
from tpu_orch.engine.running import Running

TINY = ModelConfig(vocab_size=272, d_model=32, layers=2, heads=4, kv_heads=2, head_dim=8, d_ff=48)
CHAT = Chat(ByteTokenizer(), schemas="none")
ENVIRONMENT = Environment({}, PythonBackend({}))
OPTIONS = EngineOptions(rows=32, capacity=300, chunk=32, visit_steps=16, max_new_tokens=40)


def episode(number: int, length: int, index: int = 0) -> Episode:
    prompt = np.random.default_rng(number).integers(0, 256, length).astype(np.int32)
    return Episode(Task(f"t{number}", "", (), ()), prompt, index)


def assert_same(one: Rollout, other: Rollout) -> None:
    assert one.ledger is not None and other.ledger is not None
    np.testing.assert_array_equal(one.ledger.ids, other.ledger.ids)
    np.testing.assert_array_equal(one.ledger.logprobs, other.ledger.logprobs)
    assert one.stop is other.stop


@pytest.fixture(scope="module")
def params() -> models.decoder.Params:
    return models.decoder.init(TINY, jax.random.key(0))


@pytest.fixture(scope="module")
def engine(params: models.decoder.Params) -> Engine:
    engine = Engine(decoder_policy(TINY), CHAT, OPTIONS)
    with Compilations() as compiled:
        engine.warm_up(params)
    assert compiled.count > 5, "the counter sees compilations"
    return engine


def test_nothing_is_compiled_after_the_warm_up(engine: Engine, params: models.decoder.Params) -> None:
    with Compilations() as compiled:
        for count, length, heat in ((1, 1, 1.0), (3, 250, 0.0), (40, 70, 0.7), (17, 140, 1.3)):
            episodes = [episode(number, length + number % 5) for number in range(count)]
            engine.run(params, episodes, ENVIRONMENT, temperature=heat)
    assert compiled.count == 0


def test_a_group_reads_its_prompt_once_and_draws_as_if_alone(engine: Engine, params: models.decoder.Params) -> None:
    """40 members on 32 rows: some share the reading in the same visit, later ones take it from rows that are there."""
    group = [episode(7, 75, index) for index in range(40)]
    together = engine.run(params, group, ENVIRONMENT)
    assert len({rollout.ledger.ids.tobytes() for rollout in together if rollout.ledger is not None}) == 40
    for index in (0, 9, 33, 39):
        (alone,) = engine.run(params, [group[index]], ENVIRONMENT)
        assert_same(alone, together[index])


def test_companions_of_other_lengths_and_orders_change_nothing(engine: Engine, params: models.decoder.Params) -> None:
    episodes = [episode(number, 10 + 31 * (number % 9), number) for number in range(24)]
    first = engine.run(params, episodes, ENVIRONMENT)
    for rows in (4, 64):
        other = Engine(decoder_policy(TINY), CHAT, replace(OPTIONS, rows=rows, visit_steps=11))
        order = np.random.default_rng(rows).permutation(24)
        for place, rollout in zip(order, other.run(params, [episodes[n] for n in order], ENVIRONMENT), strict=True):
            assert_same(rollout, first[place])


def test_sizes_of_the_cache_are_few_and_reach_the_capacity() -> None:
    assert cache_sizes(384, 128) == [128, 256, 384]
    assert cache_sizes(900, 128) == [128, 256, 384, 512, 768, 1024]
    assert cache_sizes(100, 128) == [128]
    assert len(cache_sizes(32_768, 128)) < 20


def test_short_results_are_fed_in_short_chunks_and_borders_are_the_rollouts_own() -> None:
    policy = decoder_policy(TINY)
    assert feed_shapes(policy, 32, 16) == [FeedShape(32, 4), FeedShape(8, 8)]
    assert feed_shapes(policy, 16, 16) == [FeedShape(16, 8)]
    assert feed_shapes(policy._replace(lanes=None), 32, 16) == [FeedShape(32, 16)]
    lane = Lane(16, feed_shapes(policy, 32, 16))
    for row, size in enumerate((75, 8, 9, 40, 3)):
        lane.rows[row] = waiting(size)
    feeds = list(lane._feeds())
    assert [(feed.ids.shape, sorted(feed.counts[feed.counts > 0].tolist())) for feed in feeds] == [
        ((4, 32), [9, 32, 32]),
        ((4, 32), [32]),
        ((4, 32), [11]),
        ((8, 8), [3, 8, 8]),
    ]
    assert lane.lengths[:5].tolist() == [75, 8, 9, 40, 3]


def waiting(size: int) -> Running:
    """A rollout whose prompt waits to be fed."""
    made = episode(1, size)
    return Running(0, made, ENVIRONMENT.session(made.task), CHAT, OPTIONS)


def test_a_cache_that_does_not_fit_is_refused_with_what_would() -> None:
    config = ModelConfig(vocab_size=8, d_model=4096, layers=36, heads=32, kv_heads=8, head_dim=128, d_ff=8)
    policy = decoder_policy(config, cache_dtype="bfloat16")
    assert policy.token_bytes == 144 * 1024  # Qwen3-8B
    with pytest.raises(
        InputError, match=r"38\.65 GB.*memory_gb 16; engine\.rows 26 or engine\.capacity 1695 would fit"
    ):
        Engine(policy, CHAT, EngineOptions(rows=64, capacity=4096, memory_gb=16.0))


def test_a_bfloat16_cache_draws_close_to_the_model(params: models.decoder.Params) -> None:
    exact, short = (
        Engine(decoder_policy(TINY, cache_dtype=kind), CHAT, replace(OPTIONS, max_new_tokens=1)).run(
            params, [episode(3, 90)], ENVIRONMENT, temperature=0.0
        )[0]
        for kind in ("float32", "bfloat16")
    )
    assert exact.ledger is not None and short.ledger is not None
    assert exact.ledger.logprobs[-1] != short.ledger.logprobs[-1]
    np.testing.assert_allclose(exact.ledger.logprobs[-1], short.ledger.logprobs[-1], atol=0.05)
