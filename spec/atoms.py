"""Which elementary functions keep their accuracy, and how are they written?

One row an atom: its exact definition (what the oracle evaluates), its
derivatives in atoms (so that stable forms stay stable under differentiation),
its domain, and `stable`, the form that code uses, built of the primitives that
every target knows; an atom without one is itself such a primitive. `stable`
is put in when the expression is lowered, not before: SymPy would merge
x*(x/(1 + h)) into x**2/(1 + h), and the square overflows.

The vector atoms (softmax and its kin) act on an IndexedBase of symbolic length
and stand at the end; `derive.vector` differentiates them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy import Abs, Eq, Expr, Function, Integer, Max, Min, Piecewise, exp, log, sqrt


@dataclass(frozen=True, slots=True)
class Atom:
    """One row of the table. `definition`, `derivatives` and `stable` take the arguments."""

    name: str
    function: Any
    definition: Callable[..., Expr]
    derivatives: tuple[Callable[..., Expr], ...]
    domain: str
    stable: Callable[..., Expr] | None = None


class AtomFunction(Function):
    """A SymPy function whose derivative is looked up in the table of atoms."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> Expr:
        return ATOMS[self.func.__name__].derivatives[argindex - 1](*self.args)

    def _eval_evalf(self, prec: int) -> Expr:
        return define_atoms(self)._eval_evalf(prec)


class PositiveAtom(AtomFunction):
    is_positive = True


class softplus(PositiveAtom):
    """log(1 + exp(x))."""


class sigmoid(PositiveAtom):
    """1/(1 + exp(-x))."""


class log1p(AtomFunction):
    """log(1 + x)."""


class expm1(AtomFunction):
    """exp(x) - 1."""


class tanh(AtomFunction):
    """The hyperbolic tangent, with a derivative that does not cancel."""


class arctan(AtomFunction):
    """The inverse tangent, with a derivative whose square does not overflow."""


class sech(PositiveAtom):
    """1/cosh(x)."""


class log_cosh(AtomFunction):
    """log(cosh(x))."""

    is_nonnegative = True


class hypot1(PositiveAtom):
    """sqrt(1 + x**2)."""


class hypot1m1(AtomFunction):
    """sqrt(1 + x**2) - 1."""

    is_nonnegative = True


class half_tangent(AtomFunction):
    """x/(1 + sqrt(1 + x**2)), the tangent of half the angle whose tangent is x."""


class algebraic_sigmoid(AtomFunction):
    """x/sqrt(1 + x**2)."""


class log1p_square(AtomFunction):
    """log(1 + x**2)."""

    is_nonnegative = True


class lorentzian(PositiveAtom):
    """1/(1 + x**2)."""


class lorentzian_odd(AtomFunction):
    """x/(1 + x**2)."""


class xlogy(AtomFunction):
    """x*log(y), and 0 where x is 0."""


class xlog1py(AtomFunction):
    """x*log(1 + y), and 0 where x is 0."""


class xdivy(AtomFunction):
    """x/y, and 0 where x is 0."""


class scaled(AtomFunction):
    """x*exp(-s), and 0 where x is 0."""


class scaled_once(AtomFunction):
    """x*exp(-s), and 0 where x is 0, as one product: half of `scaled`."""


class hypot(AtomFunction):
    """sqrt(x**2 + y**2) without overflow; a primitive of the targets."""


class fmod(AtomFunction):
    """x - y*trunc(x/y), exact in floating point; a primitive of the targets."""


class nearest(AtomFunction):
    """The integer nearest to x, the even one of two; a primitive of the targets."""


class expm1_gap(AtomFunction):
    """exp(x) - 1 - x."""

    is_nonnegative = True


class log1p_gap(AtomFunction):
    """x - log(1 + x)."""

    is_nonnegative = True


class saturation(AtomFunction):
    """x/(1 + x)."""


class lorentzian_gap(AtomFunction):
    """1 - 1/(1 + x**2), which is x**2/(1 + x**2)."""

    is_nonnegative = True


class power_gap(AtomFunction):
    """1 - (1 - x)**n."""


class erlang_gap(AtomFunction):
    """1 - (1 + x)*exp(-x), the distribution function of the sum of two exponential waiting times."""

    is_nonnegative = True


class versine(AtomFunction):
    """1 - cos(x)."""

    is_nonnegative = True


class versine_turn(AtomFunction):
    """1 - cos(2*pi*x/p): x counted in turns of length p."""

    is_nonnegative = True


class sin_turn(AtomFunction):
    """sin(2*pi*x/p)."""


class cos_turn(AtomFunction):
    """cos(2*pi*x/p)."""


class arctan_square(AtomFunction):
    """atan(x**2)."""

    is_nonnegative = True


class quartic(PositiveAtom):
    """1/(1 + x**4)."""


