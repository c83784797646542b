"""The update on a tiny decoder: exact in its parts, the same in pieces or on eight devices, and it learns."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from quick_jit import quick_jit

from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.words import Ledger
from models.config import tiny
from models.sharding import batch_sharding, make_mesh, param_shardings
from tpu_orch.training.batch import Shape, demonstration_example, micro_batches, place, rollout_example, shapes
from tpu_orch.training.learner import Learner, decoder_learner, target_statistics
from tpu_orch.training.normalisers import token_weights
from tpu_orch.training.objective import Objective
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.state import TrainState, abstract_state, create_state, state_shardings, with_shardings
from tpu_orch.training.update import (
    Update,
    loss_and_totals,
    make_update,
    require_finite,
    train_step,
    with_old_logprobs,
    with_reference,
)

CONFIG = tiny(vocab_size=48)
LEARNER = decoder_learner(CONFIG)
OPTIMIZER = make_optimizer(OptimizerConfig(learning_rate=1e-2, schedule="constant"), steps=10)
OBJECTIVE = Objective(kl_weight=0.1, entropy_weight=0.01)


@cache
def update() -> Update:
    return make_update(LEARNER, OPTIMIZER, OBJECTIVE)


@cache
def fresh() -> TrainState:
    return jax.device_get(create_state(LEARNER.init, OPTIMIZER.transform, seed=5))


def new_state() -> TrainState:
    return jax.device_put(fresh())


def whole(made: list, temperature: float = 1.0) -> list:
    """All in one micro-batch of the shape that most tests share."""
    return micro_batches(made, shapes([16], tokens=16 * 8), temperature=temperature)


def examples(number: int = 6, likelihood: bool = True) -> list:
    random = np.random.default_rng(1)
    made = []
    for _ in range(number):
        length = int(random.integers(4, 17))
        sampled = random.random(length) < 0.6
        sampled[0], sampled[1] = False, True
        logprobs = np.where(sampled, -3.9 + 0.1 * random.normal(size=length), 0).astype(np.float32)
        ids = random.integers(0, 48, length).astype(np.int32)
        made.append((Ledger(ids, sampled, logprobs, np.where(sampled, 0, -1), 0), float(random.normal())))
    weights = token_weights(np.array([ledger.sampled.sum() for ledger, _ in made]), "tokens")
    rollouts = [rollout_example(ledger, a, w) for (ledger, a), w in zip(made, weights, strict=True)]
    if not likelihood:
        return rollouts
    return [*rollouts, demonstration_example(made[0][0].ids, made[0][0].sampled, 0.05)]


def summed(batches: list, params) -> tuple:
    sums = update().zeros(params)
    for batch in batches:
        sums = update().accumulate(params, sums, batch)
    return sums


def relative(a, b) -> float:
    """Distance of two trees over the size of the second."""
    gap = optax.global_norm(jax.tree.map(lambda x, y: np.asarray(x, np.float64) - np.asarray(y, np.float64), a, b))
    return float(gap) / float(optax.global_norm(b))


def test_pieces_add_up_where_the_model_does_not_round() -> None:
    """A model in float64: pieces and whole differ by less than one rounding of float32, which log-probs have."""

    def init(key: jax.Array) -> dict:
        one, two = jax.random.split(key)
        return {"in": jax.random.normal(one, (48, 16)), "out": jax.random.normal(two, (48, 16))}

    learner = Learner(init, lambda p, ids, positions, segments: jnp.tanh(p["in"][ids]), lambda p, x: x @ p["out"].T)
    with jax.enable_x64(True):
        params = {name: leaf.astype(jnp.float64) for name, leaf in init(jax.random.key(0)).items()}
        gradient = quick_jit(jax.grad(lambda p, batch: loss_and_totals(learner, OBJECTIVE, None, p, batch)[0]))
        (one,) = (jax.device_get(gradient(params, batch)) for batch in whole(examples()))
        pieces = [
            jax.device_get(gradient(params, batch)) for batch in micro_batches(examples(), shapes([8, 16], tokens=16))
        ]
    assert len(pieces) > 4 and one["out"].dtype == np.float64
    assert relative(jax.tree.map(lambda *parts: sum(parts), *pieces), one) < 3e-8


def test_pieces_add_up_to_the_whole_batch() -> None:
    """In float32 a decoder's products over other shapes round otherwise: by some 13 units of 6e-8 in the gradient's norm."""
    pieces = micro_batches(examples(), shapes([8, 16], tokens=16))
    assert {batch.ids.shape for batch in pieces} == {(2, 8), (1, 16)} and len(pieces) > 4
    gaps = []
    for seed in range(5):  # 0.7e-6 to 1.2e-6 for one draw of weights, whether pieces are added in float32 or float64
        params = jax.jit(LEARNER.init)(jax.random.key(seed))
        one, many = summed(whole(examples()), params), summed(pieces, params)
        gaps.append(relative(many.gradients, one.gradients))
        np.testing.assert_allclose(many.totals, one.totals, rtol=1e-5)
    assert np.median(gaps) < 1e-6


def test_packed_rows_give_the_same_gradient() -> None:
    params = new_state().params
    plain = summed(whole(examples()), params)
    packed_batches = micro_batches(examples(), shapes([48], tokens=96), pack=True)
    assert max(batch.segments.max() for batch in packed_batches) > 1
    packed = summed(packed_batches, params)
    assert relative(packed.gradients, plain.gradients) < 1e-5
    assert float(packed.totals.loss) == pytest.approx(float(plain.totals.loss), abs=1e-5)


def test_logits_at_scored_places_alone_give_the_same_gradient() -> None:
    params = new_state().params
    plain = summed(whole(examples()), params)
    batches = micro_batches(examples(), [Shape(4, 24, scored=40, shards=2)], pack=True)
    assert all(batch.scored is not None and batch.scored.shape == (2, 40) for batch in batches)
    scored = summed(batches, params)
    assert relative(scored.gradients, plain.gradients) < 1e-5
    np.testing.assert_allclose(scored.totals, plain.totals, rtol=1e-5)


def test_loss_is_the_formula_written_out() -> None:
    """Against a loop over sampled tokens in numpy, from the decoder's own logits."""
    params = new_state().params
    reference = jax.jit(LEARNER.init)(jax.random.key(9))
    batches = with_reference(update(), reference, whole(examples(), temperature=0.8))
    (batch,) = batches
    forward = jax.jit(lambda p, batch: LEARNER.logits(p, LEARNER.hidden(p, batch.ids, batch.positions, batch.segments)))
    logits = [np.asarray(forward(p, batch), np.float64) / np.float64(0.8) for p in (params, reference)]
    logp, ref = (x - np.log(np.exp(x).sum(-1, keepdims=True)) for x in logits)
    expected = 0.0
    for row, column in np.ndindex(batch.ids.shape):
        target = int(batch.targets[row, column])
        new = logp[row, column, target]
        if weight := float(batch.policy_weight[row, column]):
            ratio = np.exp(new - float(batch.old_logprobs[row, column]))
            advantage = float(batch.advantages[row, column])
            surrogate = min(ratio * advantage, np.clip(ratio, 0.8, 1.28) * advantage)
            apart = ref[row, column, target] - new
            entropy = -(np.exp(logp[row, column]) * logp[row, column]).sum()
            expected += weight * (-surrogate + 0.1 * (np.exp(apart) - 1 - apart) - 0.01 * entropy)
        expected -= float(batch.likelihood_weight[row, column]) * new
    loss, totals = jax.jit(lambda p, batch: loss_and_totals(LEARNER, OBJECTIVE, None, p, batch))(params, batch)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(totals.policy_loss + totals.likelihood_loss) == pytest.approx(expected, rel=1e-5)


