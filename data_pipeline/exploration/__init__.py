"""From a catalogue alone to a store: finds out what tools answer, and whose answers feed whose arguments."""

from data_pipeline.exploration.proposals import EndpointProposer, Proposer, RememberingProposer
from data_pipeline.exploration.report import Coverage, FoundEdge, coverage, found_edges, found_workflows
from data_pipeline.exploration.search import Exploration, Made, explore
from data_pipeline.exploration.seeds import read_seeds
from data_pipeline.exploration.slots import unused_seeds

__all__ = [
    "Coverage",
    "EndpointProposer",
    "Exploration",
    "FoundEdge",
    "Made",
    "Proposer",
    "RememberingProposer",
    "coverage",
    "explore",
    "found_edges",
    "found_workflows",
    "read_seeds",
    "unused_seeds",
]
