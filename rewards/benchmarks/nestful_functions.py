"""The arithmetic functions of NESTFUL v2, which its win rate executes, by their published names.

Two of its several thousand other functions are here as well, those of the published examples; a call of any further one
counts as failed. Each gives one result under one name, which references are checked against.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

_MOST_FACTORIAL = 5000


class NestfulFunction(NamedTuple):
    run: Callable[..., Any]
    output: str = "result"


def _factorial(n: Any) -> int:
    if n > _MOST_FACTORIAL:
        raise OverflowError("too large a factorial")
    if n < 0:
        raise ValueError("a factorial of a negative number")
    return math.prod(range(1, n + 1))


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > 1 << 20:
        raise OverflowError("too large a power")
    return base**exponent


def _choose(n: Any, k: Any) -> int:
    if isinstance(n, int) and isinstance(k, int) and min(k, n - k) * n.bit_length() > 1 << 20:
        raise OverflowError("too many choices")
    return math.comb(n, k)


def _remainder(a: Any, b: Any) -> Any:
    if isinstance(a, str):
        raise TypeError("a text has no remainder")  # Python would fill in its marks, however wide they ask to be
    return a % b


def _gcd(a: Any, b: Any) -> int:
    return math.gcd(int(a), int(b))


def _log(x: Any, base: Any = math.e) -> int:
    return int(math.log(x, base))


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": _power,
    "remainder": _remainder,
    "reminder": _remainder,
    "negate": lambda a: -a,
    "inverse": lambda a: 1 / a,
    "floor": math.floor,
    "sqrt": math.isqrt,
    "log": _log,
    "gcd": _gcd,
    "lcm": lambda a, b: abs(a * b) // _gcd(a, b),
    "factorial": _factorial,
    "choose": _choose,
    "permutation": lambda n, r: _factorial(n) // _factorial(n - r),
    "max_number": max,
    "min_number": min,
    "negate_prob": lambda p: 1 - p,
    "speed": lambda distance, time: distance / time,
    "circle_area": lambda r: math.pi * r**2,
    "circumface": lambda r: 2 * math.pi * r,
    "diagonal": lambda a, b: math.sqrt(a**2 + b**2),
    "rectangle_area": lambda a, b: a * b,
    "rectangle_perimeter": lambda a, b: 2 * (a + b),
    "rhombus_area": lambda a, b: 0.5 * a * b,
    "square_area": lambda a: a * a,
    "square_edge_by_area": math.sqrt,
    "square_edge_by_perimeter": lambda p: p / 4,
    "square_perimeter": lambda a: 4 * a,
    "triangle_area": lambda base, height: 0.5 * base * height,
    "cube_edge_by_volume": lambda v: math.pow(v, 1 / 3),
    "surface_cube": lambda a: 6 * a**2,
    "surface_cylinder": lambda r, h: 2 * math.pi * r * (r + h),
    "surface_sphere": lambda r: 4 * math.pi * r**2,
    "volume_cone": lambda r, h: (1 / 3) * math.pi * r**2 * h,
    "volume_cube": lambda a: a**3,
    "volume_cylinder": lambda r, h: math.pi * r**2 * h,
    "volume_sphere": lambda r: (4 / 3) * math.pi * r**3,
}
for _name in ("max_number", "min_number"):  # of one list, not of several numbers
    _ARITHMETIC[_name] = lambda numbers, choose=_ARITHMETIC[_name]: choose(numbers)

FUNCTIONS: dict[str, NestfulFunction] = {
    **{name: NestfulFunction(run) for name, run in _ARITHMETIC.items()},
    "non_whitespace_substrings": NestfulFunction(lambda input_str: input_str.split(), "output_0"),
    "count_words_from_sentences": NestfulFunction(
        lambda sentences: dict(Counter(word for sentence in sentences for word in sentence.split())), "output_0"
    ),
}


def run_function(function: NestfulFunction, values: list[Any]) -> Any:
    """The result. Raises whatever the function raises, and OverflowError for numbers that nobody could print."""
    for value in values:
        if isinstance(value, int) and value.bit_length() > 4 * (sys.get_int_max_str_digits() or 4300):
            raise OverflowError("too large a number")
        if isinstance(value, (str, list)) and len(value) > 100_000:
            raise OverflowError("too long a value")
    repeats = any(isinstance(value, (str, list)) for value in values)
    if repeats and any(isinstance(value, int) and value > 10_000 for value in values):
        raise OverflowError("too long a value")
    return function.run(*values)
