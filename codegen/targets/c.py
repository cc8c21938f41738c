"""C99 with no dependency but libm, and exp, log and their kin as vector code; float64 and float32 from one kernel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ...spec.names import RESERVED_C
from ..elementary import OF_ONE, names
from ..target import FLOAT32, FLOAT64, Precision, Target, TargetError


def _literal(value: Fraction, precision: Precision) -> str:
    number = float(value)
    text = repr(number) if precision is FLOAT64 else str(np.float32(number))
    if "inf" in text:
        raise TargetError(f"the constant {value} is beyond the range of {precision.c_type}")
    return (text if any(c in text for c in ".e") else f"{text}.0") + precision.literal_suffix


# What write_c has beside the elementary functions.
HELPERS = ("maximum", "minimum", "sign", "hypot_v", "sinh_v", "squared")
_LIBM = ("sqrt", "cosh", "sin", "cos", "erf")

# The functions of the fast tier.
FAST_CALLS = {
    **{f: f"{f}_fast{{s}}({{0}})" for f in OF_ONE},
    "arctan": "atan_fast{s}({0})",
    "pow": "pow_fast{s}({0}, {1})",
    "exp_difference": "exp_difference_fast{s}({0}, {1})",
}

C = Target(
    name="c",
    extension=".c",
    template="kernel.c.j2",
    calls={
        **{f: f"{f}{{s}}({{0}})" for f in _LIBM},
        **{f: f"{f}_v{{s}}({{0}})" for f in OF_ONE},
        "exp_difference": "exp_difference_v{s}({0}, {1})",
        "infinity": "HUGE_VAL{S}",
        "arctan": "atan_v{s}({0})",
        "abs": "fabs{s}({0})",
        "hypot": "hypot_v{s}({0}, {1})",
        "sinh": "sinh_v{s}({0})",
        "pow": "pow_v{s}({0}, {1})",
        "fmod": "fmod{s}({0}, {1})",
        "nearest": "rint{s}({0})",
        "max": "maximum{s}({0}, {1})",
        "min": "minimum{s}({0}, {1})",
        "sign": "sign{s}({0})",
    },
    literal=_literal,
    select="({c} ? {a} : {b})",
    typed="{0}",
    boolean={"and": "&&", "or": "||", "not": "!"},
    reserved=RESERVED_C
    | {f"{name}{s}" for name in HELPERS for s in ("", "f")}
    | names()
    | {f"{name}_rows" for name in (*names(), *_LIBM, "sinh_v", "hypot_v", "sinh_vf", "hypot_vf", "coshf")}
    | {"n", "K", "weight", "inputs", "parameters", "constants", "outputs", "labels", "scratch", "rows", "row", "zeros"}
    | {"EACH_ROW", "ONCE", "HELPER", "LOSSFORGE_FAST", "LOSSFORGE_NO_F64", "LOSSFORGE_NO_F32"}
    | {
        f"{name}_{p}"
        for name in ("ROWS", "INPUTS", "OUTPUTS", "SMALL", "kernel", "label", "shape", "work")
        for p in ("f32", "f64")
    }
    | {
        f"{name}_{p}"
        for name in ("in_blocks", "turned", "turned_back", "weigh", "add", "joined")
        for p in ("f32", "f64")
    },
    precisions=(FLOAT64, FLOAT32),
    eager_select=False,
)
