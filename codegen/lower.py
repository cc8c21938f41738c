"""How does mathematics become a kernel?

SymPy expressions are lowered to the IR: atoms are replaced by their stable
forms here (and not before, see `spec.atoms`), sums over classes by reductions,
conditions keep a pivot, the point at which an untaken branch may be evaluated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import sympy as sp
from sympy import Add, Dummy, Expr, Indexed, KroneckerDelta, Mul, Piecewise, Pow, S, Sum, Symbol
from sympy.core.relational import Relational
from sympy.logic.boolalg import ITE, And, Boolean, BooleanFalse, BooleanTrue, Not, Or

from ..derive.branches import roots
from ..spec import atoms
from ..spec.model import SpecError
from .ir import Bin, BoolOp, Call, Cmp, Const, Elem, Index, Neg, Node, Pivot, Reduce, Select, Var, rewrite

# Irrational constants are written to this many digits; floats need 17, the interpreter 50.
CONSTANT_DIGITS = 60

# From here on log|a| - log|b| loses no more than a few units; representable in float32 as well.
FAR = Fraction(2**100)

_CALLS: dict[Any, str] = {
    sp.exp: "exp", sp.log: "log", sp.Abs: "abs", sp.sign: "sign", sp.sin: "sin", sp.cos: "cos", sp.atan: "atan",
    sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh", sp.erf: "erf",
}  # fmt: skip

ZERO, ONE = Const(Fraction(0)), Const(Fraction(1))


class LoweringError(SpecError):
    """An expression has no form in the IR; the message names the part."""


def number(value: Expr) -> Const:
    """An exact rational, or a real constant such as pi or log(2) to CONSTANT_DIGITS digits."""
    if not value.is_Rational:
        value = sp.Rational(str(sp.N(atoms.define_atoms(value), CONSTANT_DIGITS)))
    return Const(Fraction(int(value.p), int(value.q)))


class Lowering:
    """Lowers the expressions of one kernel; collects their pivots."""

    def __init__(self, branching: Iterable[Symbol] = (), label: Symbol | None = None) -> None:
        self.branching = tuple(branching)
        self.label = label
        self.pivots: list[Pivot] = []
        self._memo: dict[Expr, Node] = {}

    def __call__(self, e: Expr) -> Node:
        if e not in self._memo:
            self._memo[e] = self._lower(e, {})
        return self._memo[e]

    def _lower(self, e: Expr, bound: dict[Symbol, Node]) -> Node:
        """`bound` gives the nodes of the arguments of an atom that is being written out."""
        recur = functools.partial(self._lower, bound=bound)
        if isinstance(e, Symbol):
            return bound[e] if e in bound else Var(e.name)
        if e.is_number and not e.has(sp.oo, sp.zoo, sp.nan):
            return number(e)
        if isinstance(e, Add):
            return self._add(e, recur)
        if isinstance(e, Mul) and (delta := next((a for a in e.args if isinstance(a, KroneckerDelta)), None)):
            # A choice, not a product: off the diagonal the other factors may be infinite.
            return Select(self._same_class(delta), recur(e / delta), ZERO)
        if isinstance(e, Mul):
            spread = _spread_scale(e)
            return _multiply(spread, recur) if isinstance(spread, Mul) else recur(spread)
        if isinstance(e, Pow):
            return _power(recur(e.base), e.exp, recur)
        if isinstance(e, Piecewise):
            return self._piecewise(e, bound)
        if isinstance(e, sp.Max | sp.Min):
            name = "max" if isinstance(e, sp.Max) else "min"
            # A constant goes first: then a NaN in the other argument is passed on.
            ordered = sorted(e.args, key=lambda a: (not a.is_number, sp.default_sort_key(a)))
            first, *others = (recur(a) for a in ordered)
            return functools.reduce(lambda a, b: Call(name, (a, b)), others, first)
        if isinstance(e, atoms.VectorAtom | Sum | Indexed | KroneckerDelta):
            return self._over_classes(e, recur)
        if isinstance(e, atoms.AtomFunction):
            return self._atom(e, [recur(a) for a in e.args])
        if e.func in _CALLS:
            return Call(_CALLS[e.func], tuple(recur(a) for a in e.args))
        raise LoweringError(f"{e.func.__name__} has no form in generated code (in {e})")

    def condition(self, e: Boolean, bound: dict[Symbol, Node] | None = None) -> Node:
        """A condition as a BOOL node."""
        bound = {} if bound is None else bound
        match e:
            case Relational():
                left, right = self._lower(e.lhs, bound), self._lower(e.rhs, bound)
                if e.rel_op in (">", ">="):
                    left, right = right, left
                operator = {">": "<", ">=": "<=", "<": "<", "<=": "<=", "==": "==", "!=": "!="}[e.rel_op]
                node = Cmp(operator, left, right)  # type: ignore[arg-type]
                self._pivot(e, node)
                return node
            case And() | Or():
                name = "and" if isinstance(e, And) else "or"
                ordered = sorted(e.args, key=sp.default_sort_key)
                return BoolOp(name, tuple(self.condition(a, bound) for a in ordered))  # type: ignore[arg-type]
            case Not():
                return BoolOp("not", (self.condition(e.args[0], bound),))
            case ITE():
                asked, yes, no = e.args
                return self.condition(Or(And(asked, yes), And(Not(asked), no)), bound)
        raise LoweringError(f"the condition {e} has no form in generated code")

    def _pivot(self, e: Relational, node: Node) -> None:
        for x in self.branching:
            if e.has(x) and (at := roots(e.lhs - e.rhs, x)):
                self.pivots.append(Pivot(node, x.name, self._lower(at[-1], {})))

    def _piecewise(self, e: Piecewise, bound: dict[Symbol, Node]) -> Node:
        result: Node | None = None
        for branch, condition in reversed(e.args):
            value = self._lower(branch, bound)
            if isinstance(condition, BooleanTrue):
                result = value
            elif not isinstance(condition, BooleanFalse):
                if result is None:
                    raise LoweringError(f"{e} has no value where none of its conditions holds; end it with an else")
                result = Select(self.condition(condition, bound), value, result)
        if result is None:
            raise LoweringError(f"{e} has no branch")
        return result

    def _atom(self, e: Expr, arguments: list[Node]) -> Node:
        row = atoms.ATOMS[e.func.__name__]
        if row.stable is None:
            return Call(row.name, tuple(arguments))
        if isinstance(e, atoms.log1p_square):
            return self._log_of_quotient(e, arguments[0])
        return self._written_out(row, arguments)

    def _log_of_quotient(self, e: Expr, argument: Node) -> Node:
        """log(1 + (a/b)**2) where a/b may overflow and its logarithm does not: 2*(log|a| - log|b|) far out."""
        plain = self._written_out(atoms.ATOMS["log1p_square"], [argument])
        a, b = e.args[0].as_numer_denom()
        if b.is_number:
            return plain
        size, scale = Call("abs", (self._lower(a, {}),)), Call("abs", (self._lower(b, {}),))
        difference = Bin("-", Call("log", (size,)), Call("log", (scale,)))
        far = Cmp("<", Bin("*", Const(FAR), scale), size)
        guarded = rewrite(difference, lambda n: Select(far, n, ONE) if n == size else n)
        return Select(far, Bin("*", Const(Fraction(2)), guarded), plain)

    def _written_out(self, row: atoms.Atom, arguments: list[Node]) -> Node:
        assert row.stable is not None
        symbols = [Dummy(f"x{i}", real=True) for i in range(len(arguments))]
        return self._lower(row.stable(*symbols), dict(zip(symbols, arguments, strict=True)))

    def _add(self, e: Add, recur: Callable[[Expr], Node]) -> Node:
        complement = _complement(e)
        if complement is not None:
            total, probability, rest = complement
            inner = self._complement_of(total, probability)
            return inner if rest == 0 else Bin("+", recur(rest), inner)
        # Positive terms first: the sum then starts with a term, not with a minus.
        terms = sorted(e.args, key=lambda t: t.could_extract_minus_sign())
        growth = next((t for t in terms if isinstance(t, sp.exp)), None)
        result = recur(terms[0])
        for term in terms[1:]:
            if term.could_extract_minus_sign():
                taken = recur(-term)
                if growth is not None and isinstance(-term, Mul):
                    # exp(f) - y*f: where both overflow the exponential is the larger by far; oo - oo would be NaN.
                    taken = Select(Cmp("==", recur(growth), Call("infinity", ())), ZERO, taken)
                result = Bin("-", result, taken)
            else:
                result = Bin("+", result, recur(term))
        return result

    # -- K classes ---------------------------------------------------------------------------------------

    def _over_classes(self, e: Expr, recur: Callable[[Expr], Node]) -> Node:
        match e:
            case Indexed():
                return Elem(str(e.base), e.indices[0].name)
            case KroneckerDelta():
                return Select(self._same_class(e), ONE, ZERO)
            case Sum():
                return Reduce("sum", e.limits[0][0].name, recur(e.function))
            case atoms.softmax():
                name, index = str(e.args[0]), e.args[1].name
                return Bin("/", _exp_below_max(name, index), Bin("+", ONE, _rest(name)))
            case atoms.log_softmax():
                name, index = str(e.args[0]), e.args[1].name
                return Bin("-", _below_max(name, index), Call("log1p", (_rest(name),)))
        raise LoweringError(f"{e} has no form over classes")

    def _class(self, index: Expr) -> Node:
        return Var(index.name) if index == self.label else Index(index.name)

    def _same_class(self, delta: Expr) -> Node:
        first, second = (self._class(a) for a in sorted(delta.args, key=str))
        return Cmp("==", first, second)

    def _complement_of(self, total: Expr, probability: Expr) -> Node:
        """total - softmax(f)[k], where total is 1 or a Kronecker delta: no digit is lost where p is near 1."""
        name, index = str(probability.args[0]), probability.args[1].name
        rest, here = _rest(name), self._class(probability.args[1])
        p = Bin("/", _exp_below_max(name, index), Bin("+", ONE, rest))
        largest = Cmp("==", here, Reduce("argmax", "c", Elem(name, "c")))
        complement = Select(largest, Bin("/", rest, Bin("+", ONE, rest)), Bin("-", ONE, p))
        if total == 1:
            return complement
        return Select(self._same_class(total), complement, Neg(p))


def _complement(e: Add) -> tuple[Expr, Expr, Expr] | None:
    """(total, p, rest) when e is total - p + rest with a softmax p and a total of 1 or a Kronecker delta."""
    for term in e.args:
        if isinstance(-term, atoms.softmax):
            for total in e.args:
                if total == 1 or isinstance(total, KroneckerDelta):
                    return total, -term, e + (-term) - total
    return None


def _below_max(vector: str, index: str) -> Node:
    return Bin("-", Elem(vector, index), Reduce("max", "c", Elem(vector, "c")))


def _exp_below_max(vector: str, index: str) -> Node:
    return Call("exp", (_below_max(vector, index),))


def _rest(vector: str) -> Node:
    """The sum of exp(f[c] - max f) over all classes but the largest, whose term is exactly 1."""
    largest = Cmp("==", Index("c"), Reduce("argmax", "c", Elem(vector, "c")))
    return Reduce("sum", "c", Select(largest, ZERO, _exp_below_max(vector, "c")))


def _spread_scale(e: Mul) -> Expr:
    """c**2*hypot1m1(x/c) as c*x*half_tangent(x/c), c*hypot1(x/c) as hypot(c, x): x/c may overflow, these do not."""
    factors: list[Expr] = []
    for factor in e.args:
        if isinstance(factor, atoms.hypot1m1):
            factors += [factor.args[0], atoms.half_tangent(factor.args[0])]
        elif isinstance(factor, atoms.hypot1):
            a, b = factor.args[0].as_numer_denom()
            factors += [atoms.hypot(a, b), 1 / b]
        else:
            factors.append(factor)
    spread = Mul(*factors)
    # Worth it only where the scale cancels; otherwise it would appear twice.
    return spread if sp.count_ops(spread) <= sp.count_ops(e) + 1 else e


def _multiply(e: Mul, recur: Callable[[Expr], Node]) -> Node:
    """Products and quotients; x**n/y**n becomes (x/y)**n, whose range is wider."""
    coefficient, factors = e.as_coeff_mul()
    above: list[Expr] = []
    below: list[Expr] = []
    for factor in factors:
        base, power = factor.as_base_exp()
        if isinstance(factor, sp.exp):
            above.append(factor)
        elif power.could_extract_minus_sign():
            below.append(base ** (-power))
        else:
            above.append(factor)
    nodes: list[Node] = []
    for factor in above:
        base, power = factor.as_base_exp()
        partner = next((b for b in below if power != 1 and b.as_base_exp()[1] == power), None)
        if partner is None or isinstance(factor, sp.exp):
            nodes.append(recur(factor))
        else:
            below.remove(partner)
            nodes.append(_power(Bin("/", recur(base), recur(partner.as_base_exp()[0])), power, recur))
    return _quotient(coefficient, _before_underflow(above, nodes), [recur(b) for b in below])


def _before_underflow(factors: list[Expr], nodes: list[Node]) -> list[Node]:
    """The factors of a product with an exponential, so that oo*0 is 0 and not NaN.

    In P(r)*exp(-r**2) the polynomial may overflow where the exponential is
    already 0, and counts as 0 there; in y*exp(-f) the exponential may overflow
    where y is 0, and counts as 0 there.
    """
    at = next((i for i, f in enumerate(factors) if isinstance(f, sp.exp)), None)
    if at is None or len(factors) != len(nodes):
        return nodes
    exponential, result = nodes[at], list(nodes)
    for i, factor in enumerate(factors):
        if isinstance(factor, Add | Pow | Symbol) and factor.free_symbols & factors[at].free_symbols:
            result[i] = Select(Cmp("==", exponential, ZERO), ZERO, nodes[i])
        elif isinstance(factor, Symbol) and factor.is_zero is None:
            result[at] = Select(Cmp("==", nodes[i], ZERO), ZERO, result[at])
    return result


def _quotient(coefficient: Expr, above: list[Node], below: list[Node]) -> Node:
    negative = bool(coefficient < 0)
    p, q = abs(int(coefficient.p)), int(coefficient.q)
    if q & (q - 1) == 0:
        if (p, q) != (1, 1):
            above = [Const(Fraction(p, q)), *above]
    else:
        above = [Const(Fraction(p)), *above] if p != 1 else above
        below = [Const(Fraction(q)), *below]
    top = functools.reduce(lambda a, b: Bin("*", a, b), above) if above else ONE
    if below:
        top = Bin("/", top, functools.reduce(lambda a, b: Bin("*", a, b), below))
    return Neg(top) if negative else top


def _power(base: Node, exponent: Expr, recur: Callable[[Expr], Node]) -> Node:
    if exponent == S.Half:
        return Call("sqrt", (base,))
    if exponent.could_extract_minus_sign():
        return Bin("/", ONE, _power(base, -exponent, recur))
    return base if exponent == 1 else Call("pow", (base, recur(exponent)))
