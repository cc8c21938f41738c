"""Which functions may a formula name, and what are their values?

Each is computed on mpmath's raw numbers at a precision that is given. What has no value, or none that can be computed,
raises UndefinedError. The atoms of spec/atoms.py are defined anew here: nothing that the prover knows is used.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from mpmath import libmp

TOO_LARGE = 41  # exp(2**41) is neither computed nor needed; exp(-2**41) counts as 0
Raw = Any  # mpmath's tuples; its numbers have no types either
Number = Any
INFINITE = "oo"  # what an UndefinedError says where a claim speaks of infinity


class UndefinedError(ArithmeticError):
    """The formula has no value here, or none that can be computed."""


class TooLargeError(UndefinedError):
    """What has a value, and one so large that it is not computed: its product with what was rounded to 0 is not 0."""


class UnreadableError(ValueError):
    """A text is not a formula in the known names."""


# The atoms of spec/atoms.py, in words of this module's own.
DEFINED: dict[str, tuple[str, str]] = {
    "log1p": ("x", "log(1 + x)"),
    "expm1": ("x", "exp(x) - 1"),
    "sech": ("x", "1/cosh(x)"),
    "softplus": ("x", "log(1 + exp(x))"),
    "sigmoid": ("x", "1/(1 + exp(-x))"),
    "log_cosh": ("x", "log(cosh(x))"),
    "xlogy": ("x y", "0 if x == 0 else x*log(y)"),
    "xlog1py": ("x y", "0 if x == 0 else x*log(1 + y)"),
    "xdivy": ("x y", "0 if x == 0 else x/y"),
    "hypot": ("x y", "sqrt(x**2 + y**2)"),
    "hypot1": ("x", "sqrt(1 + x**2)"),
    "hypot1m1": ("x", "sqrt(1 + x**2) - 1"),
    "half_tangent": ("x", "x/(1 + sqrt(1 + x**2))"),
    "log1p_square": ("x", "log(1 + x**2)"),
    "lorentzian": ("x", "1/(1 + x**2)"),
    "lorentzian_odd": ("x", "x/(1 + x**2)"),
    "algebraic_sigmoid": ("x", "x/sqrt(1 + x**2)"),
    "arctan": ("x", "atan(x)"),
    "ndtr": ("x", "erfc(-x/sqrt(2))/2"),
}


def _bits(x: Raw) -> int:
    """|x| < 2**_bits(x)."""
    return int(x[2] + x[3]) if x[1] else 0


def _exp(x: Raw, prec: int) -> Raw:
    if _bits(x) > TOO_LARGE:
        if x[0]:
            return libmp.fzero
        raise TooLargeError("an exponential is too large")
    return libmp.mpf_exp(x, prec, "n")


def _hyperbolic(function: Callable[..., Raw], x: Raw, prec: int) -> Raw:
    if _bits(x) > TOO_LARGE:
        raise TooLargeError("an exponential is too large")
    return function(x, prec, "n")


def _tanh(x: Raw, prec: int) -> Raw:
    if _bits(x) > TOO_LARGE:
        return libmp.fnone if x[0] else libmp.fone
    return libmp.mpf_tanh(x, prec, "n")


def _periodic(function: Callable[..., Raw], x: Raw, prec: int) -> Raw:
    if _bits(x) > 4000:
        raise UndefinedError("a sine of what is too large")
    return function(x, prec, "n")


def _erfc(x: Raw, prec: int) -> Raw:
    if _bits(x) > 20:
        return libmp.from_int(2) if x[0] else libmp.fzero
    return libmp.mpf_erfc(x, prec, "n")


def _sqrt(x: Raw, prec: int) -> Raw:
    return libmp.mpf_sqrt(x, prec, "n")


def power(base: Raw, exponent: Raw, prec: int) -> Raw:
    if exponent == libmp.fzero:
        return libmp.fone
    if base == libmp.fzero:
        if libmp.mpf_sign(exponent) > 0:
            return libmp.fzero
        raise UndefinedError("a negative power of 0")
    if _bits(exponent) + (abs(_bits(base)) + 1).bit_length() > TOO_LARGE:
        size = libmp.mpf_mul(libmp.mpf_log(libmp.mpf_abs(base), 53, "n"), exponent, 53, "n")
        if _bits(size) > TOO_LARGE:
            if size[0]:
                return libmp.fzero
            raise TooLargeError("a power is too large")
    return libmp.mpf_pow(base, exponent, prec, "n")


UNARY: dict[str, Callable[[Raw, int], Raw]] = {
    "exp": _exp,
    "log": lambda x, prec: libmp.mpf_log(x, prec, "n"),
    "sqrt": _sqrt,
    "abs": lambda x, prec: libmp.mpf_abs(x),
    "sign": lambda x, prec: libmp.from_int(libmp.mpf_sign(x)),
    "sin": partial(_periodic, libmp.mpf_sin),
    "cos": partial(_periodic, libmp.mpf_cos),
    "tan": partial(_periodic, libmp.mpf_tan),
    "atan": lambda x, prec: libmp.mpf_atan(x, prec, "n"),
    "sinh": partial(_hyperbolic, libmp.mpf_sinh),
    "cosh": partial(_hyperbolic, libmp.mpf_cosh),
    "tanh": _tanh,
    "erf": lambda x, prec: (
        libmp.mpf_sub(libmp.fone, _erfc(x, prec), prec, "n") if _bits(x) > 0 else libmp.mpf_erf(x, prec, "n")
    ),
    "erfc": _erfc,
}
COMPARE: dict[type[ast.cmpop], Callable[[int], bool]] = {
    ast.Lt: lambda s: s < 0,
    ast.LtE: lambda s: s <= 0,
    ast.Gt: lambda s: s > 0,
    ast.GtE: lambda s: s >= 0,
    ast.Eq: lambda s: s == 0,
    ast.NotEq: lambda s: s != 0,
}


def parsed(text: str) -> ast.expr:
    if len(text) > 20_000:
        raise UnreadableError("a formula of more than 20000 characters")
    try:
        return ast.parse(re.sub(r"\blambda\b", "lambda_", text.strip()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnreadableError(f"{text!r} is not a formula: {error}") from None


BODIES = {name: (arguments.split(), parsed(text)) for name, (arguments, text) in DEFINED.items()}
