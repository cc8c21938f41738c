"""Between which two binary numbers does an exact value lie?

Interval arithmetic on mpmath's raw numbers (sign, mantissa, exponent, bits):
an interval is a pair of them, lower end first. Sums, products, quotients and
square roots are rounded outward by mpmath itself; every other function is
evaluated at its ends with guard bits and widened by far more than mpmath's
error. An interval is either finite or one exact infinity.

Three conventions close the gaps of the real formula, as the losses mean them:
a factor that is exactly 0 annihilates (0*log(0) = 0), log(0) = -oo, and a
nonzero value over an exact 0 is an infinity of the numerator's sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from mpmath import libmp
from mpmath.libmp import (
    finf,
    fnan,
    fninf,
    fone,
    from_int,
    from_man_exp,
    fzero,
    mpf_add,
    mpf_cmp,
    mpf_div,
    mpf_mul,
    mpf_neg,
    mpf_sub,
)

Raw = tuple[int, int, int, int]
Interval = tuple[Raw, Raw]

ZERO: Interval = (fzero, fzero)
ONE: Interval = (fone, fone)
PLUS_INFINITY: Interval = (finf, finf)
MINUS_INFINITY: Interval = (fninf, fninf)

_GUARD_BITS = 12
# In units of the last guarded place, where mpmath errs by about one.
_WIDENING = 64
# Beyond 2**_LARGEST_EXPONENT, exp(x) is taken for oo (or lies in [0, _TINY]): its exponent alone would fill memory.
_LARGEST_EXPONENT = 20_000
_FAR_ERFC = 500
_TINY: Raw = from_man_exp(1, -(1 << 40))


class AmbiguousError(ArithmeticError):
    """The enclosure is too wide to decide a case; more precision may do."""


class UndefinedError(ArithmeticError):
    """The formula has no real value at this point."""


def point(value: Raw) -> Interval:
    return (value, value)


def is_zero(x: Interval) -> bool:
    return bool(x[0] == fzero and x[1] == fzero)


def contains_zero(x: Interval) -> bool:
    """Whether 0 lies in the interval: no end is on the far side of it."""
    low, high = x
    return (low == fzero or is_negative(low)) and (high == fzero or not is_negative(high))


def is_negative(value: Raw) -> bool:
    return bool(value[0]) if value[1] else bool(value == fninf)


def is_infinite(value: Raw) -> bool:
    return bool(value in (finf, fninf))


@lru_cache(maxsize=4096)
def rational(numerator: int, denominator: int, precision: int) -> Interval:
    """p/q, exact when it fits."""
    if denominator == 1:
        return point(from_int(numerator))
    low = libmp.from_rational(numerator, denominator, precision, "f")
    return (low, libmp.from_rational(numerator, denominator, precision, "c"))


def negate(x: Interval) -> Interval:
    return (mpf_neg(x[1]), mpf_neg(x[0]))


def add(x: Interval, y: Interval, precision: int) -> Interval:
    low = mpf_add(x[0], y[0], precision, "f")
    if low == fnan:
        raise UndefinedError("oo - oo")
    return (low, mpf_add(x[1], y[1], precision, "c"))


def multiply(x: Interval, y: Interval, precision: int) -> Interval:
    """The product; an exact zero annihilates even an infinity."""
    if is_zero(x) or is_zero(y):
        return ZERO
    a, b = x
    c, d = y
    if a == b and c == d:
        return (mpf_mul(a, c, precision, "f"), mpf_mul(a, c, precision, "c"))
    if not is_negative(a) and not is_negative(c):
        low, high = (a, c), (b, d)
    elif is_negative(b) and is_negative(d):
        low, high = (b, d), (a, c)
    elif is_negative(b) and not is_negative(c):
        low, high = (a, d), (b, c)
    elif is_negative(d) and not is_negative(a):
        low, high = (b, c), (a, d)
    else:
        if is_infinite(a) or is_infinite(c):
            raise AmbiguousError("an infinity times an interval around 0")
        pairs = ((a, c), (a, d), (b, c), (b, d))
        lows = [mpf_mul(p, q, precision, "f") for p, q in pairs]
        highs = [mpf_mul(p, q, precision, "c") for p, q in pairs]
        return (_least(lows), _greatest(highs))
    result = (mpf_mul(*low, precision, "f"), mpf_mul(*high, precision, "c"))
    if fnan in result or is_infinite(result[0]) != is_infinite(result[1]):
        raise AmbiguousError("an infinity times an interval that touches 0")
    return result


def reciprocal(x: Interval, precision: int) -> Interval:
    """1/x; an exact 0 gives +oo, so that x/0 has the sign of x."""
    low, high = x
    if contains_zero(x):
        if is_zero(x):
            return PLUS_INFINITY
        raise AmbiguousError("a denominator around 0")
    return (mpf_div(fone, high, precision, "f"), mpf_div(fone, low, precision, "c"))


def compare(x: Interval, y: Interval) -> int:
    """-1, 0 or 1; equality is decided between exact numbers only."""
    if mpf_cmp(x[0], y[1]) > 0:
        return 1
    if mpf_cmp(x[1], y[0]) < 0:
        return -1
    if x[0] == x[1] == y[0] == y[1]:
        return 0
    raise AmbiguousError("a comparison of overlapping enclosures")


def maximum(x: Interval, y: Interval) -> Interval:
    return (_greatest((x[0], y[0])), _greatest((x[1], y[1])))


def absolute(x: Interval) -> Interval:
    if not is_negative(x[0]):
        return x
    if is_negative(x[1]):
        return negate(x)
    return (fzero, _greatest((mpf_neg(x[0]), x[1])))


def power(x: Interval, exponent: int, precision: int) -> Interval:
    """x**n for an integer n."""
    if exponent == 0:
        return ONE
    if exponent < 0:
        return reciprocal(power(x, -exponent, precision), precision)
    base = absolute(x) if exponent % 2 == 0 else x
    if is_negative(base[0]):  # odd and monotone: end by end
        if not is_negative(base[1]):
            return (negate(power(negate(point(base[0])), exponent, precision))[0],
                    power(point(base[1]), exponent, precision)[1])  # fmt: skip
        return negate(power(negate(base), exponent, precision))
    result: Interval | None = None
    while exponent:
        if exponent & 1:
            result = base if result is None else multiply(result, base, precision)
        exponent >>= 1
        if exponent:
            base = multiply(base, base, precision)
    assert result is not None
    return result


def real_power(x: Interval, exponent: Interval, precision: int) -> Interval:
    """x**e; an integer e takes any base, any other one needs a base that is not negative."""
    if exponent[0] == exponent[1]:
        value = exponent[0]
        if value == fzero:
            return ONE
        if not is_infinite(value) and value[2] >= 0 and value[3] + value[2] <= 16:
            return power(x, int(libmp.to_int(value)), precision)
    if is_zero(x):
        sign = compare(exponent, ZERO)
        return ZERO if sign > 0 else PLUS_INFINITY
    if contains_zero(x):  # the formula is real-valued, so the part below 0 is rounding
        if compare(exponent, ZERO) < 0 or x[1] == fzero:
            raise AmbiguousError("a power of a base around 0")
        return (fzero, exp(multiply(exponent, log(point(x[1]), precision), precision), precision)[1])
    return exp(multiply(exponent, log(x, precision), precision), precision)


def sqrt(x: Interval, precision: int) -> Interval:
    low, high = x
    if is_negative(high):
        raise UndefinedError("the square root of a negative number")
    if is_negative(low):  # the formula is real-valued, so the part below 0 is rounding
        low = fzero
    return (libmp.mpf_sqrt(low, precision, "f"), libmp.mpf_sqrt(high, precision, "c"))


def log(x: Interval, precision: int) -> Interval:
    if is_zero(x):
        return MINUS_INFINITY
    if is_negative(x[1]):
        raise UndefinedError("the logarithm of a negative number")
    if contains_zero(x):
        raise AmbiguousError("the logarithm of an enclosure around 0")
    return _monotone(libmp.mpf_log, x, precision)


def exp(x: Interval, precision: int) -> Interval:
    low, high = x
    if low == high:
        return _widened_exp(low, precision)
    result = (_widened_exp(low, precision)[0], _widened_exp(high, precision)[1])
    if is_infinite(result[0]) != is_infinite(result[1]):
        raise AmbiguousError("an exponential that overflows at one end only")
    return result


def _widened_exp(value: Raw, precision: int) -> Interval:
    if not value[1]:
        return _widened(libmp.mpf_exp, value, precision)
    if magnitude(value) > _LARGEST_EXPONENT:
        return (fzero, _TINY) if value[0] else PLUS_INFINITY
    return _widened(libmp.mpf_exp if magnitude(value) < 20 else _reduced_exp, value, precision)


def _reduced_exp(value: Raw, precision: int, rounding: str) -> Raw:
    """exp(n log 2 + rest) = 2**n exp(rest); mpmath would raise e to a large integer instead."""
    working = precision + magnitude(value) + 10
    log_2 = libmp.mpf_ln2(working)
    n = int(libmp.to_int(mpf_div(value, log_2, working), "f"))
    rest = mpf_sub(value, mpf_mul(log_2, from_int(n), working), working)
    result: Raw = libmp.mpf_shift(libmp.mpf_exp(rest, precision, rounding), n)
    return result


def expm1(x: Interval, precision: int) -> Interval:
    """exp(x) - 1 with as many digits where x is tiny."""
    return _monotone(_expm1, x, precision)


def _expm1(value: Raw, precision: int, rounding: str) -> Raw:
    if not value[1]:
        return mpf_sub(libmp.mpf_exp(value, precision, rounding), fone, precision, rounding)
    size = magnitude(value)
    if size < -precision - 2:  # x <= exp(x) - 1 <= x + x**2
        return value
    if size > _LARGEST_EXPONENT:
        return libmp.fnone if value[0] else finf
    growth = (libmp.mpf_exp if size < 20 else _reduced_exp)(value, precision + max(0, -size) + 10, "n")
    return mpf_sub(growth, fone, precision, rounding)


def sinh(x: Interval, precision: int) -> Interval:
    return _monotone(_guarded(libmp.mpf_sinh), x, precision)


def cosh(x: Interval, precision: int) -> Interval:
    return _monotone(_guarded(libmp.mpf_cosh), absolute(x), precision)


def tanh(x: Interval, precision: int) -> Interval:
    return _monotone(libmp.mpf_tanh, x, precision)


def atan(x: Interval, precision: int) -> Interval:
    return _monotone(libmp.mpf_atan, x, precision)


def asinh(x: Interval, precision: int) -> Interval:
    return _monotone(libmp.mpf_asinh, x, precision)


def erf(x: Interval, precision: int) -> Interval:
    return _monotone(libmp.mpf_erf, x, precision)


def erfc(x: Interval, precision: int) -> Interval:
    return negate(_monotone(lambda v, p, r: mpf_neg(_erfc(v, p, r)), x, precision))


def half_erfc(x: Interval, precision: int) -> Interval:
    """erfc(x)/2: the normal distribution function at -x*sqrt(2)."""
    low, high = erfc(x, precision)
    return (libmp.mpf_shift(low, -1), libmp.mpf_shift(high, -1))


def log_half_erfc(x: Interval, precision: int) -> Interval:
    """log(erfc(x)/2), with as many digits where erfc(x) is nearly 2."""
    return negate(_monotone(lambda v, p, r: mpf_neg(_log_half_erfc(v, p, r)), x, precision))


def _log_half_erfc(value: Raw, precision: int, rounding: str) -> Raw:
    if not value[0]:
        return libmp.mpf_log(libmp.mpf_shift(_erfc(value, precision + 10, "n"), -1), precision, rounding)
    tail = libmp.mpf_shift(_erfc(mpf_neg(value), precision + 10, "n"), -1)
    if not tail[1] or magnitude(tail) < -precision - 2:  # -t - t**2 <= log(1 - t) <= -t
        return mpf_neg(tail)
    complement = mpf_sub(fone, tail, precision - magnitude(tail) + 20, "n")
    return libmp.mpf_log(complement, precision, rounding)


def _erfc(value: Raw, precision: int, rounding: str) -> Raw:
    is_far = value[1] and not value[0] and magnitude(value) > _FAR_ERFC
    return (_far_erfc if is_far else libmp.mpf_erfc)(value, precision, rounding)


def _far_erfc(value: Raw, precision: int, rounding: str) -> Raw:
    """erfc beyond 2**_FAR_ERFC, where mpmath overflows: exp(-x**2)/(x*sqrt(pi))*(1 - 1/(2*x**2) + 3/(2*x**2)**2 - ...).

    The series is asymptotic; a term is below 2**-900 of the one before, and the error below the first one left out.
    """
    square = mpf_mul(value, value)
    inverse = libmp.mpf_shift(mpf_div(fone, square, precision, "n"), -1)
    total, term, k = fone, fone, 1
    while magnitude(term) > -precision:
        term = mpf_neg(mpf_mul(mpf_mul(term, from_int(2 * k - 1)), inverse, precision, "n"))
        total, k = mpf_add(total, term, precision, "n"), k + 1
    decay = _reduced_exp(mpf_neg(square), precision, "n")
    root = libmp.mpf_sqrt(libmp.mpf_pi(precision, "n"), precision, "n")
    result: Raw = mpf_div(mpf_mul(decay, total), mpf_mul(value, root), precision, rounding)
    return result


def cos(x: Interval, precision: int) -> Interval:
    return _widen_ends(libmp.mpi_cos(x, precision + _GUARD_BITS), precision)


def sin(x: Interval, precision: int) -> Interval:
    return _widen_ends(libmp.mpi_sin(x, precision + _GUARD_BITS), precision)


def middle(x: Interval) -> Raw:
    """The middle of a finite interval, exactly."""
    result: Raw = libmp.mpf_shift(mpf_add(x[0], x[1]), -1)
    return result


def magnitude(value: Raw) -> int:
    """The e with 2**(e-1) <= |value| < 2**e, of a finite nonzero number."""
    return int(value[2] + value[3])


def is_below(x: Interval, exponent: int) -> bool:
    """Whether the whole interval lies below 2**exponent in magnitude."""
    return all(v == fzero or (v[1] and magnitude(v) <= exponent) for v in x)


def is_narrow(x: Interval, bits: int) -> bool:
    """Whether the width is at most 2**-bits of the magnitude."""
    low, high = x
    if low == high:
        return True
    if contains_zero(x) or is_infinite(low) or is_infinite(high):
        return False
    width = mpf_sub(high, low, 10, "u")
    return magnitude(width) <= min(magnitude(low), magnitude(high)) - 1 - bits


def _least(values: Sequence[Raw]) -> Raw:
    result = values[0]
    for value in values[1:]:
        if mpf_cmp(value, result) < 0:
            result = value
    return result


def _greatest(values: Sequence[Raw]) -> Raw:
    result = values[0]
    for value in values[1:]:
        if mpf_cmp(value, result) > 0:
            result = value
    return result


def _widened(function: Callable[..., Raw], value: Raw, precision: int) -> Interval:
    """function(value) with guard bits, widened outward; 0 and the infinities are exact."""
    working = precision + _GUARD_BITS
    result = function(value, working, "n")
    sign, mantissa, exponent, bits = result
    if not mantissa:
        if result == fnan:
            raise UndefinedError("no real value")
        return (result, result)
    if result == fone and value == fzero:
        return ONE
    shift = working - bits
    if shift > 0:
        mantissa, exponent = mantissa << shift, exponent - shift
    signed = -mantissa if sign else mantissa
    return (from_man_exp(signed - _WIDENING, exponent), from_man_exp(signed + _WIDENING, exponent))


def _widen_ends(x: Interval, precision: int) -> Interval:
    keep = lambda v, p, r: libmp.mpf_pos(v, p, r)  # noqa: E731
    return (_widened(keep, x[0], precision)[0], _widened(keep, x[1], precision)[1])


def _monotone(function: Callable[..., Raw], x: Interval, precision: int) -> Interval:
    low, high = x
    if low == high:
        return _widened(function, low, precision)
    return (_widened(function, low, precision)[0], _widened(function, high, precision)[1])


def _guarded(function: Callable[..., Raw]) -> Callable[..., Raw]:
    """sinh and cosh for arguments whose exponential would fill memory."""

    def guarded(value: Raw, precision: int, rounding: str) -> Raw:
        if value[1] and magnitude(value) > _LARGEST_EXPONENT:
            infinite: Raw = fninf if value[0] and function is libmp.mpf_sinh else finf
            return infinite
        return function(value, precision, rounding)

    return guarded
