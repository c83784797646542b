"""Adapters are all that an update moves; the optimiser may rest in host memory; both give the plain update's numbers."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline.words import Ledger
from models.config import tiny
from models.lora import LoraConfig, merge
from models.sharding import ROLLOUT_RULES, batch_sharding, make_mesh, param_shardings
from tpu_orch.training.adapters import adapter_learner, adapter_shardings
from tpu_orch.training.batch import micro_batches, rollout_example, shapes
from tpu_orch.training.learner import decoder_learner
from tpu_orch.training.objective import Objective
from tpu_orch.training.offload import HOST, optimizer_on_host
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.sampling_weights import make_sampling_weights
from tpu_orch.training.state import TrainState, abstract_state, create_state, state_shardings
from tpu_orch.training.update import make_update, train_step

CONFIG, LORA = tiny(vocab_size=48), LoraConfig(rank=2, alpha=4.0)
BASE = jax.jit(decoder_learner(CONFIG).init)(jax.random.key(3))
OPTIMIZER = make_optimizer(OptimizerConfig(learning_rate=1e-2, schedule="constant"), steps=10)


def batches() -> list:
    random = np.random.default_rng(0)
    ids, sampled = random.integers(0, 48, (8, 12)).astype(np.int32), np.arange(12) > 4
    ledgers = [Ledger(row, sampled, np.where(sampled, -3.9, 0).astype(np.float32), sampled - 1, 0) for row in ids]
    made = [rollout_example(ledger, float(n % 2) - 0.5, 1 / 64) for n, ledger in enumerate(ledgers)]
    return micro_batches(made, shapes([16], tokens=16 * 8))


def test_only_adapters_are_trained_and_the_base_is_an_argument() -> None:
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), BASE)
    learner = adapter_learner(CONFIG, LORA, half)
    update = make_update(learner, OPTIMIZER, Objective())
    state = create_state(learner.init, OPTIMIZER.transform, seed=1)
    before = update.logprobs(state.params, batches()[0])
    plain = make_update(decoder_learner(CONFIG), OPTIMIZER, Objective())
    np.testing.assert_allclose(before, plain.logprobs(half, batches()[0]), atol=1e-6)  # fresh ones: the reference
    state, metrics = train_step(update, state, batches())
    assert metrics["finite"] and metrics["grad_norm"] > 0
    kept = sum(leaf.size for leaf in jax.tree.leaves(state))
    assert (
        kept
        < 4 * sum(leaf.size for leaf in jax.tree.leaves(state.params))
        < sum(leaf.size for leaf in jax.tree.leaves(half))
    )
    after = update.logprobs(state.params, batches()[0])
    assert np.abs(after - before).max() > 1e-4
    merged = jax.jit(partial(merge, lora=LORA, dtype="float32"))(half, state.params)
    np.testing.assert_allclose(plain.logprobs(merged, batches()[0]), after, atol=1e-5)


def test_adapters_on_a_mesh() -> None:
    mesh = make_mesh({"fsdp": 2, "model": 2, "data": 2})
    alone = adapter_learner(CONFIG, LORA, BASE)
    state, expected = train_step(
        make_update(alone, OPTIMIZER, Objective()), create_state(alone.init, OPTIMIZER.transform, seed=1), batches()
    )
    with jax.set_mesh(mesh):
        spread = adapter_learner(CONFIG, LORA, jax.device_put(BASE, param_shardings(CONFIG, mesh)))
        abstract = abstract_state(spread.init, OPTIMIZER.transform)
        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        placed = state_shardings(abstract, OPTIMIZER.transform, adapter_shardings(CONFIG, LORA, mesh), everywhere)
        update = make_update(spread, OPTIMIZER, Objective(), shardings=placed, batch_sharding=batch_sharding(mesh))
        there, metrics = train_step(update, create_state(spread.init, OPTIMIZER.transform, 1, placed), batches())
    np.testing.assert_allclose(metrics["grad_norm"], expected["grad_norm"], rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), there.params, state.params)


def test_sampling_weights_are_the_trained_ones_merged_cast_and_laid_out_anew() -> None:
    mesh = make_mesh({"fsdp": 2, "model": 2, "data": 2})
    half = replace(CONFIG, dtype="bfloat16")
    assert make_sampling_weights(CONFIG, make_mesh({"data": 4, "model": 2})) is None
    assert make_sampling_weights(CONFIG, mesh, gather=False) is None
    cast = make_sampling_weights(half, mesh)
    fresh = adapter_learner(CONFIG, LORA, BASE).init(jax.random.key(1))
    moved = jax.tree.map(lambda leaf: leaf + 0.1, fresh)
    merged = make_sampling_weights(half, mesh, lora=LORA, frozen=jax.device_put(BASE, param_shardings(CONFIG, mesh)))
    assert cast is not None and merged is not None
    for found, expected in ((cast(BASE), BASE), (merged(moved), jax.jit(partial(merge, lora=LORA))(BASE, moved))):
        assert jax.tree.map(lambda leaf: leaf.sharding, found) == param_shardings(CONFIG, mesh, ROLLOUT_RULES)
        for name, leaf in found["layers"].items():  # norms are read in full by both, the update and the rollout
            assert leaf.dtype == (jnp.float32 if name.endswith("norm") else jnp.bfloat16)
            np.testing.assert_allclose(leaf.astype(jnp.float32), expected["layers"][name], rtol=2**-8, atol=1e-6)


def test_an_optimiser_in_host_memory_gives_the_same_weights() -> None:
    learner, mesh = decoder_learner(CONFIG), make_mesh({"data": 8})
    abstract = abstract_state(learner.init, OPTIMIZER.transform)
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    device = state_shardings(abstract, OPTIMIZER.transform, param_shardings(CONFIG, mesh), everywhere)

    def two_steps(placed: TrainState) -> TrainState:
        with jax.set_mesh(mesh):
            update = make_update(learner, OPTIMIZER, Objective(), shardings=placed, batch_sharding=batch_sharding(mesh))
            state = create_state(learner.init, OPTIMIZER.transform, 5, placed)
            for _ in range(2):
                state, _ = train_step(update, state, batches())
        return state

    there, here = two_steps(optimizer_on_host(abstract, device)), two_steps(device)
    kinds = [leaf.sharding.memory_kind for leaf in jax.tree.leaves(there.opt_state) if leaf.ndim]
    assert kinds and set(kinds) == {HOST}
    assert {leaf.sharding.memory_kind for leaf in jax.tree.leaves(there.params)} == {"device"}
    jax.tree.map(np.testing.assert_array_equal, there.params, here.params)
