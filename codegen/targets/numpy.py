"""NumPy: whole arrays, either precision; both branches of a choice are evaluated."""

from __future__ import annotations

from fractions import Fraction

from ...spec.names import RESERVED_PYTHON
from ..target import FLOAT64, Arrays, Precision, Target


def literal(value: Fraction, precision: Precision) -> str:
    """A Python float: it takes the precision of the array it meets."""
    return repr(float(value))


def exp_difference(module: str) -> str:
    """The source of exp(a - b), for a library with these names of functions."""
    return f"""
def exp_difference(a, b):
    # exp(a - b). What the rounded difference lacks (Knuth) is put right after, or exp would amplify it by |a - b|.
    difference = a - b
    back = difference - a
    lost = (a - (difference - back)) - (b + back)
    whole = {module}.exp(difference)
    return {module}.where(difference < -1000.0, whole, whole + whole * lost)
"""


_SAME_NAME = ("exp", "expm1", "log", "log1p", "sqrt", "sinh", "cosh", "tanh", "sin", "cos", "hypot", "sign", "abs")


def calls(module: str) -> dict[str, str]:
    """NumPy's functions, in NumPy or in a module that has them by the same names."""
    return {
        **{f: f"{module}.{f}({{0}}{', {1}' if f == 'hypot' else ''})" for f in _SAME_NAME},
        "exp_difference": "exp_difference({0}, {1})",
        "infinity": f"{module}.inf",
        "atan": f"{module}.arctan({{0}})",
        "arctan": f"{module}.arctan({{0}})",
        "pow": f"{module}.power({{0}}, {{1}})",
        "fmod": f"{module}.fmod({{0}}, {{1}})",
        "nearest": f"{module}.rint({{0}})",
        "max": f"{module}.maximum({{0}}, {{1}})",
        "min": f"{module}.minimum({{0}}, {{1}})",
    }


def arrays(module: str) -> Arrays:
    """NumPy's way with whole arrays, in NumPy or in a module that has it by the same names."""
    return Arrays(
        head="dtype = {0}.dtype.type",
        reduce={op: f"{module}.{op}({{0}}, axis=1, keepdims=True)" for op in ("sum", "max", "argmax")},
        take=f"{module}.take_along_axis({{0}}, {{1}}, axis=1)",
        broadcast=f"{module}.broadcast_to({{0}}, {{1}}).copy()",
        classes=f"{module}.arange({{0}}.shape[1])",
        fill=None,
        helpers={"exp_difference": exp_difference(module)},
    )


NUMPY = Target(
    name="numpy",
    extension=".py",
    template="kernel.py.j2",
    calls=calls("np"),
    literal=literal,
    select="np.where({c}, {a}, {b})",
    typed="dtype({0})",
    boolean={"and": "&", "or": "|", "not": "~"},
    reserved=RESERVED_PYTHON | {"np", "K", "classes", "dtype", "exp_difference"},
    precisions=(FLOAT64,),
    eager_select=True,
    arrays=arrays("np"),
)
