"""Which values may the parameters of a loss take?

A parameter is a finite real number: int, float, Fraction or a NumPy scalar.
It is always checked, whatever `check_domain` says, because it is checked once
and a wrong one makes every result wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

import numpy as np

from .domains import contains, number, read_domain
from .errors import ParameterError


def nearest(name: str, known: Sequence[str]) -> str:
    """`; did you mean 'x'?` for a mistyped name, or nothing."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def default_of(declared: Mapping[str, Any]) -> float | None:
    """The default a parameter declares: an int, a float, or a text such as `1/3`."""
    default = declared.get("default")
    return number(default) if isinstance(default, str) else default


def bind(
    loss: str, declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any], call: str = ""
) -> dict[str, float]:
    """Every parameter's value, in the order of the declaration, checked.

    `call` is how the loss was asked for, up to its parameters, for the advice to give more.

    Raises ParameterError when a name is unknown, a value is missing, is no
    real number, or lies outside the declared domain.
    """
    for name in given:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise ParameterError(
                f"{loss} has no parameter {name!r} (its parameters: {known}){nearest(name, list(declared))}"
            )
    return {name: _value(loss, name, facts, given, call or f"{loss}(") for name, facts in declared.items()}


def _value(loss: str, name: str, declared: Mapping[str, Any], given: Mapping[str, Any], call: str) -> float:
    domain = read_domain(declared["domain"])
    value = given.get(name, default_of(declared))
    if value is None:
        raise ParameterError(
            f"{loss} needs its parameter {name!r}, a number in {domain.text}: it has no default; "
            f"write {call}{name}=...)"
        )
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise ParameterError(f"{loss}: {name} must be a real number in {domain.text}, got {value!r}")
    try:
        bound: float = int(value) if isinstance(value, Integral) else float(value)
        inside = contains(domain, float(bound))
    except OverflowError:
        inside = False
    if not inside:
        raise ParameterError(f"{loss}: {name}={value!r} lies outside its domain {domain.text}; choose a number in it")
    return bound


def rounded(loss: str, declared: Mapping[str, Mapping[str, Any]], bound: Mapping[str, float], dtype: Any) -> list[Any]:
    """The parameters as NumPy scalars of the computing dtype.

    Raises ParameterError when the rounding takes one out of its domain, as
    float32 does to delta=1e-60 in `(0, oo)`.
    """
    with np.errstate(all="ignore"):
        scalars = [np.dtype(dtype).type(value) for value in bound.values()]
    for (name, value), scalar in zip(bound.items(), scalars, strict=True):
        domain = read_domain(declared[name]["domain"])
        if not contains(domain, float(value), dtype):
            raise ParameterError(
                f"{loss}: {name}={value!r} becomes {scalar} in {scalar.dtype}, outside its domain {domain.text}; "
                "pass float64 arrays, or choose another value"
            )
    return scalars
