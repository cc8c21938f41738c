"""How is a derivative shown to a person?

Code uses the stable form; a person reads the shortest exact form. They differ
where stability costs terms: (1 - y)*sigmoid(z) - y*sigmoid(-z) reads
sigmoid(z) - y.
"""

from __future__ import annotations

import sympy as sp
from sympy import Expr, Piecewise, S

from ..spec import atoms
from ..spec.atoms import ATOMS, WeightedAtom, sigmoid, xdivy, xlog1py, xlogy

# Names that no textbook has; a reader wants to see the root or the fraction.
_SPELLED_OUT = (
    atoms.algebraic_sigmoid, atoms.half_tangent, atoms.hypot1m1, atoms.hypot1, atoms.hypot,
    atoms.log1p_square, atoms.lorentzian, atoms.lorentzian_odd, atoms.arctan,
)  # fmt: skip


def presented(e: Expr) -> Expr:
    """The shortest of a few exact forms of an expression; for reading, never for computing."""
    if isinstance(e, Piecewise):
        (then, condition), (otherwise, _) = e.args
        otherwise = presented(otherwise)
        rest = otherwise.args if isinstance(otherwise, Piecewise) else ((otherwise, True),)
        return Piecewise((presented(then), condition), *rest, evaluate=False)
    plain = e.replace(xdivy, lambda x, y: x / y).replace(xlogy, lambda x, y: x * sp.log(y))
    plain = plain.replace(atoms.scaled, lambda x, s: x * sp.exp(-s))
    plain = plain.replace(xlog1py, lambda x, y: x * sp.log(1 + y))
    plain = plain.replace(lambda n: isinstance(n, WeightedAtom), lambda n: n.unguarded())
    plain = plain.replace(atoms.tanhc, lambda u: atoms.tanh(u) / u)  # its value at 0 is the limit
    for atom in _SPELLED_OUT:
        plain = plain.replace(atom, ATOMS[atom.__name__].definition)
    best = plain
    arguments = {s.args[0] for s in plain.atoms(sigmoid)}
    for u in sorted(arguments, key=sp.default_sort_key):
        if -u in arguments and not u.could_extract_minus_sign():
            whole = plain.xreplace({sigmoid(-u): 1 - sigmoid(u)})
            # Another form must be clearly shorter: sigmoid(z)*sigmoid(-z) reads better than a difference.
            best = min((best, sp.expand(whole), _collected(plain)), key=lambda c: _length(c) + 2 * (c != plain))
    return best


def _length(e: Expr) -> int:
    return int(sp.count_ops(e))


def _collected(e: Expr) -> Expr:
    """Like terms gathered by their common factors."""
    return sp.factor_terms(sp.collect(e, sorted(e.atoms(sigmoid), key=sp.default_sort_key))) if e != S.Zero else e
