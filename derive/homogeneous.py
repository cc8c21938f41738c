"""Which sums of sigmoids cancel, and how are they written so that they do not?

a = sigmoid(u) and b = sigmoid(-u) add up to 1, so a polynomial in both has
many forms. Only the homogeneous one, every term of the same degree, shows all
cancellation in its coefficients, where it is exact: 1 - 2*a is b - a, and
a - y is (1 - y)*a - y*b, which keeps its digits where y is 1 and a is nearly.
"""

from __future__ import annotations

from math import comb

import sympy as sp
from sympy import Add, Dummy, Expr, Mul, S

from ..spec import atoms

# Losses are of degree 4 at most after two derivatives (the squared error of a probability).
LARGEST_DEGREE = 6


def homogeneous(e: Expr) -> Expr | None:
    """A sum that is a polynomial in sigmoid(u) and sigmoid(-u) in its homogeneous form; None where that is no news."""
    if not isinstance(e, Add) or not e.has(atoms.sigmoid) or all(t.is_nonnegative for t in e.args):
        return None
    arguments = sorted({s.args[0] for s in e.atoms(atoms.sigmoid)}, key=sp.default_sort_key)
    u = next((v for v in arguments if not v.could_extract_minus_sign()), -arguments[0])
    if any(v not in (u, -u) for v in arguments):
        return None
    a, b = Dummy("a"), Dummy("b")
    polynomial = e.xreplace({atoms.sigmoid(u): a, atoms.sigmoid(-u): b})
    if polynomial.free_symbols & u.free_symbols or not polynomial.is_polynomial(a, b):
        return None
    found: dict[tuple[int, int], list[Expr]] = {}
    for term in Add.make_args(polynomial):
        powers = sp.Poly(term, a, b).terms()
        for (i, k), coefficient in powers:
            # The author's own coefficient, (1 - y)*(1 - c) + c/2 say, may cancel once it is multiplied out.
            found.setdefault((i, k), []).append(term / (a**i * b**k) if len(powers) == 1 else coefficient)
    degree = max(i + k for i, k in found)
    if degree > LARGEST_DEGREE:
        return None
    parts: list[list[Expr]] = [[] for _ in range(degree + 1)]
    for (i, k), values in found.items():
        missing = degree - i - k
        for n in range(missing + 1):
            parts[i + n] += [comb(missing, n) * value for value in values]
    new = _written([p[0] if len(p) == 1 else sp.factor(Add(*p)) if p else S.Zero for p in parts], u)
    as_before = all(i + k == degree and len(values) == 1 for (i, k), values in found.items())
    return None if new == e or (as_before and not new.has(atoms.tanh)) else new


def _written(coefficients: list[Expr], u: Expr) -> Expr:
    """The sum of coefficients[i]*a**i*b**(n - i), its common powers in front, c*(a - b) as c*tanh(u/2)."""
    used = [i for i, c in enumerate(coefficients) if c != 0]
    if not used:
        return S.Zero
    low, high, degree = used[0], used[-1], len(coefficients) - 1
    a, b = atoms.sigmoid(u), atoms.sigmoid(-u)
    if high - low == 1 and sp.expand(coefficients[low] + coefficients[high]) == 0:
        inner = coefficients[high] * atoms.tanh(u / 2)
    else:
        inner = Add(*(coefficients[i] * a ** (i - low) * b ** (high - i) for i in used))
    return Mul(a**low, b ** (degree - high), inner)