def test_no_gradient_reaches_the_targets_of_fed_tokens() -> None:
    """Changing what a fed token is, as a target only, changes neither loss nor gradient."""
    params = new_state().params
    (batch,) = whole(examples())
    weight = batch.policy_weight + batch.likelihood_weight
    other = batch._replace(targets=np.where(weight > 0, batch.targets, (batch.targets + 7) % 48).astype(np.int32))
    assert (other.targets != batch.targets).any()
    one, two = summed([batch], params), summed([other], params)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(a, b)


def test_positions_without_a_sampled_token_cannot_overflow() -> None:
    """A fed token that the policy finds impossible must not turn the loss or the gradient into NaN."""
    learner = Learner(
        init=lambda key: {"table": 300.0 * jnp.eye(48)},
        hidden=lambda params, ids, positions, segments: params["table"][ids],
        logits=lambda params, hidden: hidden @ params["table"] / 100,
    )
    sampled = np.array([0, 0, 1], bool)
    ledger = Ledger(
        np.array([1, 2, 2], np.int32), sampled, np.array([0, 0, -1e-3], np.float32), sampled.astype(int) - 1, 0
    )
    (batch,) = micro_batches([rollout_example(ledger, 1.0, 1.0)], shapes([4], tokens=4))
    params = learner.init(jax.random.key(0))
    gradient = jax.jit(jax.grad(lambda p: loss_and_totals(learner, OBJECTIVE, None, p, place(batch, None))[0]))(params)
    assert np.isfinite(gradient["table"]).all()


