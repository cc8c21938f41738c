"""How is a formula read? One walk over its text, for whatever numbers it is read in.

`tower` reads it in exact arithmetic on one cell, `balls` in enclosures on a box: both are a `Reader`, and so they agree
on what a text means. It is Python's syntax of expressions; a construct that is not named here raises Unproved.
"""

from __future__ import annotations

import ast
import functools
from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Any

DEFINITIONS = {
    "sqrt": "x**(1/2)", "abs": "x if x >= 0 else -x", "sign": "1 if x > 0 else -1 if x < 0 else 0",
    "max": "x if x >= y else y", "min": "x if x <= y else y", "log1p": "log(1+x)", "expm1": "exp(x)-1",
    "sinh": "(exp(x)-exp(-x))/2", "cosh": "(exp(x)+exp(-x))/2", "tanh": "(exp(x)-exp(-x))/(exp(x)+exp(-x))",
    "sech": "2/(exp(x)+exp(-x))", "softplus": "log(1+exp(x))", "sigmoid": "1/(1+exp(-x))",
    "log_cosh": "log((exp(x)+exp(-x))/2)", "hypot": "(x**2+y**2)**(1/2)", "hypot1": "(1+x**2)**(1/2)",
    "hypot1m1": "(1+x**2)**(1/2)-1", "half_tangent": "x/(1+(1+x**2)**(1/2))", "arctan": "atan(x)",
    "algebraic_sigmoid": "x/(1+x**2)**(1/2)", "log1p_square": "log(1+x**2)", "lorentzian": "1/(1+x**2)",
    "lorentzian_odd": "x/(1+x**2)", "xlogy": "0 if x == 0 else x*log(y)", "xlog1py": "0 if x == 0 else x*log(1+y)",
    "xdivy": "0 if x == 0 else x/y", "erf": "2*ndtr(x*2**(1/2))-1",
    "erfc": "2*ndtr(-x*2**(1/2))", "log_ndtr": "log(ndtr(x))",
}  # fmt: skip
COMPARISONS: dict[type, tuple[tuple[int, ...], tuple[int, ...]]] = {  # the signs of a - b that decide a ? b
    ast.Lt: ((-2,), (0, 1, 2)), ast.LtE: ((-2, -1, 0), (2,)), ast.Gt: ((2,), (0, -1, -2)), ast.GtE: ((0, 1, 2), (-2,)),
    ast.Eq: ((0,), (-2, 2)), ast.NotEq: ((-2, 2), (0,)),
}  # fmt: skip


class Unproved(Exception):
    """The certificate does not show what it claims."""


@functools.lru_cache(4096)
def parse(text: str) -> ast.expr:
    """A formula, with its decimal numbers exact: Python's parser would round them."""
    if len(text) > 20_000 or not text.isascii() or "#" in text:
        raise Unproved("a formula too long, or with characters that no formula has")
    line = " ".join(text.split())
    tree = ast.parse(line, mode="eval").body
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            written = line[node.col_offset : node.end_col_offset]
            if not 1e-300 < node.value < 1e300 and set(written) - set("0."):
                raise Unproved(f"a number too large or too small: {written[:40]}")
            node.value = Fraction(written)  # type: ignore[assignment]
    return tree


FUNCTIONS = {name: parse(text) for name, text in DEFINITIONS.items()}
PLACES = {name: 1 + any(isinstance(n, ast.Name) and n.id == "y" for n in ast.walk(f)) for name, f in FUNCTIONS.items()}


def conditional(node: ast.expr) -> bool:
    """Whether a formula has comparisons."""
    inside = ast.walk(node)
    return any(isinstance(n, ast.IfExp) or (isinstance(n, ast.Name) and n.id in CONDITIONAL) for n in inside)


CONDITIONAL: set[str] = set()
for _ in FUNCTIONS:  # also those that are defined by others
    CONDITIONAL |= {name for name, body in FUNCTIONS.items() if conditional(body)}


