"""NumPy: whole arrays, either precision; both branches of a choice are evaluated."""

from __future__ import annotations

from fractions import Fraction

from ...spec.names import RESERVED_PYTHON
from ..target import FLOAT64, Precision, Target


def _literal(value: Fraction, precision: Precision) -> str:
    """A Python float: it takes the precision of the array it meets."""
    return repr(float(value))


_SAME_NAME = ("exp", "expm1", "log", "log1p", "sqrt", "sinh", "cosh", "tanh", "sin", "cos", "hypot", "sign", "abs")

NUMPY = Target(
    name="numpy",
    extension=".py",
    template="kernel.py.j2",
    calls={
        **{f: f"np.{f}({{0}}{', {1}' if f == 'hypot' else ''})" for f in _SAME_NAME},
        "exp_difference": "exp_difference({0}, {1})",
        "infinity": "np.inf",
        "atan": "np.arctan({0})",
        "arctan": "np.arctan({0})",
        "pow": "np.power({0}, {1})",
        "fmod": "np.fmod({0}, {1})",
        "nearest": "np.rint({0})",
        "max": "np.maximum({0}, {1})",
        "min": "np.minimum({0}, {1})",
    },
    literal=_literal,
    select="np.where({c}, {a}, {b})",
    typed="dtype({0})",
    boolean={"and": "&", "or": "|", "not": "~"},
    reserved=RESERVED_PYTHON | {"np", "K", "classes", "dtype", "exp_difference"},
    precisions=(FLOAT64,),
    eager_select=True,
)
