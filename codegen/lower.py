"""How does mathematics become a kernel?

SymPy expressions are lowered to the IR: atoms are replaced by their stable
forms here (and not before, see `spec.atoms`), sums over classes by reductions,
conditions keep a pivot, the point at which an untaken branch may be evaluated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

import sympy as sp
from sympy import Add, Basic, Dummy, Expr, Indexed, KroneckerDelta, Max, Mul, Piecewise, Pow, S, Sum, Symbol
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

# Below minus this, log_ndtr(x) is -x**2/2 to the last digit; its square is a number in float32.
FAINT_LOGARITHM = Fraction(2**40)

_CALLS: dict[Any, str] = {
    sp.exp: "exp", sp.log: "log", sp.Abs: "abs", sp.sign: "sign", sp.sin: "sin", sp.cos: "cos", sp.atan: "atan",
    sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh", sp.erf: "erf",
}  # fmt: skip

ZERO, ONE = Const(Fraction(0)), Const(Fraction(1))


Key = TypeVar("Key")


class Lowered(NamedTuple):
    """A node, and in order the pivots of the conditions that it was made with."""

    node: Node
    pivots: dict[Pivot, None]


Known = dict[Basic, Lowered]


class LoweringError(SpecError):
    """An expression has no form in the IR; the message names the part."""


def number(value: Expr) -> Const:
    """An exact rational, or a real constant such as pi or log(2) to CONSTANT_DIGITS digits."""
    if not value.is_Rational:
        value = sp.Rational(str(sp.N(atoms.define_atoms(value), CONSTANT_DIGITS)))
    return Const(Fraction(int(value.p), int(value.q)))


class Lowering:
    """Lowers the expressions of a loss. What several of them contain is lowered once, and has its pivots in all."""

    def __init__(
        self,
        branching: Iterable[Symbol] = (),
        label: Symbol | None = None,
        targets: Iterable[Symbol] = (),
        one_hot: sp.IndexedBase | None = None,
    ) -> None:
        self.one_hot = one_hot
        self.branching = tuple(branching)
        self.targets = frozenset(targets)
        self.label = label
        self._known: Known = {}
        self._written: dict[tuple[str, tuple[Node, ...]], Lowered] = {}
        self._pivots: dict[Pivot, None] = {}  # of what is being lowered

    def __call__(self, e: Expr) -> Node:
        return self._lower(e, self._known)

    def pivots(self, lowered: Iterable[Expr]) -> tuple[Pivot, ...]:
        """Of expressions that are lowered."""
        return tuple(dict.fromkeys(pivot for e in lowered for pivot in self._known[e].pivots))

    def _once(self, known: dict[Key, Lowered], key: Key, lower: Callable[[], Node]) -> Node:
        if key not in known:
            outside, self._pivots = self._pivots, {}
            node = lower()
            known[key] = Lowered(node, self._pivots)
            self._pivots = outside
        self._pivots |= known[key].pivots
        return known[key].node

    def _lower(self, e: Expr, known: Known) -> Node:
        """`known` has what is lowered already, and the arguments of an atom that is being written out."""
        return self._once(known, e, lambda: self._lowered(e, known))

    def _lowered(self, e: Expr, known: Known) -> Node:
        recur = functools.partial(self._lower, known=known)
        if isinstance(e, Symbol):
            return Var(e.name)
        if e.is_number and not e.has(sp.oo, sp.zoo, sp.nan):
            return number(e)
        if isinstance(e, Add):
            return self._add(e, recur)
        if isinstance(e, Mul) and (delta := next((a for a in e.args if isinstance(a, KroneckerDelta)), None)):
            # A choice, not a product: off the diagonal the other factors may be infinite.
            return Select(self._same_class(delta), recur(e / delta), ZERO)
        if isinstance(e, Mul):
            spread = _spread_scale(e)
            return self._multiply(spread, recur) if isinstance(spread, Mul) else recur(spread)
        if isinstance(e, Pow):
            return _power(recur(e.base), e.exp, recur)
        if isinstance(e, Piecewise):
            return self._piecewise(e, known)
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

    def condition(self, e: Boolean, known: Known | None = None) -> Node:
        """A condition as a BOOL node."""
        known = self._known if known is None else known
        return self._once(known, e, lambda: self._condition(e, known))

    def _condition(self, e: Boolean, known: Known) -> Node:
        match e:
            case Relational():
                left, right = self._lower(e.lhs, known), self._lower(e.rhs, known)
                if e.rel_op in (">", ">="):
                    left, right = right, left
                operator = {">": "<", ">=": "<=", "<": "<", "<=": "<=", "==": "==", "!=": "!="}[e.rel_op]
                node = Cmp(operator, left, right)  # type: ignore[arg-type]
                self._pivot(e, node)
                return node
            case And() | Or():
                name = "and" if isinstance(e, And) else "or"
                ordered = sorted(e.args, key=sp.default_sort_key)
                return BoolOp(name, tuple(self.condition(a, known) for a in ordered))  # type: ignore[arg-type]
            case Not():
                return BoolOp("not", (self.condition(e.args[0], known),))
            case ITE():
                asked, yes, no = e.args
                return self.condition(Or(And(asked, yes), And(Not(asked), no)), known)
        raise LoweringError(f"the condition {e} has no form in generated code")

    def _pivot(self, e: Relational, node: Node) -> None:
        for x in self.branching:
            if e.has(x) and (at := roots(e.lhs - e.rhs, x)):
                self._pivots[Pivot(node, x.name, self(at[-1]))] = None

    def _piecewise(self, e: Piecewise, known: Known) -> Node:
        result: Node | None = None
        for branch, condition in reversed(e.args):
            value = self._lower(branch, known)
            if isinstance(condition, BooleanTrue):
                result = value
            elif not isinstance(condition, BooleanFalse):
                if result is None:
                    raise LoweringError(f"{e} has no value where none of its conditions holds; end it with an else")
                result = Select(self.condition(condition, known), value, result)
        if result is None:
            raise LoweringError(f"{e} has no branch")
        return result

    def _atom(self, e: Expr, arguments: list[Node]) -> Node:
        row = atoms.ATOMS[e.func.__name__]
        if row.stable is None:
            return Call(row.name, tuple(arguments))
        if isinstance(e, atoms.log1p_square):
            return self._log_of_quotient(e, arguments[0])
        if isinstance(e, atoms.hypot1_slope):
            return self(row.stable(*e.args))
        if isinstance(e, atoms.hypot1_power | atoms.hypot1_box_cox):
            return self._power_of_quotient(e, arguments)
        if isinstance(e, atoms.exp_pair | atoms.power_pair):
            return _pair(e, *arguments)
        return self._written_out(row, arguments)

    def _power_of_quotient(self, e: Expr, arguments: list[Node]) -> Node:
        """(1 + (a/b)**2)**(p/2) where a/b may overflow and the power does not: |a|**p/b**p far out."""
        plain = self._written_out(atoms.ATOMS[e.func.__name__], arguments)
        a, b = _quotient_of(e.args[0])
        if b.is_number:
            return plain
        p = arguments[1]
        size, scale = Call("abs", (self(a),)), self(b)
        far = Cmp("<", Bin("*", Const(FAR), scale), size)
        outside = Select(far, size, ONE)
        power: Node = Bin("/", Call("pow", (outside, p)), Call("pow", (scale, p)))
        if isinstance(e, atoms.hypot1_box_cox):
            logarithm = Bin("-", Call("log", (outside,)), Call("log", (scale,)))
            exponent = Bin("*", p, logarithm)
            near = Bin("/", Call("expm1", (exponent,)), p)
            is_near = Cmp("<", Call("abs", (exponent,)), ONE)
            beyond = Bin("/", Bin("-", power, ONE), p)
            power = Select(Cmp("==", p, ZERO), logarithm, Select(is_near, near, beyond))
        return Select(far, power, plain)

    def _log_of_quotient(self, e: Expr, argument: Node) -> Node:
        """log(1 + (a/b)**2) where a/b may overflow and its logarithm does not: 2*(log|a| - log|b|) far out."""
        plain = self._written_out(atoms.ATOMS["log1p_square"], [argument])
        a, b = _quotient_of(e.args[0])
        if b.is_number:
            return plain
        size, scale = Call("abs", (self(a),)), Call("abs", (self(b),))
        difference = Bin("-", Call("log", (size,)), Call("log", (scale,)))
        far = Cmp("<", Bin("*", Const(FAR), scale), size)
        guarded = rewrite(difference, lambda n: Select(far, n, ONE) if n == size else n)
        return Select(far, Bin("*", Const(Fraction(2)), guarded), plain)

    def _written_out(self, row: atoms.Atom, arguments: list[Node]) -> Node:
        # A number stays one: the form may depend on it, as that of 1 - (1 - x)**3 does on the 3.
        values, form = _stable_form(row.name, tuple(self._exact(a) for a in arguments))
        given = {v: Lowered(a, {}) for v, a in zip(values, arguments, strict=True) if isinstance(v, Dummy)}
        return self._once(self._written, (row.name, tuple(arguments)), lambda: self._lower(form, given))

    @staticmethod
    def _exact(node: Node) -> Expr | None:
        """The integer that a node is, when it is one."""
        return sp.Integer(int(node.value)) if isinstance(node, Const) and node.value.denominator == 1 else None

    def _add(self, e: Add, recur: Callable[[Expr], Node]) -> Node:
        for whole, negative in ((e, False), (-e, True)):
            if (complement := self._complement(whole)) is not None:
                total, probability, rest = complement
                inner = self._complement_of(total, probability, negative)
                return inner if rest == 0 else Bin("-" if negative else "+", inner, recur(rest))
        if (gap := _root_gap(e)) is not None:
            c, a, b = gap
            root, other = Call("sqrt", (recur(b),)), Call("sqrt", (recur(a),))
            difference = Bin("/", Bin("-", recur(b), recur(a)), Bin("+", root, other))  # of roots; does not overflow
            return _quotient(c, [Bin("/", difference, root)], [])
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

    def _multiply(self, e: Mul, recur: Callable[[Expr], Node]) -> Node:
        """Products and quotients; x**n/y**n becomes (x/y)**n, whose range is wider."""
        coefficient, factors = e.as_coeff_mul()
        above: list[Expr] = []
        below: list[Expr] = []
        again: list[Expr] = []
        if any(f.as_base_exp()[1].is_negative for f in factors):
            factors, coefficient = _without_content(factors, coefficient)
        for factor in factors:
            base, power = factor.as_base_exp()
            if isinstance(factor, sp.exp):
                above.append(factor)
            elif power.could_extract_minus_sign():
                # Of a sum that may overflow when squared, one factor after the other.
                if power in (-2, -3) and _is_squared_badly(base, factors, self.branching):
                    below.append(base)
                    again += [base] * (-int(power) - 1)
                else:
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
        nodes = _before_vanishing(above, _vanishing_coefficient(above, _before_underflow(above, nodes), recur))
        nodes = _before_zero_weight(above, nodes, self.targets, recur)
        bottom = [recur(b) for b in below]
        if not again:
            return _quotient(coefficient, nodes, bottom)
        once = functools.reduce(lambda top, b: Bin("/", top, recur(b)), again, _quotient(S.One, nodes, bottom))
        return once if coefficient == 1 else _quotient(coefficient, [once], [])

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
        """Whether a Kronecker delta is 1, or the element of a one-hot target."""
        if isinstance(delta, Indexed):
            return Cmp("==", Elem(str(delta.base), delta.indices[0].name), ONE)
        first, second = (self._class(a) for a in sorted(delta.args, key=str))
        return Cmp("==", first, second)

    def _complement(self, e: Expr) -> tuple[Expr, Expr, Expr] | None:
        """(total, p, rest) when e is total - p + rest, with a softmax p and a total that is 1, or else 0 or 1."""
        for term in Add.make_args(e):
            if isinstance(-term, atoms.softmax):
                for total in e.args:
                    one_hot = isinstance(total, Indexed) and total.base == self.one_hot
                    if total == 1 or isinstance(total, KroneckerDelta) or one_hot:
                        return total, -term, e + (-term) - total
        return None

    def _complement_of(self, total: Expr, probability: Expr, negative: bool) -> Node:
        """total - softmax(f)[k], or its negative: no digit is lost where p is near 1."""
        name, index = str(probability.args[0]), probability.args[1].name
        rest, here = _rest(name), self._class(probability.args[1])
        p: Node = Bin("/", _exp_below_max(name, index), Bin("+", ONE, rest))
        largest = Cmp("==", here, Reduce("argmax", "c", Elem(name, "c")))
        complement: Node = Select(largest, Bin("/", rest, Bin("+", ONE, rest)), Bin("-", ONE, p))
        complement, p = (Neg(complement), p) if negative else (complement, Neg(p))
        return complement if total == 1 else Select(self._same_class(total), complement, p)


def _root_gap(e: Add) -> tuple[Expr, Expr, Expr] | None:
    """(c, a, b) when e is c - c*sqrt(a)/sqrt(b), which is c*(b - a)/(sqrt(a) + sqrt(b))/sqrt(b): exact beside a = b."""
    c, rest = e.as_coeff_Add()
    ratio = -rest / c if c.is_Rational and c != 0 else rest
    return (c, *ratio.args) if isinstance(ratio, atoms.root_ratio) else None


def _below_max(vector: str, index: str) -> Node:
    return Bin("-", Elem(vector, index), Reduce("max", "c", Elem(vector, "c")))


def _exp_below_max(vector: str, index: str) -> Node:
    return Call("exp_difference", (Elem(vector, index), Reduce("max", "c", Elem(vector, "c"))))


def _rest(vector: str) -> Node:
    """The sum of exp(f[c] - max f) over all classes but the largest, whose term is exactly 1."""
    largest = Cmp("==", Index("c"), Reduce("argmax", "c", Elem(vector, "c")))
    return Reduce("sum", "c", Select(largest, ZERO, _exp_below_max(vector, "c")))


def _quotient_of(u: Expr) -> tuple[Expr, Expr]:
    """a and b with u = a/b; numbers go into b, so that a, when it is large, does not overflow by them."""
    a, b = u.as_numer_denom()
    number, rest = a.as_independent(*a.free_symbols, as_Add=False)
    return (rest, b / number) if rest.free_symbols and number.is_positive else (a, b)


def _pair(e: Expr, x: Node, q: Node, a: Node, b: Node) -> Node:
    """a*u**(q + 1) - b*u**q for u = exp(x) or x, as (a*u - b)*u**q or (a - b/u)*u**(q + 1), so that nothing is oo - oo.

    The power is multiplied in four parts: a quarter of the exponent is exact, and its power no infinity and no 0 where
    the product is neither.
    """
    exponential = isinstance(e, atoms.exp_pair)

    def power(exponent: Node) -> Node:
        return Call("exp", (Bin("*", exponent, x),)) if exponential else Call("pow", (x, exponent))

    def times_power(factor: Node, exponent: Node) -> Node:
        part = power(Bin("*", Const(Fraction(1, 4)), exponent))
        product = functools.reduce(lambda product, root: Bin("*", product, root), [part] * 4, factor)
        return Select(Cmp("==", factor, ZERO), ZERO, product)

    above = Bin("+", ONE, q)
    u = Call("exp", (x,)) if exponential else x
    outside = BoolOp("and", (Cmp("<", ZERO if exponential else ONE, x), Cmp("<", q, ZERO)))
    low = times_power(Bin("-", Bin("*", a, u), b), q)
    shrunk = Bin("*", b, Call("exp", (Neg(x),))) if exponential else Bin("/", b, x)
    high = times_power(Bin("-", a, shrunk), above)
    return Select(Cmp("==", b, ZERO), times_power(a, above), Select(outside, high, low))


@functools.cache
def _stable_form(name: str, numbers: tuple[Expr | None, ...]) -> tuple[list[Expr], Expr]:
    """The stable form of an atom, in the numbers given and in dummies where there is None; SymPy is slow to make it."""
    stable = atoms.ATOMS[name].stable
    assert stable is not None
    values = [Dummy(f"x{i}", real=True) if n is None else n for i, n in enumerate(numbers)]
    return values, stable(*values)


def _spread_scale(e: Mul) -> Expr:
    """c**2*hypot1m1(x/c) as c*x*half_tangent(x/c), c*hypot1(x/c) as hypot(c, x): x/c may overflow, these do not."""
    factors: list[Expr] = []
    for factor in e.args:
        if isinstance(factor, atoms.hypot1m1):
            factors += [factor.args[0], atoms.half_tangent(factor.args[0])]
        elif isinstance(factor, Pow) and isinstance(factor.base, atoms.hypot1) and factor.exp in (-2, -3):
            # c**-1*hypot1(x/c)**-3 as hypot1(x/c)**-2/hypot(c, x): the cube overflows where the quotient is a number.
            a, b = factor.base.args[0].as_numer_denom()
            factors += [factor * factor.base, b / atoms.hypot(a, b)] if 1 / b in e.args else [factor]
        elif isinstance(factor, Add) and factor.has(atoms.cloglog_slope, atoms.cloglog_bend):
            # The exponential beside them may be infinite where, divided by sigma, it is not.
            return Add(*(e / factor * term for term in factor.args))
        elif isinstance(factor, atoms.exp_gap):
            return atoms.exp_gap_scaled(factor.args[0], factor.args[1], e / factor)
        elif isinstance(factor, atoms.expm1) and _may_overflow(factor.args[0]) and (e / factor).free_symbols:
            return atoms.expm1_scaled(factor.args[0], e / factor)
        elif isinstance(factor, atoms.softplus) and (t := factor.args[0].as_numer_denom()[1]) in e.args:
            a = factor.args[0] * t
            return Mul(e / factor / t, Max(a, 0) + t * atoms.log1p(sp.exp(-sp.Abs(a) / t)), evaluate=False)
        elif isinstance(factor, atoms.log1p_gap):
            return _with_ratio(e, factor, factor.args[0], atoms.log1p_gap_ratio(factor.args[0]))
        elif isinstance(factor, atoms.power_gap) and factor.args[1].is_Integer and 1 < factor.args[1] <= 8:
            return _with_ratio(e, factor, factor.args[0], atoms.power_gap_ratio(*factor.args))
        elif isinstance(factor, atoms.hypot1):
            a, b = factor.args[0].as_numer_denom()
            factors += [atoms.hypot(a, b), 1 / b]
        else:
            factors.append(factor)
    spread = Mul(*factors)
    # Worth it only where the scale cancels; otherwise it would appear twice.
    return spread if spread == e or sp.count_ops(spread) <= sp.count_ops(e) + 1 else e


def _may_overflow(u: Expr) -> bool:
    """Whether exp(u) of an author's own u, not one of the argument of an atom being written out, can be infinite."""
    return not u.is_nonpositive and not isinstance(u, sp.Min) and not u.has(Dummy)


