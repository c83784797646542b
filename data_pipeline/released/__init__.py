"""Original files of released projects, read as records and tasks of ours: ToolOrchestrationReward and DepthBench."""

from data_pipeline.released.reading import SUFFIXES, Released, read_released

__all__ = ["SUFFIXES", "Released", "read_released"]
