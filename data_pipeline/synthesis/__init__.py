"""Synthesis: workflows and a store of recorded responses in, tasks out that are executable, recoverable and as hard
as asked.
"""

from data_pipeline.synthesis.compose import compose
from data_pipeline.synthesis.grammar import Grammar
from data_pipeline.synthesis.index import StoreIndex
from data_pipeline.synthesis.shapes import Range, Shape, shape_of
from data_pipeline.synthesis.splits import LeakReport, Splits, leak_report, parse_splits
from data_pipeline.synthesis.synth import Synthesised, synthesise
from data_pipeline.synthesis.work import Bench, StoreBench, SynthOptions, bench_of
from data_pipeline.synthesis.writers import EndpointWriter, Writer

__all__ = [
    "Bench",
    "EndpointWriter",
    "Grammar",
    "LeakReport",
    "Range",
    "Shape",
    "Splits",
    "StoreBench",
    "StoreIndex",
    "SynthOptions",
    "Synthesised",
    "Writer",
    "bench_of",
    "compose",
    "leak_report",
    "parse_splits",
    "shape_of",
    "synthesise",
]
