"""What is the exact arithmetic of a formula on one cell? Fractions of polynomials over Q, in a tower of generators.

On one cell every variable is a rational function of coordinates t > 0, and every exp, log, power, atan of the formula
becomes a generator over them (an elementary extension of a differential field: Bronstein, Symbolic Integration I,
chapter 3). So an expression is a fraction of polynomials over Q (python-flint), its derivative is exact, "all
coefficients are positive" proves a sign, and a limit is read from the orders of growth. The checker and the prover both
stand on this module; it knows neither SymPy nor them. What it cannot follow raises Unproved.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import comb, lcm
from typing import Any

from flint import Ordering, arb, ctx, fmpq, fmpq_mpoly_ctx, fmpz

from .reading import COMPARISONS, Reader, Unproved

ctx.prec = 200
ROOM = 32
RING = fmpq_mpoly_ctx.get(("v", ROOM), Ordering.lex)
ONE, ZERO, VARIABLES = RING.constant(1), RING.constant(0), RING.gens()
FINEST = 24  # exp(x/24) and the 24th root are the finest units
MAX_TERMS = 2000  # of a polynomial; beyond it a proof is too long to be worth its time
MAX_BITS = 160  # of a number that is to be factored
Sign = int | None  # 2: > 0, 1: >= 0, 0: = 0, -1: <= 0, -2: < 0, None: not known


class Finer(Exception):
    """A generator is needed in a finer unit, exp(x/2) where exp(x) stands: begin again with it."""


class Units(dict[str, int]):
    """How finely exponentials and powers are divided; and what stays as it is: the signs that balls told, the cells."""

    def __init__(self, cells: dict[Any, Any] | None = None) -> None:
        super().__init__()
        self.told: dict[Any, Sign] = {}
        self.cells: dict[Any, Any] = {} if cells is None else cells


def times(a: Sign, b: Sign) -> Sign:
    """The sign of a product."""
    if a is None or b is None:
        return 0 if a == 0 or b == 0 else None
    return min(abs(a), abs(b)) * (1 if a * b > 0 else -1) if a * b else 0


def primes(c: Any) -> list[tuple[int, int]]:
    """|c| as a product of powers of primes."""
    if max(int(c.p).bit_length(), int(c.q).bit_length()) > MAX_BITS:
        raise Unproved("a number too long to be factored")
    return [(int(p), s * int(k)) for n, s in ((c.p, 1), (c.q, -1)) for p, k in fmpz(abs(n)).factor()]


def rationalised(tower: Tower, num: Any, den: Any) -> tuple[Any, Any]:
    """A denominator of rational numbers and their square roots is made rational: so that equal constants look equal."""
    known = {index for index, _ in tower.roots}
    if any(d > 0 for i, d in enumerate(den.degrees()) if i not in known):
        return num, den
    for index, shift in tower.roots:
        if den.degrees()[index] == 1:
            images = list(VARIABLES)
            images[index] = -VARIABLES[index] - 2 * shift
            conjugate = den.compose(*images)
            num, den = num * conjugate, den * conjugate
            for relation, _, _ in tower.relations:
                num, den = divmod(num, relation)[1], divmod(den, relation)[1]
    return num, den


class Budget:
    """How many more terms may be made: what bounds a search the same way on every machine."""

    left: float = float("inf")

    @classmethod
    def spend(cls, terms: int) -> None:
        cls.left -= terms
        if cls.left < 0:
            raise Unproved("the search was cut off")


def factored(p: Any) -> Any:
    """The content and the irreducible factors of a polynomial with their powers."""
    Budget.spend(20 * len(p) * (1 + sum(map(int, p.degrees()))))
    key = str(p)
    if key not in _FACTORED:
        if len(_FACTORED) >= 20_000:
            _FACTORED.clear()
        _FACTORED[key] = p.factor()
    return _FACTORED[key]


_FACTORED: dict[str, Any] = {}  # a search meets the same polynomials again and again


class Element:
    """A fraction of polynomials in the coordinates and generators of a tower (lemma `tower`)."""

    __slots__ = ("den", "num", "tower")

    def __init__(self, tower: Tower, num: Any, den: Any = ONE) -> None:
        if tower.relations:
            num, den = tower.reduced(num), tower.reduced(den)
        Budget.spend(4 + len(num) + len(den) + len(num) * len(den) // 10)
        if den == 0 or len(num) > MAX_TERMS or len(den) > MAX_TERMS:
            raise Unproved("division by zero" if den == 0 else "an expression grew too long")
        if not den.is_one():  # most are polynomials
            if tower.roots:
                num, den = rationalised(tower, num, den)
            common = num.gcd(den)
            if not common.is_one():
                num, den = divmod(num, common)[0], divmod(den, common)[0]
            scale = den.leading_coefficient()
            if scale != 1:
                num, den = num / scale, den / scale
        self.tower, self.num, self.den = tower, num, den

    def seen_in(self, tower: Tower) -> Element:
        """The same in a twin of its tower."""
        twin = Element.__new__(Element)
        twin.tower, twin.num, twin.den = tower, self.num, self.den
        return twin

    def lift(self, other: Any) -> Element:
        if not isinstance(other, Element):
            return self.tower.number(other)
        if other.tower is not self.tower:
            raise Unproved("expressions of different towers")
        return other

    def __add__(self, other: Any) -> Element:
        b = self.lift(other)
        if self.den == b.den:
            return Element(self.tower, self.num + b.num, self.den)
        own, its = self.den, b.den
        if not (own.is_constant() or its.is_constant()):  # what they have in common need not be multiplied
            common = own.gcd(its)
            own, its = divmod(own, common)[0], divmod(its, common)[0]
        return Element(self.tower, self.num * its + b.num * own, self.den * its)

    def __mul__(self, other: Any) -> Element:
        b = self.lift(other)
        return Element(self.tower, self.num * b.num, self.den * b.den)

    def __truediv__(self, other: Any) -> Element:
        b = self.lift(other)
        return Element(self.tower, self.num * b.den, self.den * b.num)

    def __rtruediv__(self, other: Any) -> Element:
        return self.lift(other) / self

    def __rsub__(self, other: Any) -> Element:
        return self.lift(other) - self

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Element:
        return Element(self.tower, -self.num, self.den)

    def __sub__(self, other: Any) -> Element:
        return self + -self.lift(other)

    def __pow__(self, n: int) -> Element:
        if abs(n) > 64:  # python-flint ends the process where a power does not fit
            for p in (self.num, self.den):
                digits = max((len(str(c)) for c in p.coeffs()), default=1)
                if abs(n) * digits > 10**5 or comb(abs(n) + len(p) - 1, abs(n)) > MAX_TERMS:
                    raise Unproved("a power too high")
        return Element(self.tower, self.num**n, self.den**n) if n >= 0 else self.tower.number(1) / self**-n

    @property
    def zero(self) -> bool:
        return bool(self.num == 0)

    def rational(self) -> Fraction | None:
        if self.num.is_constant() and self.den.is_constant():
            q = self.num.leading_coefficient() if self.num != 0 else fmpq(0)
            return Fraction(int(q.p), int(q.q)) / Fraction(str(self.den.leading_coefficient()))
        return None


class Generator:
    """A coordinate t > 0 or t >= 0, or the value of a function; `shift + v` is that value, `v` its variable.

    So v = exp(x) - 1 > 0 for x > 0; a constant has no shift, but a ball.
    """

    def __init__(self, kind: str, index: int, sign: Sign, of: tuple[Element, ...], shift: int, ball: Any) -> None:
        self.kind, self.index, self.sign, self.of, self.shift, self.ball = kind, index, sign, of, shift, ball
        self.slopes: dict[int, Element] = {}
        self.growths: dict[int, tuple[Element, dict[tuple[int, Fraction], Element]]] = {}

    def seen_in(self, tower: Tower) -> Generator:
        """The same in a twin of its tower."""
        twin = Generator(
            self.kind, self.index, self.sign, tuple(e.seen_in(tower) for e in self.of), self.shift, self.ball
        )
        twin.slopes = {t: e.seen_in(tower) for t, e in self.slopes.items()}
        twin.growths = {
            t: (k.seen_in(tower), {b: a.seen_in(tower) for b, a in g.items()}) for t, (k, g) in self.growths.items()
        }
        return twin


class Tower(Reader):
    """Coordinates, and generators over them in the order in which they were needed."""

    def __init__(self, units: Units) -> None:
        self.units, self.generators = units, dict[int, Generator]()
        self.relations: list[tuple[Any, int, int]] = []  # a polynomial that is 0, and its leading power
        self.roots: list[tuple[int, int]] = []  # square roots of primes: index, shift
        self.names: dict[str, int] = {}  # of the coordinates
        self.outcomes: list[bool] = []  # of the comparisons, in the order in which they were met
        self.loose = False  # whether a condition, or the base of a power, was met with equality
        self.known: dict[tuple[str, ...], Generator] = {}
        self.values: dict[str, Generator] = {}  # shift + v, a polynomial -> its generator
        self.signs: dict[str, Sign] = {}
        self.numbers: dict[Any, Element] = {}

    def twin(self, units: Units) -> Tower:
        """A tower with the same coordinates and the same generators, which grows on its own."""
        to = Tower(units)
        to.relations, to.roots, to.names = [*self.relations], [*self.roots], {**self.names}
        to.outcomes, to.loose, to.signs = [*self.outcomes], self.loose, {**self.signs}
        to.generators = {i: g.seen_in(to) for i, g in self.generators.items()}
        to.known = {key: to.generators[g.index] for key, g in self.known.items()}
        to.values = {key: to.generators[g.index] for key, g in self.values.items()}
        return to

    def number(self, value: Any) -> Element:
        if value not in self.numbers:
            q = Fraction(value)
            self.numbers[value] = Element(self, RING.constant(fmpq(q.numerator, q.denominator)))
        return self.numbers[value]

    def reduced(self, p: Any) -> Any:
        """A polynomial modulo the relations."""
        if p.is_constant():
            return p
        for relation, index, degree in self.relations:
            if p.degrees()[index] >= degree:
                p = divmod(p, relation)[1]
        return p

    def variable(self, name: str, sign: Sign = 2) -> int:
        """A coordinate t > 0, or t >= 0 where the sign is 1; its index."""
        self.names[name] = self.new("variable", sign).index
        return self.names[name]

    def copy(self, without: int | None = None) -> tuple[Tower, dict[int, Element]]:
        """A tower with the same coordinates, but for one, and no other generators; and their images in it."""
        to = Tower(self.units)
        pairs = [(i, to.variable(n, self.generators[i].sign)) for n, i in self.names.items() if i != without]
        return to, {i: Element(to, VARIABLES[j]) for i, j in pairs}

    def coefficient(self, p: Any, index: int, degree: int | None) -> Element:
        """The coefficient of a power of one generator in a polynomial; None: what is left where its value is 0."""
        if degree is None:
            at = [v - v - self.generators[i].shift if i == index else v for i, v in enumerate(VARIABLES)]
            return Element(self, p.compose(*at))
        terms = {k: c for k, c in p.to_dict().items() if k[index] == degree}
        return Element(self, RING.from_dict({(*k[:index], 0, *k[index + 1 :]): c for k, c in terms.items()}))

    def element(self, g: Generator) -> Element:
        return Element(self, VARIABLES[g.index])

    def value(self, g: Generator) -> Element:
        return self.element(g) + g.shift

    def new(
        self, kind: str, sign: Sign, *of: Element, shift: int = 0, ball: Callable[..., Any] | None = None
    ) -> Generator:
        index = ROOM - 1 - len(self.generators)  # later generators come first in the lexicographic order
        if index < 0:
            raise Unproved("too many generators")
        balls = [self.ball(e) for e in of]
        number = ball(*balls) if ball and all(b is not None for b in balls) else None
        if number is not None:
            shift = 0  # a ball tells all about a constant
            sign = 2 if number > 0 else -2 if number < 0 else None
        g = self.generators[index] = Generator(kind, index, sign, of, shift, number)
        if kind in ("exp", "power"):
            self.values[str(VARIABLES[index] + shift)] = g
        return g

    def cached(self, kind: str, name: Any, make: Callable[[], Generator]) -> Generator:
        key = (kind, str(name))
        if key not in self.known:
            self.known[key] = make()
        return self.known[key]

    def unit(self, kind: str, key: Any, c: Fraction) -> int:
        """How finely exp(m), or a power, is divided."""
        name = f"{kind} {key}"
        n = self.units.get(name, 1)
        if n % c.denominator:
            if lcm(n, c.denominator) > FINEST:
                raise Unproved("too fine a root")
            self.units[name] = lcm(n, c.denominator)
            raise Finer(name)
        return n

    def ball(self, e: Element) -> Any:
        """An enclosure of a constant; None when the element varies."""
        total = []
        for p in (e.num, e.den):
            s = arb(0)
            for powers, c in p.to_dict().items():
                term = arb(c)
                for index, k in self.powers(powers):
                    if self.generators[index].ball is None:
                        return None
                    term *= self.generators[index].ball ** k
                s += term
            total.append(s)
        return total[0] / total[1]

    @staticmethod
    def powers(powers: tuple[int, ...]) -> list[tuple[int, int]]:
        return [(i, int(k)) for i, k in enumerate(powers) if k]

    # Signs ---------------------------------------------------------------------------------------

    def polynomial_sign(self, p: Any) -> Sign:
        """By the signs of all coefficients (lemma `coefficients`)."""
        key = str(p)
        if key not in self.signs:
            self.signs[key] = self._polynomial_sign(p)
        return self.signs[key]

    def _polynomial_sign(self, p: Any) -> Sign:
        groups: dict[tuple[tuple[int, int], ...], Any] = {}
        for powers, c in p.to_dict().items():
            key, number = [], c
            for i, k in self.powers(powers):
                if self.generators[i].ball is None:
                    key.append((i, k))
                else:
                    number = arb(number) * self.generators[i].ball ** k if k else number
            groups[tuple(key)] = groups.get(tuple(key), fmpq(0)) + number
        total = 0
        for monomial, c in groups.items():
            sign: Sign = 2 if c > 0 else -2 if c < 0 else None
            for i, k in monomial:
                s = self.generators[i].sign
                sign = times(sign, s if k % 2 and s is not None else 2 if s in (2, -2) else 1 if k % 2 == 0 else None)
            if sign is None or (total and sign * total < 0):
                return None
            total = sign if abs(sign) > abs(total) else total
        return total

    def sign(self, e: Element) -> Sign:
        """By the signs of the irreducible factors (lemma `factors`)."""
        if e.zero:
            return 0
        total: Sign = 2
        for p in (e.num, e.den):
            s = self.polynomial_sign(p)
            if s is None:
                c, factors = factored(p)
                s = 2 if c > 0 else -2
                for f, k in factors:
                    one = self.polynomial_sign(f)
                    s = times(s, one if k % 2 else 2 if one in (2, -2) else 1)
            if s is None or (p is e.den and abs(s) < 2):
                return None
            total = times(total, s)
        return total

    def positive(self, e: Element, what: str) -> None:
        if self.sign(e) != 2:
            raise Unproved(f"{what}: not known to be positive")

    def factor_sign(self, p: Any) -> Sign:
        """Of a factor of what is positive."""
        return self.polynomial_sign(p)

    def exponent_met(self) -> None:
        self.loose = True

    def compared(self, e: Element, op: type, test: ast.expr) -> bool:
        """Whether e = a - b makes the comparison a ? b true."""
        s = self.sign(e)
        true, false = COMPARISONS[op]
        if s not in true and s not in false:
            raise Unproved(f"not known on this cell: {ast.unparse(test)}")
        self.loose = self.loose or s in (-1, 0, 1)
        self.outcomes.append(s in true)
        return s in true

    # Functions -----------------------------------------------------------------------------------

    def terms(self, u: Element) -> Iterator[tuple[Fraction, Element]]:
        """u as a sum of rational numbers times monomials over the denominator."""
        for powers, c in u.num.to_dict().items():
            yield Fraction(int(c.p), int(c.q)), Element(self, RING.from_dict({powers: 1}), u.den)

    def exp(self, u: Element) -> Element:
        out = self.number(1)
        for c, m in self.terms(u):
            logs = [
                i for i, k in self.powers(next(iter(m.num.to_dict()))) if k == 1 and self.generators[i].kind == "log"
            ]
            if len(logs) == 1 and m.den.is_constant():
                g = self.generators[logs[0]]
                out *= self.power(g.of[0], m / self.element(g) * c * g.of[1])
                continue
            sign = self.sign(m)
            side = -1 if sign == -2 else 1
            n = self.unit("exp", m.num * side if m.den == ONE else (m.num * side, m.den), c)
            make = lambda m=m, n=n, s=side, sign=sign: self.new(  # noqa: E731
                "exp", 2, m * Fraction(s, n), shift=int(sign in (2, -2)), ball=lambda b: b.exp()
            )
            out *= self.value(self.cached("exp", (m.num * side, m.den, n), make)) ** int(c * n * side)
        return out

    def log(self, a: Element) -> Element:
        self.positive(a, "log")
        out = self.number(0)
        for p, side in ((a.num, 1), (a.den, -1)):
            c, factors = factored(p)
            for factor, k in factors:
                sign = self.factor_sign(factor)
                if sign not in (2, -2):
                    raise Unproved("log of a product whose factors have no known sign")
                f, c = (factor, c) if sign > 0 else (-factor, c * (-1) ** k)
                if str(f) in self.values:
                    g = self.values[str(f)]
                    out += (g.of[0] if g.kind == "exp" else g.of[1] * self.log(g.of[0])) * side * k
                    continue
                low = f.to_dict().get((0,) * ROOM, fmpq(0))
                if low > 0:
                    f, c = f / low, c * low**k
                out += self.log_of(Element(self, f)) * side * k
            for prime, k in primes(c):
                out += self.log_of(self.number(prime)) * side * k
        return out

    def log_of(self, f: Element) -> Element:
        above = self.sign(f - 1)
        side = -1 if above == -2 else 1
        make = lambda: self.new(  # noqa: E731
            "log", 2 if above in (2, -2) else None, f, self.number(side), ball=lambda b, s: b.log() * s
        )
        g = self.cached("log", (f.num, f.den), make)
        return self.element(g) * g.of[1]

    def power(self, base: Element, q: Element) -> Element:
        exponent = q.rational()
        if exponent is not None and exponent.denominator == 1:
            if abs(exponent) > 64:
                raise Unproved("a power too high")
            if exponent < 0 and self.sign(base) not in (2, -2):
                raise Unproved("a negative power of what may vanish")
            return base ** int(exponent)
        if base.zero and self.sign(q) == 2:
            self.loose = True
            return base
        self.positive(base, "power")
        out = self.number(1)
        for p, side in ((base.num, 1), (base.den, -1)):
            c, factors = factored(p)
            for factor, k in factors:
                sign = self.factor_sign(factor)
                if sign not in (2, -2):
                    raise Unproved("a power of a product whose factors have no known sign")
                f, c = (factor, c) if sign > 0 else (-factor, c * (-1) ** k)
                out *= self.power_of(f, q * side * k)
            for prime, k in primes(c):
                out *= self.power_of(RING.constant(prime), q * side * k)
        return out

    def power_of(self, f: Any, q: Element) -> Element:
        if str(f) in self.values:
            g = self.values[str(f)]
            return self.exp(g.of[0] * q) if g.kind == "exp" else self.power(g.of[0], g.of[1] * q)
        pi, half = self.known.get(("pi", "")), q.rational()
        if pi and half and half.denominator == 2 and f == VARIABLES[pi.index]:  # so that sqrt(2*pi) meets `peak`
            root = 1 / (self.peak() * self.power(self.number(2), self.number(Fraction(1, 2))))
            return self.pi() ** int(half - Fraction(1, 2)) * root
        whole_part, rest = divmod(q.num, q.den)  # q/(q + 1) = 1 - 1/(q + 1): so that equal powers look equal
        base, out = Element(self, f), self.number(1)
        above = self.sign(base - 1)
        for c, m in (*self.terms(Element(self, whole_part)), *self.terms(Element(self, rest, q.den))):
            whole, part = (c.numerator // c.denominator, c % 1) if m.rational() == 1 else (0, c)
            out *= base**whole
            if not part:
                continue
            side = times(above, self.sign(m))
            way = -1 if side == -2 else 1
            n = self.unit("power", (f, m.num, m.den), part)
            make = lambda m=m, n=n, way=way, side=side: self.new(  # noqa: E731
                "power", 2, base, m * Fraction(way, n), shift=int(side in (2, -2)), ball=lambda b, e: b**e
            )
            g = self.cached("power", (f, m.num, m.den, n, way), make)
            if m.rational() == 1 and not any(g.index == i for _, i, _ in self.relations):  # v**n = f
                v = VARIABLES[g.index] + g.shift
                self.relations.insert(0, (v**n - f if way > 0 else v**n * f - 1, g.index, n))
                if n == 2 and way > 0 and f.is_constant():
                    self.roots.append((g.index, g.shift))
            out *= self.value(g) ** int(part * n * way)
        return out

    def pi(self) -> Element:
        return self.element(self.cached("pi", "", lambda: self.new("pi", 2, ball=arb.pi)))

    def atan(self, u: Element) -> Element:
        sign = self.sign(u)
        if u.zero or sign == -2:
            return u if u.zero else -self.atan(-u)
        if u.rational() == 1:
            return self.pi() / 4
        for g in self.generators.values():
            if g.kind == "tan" and (u - self.element(g)).zero:
                return g.of[0]
        if self.ball(u) is not None:
            return self.element(self.cached("atan", (u.num, u.den), lambda: self.new("atan", sign, u, ball=arb.atan)))
        if sign in (None, -1) and u.num.leading_coefficient() < 0:
            return -self.atan(-u)
        above = sign in (1, 2)
        make = lambda: self.new("arc", sign if above else 2, u, shift=1 + above)  # noqa: E731
        return self.pi() / 2 - self.pi() / self.value(self.cached("arc", (u.num, u.den), make))

    def arc(self, u: Element) -> Element:
        """pi/(pi/2 - atan(u)) > 1, and above 2 for u > 0."""
        return self.pi() / (self.pi() / 2 - self.atan(u))

    def tan(self, u: Element) -> Element:
        """Between -pi/2 and pi/2."""
        sign = self.sign(u)
        if u.zero or sign == -2:
            return u if u.zero else -self.tan(-u)
        self.positive(u, "tan")
        self.positive(self.pi() / 2 - u, "tan of what is below pi/2")
        return self.element(self.cached("tan", (u.num, u.den), lambda: self.new("tan", 2, u, ball=arb.tan)))

    def sine(self, u: Element, quarters: int) -> Element:
        """sin(u + quarters*pi/2); the multiples of pi/2 within u are split off."""
        for c, m in self.terms(u):
            if (m - self.pi()).zero and (2 * c).denominator == 1:
                return self.sine(u - m * c, quarters + int(2 * c))
        if u.zero:
            return self.number((0, 1, 0, -1)[quarters % 4])
        if self.sign(u) == -2:
            return self.sine(-u, 2 - quarters)
        if self.sign(u) == 2 and self.sign(u - self.pi() / 2) in (1, 2):
            return self.sine(u - self.pi() / 2, quarters + 1)
        sharp = 2 if self.sign(u) == 2 and self.sign(self.pi() / 2 - u) == 2 else None
        sin = self.cached("sin", (u.num, u.den), lambda: self.new("sin", sharp, u, ball=arb.sin))
        cos = self.cached("cos", (u.num, u.den), lambda: self.new("cos", sharp, u, ball=arb.cos))
        if not any(cos.index == i for _, i, _ in self.relations):
            self.relations.insert(0, (VARIABLES[cos.index] ** 2 + VARIABLES[sin.index] ** 2 - 1, cos.index, 2))
        return self.element(cos if quarters % 2 else sin) * (-1 if quarters % 4 >= 2 else 1)

    def ndtr(self, u: Element) -> Element:
        """The distribution function of the normal distribution; with v = 1/ndtr(-|u|) - 2 > 0."""
        sign = self.sign(u)
        if u.zero or sign not in (2, -2):
            if u.zero:
                return self.number(Fraction(1, 2))
            raise Unproved("ndtr of what has no known sign")
        u = u if sign == 2 else -u
        ball = lambda b: 2 / (b / arb(2).sqrt()).erfc() - 2  # noqa: E731
        v = self.element(self.cached("ndtr", (u.num, u.den), lambda: self.new("ndtr", 2, u, ball=ball)))
        return (v + 1) / (v + 2) if sign == 2 else 1 / (v + 2)

    def mills(self, u: Element) -> Element:
        """density(u)/(u*ndtr(-u)) - 1 > 0, which is like 1/u**2 far out (Mills)."""
        ball = lambda b: (-b * b / 2).exp() / (b * (b / arb(2).sqrt()).erfc() * (arb.pi() / 2).sqrt()) - 1  # noqa: E731
        return self.element(self.cached("mills", (u.num, u.den), lambda: self.new("mills", 2, u, ball=ball)))

    def peak(self) -> Element:
        """1/sqrt(2*pi), the greatest density of the normal distribution."""
        ball = lambda: 1 / (arb.pi() * 2).sqrt()  # noqa: E731
        return self.element(self.cached("peak", "", lambda: self.new("peak", 2, ball=ball)))

    def density(self, u: Element) -> Element:
        return self.exp(u * u * Fraction(-1, 2)) * self.peak()

    # Calculus ------------------------------------------------------------------------------------

    def slope(self, e: Element, t: int) -> Element:
        """The derivative with respect to the coordinate with index t."""
        total = self.number(0)
        for p, scale in ((e.num, Element(self, ONE, e.den)), (e.den, Element(self, -e.num, e.den**2))):
            for i, degree in enumerate(p.degrees()):
                if degree > 0:
                    total += Element(self, p.derivative(i)) * scale * self.slope_of(self.generators[i], t)
        return total

    def slope_of(self, g: Generator, t: int) -> Element:
        if t not in g.slopes:
            u = [self.slope(e, t) for e in g.of]
            if not g.of:
                rate = self.number(int(g.index == t))
            elif all(x.zero for x in u):
                rate = self.number(0)
            elif g.kind == "exp":
                rate = self.value(g) * u[0]
            elif g.kind == "log":
                rate = g.of[1] * u[0] / g.of[0]
            elif g.kind == "power":
                rate = self.value(g) * (g.of[1] * u[0] / g.of[0] + (u[1] if u[1].zero else u[1] * self.log(g.of[0])))
            elif g.kind == "arc":
                rate = u[0] / (g.of[0] ** 2 + 1) * self.value(g) ** 2 / self.pi()
            elif g.kind == "tan":
                rate = u[0] * (self.element(g) ** 2 + 1)
            elif g.kind == "ndtr":
                rate = u[0] * self.density(g.of[0]) * (self.element(g) + 2) ** 2
            elif g.kind == "mills":
                rate = u[0] * (self.element(g) + 1) * (g.of[0] * self.element(g) - 1 / g.of[0])
            else:
                rate = u[0] * self.sine(g.of[0], 1 if g.kind == "sin" else 2)
            g.slopes[t] = rate
        return g.slopes[t]

    def move(self, e: Element, to: Tower, images: dict[int, Element]) -> Element:
        """The same expression in another tower, with the coordinates replaced by their images."""

        def value(p: Any) -> Element:
            """Over the common denominator of all images, so that nothing has to cancel."""
            degrees = {i: int(d) for i, d in enumerate(p.degrees()) if d > 0}
            parts = {i: (_powers(image(i).num, d), _powers(image(i).den, d)) for i, d in degrees.items()}
            total, below = RING.constant(0), ONE
            for powers, c in p.to_dict().items():
                term = RING.constant(c)
                for i, d in degrees.items():
                    num, den = parts[i]
                    term = term * num[powers[i]] * den[d - powers[i]]
                Budget.spend(len(term))
                total += term
                if len(total) > 20 * MAX_TERMS:
                    raise Unproved("an expression grew too long")
            for i, d in degrees.items():
                below = below * parts[i][1][d]
            return Element(to, total, below)

        def image(i: int) -> Element:
            if i not in images:
                g = self.generators[i]
                u = [self.move(x, to, images) for x in g.of]
                if g.kind == "variable":
                    raise Unproved("a coordinate has no image")
                if g.kind == "power" and u[0].zero and u[1].zero:
                    raise Unproved("0**0")
                if g.kind == "power" and g.of[1].rational() is None and to.sign(u[0]) != 2:
                    to.exponent_met()  # the exponent may be a whole number at this place alone
                f: dict[str, Callable[..., Element]]
                f = {
                    "exp": to.exp,
                    "power": to.power,
                    "atan": to.atan,
                    "arc": to.arc,
                    "tan": to.tan,
                    "pi": to.pi,
                    "peak": to.peak,
                }
                f |= {"ndtr": lambda a: 1 / to.ndtr(-a) - 2, "mills": lambda a: to.density(a) / to.ndtr(-a) / a - 1}
                f |= {"log": lambda a, s: to.log(a) * s, "pi": to.pi, "peak": to.peak}
                f |= {"sin": lambda a: to.sine(a, 0), "cos": lambda a: to.sine(a, 1)}
                images[i] = f[g.kind](*u) - g.shift
            return images[i]

        den = value(e.den)
        if to.sign(den) not in (2, -2):
            raise Unproved("a denominator may vanish")
        return value(e.num) / den

    def growth(self, e: Element, t: int) -> tuple[Element, dict[tuple[int, Fraction], Element]]:
        """e ~ k * exp(sum a*t**b) * t**p * log(t)**q as t -> oo: k, and a, p, q by (2, b), (1, 0), (0, 0).

        Lemma `growth`: right for all values of the other coordinates.
        """
        k, g = self._growth(e.num, t)
        below, h = self._growth(e.den, t)
        return k / below, merge(g, h, -1)

    def _growth(self, p: Any, t: int, at_most: bool = False) -> tuple[Element, dict[tuple[int, Fraction], Element]]:
        tops: list[tuple[Element, dict[tuple[int, Fraction], Element]]] = []  # below none of the others
        for powers, c in p.to_dict().items():
            k = Element(self, RING.constant(c))
            g: dict[tuple[int, Fraction], Element] = {}
            for i, n in self.powers(powers):
                a, h = self.growth_of(self.generators[i], t)
                k, g = k * a**n, merge(g, h, n)
            orders = [self.order(merge(g, h, -1)) for _, h in tops]
            if any(order is not None and order < 0 for order in orders):
                continue
            k = sum((a for (a, _), order in zip(tops, orders, strict=True) if order == 0), k)
            tops = [*(x for x, order in zip(tops, orders, strict=True) if order is None), (k, g)]
        if len(tops) > 1:
            raise Unproved("orders of growth cannot be compared")
        total, top = tops[0] if tops else (self.number(0), {})
        if p != 0 and not at_most and self.sign(total) not in (2, -2):
            raise Unproved("leading terms cancel")
        return total, top

    def faster(self, g: dict[tuple[int, Fraction], Element]) -> int:
        """Whether this grows (> 0), stays (0) or vanishes (< 0)."""
        for key in sorted(g, reverse=True):
            if not g[key].zero:
                s = self.sign(g[key])
                if s not in (2, -2):
                    raise Unproved("orders of growth cannot be compared")
                return s
        return 0

    def order(self, g: dict[tuple[int, Fraction], Element]) -> int | None:
        """The same, or None where it is not known for all values of the other coordinates."""
        try:
            return self.faster(g)
        except Unproved:
            return None

    def growth_of(self, g: Generator, t: int) -> tuple[Element, dict[tuple[int, Fraction], Element]]:
        if t not in g.growths:
            g.growths[t] = self._growth_of(g, t)
        return g.growths[t]

    def _growth_of(self, g: Generator, t: int) -> tuple[Element, dict[tuple[int, Fraction], Element]]:
        one = self.number(1)
        if g.index == t:
            return one, {(1, Fraction(0)): one}
        if self.slope_of(g, t).zero:
            return self.element(g), {}
        if g.kind == "power" and self.slope(g.of[0], t).zero:
            return self._growth_of_exp(g, g.of[1], self.log(g.of[0]), t)
        if g.kind == "exp":
            return self._growth_of_exp(g, g.of[0], one, t)
        k, u = self.growth(g.of[0], t)
        order = self.faster(u)
        if g.kind == "log":
            if order == 0:
                if k.rational() != 1:
                    return self.log(k) * g.of[1], {}
                excess, h = self.growth(g.of[0] - 1, t)
                return excess * g.of[1], h
            key = max(x for x in u if not u[x].zero)
            if key[0] == 0:
                raise Unproved("log of log")
            return u[key] * g.of[1], {(1, Fraction(0)): self.number(key[1])} if key[0] == 2 else {(0, Fraction(0)): one}
        if g.kind == "power" and self.slope(g.of[1], t).zero:
            if order == 0 and k.rational() == 1 and g.shift:
                excess, h = self.growth(g.of[0] - 1, t)
                return excess * g.of[1], h
            return self.power(k, g.of[1]) - (g.shift if order == 0 else 0), {x: y * g.of[1] for x, y in u.items()}
        if g.kind == "arc":
            if order == 0:
                return self.arc(k) - g.shift, {}
            if order < 0:
                return (k * 4 / self.pi(), u) if g.shift == 2 else (one, {})
            if self.sign(k) not in (2, -2):
                raise Unproved("no limit for atan")
            return (self.pi() * k, u) if self.sign(k) == 2 else (-1 / (self.pi() * k), merge({}, u, -1))
        if g.kind == "tan" and order <= 0:
            return (k, u) if order < 0 else (self.tan(k), {})
        if g.kind == "ndtr":
            if order > 0:
                return self.growth(g.of[0] / self.density(g.of[0]), t)
            return (1 / self.ndtr(-k) - 2, {}) if order == 0 else (k * self.peak() * 4, u)
        if g.kind == "mills" and order >= 0:
            return (
                (k**-2, {x: y * -2 for x, y in u.items()}) if order else (self.density(k) / self.ndtr(-k) / k - 1, {})
            )
        raise Unproved(f"no limit for {g.kind}")

    def _growth_of_exp(
        self, g: Generator, m: Element, rate: Element, t: int
    ) -> tuple[Element, dict[tuple[int, Fraction], Element]]:
        """Of exp(m*rate) - shift, where the rate does not depend on t."""
        one = self.number(1)
        k, u = self.growth(m, t)
        order = self.faster(u)
        if order < 0:
            return (k * rate, u) if g.shift else (one, {})
        if order == 0:
            return self.exp(k * rate) - g.shift, {}
        b = u.get((1, Fraction(0)), one).rational()
        if b is None or b.denominator > 1 or not (m - k * self.element(self.generators[t]) ** int(b)).zero:
            raise Unproved("an exponent is not a power of t")
        return one, {(2, b): k * rate}

    def leading(self, f: Element, t: int) -> Element:
        """The term of a polynomial that grows fastest, made of the values of generators: f / term -> 1."""
        best: list[tuple[Element, dict[Any, Element]]] = []
        for powers, c in f.num.to_dict().items():
            _, g = self._growth(RING.from_dict({powers: c}), t)
            term = Element(self, RING.constant(c), f.den)
            for i, k in self.powers(powers):
                term *= self.value(self.generators[i]) ** k
            order = 2 if not best else self.faster(merge(g, best[0][1], -1))
            best = [(term, g)] if order > 0 else [*best, (term, g)] if order == 0 else best
        return sum((b[0] for b in best[1:]), best[0][0])

    def sharper(self, e: Element, t: int) -> Element:
        """The same expression where leading terms may cancel: with log f as log L + log(f/L), L the leading term of f;
        with ndtr as its asymptotic value times 1 + `mills`."""
        images = {i: Element(self, VARIABLES[i]) for i in self.generators}
        for i in [*images]:
            g = self.generators[i]
            if g.kind == "log" and not self.slope_of(g, t).zero:
                top = self.leading(g.of[0], t)
                if not (g.of[0] / top - 1).zero:
                    images[i] = (self.log(top) + self.log_of(g.of[0] / top)) * g.of[1]
            if g.kind == "ndtr" and self.faster(self.growth(g.of[0], t)[1]) > 0:
                images[i] = g.of[0] / self.density(g.of[0]) * (self.mills(g.of[0]) + 1) - 2
        return self.move(e, self, images)

    def depends(self, e: Element, t: int) -> bool:
        """Whether a coordinate enters an expression."""
        used = {i for p in (e.num, e.den) for i, d in enumerate(p.degrees()) if d > 0}
        return any(not self.slope_of(self.generators[i], t).zero for i in used)

    def limit(self, e: Element, t: int) -> Element | int:
        """The limit as t -> oo: a value without t, or 2 for oo and -2 for -oo."""
        if not self.depends(e, t):
            return e
        try:
            return self._limit(Element(self, e.num), Element(self, e.den), t)
        except Unproved:
            num, den = (self.sharper(Element(self, p), t) for p in (e.num, e.den))
            return self._limit(num, den, t)

    def leader(self, e: Element, t: int) -> tuple[Element, dict[tuple[int, Fraction], Element]]:
        """e = (k + o(1))*G as t -> oo, where k may be 0."""
        (k, g), (below, h) = self._growth(e.num, t, at_most=True), self._growth(e.den, t)
        return k / below, merge(g, h, -1)

    def _limit(self, num: Element, den: Element, t: int) -> Element | int:
        (k, g), (below, h) = self.leader(num, t), self.growth(den, t)
        k, g = k / below, merge(g, h, -1)
        order = self.faster(g)
        if order > 0:
            s = self.sign(k)
            if s not in (2, -2):
                raise Unproved("an infinity of unknown sign")
            return s
        return k if order == 0 else self.number(0)


def _powers(p: Any, degree: int) -> list[Any]:
    out = [ONE]
    for _ in range(degree):
        out.append(out[-1] * p)
    return out


def merge(g: dict[Any, Element], h: dict[Any, Element], n: int) -> dict[Any, Element]:
    """The growth of a product a * b**n."""
    out = dict(g)
    for key, value in h.items():
        out[key] = out[key] + value * n if key in out else value * n
    return out