class quartic_odd(AtomFunction):
    """x/(1 + x**4)."""


class softplus_step(AtomFunction):
    """t*log(1 + exp((x + d)/t)) - t*log(1 + exp(x/t)): how much softplus grows over a step d >= 0."""

    is_nonnegative = True


class hypot1_power(PositiveAtom):
    """(1 + x**2)**(p/2)."""


class hypot1_slope(AtomFunction):
    """x*(1 + x**2)**(p/2 - 1)."""


class hypot1_box_cox(AtomFunction):
    """((1 + x**2)**(p/2) - 1)/p, and its limit log(1 + x**2)/2 at p = 0."""

    is_nonnegative = True


class log1p_ratio(AtomFunction):
    """log(1 + x) - log(1 + y)."""


class exp_gap(AtomFunction):
    """exp(x) - y."""


class contrast(AtomFunction):
    """(x - y)/(x + y) of positive numbers."""


class softplus_excess(AtomFunction):
    """log(1 + exp(x)) - 1/(1 + exp(-x)): the cross entropy beyond the probability of the wrong class."""

    is_nonnegative = True


class WeightedAtom(AtomFunction):
    """A weight w times a function that may be infinite where w is 0; the atom is 0 there."""

    def unguarded(self) -> Expr:
        """The product alone, for proofs about the weights that are not 0."""
        return _UNGUARDED[self.func.__name__](*self.args)


class focal_term(WeightedAtom):
    """-w*(1 - p)**g*log(p), and 0 where w is 0."""


class focal_term_slope(WeightedAtom):
    """The derivative of focal_term by p."""


class focal_term_curvature(WeightedAtom):
    """The second derivative of focal_term by p."""


class cofocal_term(WeightedAtom):
    """-w*p**g*log(1 - p), and 0 where w is 0: focal_term at 1 - p, for p near 0."""


class cofocal_term_slope(WeightedAtom):
    """The derivative of cofocal_term by p."""


class cofocal_term_curvature(WeightedAtom):
    """The second derivative of cofocal_term by p."""


class logit(AtomFunction):
    """log(c/(1 - c)), the z at which sigmoid(z) is c."""


class shifted_sigmoid(AtomFunction):
    """1/(1 + exp(-x)) - c, exact to its last digits beside the root x = logit(c)."""

    @classmethod
    def eval(cls, x: Expr, c: Expr) -> Expr | None:
        return sp.S.Zero if x == logit(c) else None


class log_cosigmoid_plus(AtomFunction):
    """log(c + 1/(1 + exp(x))): log(1 - p) of the probability p = shifted_sigmoid(x, c)."""

    @classmethod
    def eval(cls, x: Expr, c: Expr) -> Expr | None:
        return sp.S.Zero if x == logit(c) else None


_HALF = sp.Rational(1, 2)


def _exp_minus(x: Expr) -> Expr:
    """exp(-|x|): never overflows, and shared by every form that uses it."""
    return exp(-Abs(x))


def _odd(x: Expr, near: Callable[[Expr], Expr], far: Callable[[Expr], Expr]) -> Expr:
    """An odd function by its form in |x| up to 1, and in 1/|x| beyond: no square overflows, and oo has a value."""
    a = Abs(x)
    return sp.sign(x) * Piecewise((near(Min(a, 1)), a <= 1), (far(1 / Max(a, 1)), True))


def _reciprocal(x: Expr) -> Expr:
    """1/|x| for |x| >= 1, to be squared: Min keeps SymPy from 1/x**2, whose x**2 overflows before 1/x**2 is 0."""
    return Min(1, 1 / Max(Abs(x), 1))


def _zero_if_zero(x: Expr, otherwise: Expr) -> Expr:
    return Piecewise((Integer(0), Eq(x, 0)), (otherwise, True))


# Beyond this, log(x)/x is below half an ulp of 1; representable in float32 as well.
_FAR = Integer(2) ** 100


def _horner(coefficients: Sequence[Expr], x: Expr) -> Expr:
    """A polynomial, lowest power first."""
    result = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        result = c + x * result
    return result


def log1p_gap_ratio(x: Expr) -> Expr:
    """1 - log(1 + x)/x.

    Near 0, with s = x/(2 + x), log(1 + x) = 2*atanh(s) and the series of atanh
    leave s - 2*s**2/(2 + x)*(1/3 + s**2/5 + ...); |s| <= 1/5 needs 12 terms.
    """
    is_near = sp.And(x >= sp.Rational(-1, 3), x <= _HALF)
    near = Piecewise((x, is_near), (Integer(0), True))
    far = Piecewise((Integer(1), is_near), (Min(x, _FAR), True))
    s = near / (2 + near)
    series = _horner([sp.Rational(2, 2 * k + 3) for k in range(12)], s**2)
    return Piecewise((s - s**2 * series / (2 + near), is_near), (1 - log1p(far) / far, True))


