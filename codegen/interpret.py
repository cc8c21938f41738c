"""What does a kernel compute, exactly, and how far may rounding carry it?

The interpreter runs the IR in mpmath. Beside each value it keeps a bound on the
error that floating-point evaluation of the same tree may make, so that code in
any language can be held against it without a tolerance picked by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
from mpmath import mp, mpf

from .ir import Bin, BoolOp, Call, Cmp, Const, Kernel, Neg, Node, Select, Var


@dataclass(frozen=True, slots=True)
class Rounding:
    """A floating-point format: unit roundoff, the largest number, and the smallest step near zero."""

    unit: float
    largest: float
    smallest: float


BINARY64 = Rounding(2.0**-53, 1.7976931348623157e308, 2.0**-1074)
BINARY32 = Rounding(2.0**-24, 3.4028234663852886e38, 2.0**-149)

# A library function may be off by this many units; glibc and NumPy document at most 4 ulp for those used here.
FUNCTION_UNITS = 8


@dataclass(frozen=True, slots=True)
class Value:
    """An exact value, and a bound on the error of computing it; an infinite bound says that anything may come."""

    exact: Any
    error: Any


_Derivative = Callable[..., tuple[Any, ...]]

# function -> (value, partial derivatives), both of exact arguments.
_FUNCTIONS: dict[str, tuple[Callable[..., Any], _Derivative]] = {
    "exp": (mp.exp, lambda x: (mp.exp(x),)),
    "expm1": (mp.expm1, lambda x: (mp.exp(x),)),
    "log": (mp.log, lambda x: (1 / x,)),
    "log1p": (mp.log1p, lambda x: (1 / (1 + x),)),
    "sqrt": (mp.sqrt, lambda x: (1 / (2 * mp.sqrt(x)),)),
    "sinh": (mp.sinh, lambda x: (mp.cosh(x),)),
    "cosh": (mp.cosh, lambda x: (mp.sinh(x),)),
    "tanh": (mp.tanh, lambda x: (mp.sech(x) ** 2,)),
    "sin": (mp.sin, lambda x: (mp.cos(x),)),
    "cos": (mp.cos, lambda x: (-mp.sin(x),)),
    "atan": (mp.atan, lambda x: (1 / (1 + x * x),)),
    "arctan": (mp.atan, lambda x: (1 / (1 + x * x),)),
    "erf": (mp.erf, lambda x: (2 * mp.exp(-x * x) / mp.sqrt(mp.pi),)),
    "hypot": (mp.hypot, lambda x, y: (1, 1)),
    "pow": (
        lambda b, e: mp.power(b, e) if b or e else mpf(1),
        lambda b, e: (abs(e * mp.power(b, e - 1)) if b else mp.inf, abs(mp.power(b, e) * mp.log(b)) if b else 0),
    ),
}


class Interpreter:
    """Runs a scalar kernel for one element, at `digits` decimal digits."""

    def __init__(self, kernel: Kernel, rounding: Rounding = BINARY64, digits: int = 60) -> None:
        self.kernel = kernel
        self.rounding = rounding
        self.digits = digits

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Value]:
        """The outputs by name, from exact numbers for every input and parameter."""
        with mpmath.workdps(self.digits):
            env = {name: Value(mpf(value), mpf(0)) for name, value in inputs.items()}
            for assign in (*self.kernel.prologue, *self.kernel.body):
                env[assign.name] = self._run(assign.value, env, {})
            memo: dict[Node, Value] = {}
            return {o.name: self._run(o.value, env, memo) for o in self.kernel.outputs}

    def _run(self, node: Node, env: dict[str, Value], memo: dict[Node, Value]) -> Value:
        if node not in memo:
            try:
                memo[node] = self._evaluate(node, env, memo)
            except (ValueError, ZeroDivisionError, OverflowError):
                memo[node] = Value(mp.nan, mp.inf)
        return memo[node]

    def _evaluate(self, node: Node, env: dict[str, Value], memo: dict[Node, Value]) -> Value:
        match node:
            case Const(value):
                return self._rounded(mpf(value.numerator) / value.denominator, mpf(0), 1)
            case Var(name):
                return env[name]
            case Neg(operand):
                x = self._run(operand, env, memo)
                return Value(-x.exact, x.error)
            case Bin(op, left, right):
                a, b = self._run(left, env, memo), self._run(right, env, memo)
                return self._arithmetic(op, a, b)
            case Call("infinity", ()):
                return Value(mp.inf, mpf(0))
            case Call("abs", (operand,)):
                x = self._run(operand, env, memo)
                return Value(abs(x.exact), x.error)
            case Call("max" | "min" as name, operands):
                values = [self._run(o, env, memo) for o in operands]
                choose = max if name == "max" else min
                return Value(choose(v.exact for v in values), max(v.error for v in values))
            case Call("sign", (operand,)):
                x = self._run(operand, env, memo)
                unsure = x.error > 0 and abs(x.exact) <= x.error
                return Value(mp.sign(x.exact), mp.inf if unsure else mpf(0))
            case Call(function, operands):
                values = [self._run(o, env, memo) for o in operands]
                return self._function(function, values)
            case Cmp() | BoolOp():
                truth, sure = self._condition(node, env, memo)
                return Value(mpf(truth), mpf(0) if sure else mp.inf)
            case Select(condition, then, otherwise):
                truth, sure = self._condition(condition, env, memo)
                chosen = self._run(then if truth else otherwise, env, memo)
                return chosen if sure else Value(chosen.exact, mp.inf)
        raise TypeError(f"the interpreter runs scalar kernels; got a {type(node).__name__}")

    def _condition(self, node: Node, env: dict[str, Value], memo: dict[Node, Value]) -> tuple[bool, bool]:
        """Truth, and whether rounding cannot change it."""
        if isinstance(node, BoolOp):
            parts = [self._condition(o, env, memo) for o in node.operands]
            truths = [t for t, _ in parts]
            truth = all(truths) if node.op == "and" else any(truths) if node.op == "or" else not truths[0]
            return truth, all(s for _, s in parts)
        if isinstance(node, Cmp):
            a, b = self._run(node.left, env, memo), self._run(node.right, env, memo)
            margin = a.error + b.error
            sure = bool(margin == 0 or abs(a.exact - b.exact) > margin)
            x, y = a.exact, b.exact
            return bool({"<": x < y, "<=": x <= y, "==": x == y, "!=": x != y}[node.op]), sure
        value = self._run(node, env, memo)
        return bool(value.exact), bool(value.error == 0)

    def _arithmetic(self, op: str, a: Value, b: Value) -> Value:
        x, y = a.exact, b.exact
        match op:
            case "+" | "-":
                exact = x + y if op == "+" else x - y
                error = a.error + b.error
            case "*":
                exact = x * y
                error = abs(x) * b.error + abs(y) * a.error + a.error * b.error
            case _:
                exact = x / y
                if b.error and abs(y) <= 2 * b.error:
                    return Value(exact, mp.inf)
                error = (a.error + abs(exact) * b.error) / (abs(y) - b.error)
        return self._rounded(exact, error, 1)

    def _function(self, name: str, values: list[Value]) -> Value:
        function, derivative = _FUNCTIONS[name]
        arguments = [v.exact for v in values]
        exact = function(*arguments)
        if isinstance(exact, mpmath.mpc):
            return Value(mp.nan, mp.inf)
        error = mpf(0)
        if any(v.error for v in values):
            # Derivatives at both ends of each argument's error, so that curvature is covered.
            for i, v in enumerate(values):
                if v.error == 0:
                    continue
                steepest = mpf(0)
                for moved in (v.exact - v.error, v.exact, v.exact + v.error):
                    slopes = derivative(*(moved if i == n else a for n, a in enumerate(arguments)))
                    slope = slopes[i]
                    steepest = mp.inf if isinstance(slope, mpmath.mpc) else max(steepest, abs(slope))
                error += steepest * v.error
        return self._rounded(exact, error, FUNCTION_UNITS)

    def _rounded(self, exact: Any, error: Any, units: int) -> Value:
        if mp.isnan(exact) or mp.isnan(error) or abs(exact) + error > self.rounding.largest:
            return Value(exact, mp.inf)
        if error == 0 and units == 1 and self._representable(exact):
            return Value(exact, error)
        bound = error * (1 + self.rounding.unit) + units * self.rounding.unit * abs(exact)
        if abs(exact) < math.ldexp(self.rounding.smallest, 60):
            bound += units * self.rounding.smallest
        return Value(exact, bound)

    def _representable(self, exact: Any) -> bool:
        """Whether a number is one of the format's, so that arithmetic returns it without an error."""
        _, mantissa, exponent, bits = exact._mpf_
        precision = 1 - int(math.log2(self.rounding.unit))
        return mantissa == 0 or (bits < precision and exponent >= math.log2(self.rounding.smallest))
