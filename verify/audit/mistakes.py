"""What may somebody have typed instead of this derivative?

Each slip of the pen is planted at every place of the expression where it can stand, and says of itself what it is.
These are hypotheses: one that gives the very numbers of the foreign code, on points that it was not chosen by, explains
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import sympy as sp

from ...spec import atoms
from .writing import shown

# Of long Hessians the outer places come first; the rest is left out.
MOST = 160
_TURNED = {sp.StrictLessThan: sp.StrictGreaterThan, sp.LessThan: sp.GreaterThan,
           sp.StrictGreaterThan: sp.StrictLessThan, sp.GreaterThan: sp.LessThan}  # fmt: skip
_SQUASHING = (sp.exp, sp.tanh, sp.log, atoms.sigmoid, atoms.softplus)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What was typed, and what is wrong with it: a kind, and a sentence that names the place."""

    kind: str
    words: str
    typed: sp.Expr


def mistakes(forms: Iterable[sp.Expr], parameters: Iterable[sp.Symbol] = ()) -> list[Mistake]:
    """The slips that are possible in any of the forms of an expression, each once, outer places first."""
    found: dict[sp.Expr, Mistake] = {}
    own = tuple(parameters)
    for form in forms:
        for m in chain(islice(_anywhere(form), MOST), _of_parameters(form, own)):
            if m.typed != form and not m.typed.has(sp.nan, sp.zoo, sp.oo):
                found.setdefault(m.typed, m)
    return list(found.values())


def _anywhere(e: Any) -> Iterator[Mistake]:
    """The slips at every place of a tree, layer by layer, each with the whole tree around it."""
    layer: list[tuple[Any, Callable[[Any], Any]]] = [(e, lambda typed: typed)]
    while layer:
        below: list[tuple[Any, Callable[[Any], Any]]] = []
        for node, put in layer:
            here = chain(_here(node), _pieces(node)) if isinstance(node, sp.Piecewise) else _here(node)
            for m in here:
                try:
                    yield Mistake(m.kind, m.words, put(m.typed))
                except (TypeError, ValueError, NotImplementedError):
                    continue
            if not isinstance(node, sp.Piecewise):
                below += [(a, _putting(node, i, put)) for i, a in enumerate(node.args)]
        layer = below


def _of_parameters(form: Any, parameters: tuple[sp.Symbol, ...]) -> Iterator[Mistake]:
    """Another value of a parameter at one of the places where it stands."""
    layer: list[tuple[Any, Callable[[Any], Any]]] = [(form, lambda typed: typed)]
    for _ in range(12):
        below: list[tuple[Any, Callable[[Any], Any]]] = []
        for node, put in layer:
            if node in parameters:
                for value, kind in ((sp.Integer(1), "ignored"), (1 - node, "swapped"), (node + 1, "off"),
                                    (node - 1, "off"), (1 / node, "off"), (2 * node, "off")):  # fmt: skip
                    words = f"in one place {shown(value)} stands where {node} belongs"
                    yield Mistake(f"parameter {kind}", words, put(value))
            elif node.has(*parameters) if parameters else False:
                below += [(a, _putting(node, i, put)) for i, a in enumerate(node.args)]
        layer = below


def _putting(node: Any, i: int, put: Callable[[Any], Any]) -> Callable[[Any], Any]:
    more = {"evaluate": False} if isinstance(node, sp.Piecewise) else {}
    return lambda typed: put(node.func(*node.args[:i], typed, *node.args[i + 1 :], **more))


