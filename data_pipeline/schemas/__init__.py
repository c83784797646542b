"""JSON Schemas of tools: dialects, checks of arguments, typed equality."""

from data_pipeline.schemas.checks import Problem, problems, reference_problems
from data_pipeline.schemas.dialect import mend_dialect
from data_pipeline.schemas.normal import canonical, equal_values
from data_pipeline.schemas.types import fits, type_compatible, type_word

__all__ = [
    "Problem",
    "canonical",
    "equal_values",
    "fits",
    "mend_dialect",
    "problems",
    "reference_problems",
    "type_compatible",
    "type_word",
]
