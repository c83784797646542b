"""Who answers tool calls: a store of recorded responses, Python callables, a recorder around any of them."""

from data_pipeline.backends.functions import PythonBackend
from data_pipeline.backends.protocol import Backend, ToolError, refusal
from data_pipeline.backends.recorder import Recorder
from data_pipeline.backends.stored import StoreBackend

__all__ = ["Backend", "PythonBackend", "Recorder", "StoreBackend", "ToolError", "refusal"]
