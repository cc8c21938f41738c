"""Which errors do people make when they type a derivative?

`mutants` plants each of them, one at a time, at every place of an expression
where it can stand: a sign, a factor 2 or 1/2, a term or factor that is missing,
an exponent off by one, pieces exchanged, a comparison turned or its equality
moved, a parameter taken for 1, a constant instead of the Hessian.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sympy as sp

from lossforge.spec.atoms import sigmoid, softplus, tanh

Mutant = tuple[str, sp.Expr]

_TURNED = {sp.StrictLessThan: sp.StrictGreaterThan, sp.LessThan: sp.GreaterThan,
           sp.StrictGreaterThan: sp.StrictLessThan, sp.GreaterThan: sp.LessThan}  # fmt: skip
_EQUALITY = {sp.StrictLessThan: sp.LessThan, sp.LessThan: sp.StrictLessThan,
             sp.StrictGreaterThan: sp.GreaterThan, sp.GreaterThan: sp.StrictGreaterThan}  # fmt: skip


def mutants(expression: sp.Expr, parameters: Iterable[sp.Symbol] = ()) -> list[Mutant]:
    """All planted errors of an expression, each once, in a fixed order."""
    found: dict[sp.Expr, str] = {}
    for kind, mutant in (*_whole(expression, tuple(parameters)), *_anywhere(expression)):
        if mutant != expression and not mutant.has(sp.nan, sp.zoo):
            found.setdefault(mutant, kind)
    return [(kind, mutant) for mutant, kind in found.items()]


def _whole(e: sp.Expr, parameters: tuple[sp.Symbol, ...]) -> Iterator[Mutant]:
    yield "sign", -e
    yield "factor 2", 2 * e
    yield "factor 1/2", e / 2
    yield "constant", sp.Integer(1)
    for p in parameters:
        yield "parameter ignored", e.subs(p, 1)


def _anywhere(e: Any) -> Iterator[tuple[str, Any]]:
    """The errors at this node, then those of every argument put back into its place."""
    yield from _here(e)
    if isinstance(e, sp.Piecewise):
        yield from _pieces(e)
        return
    for i, argument in enumerate(e.args):
        for kind, mutant in _anywhere(argument):
            try:
                yield kind, e.func(*e.args[:i], mutant, *e.args[i + 1 :])
            except (TypeError, ValueError, NotImplementedError):
                continue


def _here(e: Any) -> Iterator[tuple[str, Any]]:
    if e.is_Add:
        for i, term in enumerate(e.args):
            rest = sp.Add(*e.args[:i], *e.args[i + 1 :])
            yield "dropped term", rest
            yield "sign of a term", rest - term
            yield "factor 2 of a term", rest + 2 * term
            yield "factor 1/2 of a term", rest + term / 2
    if e.is_Mul:
        for i, _ in enumerate(e.args):
            yield "missing factor", sp.Mul(*e.args[:i], *e.args[i + 1 :])
    if e.is_Pow:
        yield "exponent off by one", e.base ** (e.exp + 1)
        yield "exponent off by one", e.base ** (e.exp - 1)
    if isinstance(e, sp.exp | sigmoid | softplus):
        yield "sign of an argument", e.func(-e.args[0])
    if isinstance(e, sigmoid):
        yield "wrong function", tanh(e.args[0])
    if isinstance(e, sp.Abs):
        yield "missing absolute value", e.args[0]
    if isinstance(e, sp.Max | sp.Min):
        yield "minimum for maximum", (sp.Min if isinstance(e, sp.Max) else sp.Max)(*e.args)


def _pieces(e: sp.Piecewise) -> Iterator[tuple[str, Any]]:
    pairs = [(value, condition) for value, condition in e.args]
    for i, (value, condition) in enumerate(pairs):

        def put(*new: tuple[Any, Any], at: int = i) -> sp.Expr:
            return sp.Piecewise(*pairs[:at], *new, *pairs[at + 1 :])

        for kind, mutant in _anywhere(value):
            yield kind, put((mutant, condition))
        for kind, wrong in _conditions(condition):
            yield kind, put((value, wrong))
        if i + 1 < len(pairs):
            following = pairs[i + 1]
            exchanged = ((following[0], condition), (value, following[1]))
            yield "pieces exchanged", sp.Piecewise(*pairs[:i], *exchanged, *pairs[i + 2 :])
            yield "value at the kink" if isinstance(condition, sp.Eq) else "dropped piece", put()


def _conditions(c: Any) -> Iterator[tuple[str, Any]]:
    if type(c) in _TURNED:
        yield "comparison turned", _TURNED[type(c)](*c.args)
        yield "kink side", _EQUALITY[type(c)](*c.args)
    if isinstance(c, sp.And | sp.Or):
        for i, part in enumerate(c.args):
            for kind, mutant in _conditions(part):
                yield kind, c.func(*c.args[:i], mutant, *c.args[i + 1 :])
