"""The benchmark's MathAPI: arithmetic without a state, and its replies to what is no number."""

import decimal
import math
import sys
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from data_pipeline.simulators.base import Simulator
from data_pipeline.simulators.precise import MAX_PLACES, logarithm
from data_pipeline.words.json import Json

_METRES = {"km": 1000, "m": 1, "cm": 0.01, "mm": 0.001, "um": 1e-6, "nm": 1e-9}
_FACTORS = {
    ("cm", "in"): 0.393701,
    ("in", "cm"): 2.54,
    ("m", "ft"): 3.28084,
    ("ft", "m"): 0.3048,
    ("m", "yd"): 1.09361,
    ("yd", "m"): 0.9144,
    ("km", "miles"): 0.621371,
    ("miles", "km"): 1.60934,
    ("kg", "lb"): 2.20462,
    ("lb", "kg"): 0.453592,
    ("celsius", "fahrenheit"): 1.8,
    ("fahrenheit", "celsius"): 5 / 9,
}
_BOTH = "Both inputs must be numbers"
_ALL = "All elements in the list must be numbers"
_TOO_LARGE = "Conversion resulted in a value too large to represent"


def _result(value: Any) -> dict[str, Any]:
    return {"result": value}


def _error(text: str) -> dict[str, Any]:
    return {"error": text}


class MathAPI(Simulator):
    """Seventeen functions of numbers and lists of numbers."""

    def logarithm(self, value: Any, base: Any, precision: Any) -> Json:
        try:
            return _result(logarithm(value, base, precision))
        except Exception as error:  # the benchmark answers with whatever was raised
            return _error(str(error))

    def mean(self, numbers: Any) -> Json:
        return _over(numbers, "calculate mean", lambda: sum(numbers) / len(numbers))

    def standard_deviation(self, numbers: Any) -> Json:
        def deviation() -> float:
            middle = sum(numbers) / len(numbers)
            return math.sqrt(sum((number - middle) ** 2 for number in numbers) / len(numbers))

        return _over(numbers, "calculate standard deviation", deviation)

    def si_unit_conversion(self, value: Any, unit_in: Any, unit_out: Any) -> Json:
        if not isinstance(value, (int, float)):
            return _error("Value must be a number")
        if unit_in not in _METRES or unit_out not in _METRES:
            return _error(f"Conversion from '{unit_in}' to '{unit_out}' is not supported")
        try:
            return _result(value * _METRES[unit_in] * (1 / _METRES[unit_out]))
        except OverflowError:
            return _error(_TOO_LARGE)

    def imperial_si_conversion(self, value: Any, unit_in: Any, unit_out: Any) -> Json:
        if not isinstance(value, (int, float)):
            return _error("Value must be a number")
        if unit_in == unit_out:
            return _result(value)
        factor = _FACTORS.get((unit_in, unit_out))
        if factor is None:
            return _error(f"Conversion from '{unit_in}' to '{unit_out}' is not supported")
        try:
            if unit_in == "fahrenheit":
                return _result((value - 32) * factor)
            return _result(value * factor + 32 if unit_in == "celsius" else value * factor)
        except OverflowError:
            return _error(_TOO_LARGE)

    def add(self, a: Any, b: Any) -> Json:
        return _numbers(lambda: a + b)

    def subtract(self, a: Any, b: Any) -> Json:
        return _numbers(lambda: a - b)

    def multiply(self, a: Any, b: Any) -> Json:
        if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
            return _error(_BOTH)
        return _result(a * b)

    def divide(self, a: Any, b: Any) -> Json:
        return _error("Cannot divide by zero") if b == 0 else _numbers(lambda: a / b)

    def power(self, base: Any, exponent: Any) -> Json:
        def raised() -> Any:
            if type(base) is int and type(exponent) is int:
                _refuse_endless(base, exponent)
            return base**exponent

        return _numbers(raised)

    def square_root(self, number: Any, precision: Any) -> Json:
        wrong = _error("Input must be a number or computation resulted in an invalid operation")
        try:
            if number < 0:
                return _error("Cannot calculate square root of a negative number")
            if precision > MAX_PLACES:
                return _error(f"more than {MAX_PLACES} places")
            context = decimal.getcontext().copy()
            context.prec = precision
            return _result(Decimal(number).sqrt(context))
        except (TypeError, InvalidOperation):
            return wrong

    def absolute_value(self, number: Any) -> Json:
        return _numbers(lambda: abs(number), "Input must be a number")

    def round_number(self, number: Any, decimal_places: Any = 0) -> Json:
        wrong = "First input must be a number, second input must be an integer"

        def rounded() -> Any:
            whole = isinstance(number, int) and isinstance(decimal_places, int)
            # Python would work out a power of ten with all its digits to see that nothing is left
            return 0 if whole and -decimal_places > number.bit_length() else round(number, decimal_places)

        return _numbers(rounded, wrong)

    def percentage(self, part: Any, whole: Any) -> Json:
        return _error("Whole value cannot be zero") if whole == 0 else _numbers(lambda: part / whole * 100)

    def min_value(self, numbers: Any) -> Json:
        return _over(numbers, "find minimum", lambda: min(numbers))

    def max_value(self, numbers: Any) -> Json:
        return _over(numbers, "find maximum", lambda: max(numbers))

    def sum_values(self, numbers: Any) -> Json:
        return _over(numbers, "calculate sum", lambda: sum(numbers))


def _numbers(work: Callable[[], Any], wrong: str = _BOTH) -> dict[str, Any]:
    try:
        return _result(work())
    except TypeError:
        return _error(wrong)


def _over(numbers: Any, verb: str, work: Callable[[], Any]) -> dict[str, Any]:
    return _numbers(work, _ALL) if numbers else _error(f"Cannot {verb} of an empty list")


def _refuse_endless(base: int, exponent: int) -> None:
    """A power of more digits than Python prints fails with Python's own words, before it is computed."""
    digits = sys.get_int_max_str_digits() or 4300
    if abs(base) > 1 and exponent * math.log10(abs(base)) > digits + 1:
        raise ValueError(
            f"Exceeds the limit ({digits} digits) for integer string conversion; "
            "use sys.set_int_max_str_digits() to increase the limit"
        )
