"""The verdicts of public benchmarks by rules of our own: BFCL, NESTFUL, ComplexFuncBench, ToolRL.

The official forms reproduce every known quirk of the published scorers; a `fixed` form stands beside one where the official
has a known fault, never instead of it. Pure functions: nothing here reads files, and model text is never evaluated.
"""