def _expm1_gap(x: Expr) -> Expr:
    """The power series up to 1/2, where 15 terms do; beyond, the difference loses little."""
    near = Max(-_HALF, Min(x, _HALF))
    series = near * (near * _horner([1 / sp.factorial(k + 2) for k in range(15)], near))
    return Piecewise((series, Abs(x) <= _HALF), (expm1(x) - Min(x, _FAR), True))


def power_gap_ratio(x: Expr, n: Expr) -> Expr:
    """(1 - (1 - x)**n)/x for a small integer n, the geometric sum of 1 - x."""
    return _horner([Integer(1)] * int(n), 1 - x)


def _power_gap(x: Expr, n: Expr) -> Expr:
    if n.is_Integer and 1 < n <= 8:
        return x * power_gap_ratio(x, n)
    return -expm1(n * log1p(-x))


def _fraction_of_turn(x: Expr, p: Expr) -> Expr:
    """x/p less the nearest integer, rounded once: both remainders are exact."""
    rest = fmod(x, p)
    return (rest - p * nearest(rest / p)) / p


def _softplus_step(x: Expr, d: Expr, t: Expr) -> Expr:
    """Three forms, by the signs of both ends: a logarithm of 1 + something small, or of large terms that differ."""
    end = x + d
    low = Min(end / t, 1)
    decay = -expm1(-d / t) * sigmoid(-x / t)
    return Piecewise(
        (d + t * log1p(-decay), x > 0),
        (t * log1p(exp(low) * decay), end <= t),
        (Max(end, 0) + t * log1p(exp(-Abs(end) / t)) - t * softplus(x / t), True),
    )


def _hypot1_box_cox(x: Expr, p: Expr) -> Expr:
    """By expm1 of a logarithm near 0, where the power is near 1; by the power itself beyond."""
    logarithm = log1p_square(x)
    return Piecewise(
        (logarithm * _HALF, Eq(p, 0)),
        (expm1(p * logarithm * _HALF) / p, Abs(p) * logarithm <= 2),
        ((hypot1_power(x, p) - 1) / p, True),
    )


def exp_gap_scaled(x: Expr, y: Expr, c: Expr) -> Expr:
    """c*(exp(x) - y): near x = 0 by expm1 and the exact 1 - y; c*exp(x) may be a number where exp(x) is not."""
    # SymPy would dissolve 1 - y in the sum.
    near = sp.Add(expm1(Max(-1, Min(x, 1))), 1 - y, evaluate=False)
    return Piecewise((c * near, Abs(x) <= 1), (c * exp(x) - c * y, True))


def expm1_scaled(x: Expr, c: Expr) -> Expr:
    """c*(exp(x) - 1), which may be a number where exp(x) is not."""
    return Piecewise((c * expm1(Min(x, 1)), x <= 1), (c * exp(x) - c, True))


def _log1p_ratio(x: Expr, y: Expr) -> Expr:
    """By the relative difference, taken from the smaller of both, which does not cancel; far out by logarithms."""
    gap, least = Abs(x - y), 1 + Min(x, y)
    near = log1p(Min(gap / least, _FAR))
    return Piecewise((sp.sign(x - y) * near, gap <= _FAR * least), (log1p(x) - log1p(y), True))


def _excess_series(t: Expr) -> Expr:
    """log(1 + t) - t/(1 + t) for t <= exp(-1), with v = t/(2 + t): log(1 + t) = 2*atanh(v), t/(1 + t) = 2*v/(1 + v).

    The terms are positive; v**2 <= 0.0242, so that the tenth is below 2**-53 of the first.
    """
    v = t / (2 + t)
    series: Expr = Integer(0)
    for n in range(10, -1, -1):
        series = series * v**2 + sp.Rational(1, 2 * n + 3)
    return 2 * v**2 * (1 / (1 + v) + v * series)


def _focal(w: Expr, g: Expr, p: Expr) -> Expr:
    return -w * (1 - p) ** g * log(p)


def _focal_slope(w: Expr, g: Expr, p: Expr) -> Expr:
    return w * (g * (1 - p) ** (g - 1) * log(p) - (1 - p) ** g / p)


def _focal_curvature(w: Expr, g: Expr, p: Expr) -> Expr:
    q = 1 - p
    return w * (g * (1 - g) * q ** (g - 2) * log(p) + 2 * g * q ** (g - 1) / p + q**g / p**2)


def _focal_third(w: Expr, g: Expr, p: Expr) -> Expr:
    q = 1 - p
    fall = g * (1 - g) * (2 - g) * q ** (g - 3) * log(p)
    return w * (fall + 3 * g * (1 - g) * q ** (g - 2) / p - 3 * g * q ** (g - 1) / p**2 - 2 * q**g / p**3)


