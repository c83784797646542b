"""What an update's programs are compiled with beside the defaults."""

import jax

WHOLE_PRODUCTS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""Products of whole batches by Eigen: on two cores a training step of 5 million parameters takes 6/7 of the time it takes with
the library that XLA prefers on CPUs (jaxlib 0.10.2)."""


def compiler_options(sharding: jax.sharding.NamedSharding | None = None) -> dict[str, str] | None:
    """For the devices on which arrays lie so, which need not be this machine's; None: the default device."""
    mesh = None if sharding is None else sharding.mesh
    devices = mesh.devices if isinstance(mesh, jax.sharding.Mesh) else None
    platform = jax.default_backend() if devices is None else devices.flat[0].platform
    return WHOLE_PRODUCTS if platform == "cpu" else None
