"""Which elementary functions does generated C bring along? exp, log, pow and their kin, that become vector code.

A C library calls a function for each number; these are inlined, without branches, so a compiler makes vector
instructions of the loop around them. Their polynomials are fitted by `minimax`. The functions of pairs, doubles with
twice the digits, are those of Dekker (1971), A floating-point technique for extending the available precision, and
Joldes, Muller and Popescu (2017), Tight and rigorous error bounds for basic building blocks of double-word arithmetic.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Set
from typing import Any

from .coefficients import COEFFICIENTS
from .environment import environment
from .target import FLOAT32, FLOAT64, Precision

# On pairs of doubles: what the template pairs.c.j2 offers.
PAIRS = (
    "pair_of", "pair_value", "pair_rounded", "pair_order", "pair_if", "pair_neg",
    "pair_abs", "pair_sum", "pair_diff", "pair_add_d", "pair_add",
    "pair_sub", "pair_prod", "pair_mul_d", "pair_mul", "pair_quot", "pair_div", "pair_sqrt", "pair_max", "pair_min",
    "pair_exp", "pair_expm1", "pair_log", "pair_log1p", "pair_tanh", "pair_pow", "pair_atan", "pair_sinh",
    "pair_cosh", "pair_hypot", "pair_exp_short", "pair_exp_down", "pair_exp_down_short", "pair_log1p_unit",
)  # fmt: skip
SCALED_AND_SINES = ("pair_scale", "pair_sin", "pair_cos")  # of pair_functions.c.j2
NEEDS: dict[str, tuple[str, ...]] = {  # what a function stands on
    "exp": ("reduced",), "expm1": ("expm1_of",), "tanh": ("expm1_of",), "log": ("log_of",), "log1p": ("log_of",),
    "exp_down": ("reduced",), "log1p_unit": ("log_near",), "log_near": ("fused",),
    "expm1_of": ("reduced",), "reduced": ("fused",), "log_of": ("log_near", "exponent_of"), "exponent_of": ("fused",),
    "exp_fast": ("fused",), "exp_down_fast": ("fused",), "log1p_unit_fast": ("log_fast_near",),
    "log_fast_near": ("fused",), "fused": (), "expm1_fast": ("expm1_fast_of",), "tanh_fast": ("expm1_fast_of",),
    "expm1_fast_of": ("fused",), "log_fast": ("log_fast_of",), "log1p_fast": ("log_fast_of",),
    "log_fast_of": ("log_fast_near", "exponent_of"),
    "arctan": ("atan",), "atan": ("atan_single",), "atan_fast": ("atan_single",), "atan_single": ("fused",),
    "exp_difference": ("exp",), "exp_difference_fast": ("exp_fast",),
    "pow": ("power", "reduced"), "pow_fast": ("power",),
    "power": ("pair_log_near", "power_of", "pair_mul_d", "pair_of", "pair_rest", "pow_single"),
    "pow_single": ("power_of", "exponent_of"), "power_of": ("pair",),
    "pair": ("fused",), **dict.fromkeys((*PAIRS, *SCALED_AND_SINES), ("pair",)),
    "pair_diff": ("pair_sum",), "pair_add_d": ("pair_sum",), "pair_add": ("pair_sum",),
    "pair_sub": ("pair_add", "pair_neg"), "pair_max": ("pair_if",), "pair_min": ("pair_if",),
    "pair_steps": ("pair_mul",), "pair_rest": ("pair",), "pair_reduced": ("pair_steps", "pair_rest"),
    "pair_exp": ("pair_reduced",), "pair_exp_short": ("pair_rest",),
    "pair_exp_down": ("pair_reduced",), "pair_exp_down_short": ("pair_rest",), "pair_log1p_unit": ("pair_log_of",),
    "pair_expm1": ("pair_reduced", "pair_if"),
    "pair_tanh": ("pair_expm1",),
    "pair_sin": ("pair_rest",), "pair_cos": ("pair_rest",),
    **dict.fromkeys(("pair_log_near", "pair_log_of", "pair_log_wide"), ("pair_steps", "exponent_of")),
    "pair_log": ("pair_log_of",), "pair_log1p": ("pair_log_of", "pair_sum", "pair_if"),
    "pair_pow": ("pair_log_wide", "power_of", "pair_exp", "pair_mul"), "pair_atan": ("pair_steps",),
    "pair_halved": ("pair_abs", "pair_sub", "pair_if"), "pair_hypot": ("pair_sqrt", "pair_add", "pair_mul"),
    "pair_sinh": ("pair_halved", "pair_expm1", "pair_add_d", "pair_add", "pair_div"),
    "pair_cosh": ("pair_halved", "pair_exp", "pair_add", "pair_div", "pair_of"),
}  # fmt: skip
# exp_down is exp of numbers up to 0, log1p_unit is log1p of numbers from 0 to 1, exp_difference(a, b) is exp(a - b).
OF_ONE = ("exp", "exp_down", "expm1", "log", "log1p", "log1p_unit", "tanh", "atan")
FUNCTIONS = (*OF_ONE, "exp_difference", "pow")
FAST = tuple(f"{name}_fast" for name in FUNCTIONS)
_OF_DOUBLE = (
    "EXP_PAIR", "EXP_LEADS", "EXP_SINGLE", "LOG_SINGLE", "ATAN", "ATAN_AT", "ATAN_LEADS", "ATAN_PAIR", "ATAN_SINGLE",
)  # fmt: skip
# exp(x) is 0 below -exp_low and infinite above exp_high; expm1(x) is -1 below -expm1_low. What is smaller than `linear`
# is its own expm1 and tanh. 2**k is 0 in two factors, 2**halfway apart, each of which is a normal number. Products
# below `intact` lose digits.
_FORMAT: dict[str, dict[str, Any]] = {
    "f64": {
        "u": "uint64_t", "mantissa": 52, "bias": 1023, "halfway": 64, "exp_low": "750.0", "exp_high": "720.0",
        "expm1_low": "50.0", "expm1_high": "709.9", "linear": "0x1p-60", "pair_linear": "0x1p-70", "intact": "0x1p-960",
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
        "shift_one": holding(bias), "integer_shift": holding(sign),
        "back_up": f"0x1p{halfway}", "back_down": f"0x1p-{halfway}",
        "least_normal": f"0x1p-{bias - 1}", **{name: f"0x{value:x}u" for name, value in patterns.items()},
    }  # fmt: skip


def closure(called: Iterable[str]) -> frozenset[str]:
    """The functions that are called, and those that they stand on."""
    found, todo = set[str](), [f for f in called if f in NEEDS]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += NEEDS[name]
    return frozenset(found)


def called(words: Set[str], precision: Precision) -> frozenset[str]:
    """The functions whose names in C are among these words."""
    s = precision.function_suffix
    plain = {f for f in FUNCTIONS if f"{f}_v{s}" in words} | {f for f in FAST if f"{f}{s}" in words}
    return frozenset(plain | {f for f in (*PAIRS, *SCALED_AND_SINES) if f in words and precision is FLOAT64})


@functools.cache
def source(wanted: frozenset[str], precision: Precision) -> str:
    """The C text of these functions in one precision, such as exp_v and exp_vf; double's comes first in a file."""
    known = COEFFICIENTS[precision.name]
    made = _FORMAT[precision.name]
    values = made | _layout(made["mantissa"], made["bias"], made["halfway"]) | {"halfway": f"{made['halfway']}.0"}
    values |= {
        "wanted": wanted, "t": precision.c_type, "s": precision.function_suffix, "l": precision.literal_suffix,
        "exp_q": known["EXP"], "log_p": known["LOG"], "ln2hi": known["LN2HI"][0], "ln2lo": known["LN2LO"][0],
        "log2e": known["LOG2E"][0], "exp_fast_q": known["EXP_FAST"],
    }  # fmt: skip
    if precision is FLOAT64:
        leads = known["LOG_LEADS"]
        values |= {name.lower(): known[name] for name in _OF_DOUBLE} | {
            "ln2": known["LN2"][0], "ln2_rest": known["LN2"][1],
            "pair_logs": [
                (name, leads[: 2 * n], known[f"LOG_PAIR{n}"])
                for name, n in (("pair_log_near", 1), ("pair_log_of", 2), ("pair_log_wide", 3))
            ],
        }  # fmt: skip
    texts = [environment().get_template("elementary.c.j2").render(values)]
    if precision is FLOAT64 and "pair" in wanted:
        texts += [environment().get_template(name).render(values) for name in ("pairs.c.j2", "pair_functions.c.j2")]
    return "\n".join(text.strip() + "\n" for text in texts).strip()


def names() -> frozenset[str]:
    """What the text of all functions defines."""
    texts = (source(frozenset(NEEDS), p) for p in (FLOAT64, FLOAT32))
    found = {name for text in texts for name in re.findall(r"^INLINE \w+ (\w+)\(", text, re.MULTILINE)}
    return frozenset(found | {"INLINE", "pair"})
