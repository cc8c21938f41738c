"""What stands for the second derivative?

A booster divides a sum of gradients by a sum of curvatures, so a curvature that is zero or negative ruins a leaf. Which
ones a loss has, and what is proved of each, is in its facts; `choose` picks one by its name, or the best of them.
"""

from __future__ import annotations

import re
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
    """A curvature by its name: `exact`, `majorizer`, `fisher`, `gauss_newton`, `diagonal_bound`, `floored`, `constant`.

    `number` is the floor or the constant. `note` says what is known of it for this loss.
    """

    name: str
    number: float | None = None
    note: str = ""

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
        return gradient, hessian if self.name == "exact" else np.maximum(hessian, self.number)

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}({self.number:g})"


def choose(loss: Any, curvature: str | None) -> Curvature:
    """The curvature of this name, or the loss's own choice for None.

    Raises ValueError for a name that is none, for a curvature that this loss does not have, with the reason, and for one
    that is known not to hold with these parameters.
    """
    known = loss.facts.get("curvatures", {})
    if curvature is None:
        return _default(loss, known)
    match = _CALL.fullmatch(curvature.strip()) if isinstance(curvature, str) else None
    name = match[1] if match else None
    names = ["exact", *[n for n in known if n != "exact"], *MADE]
    if vector(loss):
        names.insert(1, "diagonal_bound")
    if match is None or (name not in names and name not in ABSENT):
        raise ValueError(f"curvature is {curvature!r}; expected one of {', '.join(dict.fromkeys(names))}")
    if name in MADE:
        return Curvature(str(name), _number(str(name), match[2]))
    if match[2] is not None:
        raise ValueError(f"curvature is {curvature!r}, but {name} takes no number; only floored and constant do")
    if name not in names:
        raise ValueError(f"{loss.name} has no curvature {name!r}: {ABSENT[str(name)]}; it has {', '.join(names)}")
    return Curvature(str(name))


# What a curvature needs that a loss may lack.
ABSENT = {
    "majorizer": "no quadratic above it is known that touches it everywhere",
    "fisher": "its Hessian has no expected value that follows from the formula",
    "gauss_newton": "it has no link between the raw score and a mean",
    "diagonal_bound": "it has one raw score a sample",
}


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


def _default(loss: Any, known: Any) -> Curvature:
    if vector(loss):
        return Curvature("diagonal_bound")
    return choose(loss, known.get("default") or "floored")


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
