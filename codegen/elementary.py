"""Which elementary functions does generated C bring along? exp, expm1, log, log1p and tanh that become vector code.

A C library calls a function for each number; these are inlined, without branches, so a compiler makes vector
instructions of the loop around them. Their polynomials are fitted by `minimax`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

import jinja2

from .coefficients import COEFFICIENTS
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

# What is smaller than `linear` is its own expm1 and tanh. exp(x) is 0 below -exp_low and infinite above exp_high;
# exp_low is so large that 2**k is 0 in two factors, each of which is a normal number. 1.5*2**mantissa + n has n in its
# last bits.
_FORMAT = {
    "f64": {
        "u": "uint64_t", "mantissa": 52, "halfway": "64.0", "exp_low": "750.0", "exp_high": "720.0",
        "expm1_low": "50.0", "expm1_high": "709.9", "shift_up": (1023 + 64, 52), "shift_down": (1023 - 64, 52),
        "shift_half": (1022, 52), "back_up": "0x1p64", "back_down": "0x1p-64", "least_normal": "0x1p-1022",
        "three_quarters": "0x3fe8000000000000u", "exponent_mask": "0xfff0000000000000u",
        "two_bits": "0x4000000000000000u", "linear": "0x1p-60", "integer_bits": "0x4338000000000800u",
        "integer_shift": (2048, 52),
    },
    "f32": {
        "u": "uint32_t", "mantissa": 23, "halfway": "32.0", "exp_low": "106.0", "exp_high": "91.0",
        "expm1_low": "30.0", "expm1_high": "88.8", "shift_up": (127 + 32, 23), "shift_down": (127 - 32, 23),
        "shift_half": (126, 23), "back_up": "0x1p32", "back_down": "0x1p-32", "least_normal": "0x1p-126",
        "three_quarters": "0x3f400000u", "exponent_mask": "0xff800000u", "two_bits": "0x40000000u",
        "linear": "0x1p-30", "integer_bits": "0x4b400100u", "integer_shift": (256, 23),
    },
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
def _template() -> jinja2.Template:
    folder = Path(__file__).parent / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("elementary.c.j2")


@functools.cache
def source(wanted: frozenset[str], precision: Precision) -> str:
    """The C text of these functions in one precision, such as exp_v and exp_vf."""
    known = COEFFICIENTS[precision.name]
    values = {
        key: f"{float.fromhex('0x1.8p0') * 2.0 ** value[1] + value[0]:.1f}" if isinstance(value, tuple) else value
        for key, value in _FORMAT[precision.name].items()
    }
    return _template().render(
        wanted=wanted, t=precision.c_type, s=precision.function_suffix, l=precision.literal_suffix,
        exp_q=list(known["EXP"]), log_p=list(known["LOG"]), ln2hi=known["LN2HI"][0], ln2lo=known["LN2LO"][0],
        log2e=known["LOG2E"][0], **values,
    ).strip()  # fmt: skip
