"""Which elementary functions does generated C bring along? exp, expm1, log, log1p and tanh that become vector code.

A C library calls a function for each number; these are inlined, without branches, so a compiler makes vector
instructions of the loop around them. Their polynomials are fitted by `minimax`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from .coefficients import COEFFICIENTS
from .environment import environment
from .target import Precision

NEEDS: dict[str, tuple[str, ...]] = {  # what a function stands on
    "exp": ("reduced",), "expm1": ("expm1_of",), "tanh": ("expm1_of",), "log": ("log_of",), "log1p": ("log_of",),
    "expm1_of": ("reduced",), "reduced": ("fused",), "log_of": ("fused",), "fused": (),
}  # fmt: skip
FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh")
HELPERS = (
    *(f"{f}_v" for f in FUNCTIONS),
    "fused",
    "from_bits",
    "to_bits",
    "reduced",
    "expm1_of",
    "exponent_of",
    "log_of",
)

# exp(x) is 0 below -exp_low and infinite above exp_high; expm1(x) is -1 below -expm1_low. What is smaller than `linear`
# is its own expm1 and tanh. 2**k is 0 in two factors, 2**halfway apart, each of which is a normal number.
_FORMAT: dict[str, dict[str, Any]] = {
    "f64": {
        "u": "uint64_t", "mantissa": 52, "bias": 1023, "halfway": 64, "exp_low": "750.0", "exp_high": "720.0",
        "expm1_low": "50.0", "expm1_high": "709.9", "linear": "0x1p-60",
    },
    "f32": {
        "u": "uint32_t", "mantissa": 23, "bias": 127, "halfway": 32, "exp_low": "106.0", "exp_high": "91.0",
        "expm1_low": "30.0", "expm1_high": "88.8", "linear": "0x1p-30",
    },
}  # fmt: skip


def _layout(mantissa: int, bias: int, halfway: int) -> dict[str, str]:
    """Numbers and bit patterns that follow from a format. 1.5*2**mantissa + n has n in its last bits."""

    def holding(n: int) -> str:
        return f"{1.5 * 2.0**mantissa + n:.1f}"

    def bits(exponent: int, fraction: float) -> int:
        """Of (1 + fraction)*2**exponent."""
        return (exponent + bias << mantissa) + int(fraction * 2**mantissa)

    sign = 2 * (bias + 1)  # the sign bit, beside the exponent
    patterns = {
        "three_quarters": bits(-1, 0.5), "two_bits": bits(1, 0), "exponent_mask": 2 * sign - 1 << mantissa,
        "integer_bits": bits(mantissa, 0.5) ^ sign,
    }  # fmt: skip
    return {
        "shift_up": holding(bias + halfway), "shift_down": holding(bias - halfway), "shift_half": holding(bias - 1),
        "integer_shift": holding(sign), "back_up": f"0x1p{halfway}", "back_down": f"0x1p-{halfway}",
        "least_normal": f"0x1p-{bias - 1}", **{name: f"0x{value:x}u" for name, value in patterns.items()},
    }  # fmt: skip


def closure(called: Iterable[str]) -> frozenset[str]:
    """The functions that are called, and those that they stand on."""
    found, todo = set[str](), [f for f in called if f in FUNCTIONS]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += NEEDS[name]
    return frozenset(found)


@functools.cache
def source(wanted: frozenset[str], precision: Precision) -> str:
    """The C text of these functions in one precision, such as exp_v and exp_vf."""
    known = COEFFICIENTS[precision.name]
    made = _FORMAT[precision.name]
    values = made | _layout(made["mantissa"], made["bias"], made["halfway"]) | {"halfway": f"{made['halfway']}.0"}
    return environment().get_template("elementary.c.j2").render(
        wanted=wanted, t=precision.c_type, s=precision.function_suffix, l=precision.literal_suffix,
        exp_q=list(known["EXP"]), log_p=list(known["LOG"]), ln2hi=known["LN2HI"][0], ln2lo=known["LN2LO"][0],
        log2e=known["LOG2E"][0], **values,
    ).strip()  # fmt: skip