class Reader(ABC):
    """The numbers that a formula is read in: a subclass says how functions and comparisons act on them."""

    @abstractmethod
    def number(self, value: Any) -> Any: ...

    @abstractmethod
    def pi(self) -> Any: ...

    @abstractmethod
    def sign(self, e: Any) -> int | None: ...

    @abstractmethod
    def power(self, base: Any, q: Any) -> Any: ...

    @abstractmethod
    def exp(self, u: Any) -> Any: ...

    @abstractmethod
    def log(self, a: Any) -> Any: ...

    @abstractmethod
    def atan(self, u: Any) -> Any: ...

    @abstractmethod
    def tan(self, u: Any) -> Any: ...

    @abstractmethod
    def ndtr(self, u: Any) -> Any: ...

    @abstractmethod
    def sine(self, u: Any, quarters: int) -> Any:
        """sin(u + quarters*pi/2)."""

    @abstractmethod
    def compared(self, e: Any, op: type, test: ast.expr) -> bool:
        """Whether e = a - b makes the comparison a ? b, which `test` spells, true."""

    @abstractmethod
    def exponent_met(self) -> None:
        """A base that need not be positive met an exponent that is a whole number here, and perhaps only here."""

    def read(self, node: ast.expr | str, names: dict[str, Any]) -> Any:
        """The formula; every condition and every divisor must have a known sign."""
        match parse(node) if isinstance(node, str) else node:
            case ast.Constant(value=int() | Fraction() as value) if not isinstance(value, bool):
                return self.number(value)
            case ast.Name(id=name):
                if name in ("pi", "E") and name not in names:
                    return self.pi() if name == "pi" else self.exp(self.number(1))
                if name not in names:
                    raise Unproved(f"unknown name {name}")
                return names[name]
            case ast.UnaryOp(op=ast.USub(), operand=a):
                return -self.read(a, names)
            case ast.BinOp(left=a, op=op, right=b):
                x, y = self.read(a, names), self.read(b, names)
                match op:
                    case ast.Add():
                        return x + y
                    case ast.Sub():
                        return x - y
                    case ast.Mult():
                        return x * y
                    case ast.Pow():
                        if any(isinstance(n, ast.Name) for n in ast.walk(b)) and self.sign(x) != 2:
                            self.exponent_met()
                        return self.power(x, y)
                    case ast.Div() if self.sign(y) in (2, -2):
                        return x / y
                raise Unproved("a divisor may vanish" if isinstance(op, ast.Div) else "unknown operation")
            case ast.IfExp(test=test, body=a, orelse=b):
                return self.read(a if self.holds(test, names) else b, names)
            case ast.Call(func=ast.Name(id="min" | "max" as name), args=[a, b, c, *rest], keywords=[]):
                inner = ast.Call(ast.Name(name), [b, c, *rest], [])
                return self.read(ast.Call(ast.Name(name), [a, inner], []), names)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if len(args) == PLACES.get(name, 1):
                values = [self.read(a, names) for a in args]
                if name in FUNCTIONS:
                    return self.read(FUNCTIONS[name], dict(zip("xy", values, strict=False)))
                if name in ("sin", "cos"):
                    return self.sine(values[0], int(name == "cos"))
                if name in ("exp", "log", "atan", "tan", "ndtr"):
                    return getattr(self, name)(*values)
        raise Unproved("unknown construct")

    def decide(self, node: ast.expr, names: dict[str, Any]) -> None:
        """Meet the comparisons of a formula in the order of `read`, without reading what they do not need."""
        match node:
            case _ if not conditional(node):
                return
            case ast.IfExp(test=test, body=a, orelse=b):
                self.decide(a if self.holds(test, names) else b, names)
            case ast.BinOp(left=a, right=b):
                self.decide(a, names)
                self.decide(b, names)
            case ast.UnaryOp(operand=a):
                self.decide(a, names)
            case ast.Call(func=ast.Name(id=name), args=args) if name not in CONDITIONAL:
                for a in args:
                    self.decide(a, names)
            case _:
                self.read(node, names)

    def holds(self, test: ast.expr, names: dict[str, Any]) -> bool:
        match test:
            case ast.BoolOp(op=op, values=values):
                return (all if isinstance(op, ast.And) else any)(self.holds(v, names) for v in values)
            case ast.UnaryOp(op=ast.Not(), operand=a):
                return not self.holds(a, names)
            case ast.Compare(left=a, ops=[op, *more], comparators=[b, *rest]):
                true = self.compared(self.read(a, names) - self.read(b, names), type(op), test)
                return true and (not more or self.holds(ast.Compare(b, more, rest), names))
        raise Unproved("unknown condition")
