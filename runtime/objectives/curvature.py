"""What stands for the second derivative?

A booster divides a sum of gradients by a sum of curvatures, so a curvature that is zero or negative ruins a leaf. Which
ones a loss has, and what is proved of each, is in its facts; `choose` picks one by its name, or the best of them.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# What needs no kernel of its own; the argument and its default.
MADE = {"floored": 1e-6, "constant": 1.0}
ROWS = 1 << 22  # entries of the Hessians of K classes that are held at once
_CALL = re.compile(r"(\w+)\s*(?:\(\s*([^()\s]+)\s*\))?")


@dataclass(frozen=True, slots=True)
class Curvature:
    """A curvature by its name: that of a formula in the facts, or `exact`, `diagonal_bound`, `floored`, `constant`.

    `number` is the floor or the constant.
    """

    name: str
    number: float | None = None

    def derivatives(self, loss: Any, y: Array, f: Array) -> tuple[Array, Array]:
        """Gradient and curvature of each sample, of the shape of f (n,) or (n, K)."""
        if self.name == "constant":
            gradient = np.asarray(loss.gradient(y, f), np.float64)
            return gradient, np.full_like(gradient, self.number)
        if self.name == "diagonal_bound":
            return _diagonal_bound(loss, y, f)
        if self.name not in ("exact", "floored"):
            gradient, curvature = loss.gradient_curvature(self.name, y, f)
            return np.asarray(gradient, np.float64), np.asarray(curvature, np.float64)
        gradient, hessian = (np.asarray(a, np.float64) for a in loss.gradient_hessian(y, f))
        if hessian.ndim > gradient.ndim:
            hessian = np.diagonal(hessian, axis1=-2, axis2=-1).copy()
        return gradient, hessian if self.name == "exact" else np.maximum(hessian, self.number or 0.0)

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}({self.number:g})"


def choose(loss: Any, curvature: str | None) -> Curvature:
    """The curvature of this name; for None the best one that is proved positive for this loss and its parameters.

    Raises ValueError for a name that is none, for a curvature that this loss does not have, or not with these
    parameters, and for None where nothing that is proved positive is known; the message says what to take instead.
    """
    known = loss.facts.get("curvatures", {})
    if curvature is None:
        return _best(loss, known)
    match = _CALL.fullmatch(curvature.strip()) if isinstance(curvature, str) else None
    name = str(match[1]) if match else ""
    names = ["exact", *(["diagonal_bound"] if vector(loss) else []), *[n for n in known if n != "exact"], *MADE]
    if match is None or name not in {*names, *ABSENT}:
        raise ValueError(f"curvature is {curvature!r}; expected one of {', '.join(names)}")
    if name in MADE:
        return Curvature(name, _number(name, match[2]))
    if match[2] is not None:
        raise ValueError(f"curvature is {curvature!r}, but {name} takes no number; only floored and constant do")
    if name not in names:
        raise ValueError(f"{loss.name} has no curvature {name!r}: {ABSENT[name]}; it has {', '.join(names)}")
    holds = known.get(name, {}).get("holds", {})
    if not _true(holds, loss.parameters):
        raise ValueError(
            f"{loss.name} has the curvature {name!r} only if {holds['condition']}, and its parameters are "
            f"{loss.parameters}; choose others, or one of {', '.join(n for n in names if n != name)}"
        )
    return Curvature(name)


# What a curvature needs that a loss may lack.
ABSENT = {
    "majorizer": "no quadratic above it that touches it is known for every place",
    "fisher": "no expected Hessian follows from its formula",
    "gauss_newton": "it is no function of a mean that a link maps to the raw score",
    "reweighted": "it is no loss of a label that is shown to fall with the margin and to need one",
    "diagonal_bound": "it has one raw score a sample",
}


def _best(loss: Any, known: Any) -> Curvature:
    if vector(loss):
        return Curvature("diagonal_bound")
    for name in loss.facts.get("preferred", ()):
        of = known[name]
        if _true(of["holds"], loss.parameters) and _true(of["positive"], loss.parameters):
            return Curvature(name)
    raise ValueError(f"{loss.name}: {_why_none(loss, known)}")


def _why_none(loss: Any, known: Any) -> str:
    """Where the exact curvature fails, and what else there is."""
    exact = known.get("exact", {}).get("positive", {"verdict": "undecided"})
    smoothed = " or ".join(loss.facts.get("smoothed", ()))
    instead = (f"take a smooth loss that is close to it, {smoothed}; or " if smoothed else "") + (
        "name a curvature, such as 'constant', or 'floored', which is the exact one with a least value"
    )
    if exact["verdict"] == "undecided":
        return (
            "whether its second derivative is positive is not known, and no other curvature is (of a compiled function "
            f"nothing is proved: give lf.objective the formula itself); {instead}"
        )
    if exact["verdict"] == "conditional":
        return (
            f"its second derivative is positive only if {exact['condition']}, unlike with {loss.parameters}, "
            f"and no other curvature is known to be; {instead}"
        )
    at = exact.get("witness", {})
    where = f" ({at['what']}: {at['at']}{', for ' + at['for'] if 'for' in at else ''})" if at else ""
    return f"its second derivative is not positive everywhere{where}, and no other curvature is known to be; {instead}"


def _true(claim: Any, parameters: Any) -> bool:
    """Whether a claim holds with these parameters; what is refuted is let pass, where it was preferred all the same."""
    if claim.get("verdict") != "conditional":
        return True
    return bool(_evaluate(ast.parse(claim["condition"], mode="eval").body, parameters))


_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: pow,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
}  # fmt: skip


def _evaluate(node: ast.expr, values: Any) -> Any:
    """A condition over parameters, such as `1 <= p < 2` or `a < 0 or a > 0`, read by hand: nothing is executed."""
    match node:
        case ast.BoolOp(op=ast.And()):
            return all(_evaluate(v, values) for v in node.values)
        case ast.BoolOp():
            return any(_evaluate(v, values) for v in node.values)
        case ast.Compare(left=left, ops=ops, comparators=others):
            terms = [_evaluate(t, values) for t in (left, *others)]
            return all(_OPERATORS[type(o)](a, b) for o, a, b in zip(ops, terms, terms[1:], strict=False))
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_evaluate(left, values), _evaluate(right, values))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, values)
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=value):
            return value
    raise ValueError(f"the facts hold a condition that cannot be read: {ast.unparse(node)}")


def vector(loss: Any) -> bool:
    """Whether a sample has several raw scores."""
    arguments = loss.facts["arguments"].values()
    return bool(loss.facts["size"]) or sum(a["role"] == "prediction" for a in arguments) > 1


def _number(name: str, text: str | None) -> float:
    try:
        number = MADE[name] if text is None else float(text)
    except ValueError:
        number = np.nan
    if not 0 < number < np.inf:
        raise ValueError(f"curvature is '{name}({text})'; expected a positive number, such as {name}({MADE[name]:g})")
    return number


def _diagonal_bound(loss: Any, y: Array, f: Array) -> tuple[Array, Array]:
    """The sum of the absolute values of each row of the Hessian: no smaller than it in any direction.

    The difference is a diagonal that outweighs what stands beside it (Gershgorin).
    """
    bound = np.empty(f.shape)
    gradient = np.empty(f.shape)
    step = max(1, ROWS // f.shape[1] ** 2)
    for begin in range(0, len(f), step):
        rows = slice(begin, begin + step)
        gradient[rows], hessian = loss.gradient_hessian(y[rows], f[rows])
        bound[rows] = np.abs(hessian).sum(axis=-1)
    return gradient, bound
