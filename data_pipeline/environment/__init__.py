"""The environment of a policy: reads what it wrote, resolves its calls in order, and says what came of each.

The environment never looks at a task's reference; `replay` plays one through it.
"""

from data_pipeline.environment.reference_replay import replay
from data_pipeline.environment.references import UnresolvedReference, resolve_references
from data_pipeline.environment.session import Environment, Session

__all__ = ["Environment", "Session", "UnresolvedReference", "replay", "resolve_references"]