def _here(e: Any) -> Iterator[Mistake]:
    if e.is_Add:
        for i, term in enumerate(e.args):
            rest = sp.Add(*e.args[:i], *e.args[i + 1 :])
            said = shown(term)
            yield Mistake("missing term", f"the term {said} is missing", rest)
            yield Mistake("sign of a term", f"the term {said} has the wrong sign", rest - term)
            yield Mistake("factor of a term", f"the term {said} is there twice", rest + 2 * term)
            yield Mistake("factor of a term", f"the term {said} is halved", rest + term / 2)
    if e.is_Mul:
        for i, factor in enumerate(e.args):
            rest = sp.Mul(*e.args[:i], *e.args[i + 1 :])
            yield Mistake("missing factor", f"the factor {shown(factor)} is missing", rest)
            if not factor.is_Number:
                yield Mistake("exponent", f"the factor {shown(factor)} is squared", e * factor)
        yield from _powers(e)
    if e.is_Pow:
        if e.exp.is_Number and e.exp < 0 and not e.base.is_Number:
            yield Mistake("missing factor", f"it is multiplied by {shown(1 / e)}, not divided", 1 / e)
        yield Mistake("exponent", f"{shown(e)} has an exponent that is 1 too large", e.base ** (e.exp + 1))
        yield Mistake("exponent", f"{shown(e)} has an exponent that is 1 too small", e.base ** (e.exp - 1))
        if not e.exp.is_Number:
            yield Mistake("exponent", f"{shown(e)} has lost its exponent", e.base)
    if isinstance(e, _SQUASHING) and not e.args[0].is_Number:
        typed = e.func(-e.args[0])
        yield Mistake("sign of an argument", f"{shown(e)} has the sign of its argument turned", typed)
    if isinstance(e, atoms.sigmoid):
        yield Mistake("wrong function", f"tanh stands where {shown(e)} belongs", sp.tanh(e.args[0]))
    if isinstance(e, sp.tanh | atoms.tanh):
        yield Mistake("wrong function", f"sinh stands where {shown(e)} belongs", sp.sinh(e.args[0]))
    if isinstance(e, sp.Abs):
        yield Mistake("missing absolute value", f"{shown(e)} is without its absolute value", e.args[0])
    if isinstance(e, sp.sign):
        yield Mistake("missing factor", f"the factor {shown(e)} is missing", sp.Integer(1))
    if isinstance(e, sp.Max | sp.Min):
        other = sp.Min if isinstance(e, sp.Max) else sp.Max
        yield Mistake("pieces", f"{shown(e)} takes the other of the two", other(*e.args))


def _powers(e: Any) -> Iterator[Mistake]:
    """Slips in (a/b)**2, which SymPy holds as a**2*b**(-2)."""
    squares = [a for a in e.args if a.is_Pow and abs(a.exp) == 2]
    if len(squares) < 2:
        return
    rest = sp.Mul(*(a for a in e.args if a not in squares))
    base = sp.Mul(*(a.base ** (a.exp / 2) for a in squares))
    for power, words in ((3, "too large"), (1, "too small")):
        yield Mistake("exponent", f"({shown(base)})**2 has an exponent that is 1 {words}", rest * base**power)


def _pieces(e: sp.Piecewise) -> Iterator[Mistake]:
    pairs = [(value, condition) for value, condition in e.args]
    for i, (value, condition) in enumerate(pairs):

        def put(*new: tuple[Any, Any], at: int = i) -> sp.Expr:
            return sp.Piecewise(*pairs[:at], *new, *pairs[at + 1 :], evaluate=False)

        where = f" where {shown(condition)}" if condition != sp.true else " in the last piece"
        for kind, words, typed in _of_a_piece(value):
            yield Mistake(kind, words + where, put((typed, condition)))
        for wrong in _turned(condition):
            yield Mistake("comparison", f"the comparison {shown(condition)} is turned", put((value, wrong)))
        if i + 1 < len(pairs):
            following = pairs[i + 1]
            exchanged = ((following[0], condition), (value, following[1]))
            yield Mistake("pieces", f"the piece{where} and the next are exchanged",
                          sp.Piecewise(*pairs[:i], *exchanged, *pairs[i + 2 :], evaluate=False))  # fmt: skip
            dropped = put()
            if not isinstance(condition, sp.Eq):
                yield Mistake("pieces", f"the piece{where} is missing: the next one stands for it", dropped)
        if condition == sp.true and i > 0:
            yield Mistake("pieces", f"the last piece is missing: {shown(pairs[i - 1][0])} stands everywhere",
                          sp.Piecewise(*pairs[: i - 1], (pairs[i - 1][0], True), evaluate=False))  # fmt: skip


def _of_a_piece(value: sp.Expr) -> Iterator[tuple[str, str, sp.Expr]]:
    for m in _anywhere(value):
        yield m.kind, m.words, m.typed
    if value != 0:
        yield "sign", "the sign is wrong", -value
        yield "factor", "it is twice the truth", 2 * value
        yield "factor", "it is half the truth", value / 2
        yield "pieces", "it is 0", sp.Integer(0)
    if value != 1:
        yield "pieces", "it is 1", sp.Integer(1)


def _turned(c: Any) -> Iterator[Any]:
    if type(c) in _TURNED:
        yield _TURNED[type(c)](*c.args)
        for i, side in enumerate(c.args):
            if isinstance(side, sp.Abs):
                yield c.func(*c.args[:i], side.args[0], *c.args[i + 1 :])
    if isinstance(c, sp.And | sp.Or):
        for i, part in enumerate(c.args):
            for wrong in _turned(part):
                yield c.func(*c.args[:i], wrong, *c.args[i + 1 :])