def _with_ratio(e: Mul, gap: Expr, u: Expr, ratio: Expr) -> Expr:
    """c*gap as (c*u)*(gap/u), where the scale cancels: u may overflow or underflow, c*u does not."""
    scale = e / gap
    scaled = scale * u
    worth = sp.count_ops(scaled) <= sp.count_ops(scale) + 2
    return Mul(scaled, ratio, evaluate=False) if worth else e


def _without_content(factors: Iterable[Expr], coefficient: Expr) -> tuple[list[Expr], Expr]:
    """Sums with their common number taken out: 2*f - 2*y overflows before f - y does."""
    result: list[Expr] = []
    for factor in factors:
        content, primitive = factor.primitive() if isinstance(factor, Add) else (S.One, factor)
        result.append(primitive)
        coefficient *= content
    return result, coefficient


def _is_squared_badly(base: Expr, factors: Iterable[Expr], predictions: Iterable[Symbol]) -> bool:
    """Whether x/base**2 is better divided twice: the square overflows or underflows where the quotient does not."""
    others = [f for f in factors if f.as_base_exp()[0] != base]
    return bool(others) and (
        isinstance(base, Add)
        or any(isinstance(f, Add) and f.has(base) and _is_rational(f, base) for f in others)
        or (base in predictions and all(f.is_Symbol for f in others))
    )