_UNGUARDED: dict[str, Callable[..., Expr]] = {
    "focal_term": _focal,
    "focal_term_slope": _focal_slope,
    "focal_term_curvature": _focal_curvature,
    "cofocal_term": lambda w, g, p: _focal(w, g, 1 - p),
    "cofocal_term_slope": lambda w, g, p: -_focal_slope(w, g, 1 - p),
    "cofocal_term_curvature": lambda w, g, p: _focal_curvature(w, g, 1 - p),
}


def _stable_focal(order: int, w: Expr, g: Expr, p: Expr, q: Expr, logarithm: Expr) -> Expr:
    """A derivative of focal_term by p, from p, q = 1 - p and log(p), each exact to its last digit.

    With s = -p*log(p)/q, which is 1 at q = 0, nothing is 0*oo at the ends:
    the slope is -q**g*(g*s + 1)/p, and the curvature the sum of the positive
    g*q**(g - 1)*((g - 1)*s + 2)/p, which is 0 for g = 0, and q**g/p**2.
    """
    s = Piecewise((Integer(1), Eq(q, 0)), (Piecewise((Integer(0), Eq(p, 0)), (-p * logarithm / q, True)), True))
    if order == 0:
        value = -(q**g * logarithm)
    elif order == 1:
        value = -(q**g * (g * s + 1)) / p
    else:
        value = _zero_if_zero(g, g * q ** (g - 1) * ((g - 1) * s + 2) / p) + q**g / p**2
    return _zero_if_zero(w, w * value)


def _focal_atoms(function: Any, order: int, sign: int, by_p: Callable[..., Expr]) -> Atom:
    """One row: the focal term or its derivative of this order, at p (sign 1) or at 1 - p (sign -1)."""
    name = function.__name__

    def stable(w: Expr, g: Expr, p: Expr) -> Expr:
        if sign == 1:
            return _stable_focal(order, w, g, p, 1 - p, log(p))
        return (-1) ** order * _stable_focal(order, w, g, 1 - p, p, log1p(-p))

    def by_g(w: Expr, g: Expr, p: Expr) -> Expr:
        exponent = sp.Dummy("g", real=True)
        return _UNGUARDED[name](w, exponent, p).diff(exponent).subs(exponent, g)

    return Atom(
        name,
        function,
        lambda w, g, p: _zero_if_zero(w, _UNGUARDED[name](w, g, p)),
        (lambda w, g, p: function(1, g, p), by_g, by_p),
        "[0, 1]",
        stable,
    )


