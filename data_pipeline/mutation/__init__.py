"""An evolved interface: what an API's next version does to its tools, applied alike to schemas, records and references.

A policy that learnt one version meets the other; the answers stay the same, so every reference still replays.
"""

from data_pipeline.mutation.bundle import Bundle, Change
from data_pipeline.mutation.kinds import KINDS, Kind, mutate

__all__ = ["KINDS", "Bundle", "Change", "Kind", "mutate"]
