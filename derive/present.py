"""How is a derivative shown to a person?

Code uses the stable form; a person reads the shortest exact form. They differ
where stability costs terms: (1 - y)*sigmoid(z) - y*sigmoid(-z) reads
sigmoid(z) - y.
"""

from __future__ import annotations

import sympy as sp
from sympy import Expr, Piecewise, S

from ..spec.atoms import ATOMS, algebraic_sigmoid, half_tangent, hypot, hypot1, hypot1m1, sigmoid, xdivy, xlog1py, xlogy
from .branches import choice


def presented(e: Expr) -> Expr:
    """The shortest of a few exact forms of an expression; for reading, never for computing."""
    if isinstance(e, Piecewise):
        (then, condition), (otherwise, _) = e.args
        return choice(condition, presented(then), presented(otherwise))
    plain = e.replace(xdivy, lambda x, y: x / y).replace(xlogy, lambda x, y: x * sp.log(y))
    plain = plain.replace(xlog1py, lambda x, y: x * sp.log(1 + y))
    for atom in (algebraic_sigmoid, half_tangent, hypot1m1, hypot1, hypot):
        plain = plain.replace(atom, ATOMS[atom.__name__].definition)
    candidates = [plain]
    arguments = {s.args[0] for s in plain.atoms(sigmoid)}
    for u in sorted(arguments, key=sp.default_sort_key):
        if -u in arguments and not u.could_extract_minus_sign():
            whole = plain.xreplace({sigmoid(-u): 1 - sigmoid(u)})
            candidates += [sp.expand(whole), _collected(plain)]
    return min(candidates, key=lambda c: (int(sp.count_ops(c)), str(c)))


def _collected(e: Expr) -> Expr:
    """Like terms gathered by their common factors."""
    return sp.factor_terms(sp.collect(e, sorted(e.atoms(sigmoid), key=sp.default_sort_key))) if e != S.Zero else e
