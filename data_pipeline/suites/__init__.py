"""Readers of the public benchmarks' own published files, given by path, and of the same data in this project's formats."""

from data_pipeline.suites.bfcl import BfclEntry, read_bfcl
from data_pipeline.suites.cfb import CfbEntry, read_cfb
from data_pipeline.suites.nestful import NestfulEntry, read_nestful

__all__ = ["BfclEntry", "CfbEntry", "NestfulEntry", "read_bfcl", "read_cfb", "read_nestful"]
