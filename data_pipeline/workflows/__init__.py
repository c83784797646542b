"""Workflows: which result feeds which argument, mined from recorded traces or written by hand."""

from data_pipeline.workflows.explored import mine_records
from data_pipeline.workflows.files import NamedWorkflow, read_workflows, write_workflows
from data_pipeline.workflows.mine import EdgeType, Evidence, Mined, edge_types, mine
from data_pipeline.workflows.traces import Trace, TraceStep, trace_of_rollout, trace_of_task

__all__ = [
    "EdgeType",
    "Evidence",
    "Mined",
    "NamedWorkflow",
    "Trace",
    "TraceStep",
    "edge_types",
    "mine",
    "mine_records",
    "read_workflows",
    "trace_of_rollout",
    "trace_of_task",
    "write_workflows",
]