ATOMS: dict[str, Atom] = {
    atom.name: atom
    for atom in (
        Atom("log1p", log1p, lambda x: log(1 + x), (lambda x: 1 / (1 + x),), "(-1, oo)"),
        Atom("expm1", expm1, lambda x: exp(x) - 1, (lambda x: exp(x),), "(-oo, oo)"),
        Atom("tanh", tanh, lambda x: sp.tanh(x), (lambda x: sech(x) ** 2,), "(-oo, oo)"),
        Atom("arctan", arctan, lambda x: sp.atan(x), (lambda x: lorentzian(x),), "(-oo, oo)"),
        Atom(
            "hypot",
            hypot,
            lambda x, y: sqrt(x**2 + y**2),
            (lambda x, y: x / hypot(x, y), lambda x, y: y / hypot(x, y)),
            "(-oo, oo)",
        ),
        Atom(
            "softplus",
            softplus,
            lambda x: log(1 + exp(x)),
            (lambda x: sigmoid(x),),
            "(-oo, oo)",
            lambda x: Max(x, 0) + log1p(_exp_minus(x)),
        ),
        Atom(
            "sigmoid",
            sigmoid,
            lambda x: 1 / (1 + exp(-x)),
            (lambda x: sigmoid(x) * sigmoid(-x),),
            "(-oo, oo)",
            lambda x: Piecewise((Integer(1), x >= 0), (_exp_minus(x), True)) / (1 + _exp_minus(x)),
        ),
        Atom(
            "sech",
            sech,
            lambda x: 1 / sp.cosh(x),
            (lambda x: -sech(x) * tanh(x),),
            "(-oo, oo)",
            lambda x: 2 * _exp_minus(x) / (1 + _exp_minus(x) ** 2),
        ),
        # Below 1 the sum of large terms would cancel; there log cosh = log1p(sinh^2)/2.
        Atom(
            "log_cosh",
            log_cosh,
            lambda x: log(sp.cosh(x)),
            (lambda x: tanh(x),),
            "(-oo, oo)",
            lambda x: Piecewise(
                (log1p(sp.sinh(Min(Abs(x), 1)) ** 2) * _HALF, Abs(x) <= 1),
                (Abs(x) - log(2) + log1p(_exp_minus(x) ** 2), True),
            ),
        ),
        Atom(
            "hypot1",
            hypot1,
            lambda x: sqrt(1 + x**2),
            (lambda x: algebraic_sigmoid(x),),
            "(-oo, oo)",
            lambda x: hypot(1, x),
        ),
        # x*(x/(1 + h)), not x**2/(1 + h): the square would overflow.
        Atom(
            "hypot1m1",
            hypot1m1,
            lambda x: sqrt(1 + x**2) - 1,
            (lambda x: algebraic_sigmoid(x),),
            "(-oo, oo)",
            lambda x: x * half_tangent(x),
        ),
        Atom(
            "half_tangent",
            half_tangent,
            lambda x: x / (1 + sqrt(1 + x**2)),
            (lambda x: 1 / (hypot1(x) * (1 + hypot1(x))),),
            "(-oo, oo)",
            lambda x: _odd(x, lambda a: a / (1 + hypot(1, a)), lambda v: 1 / (v + hypot(1, v))),
        ),
        Atom(
            "algebraic_sigmoid",
            algebraic_sigmoid,
            lambda x: x / sqrt(1 + x**2),
            (lambda x: 1 / hypot1(x) ** 3,),
            "(-oo, oo)",
            lambda x: _odd(x, lambda a: a / hypot(1, a), lambda v: 1 / hypot(1, v)),
        ),
        # x**2 overflows long before log(1 + x**2) = 2*log|x| does; 1/x takes its place beyond 1.
        Atom(
            "log1p_square",
            log1p_square,
            lambda x: log(1 + x**2),
            (lambda x: 2 * lorentzian_odd(x),),
            "(-oo, oo)",
            lambda x: Piecewise(
                (log1p(Min(Abs(x), 1) ** 2), Abs(x) <= 1), (log1p(Max(Abs(x), 1) ** -2) + 2 * log(Max(Abs(x), 1)), True)
            ),
        ),
        Atom(
            "lorentzian",
            lorentzian,
            lambda x: 1 / (1 + x**2),
            (lambda x: -2 * lorentzian(x) * lorentzian_odd(x),),
            "(-oo, oo)",
            lambda x: Piecewise(
                (1 / (1 + Min(Abs(x), 1) ** 2), Abs(x) <= 1), (_reciprocal(x) ** 2 / (1 + _reciprocal(x) ** 2), True)
            ),
        ),
        # (1 - x**2)/(1 + x**2)**2 without a square that could overflow.
        Atom(
            "lorentzian_odd",
            lorentzian_odd,
            lambda x: x / (1 + x**2),
            (lambda x: lorentzian(x) * (2 * lorentzian(x) - 1),),
            "(-oo, oo)",
            lambda x: _odd(x, lambda a: a / (1 + a**2), lambda v: v / (1 + v**2)),
        ),
        Atom(
            "xlogy",
            xlogy,
            lambda x, y: _zero_if_zero(x, x * log(y)),
            (lambda x, y: log(y), lambda x, y: xdivy(x, y)),
            "[0, oo)",
            lambda x, y: _zero_if_zero(x, x * log(y)),
        ),
        Atom(
            "xlog1py",
            xlog1py,
            lambda x, y: _zero_if_zero(x, x * log(1 + y)),
            (lambda x, y: log1p(y), lambda x, y: xdivy(x, 1 + y)),
            "[0, oo)",
            lambda x, y: _zero_if_zero(x, x * log1p(y)),
        ),
        Atom(
            "xdivy",
            xdivy,
            lambda x, y: _zero_if_zero(x, x / y),
            (lambda x, y: 1 / y, lambda x, y: -xdivy(xdivy(x, y), y)),
            "(-oo, oo)",
            lambda x, y: _zero_if_zero(x, x / y),
        ),
        Atom(  # in two steps, for exp(-s) may overflow or vanish where x*exp(-s) does not
            "scaled",
            scaled,
            lambda x, s: _zero_if_zero(x, x * exp(-s)),
            (lambda x, s: exp(-s), lambda x, s: -scaled(x, s)),
            "(-oo, oo)",
            lambda x, s: scaled_once(scaled_once(x, s / 2), s / 2),
        ),
        Atom(
            "scaled_once",
            scaled_once,
            lambda x, s: _zero_if_zero(x, x * exp(-s)),
            (lambda x, s: exp(-s), lambda x, s: -scaled(x, s)),
            "(-oo, oo)",
            lambda x, s: _zero_if_zero(x, x * exp(-s)),
        ),
        Atom(
            "fmod",
            fmod,
            lambda x, y: x - y * sp.sign(x / y) * sp.floor(Abs(x / y)),
            (lambda x, y: Integer(1), lambda x, y: (fmod(x, y) - x) / y),
            "(-oo, oo)",
        ),
        Atom("nearest", nearest, lambda x: sp.ceiling(x - _HALF), (lambda x: Integer(0),), "(-oo, oo)"),
        Atom("expm1_gap", expm1_gap, lambda x: exp(x) - 1 - x, (lambda x: expm1(x),), "(-oo, oo)", _expm1_gap),
        Atom(
            "log1p_gap",
            log1p_gap,
            lambda x: x - log(1 + x),
            (lambda x: saturation(x),),
            "(-1, oo)",
            lambda x: x * log1p_gap_ratio(x),
        ),
        Atom(
            "saturation",
            saturation,
            lambda x: x / (1 + x),
            (lambda x: 1 / (1 + x) ** 2,),
            "(-1, oo)",
            lambda x: Piecewise((Min(x, 1) / (1 + Min(x, 1)), x <= 1), (1 / (1 + 1 / Max(x, 1)), True)),
        ),
        Atom(
            "lorentzian_gap",
            lorentzian_gap,
            lambda x: x**2 / (1 + x**2),
            (lambda x: 2 * lorentzian(x) * lorentzian_odd(x),),
            "(-oo, oo)",
            lambda x: Piecewise(
                (Min(Abs(x), 1) ** 2 / (1 + Min(Abs(x), 1) ** 2), Abs(x) <= 1), (1 / (1 + Max(Abs(x), 1) ** -2), True)
            ),
        ),
        Atom(
            "power_gap",
            power_gap,
            lambda x, n: 1 - (1 - x) ** n,
            (lambda x, n: n * (1 - x) ** (n - 1), lambda x, n: -((1 - x) ** n) * log1p(-x)),
            "(-oo, 1]",
            _power_gap,
        ),
        # Near 0 it is exp(-x)*(exp(x) - 1 - x), which does not cancel.
        Atom(
            "erlang_gap",
            erlang_gap,
            lambda x: 1 - (1 + x) * exp(-x),
            (lambda x: x * exp(-x),),
            "[0, oo)",
            lambda x: Piecewise(
                (exp(-Min(x, 1)) * expm1_gap(Min(x, 1)), x <= 1), (1 - (exp(-x) + Min(x, _FAR) * exp(-x)), True)
            ),
        ),
        Atom(
            "versine",
            versine,
            lambda x: 1 - sp.cos(x),
            (lambda x: sp.sin(x),),
            "(-oo, oo)",
            lambda x: 2 * sp.sin(x * _HALF) ** 2,
        ),
        Atom(
            "versine_turn",
            versine_turn,
            lambda x, p: 1 - sp.cos(2 * sp.pi * x / p),
            (lambda x, p: 2 * sp.pi / p * sin_turn(x, p), lambda x, p: -2 * sp.pi * x / p**2 * sin_turn(x, p)),
            "(-oo, oo)",
            lambda x, p: 2 * sp.sin(sp.pi * _fraction_of_turn(x, p)) ** 2,
        ),
        Atom(
            "sin_turn",
            sin_turn,
            lambda x, p: sp.sin(2 * sp.pi * x / p),
            (lambda x, p: 2 * sp.pi / p * cos_turn(x, p), lambda x, p: -2 * sp.pi * x / p**2 * cos_turn(x, p)),
            "(-oo, oo)",
            lambda x, p: sp.sin(2 * sp.pi * _fraction_of_turn(x, p)),
        ),
        Atom(
            "cos_turn",
            cos_turn,
            lambda x, p: sp.cos(2 * sp.pi * x / p),
            (lambda x, p: -2 * sp.pi / p * sin_turn(x, p), lambda x, p: 2 * sp.pi * x / p**2 * sin_turn(x, p)),
            "(-oo, oo)",
            lambda x, p: sp.cos(2 * sp.pi * _fraction_of_turn(x, p)),
        ),
        Atom(
            "arctan_square",
            arctan_square,
            lambda x: sp.atan(x**2),
            (lambda x: 2 * quartic_odd(x),),
            "(-oo, oo)",
            lambda x: arctan(x**2),
        ),
        # Forms in 1/x beyond 1: x**4 would overflow where x**-3 still is a number.
        Atom(
            "quartic",
            quartic,
            lambda x: 1 / (1 + x**4),
            (lambda x: -4 * x**3 * quartic(x) ** 2,),
            "(-oo, oo)",
            lambda x: Piecewise(
                (1 / (1 + Min(Abs(x), 1) ** 4), Abs(x) <= 1), (Max(Abs(x), 1) ** -4 / (1 + Max(Abs(x), 1) ** -4), True)
            ),
        ),
        Atom(
            "quartic_odd",
            quartic_odd,
            lambda x: x / (1 + x**4),
            (lambda x: quartic(x) * (4 * quartic(x) - 3),),
            "(-oo, oo)",
            lambda x: _odd(x, lambda a: a / (1 + a**4), lambda v: v**3 / (1 + v**4)),
        ),
        Atom(
            "softplus_step",
            softplus_step,
            lambda x, d, t: t * log(1 + exp((x + d) / t)) - t * log(1 + exp(x / t)),
            (
                lambda x, d, t: -sigmoid((x + d) / t) * sigmoid(-x / t) * expm1(-d / t),
                lambda x, d, t: sigmoid((x + d) / t),
                lambda x, d, t: (softplus_step(x, d, t) - (x + d) * sigmoid((x + d) / t) + x * sigmoid(x / t)) / t,
            ),
            "(-oo, oo)",
            _softplus_step,
        ),
        Atom(
            "hypot1_power",
            hypot1_power,
            lambda x, p: (1 + x**2) ** (p / 2),
            (
                lambda x, p: p * algebraic_sigmoid(x) * hypot1_power(x, p - 1),
                lambda x, p: hypot1_power(x, p) * log1p_square(x) / 2,
            ),
            "(-oo, oo)",
            lambda x, p: hypot(1, x) ** p,
        ),
        Atom(
            "hypot1_slope",
            hypot1_slope,
            lambda x, p: x * (1 + x**2) ** (p / 2 - 1),
            (
                lambda x, p: hypot1_power(x, p - 2) * (lorentzian(x) + (p - 1) * lorentzian_gap(x)),
                lambda x, p: hypot1_slope(x, p) * log1p_square(x) / 2,
            ),
            "(-oo, oo)",
            lambda x, p: algebraic_sigmoid(x) * hypot1_power(x, p - 1),
        ),
        Atom(
            "hypot1_box_cox",
            hypot1_box_cox,
            lambda x, p: Piecewise((log(1 + x**2) / 2, Eq(p, 0)), (((1 + x**2) ** (p / 2) - 1) / p, True)),
            (
                lambda x, p: hypot1_slope(x, p),
                lambda x, p: (hypot1_power(x, p) * log1p_square(x) / 2 - hypot1_box_cox(x, p)) / p,
            ),
            "(-oo, oo)",
            _hypot1_box_cox,
        ),
        Atom(
            "log1p_ratio",
            log1p_ratio,
            lambda x, y: log(1 + x) - log(1 + y),
            (lambda x, y: 1 / (1 + x), lambda x, y: -1 / (1 + y)),
            "(-1, oo)",
            _log1p_ratio,
        ),
        Atom(
            "exp_gap",
            exp_gap,
            lambda x, y: exp(x) - y,
            (lambda x, y: exp(x), lambda x, y: Integer(-1)),
            "(-oo, oo)",
            lambda x, y: exp_gap_scaled(x, y, Integer(1)),
        ),
        Atom(
            "contrast",
            contrast,
            lambda x, y: (x - y) / (x + y),
            (lambda x, y: 2 * y / (x + y) ** 2, lambda x, y: -2 * x / (x + y) ** 2),
            "(0, oo)",
            lambda x, y: (x - y) / Max(x, y) / (1 + Min(x, y) / Max(x, y)),
        ),
        Atom(
            "softplus_excess",
            softplus_excess,
            lambda x: log(1 + exp(x)) - 1 / (1 + exp(-x)),
            (lambda x: sigmoid(x) ** 2,),
            "(-oo, oo)",
            lambda x: Piecewise(
                (_excess_series(exp(Min(x, -1))), x <= -1), (softplus(Max(x, -1)) - sigmoid(Max(x, -1)), True)
            ),
        ),
        # Near c = 1/2 the quotient is near 1; 2*c - 1 is exact there.
        Atom(
            "logit",
            logit,
            lambda c: log(c / (1 - c)),
            (lambda c: 1 / (c * (1 - c)),),
            "[0, 1]",
            lambda c: Piecewise((log1p((2 * c - 1) / (1 - c)), c >= sp.Rational(1, 4)), (log(c / (1 - c)), True)),
        ),
        # sigmoid(x) - sigmoid(l) = sigmoid(x)*(1 - sigmoid(l))*(1 - exp(l - x)), and the same from the other side.
        Atom(
            "shifted_sigmoid",
            shifted_sigmoid,
            lambda x, c: 1 / (1 + exp(-x)) - c,
            (lambda x, c: sigmoid(x) * sigmoid(-x), lambda x, c: Integer(-1)),
            "(-oo, oo)",
            lambda x, c: Piecewise(
                (-(1 - c) * sigmoid(x) * expm1(logit(c) - x), x >= logit(c)),
                (c * sigmoid(-x) * expm1(x - logit(c)), True),
            ),
        ),
        Atom(
            "log_cosigmoid_plus",
            log_cosigmoid_plus,
            lambda x, c: log(c + 1 / (1 + exp(x))),
            (lambda x, c: -sigmoid(x) * sigmoid(-x) / (c + sigmoid(-x)), lambda x, c: 1 / (c + sigmoid(-x))),
            "(-oo, oo)",
            lambda x, c: Piecewise(
                (log1p(-shifted_sigmoid(x, c)), sigmoid(x) - c <= _HALF), (log(c + sigmoid(-x)), True)
            ),
        ),
        _focal_atoms(focal_term, 0, 1, lambda w, g, p: focal_term_slope(w, g, p)),
        _focal_atoms(focal_term_slope, 1, 1, lambda w, g, p: focal_term_curvature(w, g, p)),
        _focal_atoms(focal_term_curvature, 2, 1, _focal_third),
        _focal_atoms(cofocal_term, 0, -1, lambda w, g, p: cofocal_term_slope(w, g, p)),
        _focal_atoms(cofocal_term_slope, 1, -1, lambda w, g, p: cofocal_term_curvature(w, g, p)),
        _focal_atoms(cofocal_term_curvature, 2, -1, lambda w, g, p: -_focal_third(w, g, 1 - p)),
    )
}