def _is_rational(f: Expr, base: Expr) -> bool:
    """Whether f is a polynomial, or of a variable 1/f: sums whose terms grow or vanish as powers of the base."""
    return bool(f.is_polynomial() or (base.is_Symbol and f.is_polynomial(*(f.free_symbols - {base}), 1 / base)))


def _vanishing_coefficient(factors: list[Expr], nodes: list[Node], recur: Callable[[Expr], Node]) -> list[Node]:
    """(q - 1)*|r|**(q - 2) at q = 1 is 0, also where the power would be infinite: the exponent then is 0."""
    result = list(nodes)
    for zero in factors:
        if isinstance(zero, Add) and len(factors) == len(nodes):
            for i, power in enumerate(factors):
                if (
                    isinstance(power, Pow)
                    and isinstance(node := nodes[i], Call)
                    and node.function == "pow"
                    and (power.exp - zero).is_number
                    and not zero.free_symbols & power.base.free_symbols
                ):
                    base, exponent = node.arguments
                    result[i] = Call("pow", (base, Select(Cmp("==", recur(zero), ZERO), ZERO, exponent)))
    return result


def _before_vanishing(factors: list[Expr], nodes: list[Node]) -> list[Node]:
    """In (1 - g*softplus(z))*sigmoid(-z) the sum may overflow where the sigmoid is already 0, and counts as 0 there."""
    if len(factors) != len(nodes):
        return nodes
    result = list(nodes)
    for i, factor in enumerate(factors):
        if isinstance(factor, Add) and (growing := sorted(factor.atoms(atoms.softplus), key=sp.default_sort_key)):
            for vanishing, node in zip(factors, nodes, strict=True):
                if isinstance(vanishing, atoms.sigmoid) and any(-g.args[0] == vanishing.args[0] for g in growing):
                    result[i] = Select(Cmp("==", node, ZERO), ZERO, nodes[i])
    return result


