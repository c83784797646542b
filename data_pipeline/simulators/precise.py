"""Logarithms to a wanted number of decimal places, printed as the mpmath library prints its floats.

The benchmark's `logarithm` gives an mpmath number, whose text is the result that verdicts compare. mpmath works in binary:
d decimal places are round((d + 1) * log2(10)) bits, every operation is rounded to the nearest number of so many bits, and a
number's text has three places more than its bits can hold. The same is done here with decimals and fractions.
"""

import decimal
from decimal import Decimal
from fractions import Fraction

_BITS_PER_PLACE = 3.3219280948873626
MAX_PLACES = 1000
"""More places are refused: the benchmark would compute for minutes."""


class PreciseFloat:
    """A number of so many bits; its `repr` is mpmath's."""

    def __init__(self, value: Fraction, bits: int) -> None:
        self.value = round_to_bits(value, bits)
        self.bits = bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PreciseFloat) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"mpf('{text_of(self.value, shown_places(self.bits))}')"


def bits_of_places(places: int) -> int:
    return max(1, round((int(places) + 1) * _BITS_PER_PLACE))


def shown_places(bits: int) -> int:
    places = max(1, round(int(bits) / _BITS_PER_PLACE) - 1)
    return 17 if places == 15 else places + 3


def logarithm(value: object, base: object, places: object) -> PreciseFloat:
    """log(value) / log(base), each step rounded to `places` decimal places.

    Raises TypeError and ValueError in mpmath's words for what is no number; ValueError where there is no real, finite
    logarithm or for too many places; ZeroDivisionError for base 1.
    """
    whole = int(places)  # type: ignore[call-overload]
    if whole > MAX_PLACES:
        raise ValueError(f"more than {MAX_PLACES} places")
    bits = bits_of_places(whole)
    above, below = _log(_number(value), bits), _log(_number(base), bits)
    if not below:
        raise ZeroDivisionError
    return PreciseFloat(above / below, bits)


def _number(value: object) -> Decimal:
    try:
        if isinstance(value, (int, float)):
            return Decimal(value)
        return Decimal(value if isinstance(value, str) else "")
    except decimal.InvalidOperation:
        raise (ValueError if isinstance(value, str) else TypeError)(f"cannot create mpf from {value!r}") from None


def _log(number: Decimal, bits: int) -> Fraction:
    if not (number > 0 and number.is_finite()):
        raise ValueError("no real, finite logarithm")
    with decimal.localcontext(decimal.Context(prec=int(bits / 3) + 40, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)):
        return round_to_bits(Fraction(number.ln()), bits)


def round_to_bits(value: Fraction, bits: int) -> Fraction:
    """The nearest number whose mantissa has so many bits; ties go to the even mantissa."""
    if value == 0:
        return value
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length() - bits
    scaled = _scale(size, -exponent)
    if scaled >= 1 << bits:
        exponent += 1
        scaled /= 2
    elif scaled < 1 << (bits - 1):
        exponent -= 1
        scaled *= 2
    rounded = _scale(Fraction(round(scaled)), exponent)
    return rounded if value > 0 else -rounded


def _scale(value: Fraction, power: int) -> Fraction:
    return value * (1 << power) if power >= 0 else value / (1 << -power)


def text_of(value: Fraction, places: int) -> str:
    """So many significant digits, halves to even, without trailing zeros, as mpmath writes them."""
    if value == 0:
        return "0.0"
    with decimal.localcontext(decimal.Context(prec=places, rounding=decimal.ROUND_HALF_EVEN)):
        sign, digits, shift = (Decimal(value.numerator) / Decimal(value.denominator)).normalize().as_tuple()
    assert isinstance(shift, int)
    text = "".join(map(str, digits))
    point = len(text) + shift  # digits before the decimal point
    exponent = point - 1
    lowest = min(-(places // 3), -5)
    if lowest < exponent < places:
        if point <= 0:
            body = "0." + "0" * -point + text
        else:
            whole = text[:point].ljust(point, "0")
            body = f"{whole}.{text[point:] or '0'}"
    else:
        body = f"{text[0]}.{text[1:] or '0'}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"
    return ("-" if sign else "") + body