@pytest.mark.parametrize("chunk", [1, 5, 20])
def test_log_probs_in_chunks_are_the_same(chunk: int) -> None:
    learner = LEARNER._replace(logits=lambda params, hidden: hidden @ params)
    random = np.random.default_rng(0)
    hidden, table = (jnp.asarray(random.normal(size=shape), jnp.float32) for shape in ((2, 9, 4), (4, 11)))
    targets = jnp.asarray(random.integers(0, 11, (2, 9)))

    def loss(table: jax.Array, hidden: jax.Array, chunk: int | None) -> jax.Array:
        made = target_statistics(learner, table, hidden, targets, jnp.asarray(0.7), chunk=chunk)
        return jnp.sum(made.logprobs + 0.1 * made.entropy)

    gradient = jax.jit(jax.value_and_grad(loss, (0, 1)), static_argnums=2)
    together, in_chunks = gradient(table, hidden, None), gradient(table, hidden, chunk)
    for a, b in zip(jax.tree.leaves(in_chunks), jax.tree.leaves(together), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_entropy_of_a_known_distribution() -> None:
    learner = LEARNER._replace(logits=lambda params, hidden: hidden)
    logits = jnp.log(jnp.asarray([[[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]]]))
    got = target_statistics(learner, {}, logits, jnp.asarray([[1, 2]]), jnp.asarray(1.0))
    np.testing.assert_allclose(got.logprobs, np.log([[0.25, 1 / 3]]), rtol=1e-6)
    np.testing.assert_allclose(got.entropy, [[1.5 * np.log(2), np.log(3)]], rtol=1e-6)


@pytest.mark.parametrize("chunk", [None, 6])
def test_one_step_sharded_over_eight_devices_equals_one_device(chunk: int | None) -> None:
    mesh = make_mesh({"data": 2, "fsdp": 2, "model": 2})
    with jax.set_mesh(mesh):
        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        abstract = abstract_state(LEARNER.init, OPTIMIZER.transform)
        shardings = state_shardings(abstract, OPTIMIZER.transform, param_shardings(CONFIG, mesh), everywhere)
        state = create_state(LEARNER.init, OPTIMIZER.transform, 5, shardings)
        table = state.params["embedding"]["table"]
        moments = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.shape == table.shape]
        assert len(moments) == 2 and all(leaf.sharding == table.sharding for leaf in moments)
        assert {piece.data.shape for piece in table.addressable_shards} == {(24, 16)}
        rows = batch_sharding(mesh)
        sharded = make_update(LEARNER, OPTIMIZER, OBJECTIVE, shardings=shardings, batch_sharding=rows, chunk=chunk)
        batches = micro_batches(examples(), shapes([16], tokens=128, multiple=4))
        after, metrics = train_step(sharded, state, batches)
        assert after.params["layers"]["gate"].sharding == shardings.params["layers"]["gate"]
        assert jax.tree.map(lambda leaf: leaf.sharding, with_shardings(abstract, shardings)) == shardings
    alone, alone_metrics = train_step(update(), new_state(), batches)
    assert relative(jax.device_get(after.params), alone.params) < 1e-5
    for name, value in alone_metrics.items():
        assert metrics[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


def test_on_policy_ratio_is_one_and_mismatch_is_seen() -> None:
    params = new_state().params
    batches = with_old_logprobs(update(), params, whole(examples(likelihood=False)))
    exact = [batch._replace(sampler_logprobs=batch.old_logprobs) for batch in batches]
    _, metrics = train_step(update(), new_state(), exact)
    assert metrics["ratio"] == pytest.approx(1.0, abs=1e-6)
    assert metrics["mismatch"] < 1e-5 and metrics["clip_share"] == 0
    moved = exact[0].sampler_logprobs.at[0, 0].add(0.125)
    assert float(exact[0].policy_weight[0, 0]) > 0
    _, metrics = train_step(update(), new_state(), [exact[0]._replace(sampler_logprobs=moved), *exact[1:]])
    assert metrics["mismatch"] == pytest.approx(0.125, abs=1e-5)


def test_supervised_training_learns_a_sequence_by_heart() -> None:
    ids = np.random.default_rng(3).integers(0, 48, 12)
    example = demonstration_example(ids, np.arange(12) > 2, 1 / 9)
    state, last = new_state(), 0.0
    for _ in range(40):
        state, metrics = train_step(update(), state, whole([example]))
        last = metrics["nll"]
    assert last < 0.05 and int(state.step) == 40
    assert metrics["likelihood_tokens"] == 9 and metrics["policy_tokens"] == 0


def test_reinforcement_moves_probability_towards_what_was_rewarded() -> None:
    good, bad = np.array([3, 4, 5], np.int32), np.array([3, 4, 6], np.int32)
    sampled = np.array([False, False, True])
    state = new_state()

    def batches(params) -> list:
        made = [
            rollout_example(Ledger(ids, sampled, np.zeros(3, np.float32), np.array([-1, -1, 0]), 0), advantage, 0.5)
            for ids, advantage in ((good, 1.0), (bad, -1.0))
        ]
        return with_old_logprobs(update(), params, whole(made))

    before = np.asarray(batches(state.params)[0].old_logprobs)[:, 1]
    for _ in range(5):
        state, _ = train_step(update(), state, batches(state.params))
    after = np.asarray(batches(state.params)[0].old_logprobs)[:, 1]
    assert after[0] > before[0] + 1 and after[0] - before[0] > after[1] - before[1] + 1


def test_a_loss_that_is_not_finite_leaves_the_weights_and_says_so() -> None:
    state = new_state()
    kept = jax.device_get(state)
    (batch,) = whole(examples())
    after, metrics = train_step(update(), state, [batch._replace(advantages=np.full_like(batch.advantages, np.nan))])
    for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(WorkFailed, match="step 7: loss is not finite"):
        require_finite(metrics, 7)
    _, metrics = train_step(update(), after, [batch])
    require_finite(metrics, 7)


def test_no_compilation_after_each_shape_was_seen() -> None:
    allowed = shapes([8, 16], tokens=16)
    state, _ = train_step(update(), new_state(), micro_batches(examples(), allowed))
    state, _ = train_step(update(), state, micro_batches(examples(), allowed))
    compiled = [program._cache_size() for program in update()[:3]]  # type: ignore[attr-defined]
    for number in (5, 3, 6):
        state, _ = train_step(update(), state, micro_batches(examples(number), allowed))
    assert [program._cache_size() for program in update()[:3]] == compiled  # type: ignore[attr-defined]


def test_an_update_without_anything_to_learn_from_is_refused() -> None:
    with pytest.raises(InputError, match="without a micro-batch"):
        train_step(update(), new_state(), [])
