"""BFCL's multi-turn categories live through the benchmark's own installed package, `bfcl-eval`: an optional extra.

Its executor evaluates calls as Python. Model text therefore goes through this project's own reader first: only calls of
literal arguments are handed on, anything else is refused before the package sees it.
"""

import ast
import importlib
import itertools
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.simulators.expressions import Refused, literal, parse_expression
from data_pipeline.suites import BfclEntry
from tpu_orch.evaluation.bfcl_items import Executor

_PACKAGE = "bfcl_eval.eval_checker.multi_turn_eval"
_NAMES = itertools.count()


def plain_call(text: str) -> str:
    """The call spelled anew from its name and the values of its literal arguments. Raises `Refused`."""
    try:
        node = parse_expression(text)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            raise Refused("is no call of a plain name")
        given = [repr(literal(one)) for one in node.args]
        given += [f"{one.arg}={literal(one.value)!r}" for one in node.keywords if one.arg]
        if len(given) != len(node.args) + len(node.keywords):
            raise Refused("unpacked arguments are not carried out")
        return f"{node.func.id}({', '.join(given)})"
    except (SyntaxError, ValueError, TypeError, NameError, AttributeError, ArithmeticError) as error:
        raise Refused(str(error)) from None


class OfficialLive:
    """The package's executor and checker. Raises InputError where the package is not installed."""

    def __init__(self) -> None:
        try:
            self._utils: Any = importlib.import_module(f"{_PACKAGE}.multi_turn_utils")
            self._checker: Any = importlib.import_module(f"{_PACKAGE}.multi_turn_checker")
        except ImportError as error:
            raise InputError(
                f"--bfcl-executor official needs the benchmark's own package: pip install bfcl-eval mpmath ({error})"
            ) from None

    def world(self, entry: BfclEntry, sample: int) -> Executor:
        return _OfficialWorld(self._utils, entry, f"live_{next(_NAMES)}")

    def verdict(self, entry: BfclEntry, turns: list[list[list[str]]], sample: int) -> str | None:
        if len(turns) != len(entry.answer):
            return "multi_turn:force_terminated"
        made = [[[_handed_on(call) for call in step] for step in turn] for turn in turns]
        facts = {"id": entry.id, "initial_config": entry.config, "involved_classes": list(entry.classes)}
        label = f"judged_{next(_NAMES)}"
        found = self._checker.multi_turn_checker(made, entry.answer, facts, entry.category, label)
        return None if found["valid"] else str(found["error_type"])


class _OfficialWorld:
    def __init__(self, utils: Any, entry: BfclEntry, label: str) -> None:
        self._utils, self._entry, self._label = utils, entry, label

    def execute(self, text: str) -> str:
        try:
            call = plain_call(text)
        except Refused as error:
            return f"Error during execution: {error}"
        entry = self._entry
        results, _ = self._utils.execute_multi_turn_func_call(
            [call], entry.config, list(entry.classes), self._label, entry.id, "long_context" in entry.category
        )
        return str(results[0])


def _handed_on(text: str) -> str:
    try:
        return plain_call(text)
    except Refused:
        return "refused()"
