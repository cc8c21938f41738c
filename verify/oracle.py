"""What is the exact value of the formula at this point?

The oracle knows the specification only: the loss as its author wrote it, with
every atom replaced by its exact definition. The SymPy tree is compiled once
into nested closures over interval arithmetic; a point is a list of exact
binary numbers, and the precision is raised until the enclosure is narrow, or
so small that every format rounds it to 0, or the ladder ends (undecided).

Enclosures that reach below 0 where only rounding can have put them (under a
root or a real power) are cut at 0: the formula is assumed real-valued on its domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy as sp
from mpmath.libmp import from_float
from sympy.tensor.indexed import IndexedBase

from ..spec.atoms import define_atoms
from ..spec.model import Loss
from . import intervals as iv
from .formula import Compiler, Frame, OracleError
from .intervals import AmbiguousError, Interval, UndefinedError

# Bits. A loss of float64 inputs is mostly decided by the first; 8300 bits are 2500 digits.
PRECISIONS = (170, 400, 1600, 3600, 8300)
# A relative width of 1e-30.
NARROW_BITS = 100
# Less than 2**-1100 rounds to 0 in float64, 26 bits below half its smallest subnormal.
UNDERFLOW = -1100


class Oracle:
    """The exact formula of a loss, or of any expression over named coordinates.

    `coordinates` are the names of arguments and parameters in order; vectors
    contribute one entry per class, such as f[1], f[2] and f[3] for `size` 3.
    """

    def __init__(self, expression: sp.Expr, variables: Iterable[sp.Symbol | IndexedBase], size: int | None = None,
                 size_symbol: sp.Symbol | None = None) -> None:  # fmt: skip
        names: list[str] = []
        for variable in variables:
            if isinstance(variable, IndexedBase):
                names += [f"{variable}[{k}]" for k in range(1, (size or 0) + 1)]
            else:
                names.append(str(variable))
        self.coordinates = tuple(names)
        self.size = size
        sizes = {size_symbol: size} if size_symbol is not None and size is not None else {}
        slots = {name: i for i, name in enumerate(names)}
        exact = define_atoms(sp.sympify(expression))
        # A sine varies on its own scale, however large its argument is.
        self.oscillates = exact.has(sp.sin, sp.cos)
        self._root = Compiler(slots, sizes).node(exact, {})

    @classmethod
    def of(cls, loss: Loss, size: int | None = None) -> Oracle:
        """The oracle of a loss, with `size` classes when it is one of vectors."""
        if (loss.size is None) != (size is None):
            raise OracleError(f"{loss.name}: a number of classes is {'not ' * (loss.size is None)}needed, got {size}")
        variables = [a.symbol for a in loss.arguments] + [p.symbol for p in loss.parameters]
        return cls(loss.full_expression, variables, size, loss.size)

    def slot(self, name: str) -> int:
        return self.coordinates.index(name)

    def enclose(self, values: Sequence[Interval], precision: int, strict: bool = False) -> Interval:
        """One enclosure at one precision; raises AmbiguousError or UndefinedError."""
        return self._root(Frame(values, precision, strict))

    def is_smooth(self, values: Sequence[Interval], precision: int = 200) -> bool:
        """Whether the formula is one analytic piece over the box of the inputs (no means: not shown)."""
        try:
            self.enclose(values, precision, strict=True)
        except (AmbiguousError, UndefinedError):
            return False
        return True

    def value(self, values: Sequence[Interval]) -> Interval | None:
        """A narrow enclosure, an infinity, or None when it stays undecided or is undefined."""
        for precision in PRECISIONS:
            try:
                result = self.enclose(values, precision)
            except AmbiguousError:
                continue
            except UndefinedError:
                return None
            if iv.is_below(result, UNDERFLOW) and result[0] != result[1]:
                return iv.ZERO
            if iv.is_narrow(result, NARROW_BITS):
                return result
        return None

    def at(self, **values: float) -> Interval | None:
        """The value at floats given by name; entries of vectors as a list, f=[...]."""
        flat: dict[str, float] = {}
        for name, value in values.items():
            if isinstance(value, Sequence):
                flat |= {f"{name}[{k}]": v for k, v in enumerate(value, 1)}
            else:
                flat[name] = value
        return self.value([iv.point(from_float(float(flat[name]))) for name in self.coordinates])


__all__ = ["NARROW_BITS", "UNDERFLOW", "Oracle", "OracleError"]