def _before_underflow(factors: list[Expr], nodes: list[Node]) -> list[Node]:
    """The factors of a product with an exponential, so that oo*0 is 0 and not NaN.

    In P(r)*exp(-r**2) the polynomial may overflow where the exponential is
    already 0, and counts as 0 there; in y*exp(-f) the exponential may overflow
    where y is 0, and counts as 0 there.
    """
    at = next((i for i, f in enumerate(factors) if isinstance(f, sp.exp)), None)
    if at is None and len(factors) == len(nodes):
        return _before_sigmoid(factors, nodes)
    if at is None or len(factors) != len(nodes):
        return nodes
    exponential, result = nodes[at], list(nodes)
    for i, factor in enumerate(factors):
        if isinstance(factor, Add | Pow | Symbol) and factor.free_symbols & factors[at].free_symbols:
            result[i] = Select(Cmp("==", exponential, ZERO), ZERO, nodes[i])
        elif isinstance(factor, Symbol) and factor.is_zero is None:
            result[at] = Select(Cmp("==", nodes[i], ZERO), ZERO, result[at])
    return result


def _before_zero_weight(
    factors: list[Expr], nodes: list[Node], targets: frozenset[Expr], recur: Callable[[Expr], Node]
) -> list[Node]:
    """In y*log_ndtr(f) and (1 - y)*exp(f) the growing factor may be infinite where the product is not.

    Far below 0, log_ndtr(x) is -x**2/2, which is multiplied in two factors; so is exp(x), and it counts as 0 where the
    weight is 0.
    """
    if len(factors) != len(nodes):
        return nodes
    result = list(nodes)
    for weight, node in zip(factors, nodes, strict=True):
        if not (weight.free_symbols and weight.free_symbols <= targets and weight.is_zero is None):
            continue
        for i, growing in enumerate(factors):
            if isinstance(growing, atoms.log_ndtr):
                x = recur(growing.args[0])
                far = Cmp("<", x, Const(-FAINT_LOGARITHM))
                result[i] = Select(far, x, nodes[i])
                result.append(Select(far, Bin("*", Const(Fraction(-1, 2)), x), ONE))
            elif isinstance(growing, sp.exp) and isinstance(weight, Add) and isinstance(nodes[i], Call):
                half = Call("exp", (Bin("*", Const(Fraction(1, 2)), nodes[i].children[0]),))
                result[i] = Select(Cmp("==", node, ZERO), ZERO, half)
                result.append(result[i])
    return result


def _before_sigmoid(factors: list[Expr], nodes: list[Node]) -> list[Node]:
    """x**2*sigmoid(-x**2): the power may overflow where the sigmoid is already 0, and counts as 0 there."""
    result = list(nodes)
    for i, power in enumerate(factors):
        if isinstance(power, Pow) and power.exp.is_Integer and power.base.is_Symbol:
            for decay, node in zip(factors, nodes, strict=True):
                if isinstance(decay, atoms.sigmoid) and decay.has(power.base):
                    result[i] = Select(Cmp("==", node, ZERO), ZERO, result[i])
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
