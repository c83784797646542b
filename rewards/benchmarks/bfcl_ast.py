"""BFCL's AST checker (gorilla, v4): are these the calls of one turn? Verdict and type of the first error.

Categories by name: `parallel` in it = as many calls as the answer, each answer takes the first unused call that passes
(greedy, so a right set of calls may be refused for its order); `multiple` = one call, its schema looked up by the answer's
name; else one call of the first function. `irrelevance` wants no call, `relevance` any.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.words import Json, JsonObject
from rewards.benchmarks.bfcl_values import argument_error
from rewards.matching import heaviest_matching

PYTHON_ONLY = "simple_java and simple_javascript need the benchmark's own converters of those languages"


class AstVerdict(NamedTuple):
    valid: bool
    error_type: str | None = None
    sub_error_types: tuple[str, ...] | None = None
    """Of a parallel answer that found no call: why each unused call failed."""


def judge_calls(
    category: str,
    functions: Sequence[JsonObject],
    calls: Sequence[JsonObject],
    answer: Sequence[JsonObject],
    *,
    underscore_to_dot: bool = False,
) -> AstVerdict:
    """The official verdict.

    Args:
      category: such as `live_parallel_multiple`; ids such as `parallel_7` serve as well.
      functions: the functions offered, in the benchmark's dialect.
      calls: what the model called: [{name: {argument: value}}].
      answer: [{name: {argument: [accepted values]}}].
      underscore_to_dot: the model was told names with `_` for `.`.

    Raises InputError for a language that is not judged here.
    """
    if "irrelevance" in category:
        return AstVerdict(not calls, None if not calls else "irrelevance_error:decoder_success")
    if "relevance" in category:
        return AstVerdict(bool(calls), None if calls else "relevance_error:decoder_failed")
    if "java" in category:
        raise InputError(PYTHON_ONLY)
    if "parallel" in category:
        return _judge_parallel(functions, calls, answer, underscore_to_dot)
    kind = "multiple" if "multiple" in category else "simple"
    if len(calls) != (len(answer) if kind == "multiple" else 1):
        return AstVerdict(False, f"{kind}_function_checker:wrong_count")
    function = _find(functions, next(iter(answer[0]))) if kind == "multiple" else functions[0]
    error = call_error(function, calls[0], answer[0], underscore_to_dot)
    return AstVerdict(error is None, error)


def judge_calls_fixed(
    category: str,
    functions: Sequence[JsonObject],
    calls: Sequence[JsonObject],
    answer: Sequence[JsonObject],
    *,
    underscore_to_dot: bool = False,
) -> AstVerdict:
    """As `judge_calls`, but parallel calls are matched as well as they can be: their order never matters."""
    official = judge_calls(category, functions, calls, answer, underscore_to_dot=underscore_to_dot)
    if official.error_type != "parallel_function_checker_no_order:cannot_find_match":
        return official
    passing = [
        [int(call_error(_find(functions, next(iter(one))), call, one, underscore_to_dot) is None) for call in calls]
        for one in answer
    ]
    matched = heaviest_matching(passing)
    return (
        AstVerdict(True) if all(c is not None and row[c] for row, c in zip(passing, matched, strict=True)) else official
    )


def _judge_parallel(
    functions: Sequence[JsonObject], calls: Sequence[JsonObject], answer: Sequence[JsonObject], renamed: bool
) -> AstVerdict:
    checker = "parallel_function_checker_no_order"
    if len(calls) != len(answer):
        return AstVerdict(False, f"{checker}:wrong_count")
    unused = list(calls)
    for one in answer:
        function = _find(functions, next(iter(one)))
        errors: list[str] = []
        for place, call in enumerate(unused):
            error = call_error(function, call, one, renamed)
            if error is None:
                del unused[place]
                break
            errors.append(error)
        else:
            return AstVerdict(False, f"{checker}:cannot_find_match", tuple(errors))
    return AstVerdict(True)


def call_error(function: JsonObject, call: JsonObject, answer: JsonObject, renamed: bool = False) -> str | None:
    """The type of a call's first error, or None: name, required parameters, each given argument, those left out."""
    accepted: dict[str, list[Json]] = next(iter(answer.values()))
    name = re.sub(r"\.", "_", function["name"]) if renamed else function["name"]
    if name not in call:
        return "simple_function_checker:wrong_func_name"
    given, schemas = call[name], function["parameters"]["properties"]
    if any(required not in given for required in function["parameters"]["required"]):
        return "simple_function_checker:missing_required"
    for argument, value in given.items():
        if argument not in schemas or argument not in accepted:
            return "simple_function_checker:unexpected_param"
        error = argument_error(value, accepted[argument], schemas[argument])
        if error is not None:
            return error
    if any(argument not in given and "" not in values for argument, values in accepted.items()):
        return "simple_function_checker:missing_optional"
    return None


def _find(functions: Sequence[JsonObject], name: str) -> JsonObject:
    for function in functions:
        if function["name"] == name:
            return function
    raise InputError(f"the answer calls {name!r:.60}, which is not among the functions")
