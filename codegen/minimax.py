"""Which polynomials stand for exp, log and atan in generated C? Fitted by Remez' exchange algorithm, in 60 digits.

    python -m lossforge.codegen.minimax             write codegen/coefficients.py
    python -m lossforge.codegen.minimax --check     exit 1 when it is not what would be written

The forms are those of fdlibm (Sun Microsystems, 1993): exp(r) = 1 + r + r**2*(1/2 + r*Q(r)) for |r| <= log(2)/2, and
log(1 + f) = f - (h - s*(h + w*P(w))) with h = f**2/2, s = f/(2 + f), w = s**2, for -1/4 <= f <= 1/2; and
atan(s) = s + s*w*P(w) for |s| <= 2/11. More or fewer of the first terms stand apart, the more the higher the accuracy.
The weights make the error small relative to an ulp of the result.

Remez: Cheney (1966), Introduction to Approximation Theory, 3.8.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mp, mpf

Number = Any  # an mpf
Function = Callable[[Number], Number]
ROUNDS = 30
ENOUGH = mpf("1.0005")  # ratio of the largest to the least extremum of the error, at which the exchange ends
PLACE = Path(__file__).resolve().parent / "coefficients.py"


def remez(f: Function, weight: Function, degree: int, low: Number, high: Number) -> tuple[list[Number], Number]:
    """The polynomial with the least largest weight(x)*|p(x) - f(x)| on [low, high], the lowest coefficient first.

    And that error. Raises ArithmeticError when the error of an iterate has too few extrema.
    """
    count = degree + 2
    middle, half = (low + high) / 2, (high - low) / 2

    def nodes(n: int) -> list[Number]:
        return [middle - half * mp.cos(mp.pi * i / (n - 1)) for i in range(n)]

    points, grid = nodes(count), nodes(40 * count)
    for _ in range(ROUNDS):
        rows = [[x**j for j in range(degree + 1)] + [(-1) ** i / weight(x)] for i, x in enumerate(points)]
        solved = mp.lu_solve(mp.matrix(rows), mp.matrix([f(x) for x in points]))
        coefficients = [solved[j] for j in range(degree + 1)]
        errors = [weight(x) * (mp.polyval(coefficients[::-1], x) - f(x)) for x in grid]
        extrema = _alternating(grid, errors)
        while len(extrema) > count:
            extrema.pop(0 if abs(extrema[0][1]) < abs(extrema[-1][1]) else -1)
        if len(extrema) < count:
            raise ArithmeticError(f"degree {degree}: {len(extrema)} extrema of the error, {count} are needed")
        points = [x for x, _ in extrema]
        sizes = [abs(e) for _, e in extrema]
        if max(sizes) < ENOUGH * min(sizes):
            break
    return coefficients, max(sizes)


def _alternating(grid: Sequence[Number], errors: Sequence[Number]) -> list[tuple[Number, Number]]:
    """The largest error of every run of one sign."""
    found: list[tuple[Number, Number]] = []
    for x, e in zip(grid, errors, strict=True):
        if found and mp.sign(e) == mp.sign(found[-1][1]):
            found[-1] = max(found[-1], (x, e), key=lambda pair: abs(pair[1]))
        else:
            found.append((x, e))
    return found


def _tail(whole: Function, term: Callable[[int], Number], n: int) -> Function:
    """(whole(x) - sum(term(j)*x**j for j < n))/x**n, by the series itself where x is small."""

    def tail(x: Number) -> Number:
        if abs(x) < mpf("1e-3"):
            return sum(term(n + j) * x**j for j in range(20))
        return (whole(x) - sum(term(j) * x**j for j in range(n))) / x**n

    return tail


def _exp_term(j: int) -> Number:
    return 1 / mp.factorial(j)


def _log_whole(w: Number) -> Number:
    """2*atanh(s)/s, with w = s**2."""
    return 2 * mp.atanh(mp.sqrt(w)) / mp.sqrt(w)


def _log_term(j: int) -> Number:
    return mpf(2) / (2 * j + 1)


def _atan_whole(w: Number) -> Number:
    """atan(s)/s, with w = s**2."""
    return mp.atan(mp.sqrt(w)) / mp.sqrt(w)


def _atan_term(j: int) -> Number:
    return mpf((-1) ** j) / (2 * j + 1)


def fitted(bits: int) -> dict[str, list[Number]]:
    """The coefficients of all polynomials, for numbers of 53 or 24 bits."""
    large = bits > 24
    tiny = mpf("1e-9") if large else mpf("1e-6")
    reach = mp.log(2) / 2 * mpf("1.0005")
    steepest = (mpf(2) / 11) ** 2 * mpf("1.0001")

    def exp(n: int, degree: int) -> list[Number]:
        """Of the terms of exp(r) from r**n on."""
        return remez(_tail(mp.exp, _exp_term, n), lambda r: abs(r) ** n + tiny, degree, -reach, reach)[0]

    def odd(whole: Function, term: Callable[[int], Number], n: int, degree: int, most: Number) -> list[Number]:
        """Of the terms of an odd function of s from s**(2*n + 1) on, for s**2 <= most."""
        return remez(_tail(whole, term, n), lambda w: w**n * mp.sqrt(w) + tiny, degree, mpf(0), most)[0]

    def log(n: int, degree: int) -> list[Number]:
        return odd(_log_whole, _log_term, n, degree, mpf("0.04") * mpf("1.0001"))

    def atan(n: int, degree: int) -> list[Number]:
        return odd(_atan_whole, _atan_term, n, degree, steepest)

    if not large:
        return {"EXP": exp(3, 4), "LOG": log(1, 3), "EXP_FAST": exp(2, 4)}
    return {
        "EXP": exp(3, 9), "LOG": log(1, 7), "EXP_FAST": exp(2, 9), "ATAN": atan(1, 6),
        "EXP_PAIR": exp(5, 8), "ATAN_PAIR": atan(2, 7),
        "LOG_PAIR1": log(2, 7), "LOG_PAIR2": log(3, 7), "LOG_PAIR3": log(4, 7),
        "EXP_SINGLE": exp(2, 5), "LOG_SINGLE": log(1, 4), "ATAN_SINGLE": atan(1, 2),
    }  # fmt: skip


def leads() -> dict[str, list[Number]]:
    """The first terms that are no doubles, and arc tangents of 1/4, 1/2, 1 and infinity, each in two parts."""
    terms = {
        "EXP_LEADS": map(_exp_term, (3, 4)), "LOG_LEADS": map(_log_term, (1, 2, 3)), "ATAN_LEADS": [_atan_term(1)],
        "LN2": [mp.log(2)], "ATAN_AT": [mp.atan(mpf(1) / 4), mp.atan(mpf(1) / 2), mp.pi / 4, mp.pi / 2],
    }  # fmt: skip
    return {name: [part for value in values for part in split(value, 53, 53)] for name, values in terms.items()}


def split(value: Number, bits: int, kept: int) -> tuple[Number, Number]:
    """A number as a sum: its first `kept` bits, and the rest rounded to `bits`."""
    with mp.workprec(kept):
        high = +value
    with mp.workprec(bits):
        return high, +(value - high)


def constants(bits: int) -> dict[str, Number]:
    """log(2) in two parts, the first so short that its product with an exponent is exact, and 1/log(2)."""
    log2 = mp.log(2)
    high, low = split(log2, bits, bits - 11 if bits > 24 else bits - 9)
    return {"LN2HI": high, "LN2LO": low, "LOG2E": 1 / log2}


def literal(value: Number, bits: int) -> str:
    """A hexadecimal literal of C, of the nearest number of a format."""
    return float(value).hex() if bits > 24 else float(np.float32(float(value))).hex()


def text() -> str:
    lines = [
        '"""Polynomials and constants of exp, log and atan in generated C, as literals; the lowest power first.',
        "",
        "Generated by codegen/minimax.py; do not edit. To regenerate: python -m lossforge.codegen.minimax",
        '"""',
        "",
        "COEFFICIENTS: dict[str, dict[str, tuple[str, ...]]] = {",
    ]
    with mp.workdps(60):
        for name, bits in (("f64", 53), ("f32", 24)):
            lines.append(f'    "{name}": {{')
            rows = fitted(bits) | {key: [value] for key, value in constants(bits).items()}
            if bits > 24:
                rows |= leads()
            for key, values in rows.items():
                if len(values) == 1:
                    lines.append(f'        "{key}": ("{literal(values[0], bits)}",),')
                    continue
                lines.append(f'        "{key}": (')
                lines += [f'            "{literal(v, bits)}",' for v in values]
                lines.append("        ),")
            lines.append("    },")
    return "\n".join([*lines, "}", ""])


def main(arguments: Sequence[str]) -> int:
    made = text()
    if "--check" in arguments:
        return int(PLACE.read_text(encoding="utf-8") != made)
    draft = PLACE.with_suffix(".new")
    draft.write_text(made, encoding="utf-8")
    draft.replace(PLACE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