class VectorAtom(Function):
    """A function of a whole vector of scores and an index into it."""

    is_real = True


class log_softmax(VectorAtom):
    """Element k of log(softmax(f)): f[k] - log(sum(exp(f)))."""

    def _eval_derivative(self, by: Expr) -> Expr:
        f, k = self.args
        return sp.KroneckerDelta(by.indices[0], k) - softmax(f, by.indices[0]) if _is_element(by, f) else sp.S.Zero


class softmax(VectorAtom):
    """Element k of softmax(f): exp(f[k])/sum(exp(f))."""

    is_positive = True

    def _eval_derivative(self, by: Expr) -> Expr:
        f, k = self.args
        if not _is_element(by, f):
            return sp.S.Zero
        return self * (sp.KroneckerDelta(by.indices[0], k) - softmax(f, by.indices[0]))


def _is_element(by: Expr, f: Expr) -> bool:
    return isinstance(by, sp.Indexed) and by.base == f


def define_atoms(expression: Expr) -> Expr:
    """Replace every atom by its exact definition; what the oracle evaluates."""
    if not expression.has(AtomFunction):
        return expression
    arguments = [define_atoms(a) for a in expression.args]
    if isinstance(expression, AtomFunction):
        return define_atoms(ATOMS[expression.func.__name__].definition(*arguments))
    return expression.func(*arguments)


