"""Schedules by hand, what weight decay touches, and every optimiser's state placed on a mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from data_pipeline.errors import InputError
from tpu_orch.training.optimizer import OPTIMIZERS, OptimizerConfig, make_optimizer, make_schedule
from tpu_orch.training.state import abstract_state, state_shardings


def rates(config: OptimizerConfig, steps: int) -> list[float]:
    schedule = make_schedule(config, steps)
    return [float(schedule(step)) for step in range(steps + 1)]


def test_linear_rise_then_fall() -> None:
    config = OptimizerConfig(learning_rate=1.0, schedule="linear", warmup_steps=4, final_share=0.5)
    np.testing.assert_allclose(rates(config, 8), [0.25, 0.5, 0.75, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5], rtol=1e-6)


def test_cosine_and_constant() -> None:
    cosine = rates(OptimizerConfig(learning_rate=2.0, schedule="cosine", final_share=0.1), 10)
    assert cosine[0] == pytest.approx(2.0) and cosine[5] == pytest.approx(1.1) and cosine[10] == pytest.approx(0.2)
    assert set(rates(OptimizerConfig(learning_rate=2.0, schedule="constant"), 5)) == {2.0}
    assert rates(OptimizerConfig(learning_rate=1.0, schedule="constant", warmup_steps=1), 2) == [1.0, 1.0, 1.0]


PARAMS = {"layers": {"gate": jnp.ones((2, 8, 4)), "mlp_norm": jnp.ones((2, 8)), "q_bias": jnp.ones((2, 4))}}


def first_changes(transform: optax.GradientTransformation, scale: float) -> dict:
    """What the first update does where the gradient is so many times the weights."""
    of = jax.jit(lambda p: transform.update(jax.tree.map(lambda leaf: scale * leaf, p), transform.init(p), p)[0])
    return of(PARAMS)


def test_weight_decay_leaves_norms_and_biases_alone() -> None:
    config = OptimizerConfig(learning_rate=0.1, schedule="constant", weight_decay=0.5, clip_norm=0.0)
    transform = make_optimizer(config, 1).transform
    changes = first_changes(transform, 0.0)
    after = optax.apply_updates(PARAMS, changes)["layers"]
    np.testing.assert_allclose(after["gate"], 0.95 * np.ones((2, 8, 4)), rtol=1e-6)
    assert (after["mlp_norm"] == 1).all() and (after["q_bias"] == 1).all()


def test_gradients_are_clipped_to_the_global_norm() -> None:
    config = OptimizerConfig(name="sgd", learning_rate=1.0, schedule="constant", clip_norm=2.0, beta1=0.0)
    transform = make_optimizer(config, 1).transform
    changes = first_changes(transform, 5.0)
    assert float(optax.global_norm(changes)) == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_descends_and_its_state_has_shardings(name: str) -> None:
    transform = make_optimizer(OptimizerConfig(name=name, learning_rate=0.05, weight_decay=0.01), 5).transform
    params, opt_state = PARAMS, jax.jit(transform.init)(PARAMS)

    def loss(p: dict) -> jax.Array:
        return sum(jnp.sum((leaf - 0.5) ** 2) for leaf in jax.tree.leaves(p))

    @jax.jit
    def step(params: dict, opt_state: optax.OptState) -> tuple[dict, optax.OptState]:
        changes, opt_state = transform.update(jax.grad(loss)(params), opt_state, params)
        return optax.apply_updates(params, changes), opt_state

    for _ in range(5):
        params, opt_state = step(params, opt_state)
    assert float(loss(params)) < 0.9 * float(loss(PARAMS))

    mesh = jax.make_mesh((2, 4), ("data", "fsdp"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    place = {
        group: {name: jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, "fsdp")) for name in names}
        for group, names in PARAMS.items()
    }
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    abstract = abstract_state(lambda key: PARAMS, transform)
    shardings = state_shardings(abstract, transform, place, everywhere)
    assert jax.tree.structure(shardings) == jax.tree.structure(abstract)
    pairs = zip(jax.tree.leaves(abstract.opt_state), jax.tree.leaves(shardings.opt_state), strict=True)
    for leaf, sharding in pairs:
        assert sharding == (place["layers"]["gate"] if leaf.shape in {(2, 8, 4), (2, 8), (2, 4)} else everywhere)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (OptimizerConfig(warmup_steps=11), "warmup_steps 11"),
        (OptimizerConfig(learning_rate=0.0), "must be positive"),
    ],
)
def test_impossible_optimizers_are_refused(config: OptimizerConfig, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_optimizer(config, 10)
