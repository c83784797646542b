"""Folders of released weights: read from published files into a checkpoint, opened again for training, published again."""

from tpu_orch.weights.folder import Weights, import_weights, open_mesh, open_weights
from tpu_orch.weights.publish import export_weights

__all__ = ["Weights", "export_weights", "import_weights", "open_mesh", "open_weights"]