def exact_values(expression: Expr) -> Expr:
    """Replace the atoms of numbers by their exact values: hypot1(0) is 1."""
    return expression.replace(
        lambda e: isinstance(e, AtomFunction) and all(a.is_number for a in e.args), lambda e: define_atoms(e)
    )


# What an author may write, in Python and in text; name -> SymPy function.
FUNCTIONS: dict[str, Any] = {
    "exp": sp.exp, "log": sp.log, "sqrt": sp.sqrt, "abs": sp.Abs, "sign": sp.sign, "min": sp.Min, "max": sp.Max,
    "sin": sp.sin, "cos": sp.cos, "atan": sp.atan, "arctan": arctan, "sinh": sp.sinh, "cosh": sp.cosh, "erf": sp.erf,
    "log1p": log1p, "expm1": expm1, "tanh": tanh, "sech": sech, "softplus": softplus, "sigmoid": sigmoid,
    "log_cosh": log_cosh, "xlogy": xlogy, "xlog1py": xlog1py, "hypot": hypot,
    "hypot1": hypot1, "hypot1m1": hypot1m1, "half_tangent": half_tangent, "log1p_square": log1p_square,
    "lorentzian": lorentzian, "lorentzian_odd": lorentzian_odd, "algebraic_sigmoid": algebraic_sigmoid, "xdivy": xdivy,
    "expm1_gap": expm1_gap, "log1p_gap": log1p_gap, "saturation": saturation, "lorentzian_gap": lorentzian_gap,
    "power_gap": power_gap, "erlang_gap": erlang_gap, "versine": versine, "versine_turn": versine_turn,
    "sin_turn": sin_turn, "cos_turn": cos_turn, "arctan_square": arctan_square, "quartic": quartic,
    "quartic_odd": quartic_odd, "softplus_step": softplus_step, "hypot1_power": hypot1_power,
    "hypot1_box_cox": hypot1_box_cox, "hypot1_slope": hypot1_slope, "log1p_ratio": log1p_ratio, "exp_gap": exp_gap,
    "contrast": contrast,
    "softplus_excess": softplus_excess, "focal_term": focal_term, "focal_term_slope": focal_term_slope,
    "focal_term_curvature": focal_term_curvature, "cofocal_term": cofocal_term,
    "cofocal_term_slope": cofocal_term_slope, "cofocal_term_curvature": cofocal_term_curvature,
}  # fmt: skip
