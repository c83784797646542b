"""Folders of released weights: read from published files into a checkpoint, opened again for training, published again."""

from tpu_orch.weights.card import write_card
from tpu_orch.weights.folder import Weights, open_adapted, open_mesh, open_weights
from tpu_orch.weights.importing import import_weights
from tpu_orch.weights.open import PolicySource, find_policy, load_policy, policy_chat
from tpu_orch.weights.publish import export_adapter, export_weights

__all__ = [
    "PolicySource",
    "Weights",
    "export_adapter",
    "export_weights",
    "find_policy",
    "import_weights",
    "load_policy",
    "open_adapted",
    "open_mesh",
    "open_weights",
    "policy_chat",
    "write_card",
]
