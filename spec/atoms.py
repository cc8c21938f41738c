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


class tanhc(AtomFunction):
    """tanh(x)/x, and 1 where x is 0."""


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


class ndtr(PositiveAtom):
    """The distribution function of the standard normal distribution."""


class log_ndtr(AtomFunction):
    """log(ndtr(x))."""


class normal_density(PositiveAtom):
    """exp(-x**2/2)/sqrt(2*pi), the density of the standard normal distribution."""


class inverse_mills(PositiveAtom):
    """normal_density(x)/ndtr(x), which is about -x far below 0."""


class mills_bend(PositiveAtom):
    """inverse_mills(x)*mills_excess(x), which is 1 far below 0."""


class mills_excess(PositiveAtom):
    """x + inverse_mills(x), which is about -1/x far below 0."""


class log_cloglog(AtomFunction):
    """log(1 - exp(-exp(x))): log(p) of the probability p = 1 - exp(-exp(x)) of the complementary log-log link."""


class cloglog_slope(PositiveAtom):
    """exp(x)/(exp(exp(x)) - 1), which is 1 far below 0 and vanishes fast above."""


class cloglog_bend(PositiveAtom):
    """cloglog_slope(x)*cloglog_excess(x), less the slope of cloglog_slope."""


class cloglog_excess(PositiveAtom):
    """exp(x) - 1 + cloglog_slope(x), which is about exp(x)/2 below 0."""


class log_expm1(AtomFunction):
    """log(exp(x) - 1) for x > 0."""


class log_cauchit(AtomFunction):
    """log(1/2 + atan(x)/pi)."""


class cauchit_slope(PositiveAtom):
    """1/((1 + x**2)*(pi/2 + atan(x))), which is about -1/x far below 0."""


class log_exp_plus(AtomFunction):
    """log(c + exp(x)) for c > 0."""


class softplus_pair(PositiveAtom):
    """log(1 + exp(x)) + log(1 + exp(-x - w)): what both ends of an interval of length w cost."""


class sigmoid_gap(AtomFunction):
    """sigmoid(x) - sigmoid(-x - w), exact to its last digits beside the root x = -w/2."""


class exp_pair(AtomFunction):
    """a*exp((q + 1)*x) - b*exp(q*x), where both terms may overflow and the difference have a sign."""


class power_pair(AtomFunction):
    """a*x**(q + 1) - b*x**q of x > 0, where both terms may overflow and the difference have a sign."""


class quotient(AtomFunction):
    """x/y of y > 0; its derivatives divide twice instead of by a square, which may overflow."""


class root_ratio(AtomFunction):
    """sqrt(x/y) of x >= 0 and y > 0."""


class entropy_gap(AtomFunction):
    """x*log(x/y) - x + y of x >= 0 and y > 0, the pointwise Kullback-Leibler divergence."""

    is_nonnegative = True


class log_ratio_gap(AtomFunction):
    """x/y - log(x/y) - 1 of positive numbers, the pointwise Itakura-Saito divergence."""

    is_nonnegative = True


class chi_squared_gap(AtomFunction):
    """(x - y)**2/x of x > 0."""

    is_nonnegative = True


class hellinger_gap(AtomFunction):
    """(sqrt(x) - sqrt(y))**2/2 of numbers >= 0."""

    is_nonnegative = True


class jensen_gap(AtomFunction):
    """x*log(2*x/(x + y)) + y*log(2*y/(x + y)) of x > 0 and y >= 0."""

    is_nonnegative = True


class log_share(AtomFunction):
    """log(2*x/(x + y)) of x > 0 and y >= 0."""


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
    near = Max(sp.Rational(-1, 3), Min(x, _HALF))
    far = Piecewise((Integer(1), is_near), (Min(x, _FAR), True))
    s = near / (2 + near)
    series = _horner([sp.Rational(2, 2 * k + 3) for k in range(12)], s**2)
    return Piecewise((s * (1 - s * series / (2 + near)), is_near), (1 - log1p(far) / far, True))


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


# With w = (t - 4)/(t + 4), (t + 4)*(1/R(t) - t) of Mills' ratio R(t) = (1 - ndtr(t))/normal_density(t) for t >= 0:
# the polynomial that interpolates it at the 29 Chebyshev nodes, within 2e-17 of the function.
_MILLS = tuple(
    sp.Rational(digits)
    for digits in (
        "1.80485715591576858201", "-1.182204501519279201", "0.4019567038062288055621", "0.06751792792276208417312",
        "-0.1382244914787328113862", "0.03370366765367634771714", "0.03165652747899703992492",
        "-0.02080045431427855027201", "-0.004488589746531045081364", "0.007961411175370185824549",
        "-0.0003735871226711138689968", "-0.002485792389722567351339", "0.0005948619697239542024743",
        "0.0006654963571823578199543", "-0.0002893128318825679111978", "-0.0001503328110856149870974",
        "0.0001049390871500671486942", "0.0000256012182602459061655", "-0.00003179754982440018745",
        "-0.000001460119195672493039759", "0.000008221885104837811784486", "-0.000001123601773604041589009",
        "-0.000001780112523683862108931", "5.588063998287937629051e-7", "3.043702988565914435964e-7",
        "-1.347004474707845713741e-7", "-3.629157041884313352563e-8", "1.471640093478076019576e-8",
        "2.226194609222427419464e-9",
    )
)  # fmt: skip


def _mills_gap(t: Expr) -> Expr:
    """1/R(t) - t for t >= 0: what the inverse of Mills' ratio has beyond its asymptote."""
    bounded = Min(t, _FAR)
    return quotient(_horner(_MILLS, quotient(bounded - 4, bounded + 4)), t + 4)


def _normal_density(x: Expr) -> Expr:
    """With h a short number near |x|, exp(-x**2/2) = exp(-h**2/2)*exp(-(|x| - h)*(|x| + h)/2) rounds neither square.

    From 64 on both factors are 0 in every format.
    """
    a = Min(Abs(x), 64)
    h = nearest(16 * a) / 16
    return exp(-(h**2) * _HALF) * (exp(-(a - h) * (a + h) * _HALF) / sqrt(2 * sp.pi))


def _upper_tail(x: Expr) -> Expr:
    """1 - ndtr(|x|)."""
    return _normal_density(x) / (Abs(x) + _mills_gap(Abs(x)))


def _log_ndtr(x: Expr) -> Expr:
    below = -(x**2) * _HALF - log(sqrt(2 * sp.pi) * (Abs(x) + _mills_gap(Abs(x))))
    return Piecewise((below, x < 0), (log1p(-_upper_tail(x)), True))


def _inverse_mills(x: Expr) -> Expr:
    above = _normal_density(x) / (1 - _upper_tail(x))
    return Piecewise((Abs(x) + _mills_gap(Abs(x)), x < 0), (above, True))


# exp(x) is so small below here that 1 - exp(x)/2 rounds to 1.
_FAINT = Integer(-40)


def _cloglog_slope(x: Expr) -> Expr:
    """u/(exp(u) - 1) for u = exp(x): 1 where u is 0, and 0 where both are infinite.

    exp(u) would be infinite where the quotient is still a number; exp(u/2) twice is not.
    """
    u = exp(Max(x, _FAINT))
    decay = quotient(quotient(Min(u, _FAR), exp(u * _HALF)), exp(u * _HALF))
    return Piecewise((Integer(1), x <= _FAINT), (decay / -expm1(-u), True))


def _cloglog_excess(x: Expr) -> Expr:
    """u - 1 + u/(exp(u) - 1) is (exp(-u) - 1 + u)/(1 - exp(-u)), which does not cancel; for small u it is u/2."""
    u = exp(Max(x, _FAINT))
    return Piecewise((exp(x) * _HALF, x <= _FAINT), (expm1_gap(-u) / -expm1(-u), True))


def _log_cloglog(x: Expr) -> Expr:
    """Below 0, (1 - exp(-u))/u = 1/(1 + cloglog_excess(x)), so that nothing is lost where u underflows."""
    return Piecewise((x - log1p(cloglog_excess(Min(x, 0))), x <= 0), (log1p(-exp(-exp(Max(x, 0)))), True))


def _arctan_above(x: Expr) -> Expr:
    """pi/2 + atan(x)."""
    return Piecewise((arctan(_below(x)), x < -1), (sp.pi / 2 + arctan(x), True))


def _below(x: Expr) -> Expr:
    """-1/x for x <= -1, and 1 elsewhere."""
    return 1 / Max(1, -x)


def _cauchit_slope(x: Expr) -> Expr:
    """Far below 0, in v = -1/x: v*(v/atan(v))/(1 + v**2)."""
    v = _below(x)
    return Piecewise(
        (v * quotient(v, arctan(v)) / (1 + v**2), x < -1), (lorentzian(x) / (sp.pi / 2 + arctan(Max(x, -1))), True)
    )


def _log_exp_plus(x: Expr, c: Expr) -> Expr:
    """As log(1 + (c + (exp(x) - 1))) only near x = 0, where c + exp(x) may be near 1; further below it may be small."""
    decay, near = exp(-Abs(x)), log1p(c + expm1(Max(-1, Min(x, 0))))
    return Piecewise((x + log1p(c * decay), x > 0), (log(c + decay), x < -1), (near, True))


def _log_of_ratio(x: Expr, y: Expr) -> Expr:
    """log(x/y) of positive numbers: by their difference where they are close, by logarithms where x/y overflows."""
    is_near = sp.And(x <= 2 * y, y <= 2 * x)
    near = Piecewise(((x - y) / y, is_near), (Integer(0), True))
    is_far = sp.Or(x > _FAR * y, y > _FAR * x)
    between = Piecewise((Integer(1), is_far), (x / y, True))
    return Piecewise((log1p(near), is_near), (log(x) - log(y), is_far), (log(between), True))


def _entropy_gap(x: Expr, y: Expr) -> Expr:
    """x*(s - log(1 + s)) with s = (y - x)/x, where y is not much smaller than x; where it is, nothing cancels."""
    safe = Piecewise((Integer(1), x <= 0), (x, True))
    s = (y - safe) / safe
    near = (y - safe) * log1p_gap_ratio(Max(s, -_HALF))
    return Piecewise((y, x <= 0), (near, x <= 2 * y), (safe * _log_of_ratio(safe, y) - (safe - y), True))


def _log_ratio_gap(x: Expr, y: Expr) -> Expr:
    """s - log(1 + s) with s = (x - y)/y, likewise."""
    s = Max((x - y) / y, -_HALF)
    return Piecewise((s * log1p_gap_ratio(s), y <= 2 * x), (x / y - _log_of_ratio(x, y) - 1, True))


def _jensen_gap(x: Expr, y: Expr) -> Expr:
    """With c = (x - y)/(x + y), near 0 the sum of c**(2*k)/(k*(2*k - 1)); the smaller term vanishes far out."""
    least, most = Min(x, y), Max(x, y)
    is_near, is_far = most <= 3 * least, most > _FAR * least
    c = Max(-_HALF, Min(contrast(x, y), _HALF))
    series = _horner([sp.Rational(1, k * (2 * k - 1)) for k in range(1, 26)], c**2)
    part = Piecewise((Integer(1), is_far), (least / most, True))
    small = Piecewise((Integer(0), is_far), (least * log(2 * part / (1 + part)), True))
    return Piecewise(((x - y) * _HALF * (c * series), is_near), (most * log(2 / (1 + least / most)) + small, True))


def _log_share(x: Expr, y: Expr) -> Expr:
    part = Min(x, y) / Max(x, y)
    return Piecewise((log1p(contrast(x, y)), y <= 3 * x), (_log_of_ratio(x, y) + log(2 / (1 + part)), True))


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
            "tanhc",
            tanhc,
            lambda x: Piecewise((1, Eq(x, 0)), (tanh(x) / x, True)),
            (lambda x: (sech(x) ** 2 - tanhc(x)) / x,),
            "(-oo, oo)",
            lambda x: Piecewise((1, Eq(x, 0)), (tanh(x) / x, True)),
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
        Atom(
            "ndtr",
            ndtr,
            lambda x: sp.erfc(-x / sqrt(2)) / 2,
            (lambda x: normal_density(x),),
            "(-oo, oo)",
            lambda x: Piecewise((_upper_tail(x), x < 0), (1 - _upper_tail(x), True)),
        ),
        Atom(
            "log_ndtr",
            log_ndtr,
            lambda x: log(sp.erfc(-x / sqrt(2)) / 2),
            (lambda x: inverse_mills(x),),
            "(-oo, oo)",
            _log_ndtr,
        ),
        Atom(
            "normal_density",
            normal_density,
            lambda x: exp(-(x**2) / 2) / sqrt(2 * sp.pi),
            (lambda x: -x * normal_density(x),),
            "(-oo, oo)",
            _normal_density,
        ),
        Atom(
            "inverse_mills",
            inverse_mills,
            lambda x: exp(-(x**2) / 2) / sqrt(2 * sp.pi) / (sp.erfc(-x / sqrt(2)) / 2),
            (lambda x: -mills_bend(x),),
            "(-oo, oo)",
            _inverse_mills,
        ),
        # Where x is infinite one factor is too, and the other 0; from 64 on the density is 0 in every format.
        Atom(
            "mills_bend",
            mills_bend,
            lambda x: define_atoms(inverse_mills(x)) * (x + define_atoms(inverse_mills(x))),
            (lambda x: inverse_mills(x) * (1 - mills_bend(x)) - mills_bend(x) * mills_excess(x),),
            "(-oo, oo)",
            lambda x: Piecewise(
                (Integer(1), x < -_FAR),
                (inverse_mills(Max(Min(x, 64), -_FAR)) * mills_excess(Max(Min(x, 64), -_FAR)), True),
            ),
        ),
        Atom(
            "mills_excess",
            mills_excess,
            lambda x: x + exp(-(x**2) / 2) / sqrt(2 * sp.pi) / (sp.erfc(-x / sqrt(2)) / 2),
            (lambda x: 1 - mills_bend(x),),
            "(-oo, oo)",
            lambda x: Piecewise((_mills_gap(Abs(x)), x < 0), (x + inverse_mills(x), True)),
        ),
        Atom(
            "log_cloglog",
            log_cloglog,
            lambda x: log(1 - exp(-exp(x))),
            (lambda x: cloglog_slope(x),),
            "(-oo, oo)",
            _log_cloglog,
        ),
        Atom(
            "cloglog_slope",
            cloglog_slope,
            lambda x: exp(x) / (exp(exp(x)) - 1),
            (lambda x: -cloglog_bend(x),),
            "(-oo, oo)",
            _cloglog_slope,
        ),
        # Where u = exp(x) overflows the slope is 0, and so is the product.
        Atom(
            "cloglog_bend",
            cloglog_bend,
            lambda x: exp(x) / (exp(exp(x)) - 1) * (exp(x) - 1 + exp(x) / (exp(exp(x)) - 1)),
            (lambda x: cloglog_slope(x) * exp(x) - cloglog_bend(x) * (cloglog_slope(x) + cloglog_excess(x)),),
            "(-oo, oo)",
            lambda x: cloglog_slope(x) * _cloglog_excess(Min(x, 70)),
        ),
        Atom(
            "cloglog_excess",
            cloglog_excess,
            lambda x: exp(x) - 1 + exp(x) / (exp(exp(x)) - 1),
            (lambda x: exp(x) - cloglog_slope(x) * cloglog_excess(x),),
            "(-oo, oo)",
            _cloglog_excess,
        ),
        Atom(
            "log_expm1",
            log_expm1,
            lambda x: log(exp(x) - 1),
            (lambda x: -1 / expm1(-x),),
            "(0, oo)",
            lambda x: Piecewise((log(expm1(Min(x, 1))), x <= 1), (x + log1p(-exp(-x)), True)),
        ),
        Atom(
            "log_cauchit",
            log_cauchit,
            lambda x: log(_HALF + sp.atan(x) / sp.pi),
            (lambda x: cauchit_slope(x),),
            "(-oo, oo)",
            lambda x: Piecewise(
                (log1p(-_arctan_above(-x) / sp.pi), x > 0), (log(_arctan_above(Min(x, 0)) / sp.pi), True)
            ),
        ),
        Atom(
            "cauchit_slope",
            cauchit_slope,
            lambda x: 1 / ((1 + x**2) * (sp.pi / 2 + sp.atan(x))),
            (lambda x: -cauchit_slope(x) * (2 * lorentzian_odd(x) + cauchit_slope(x)),),
            "(-oo, oo)",
            _cauchit_slope,
        ),
        Atom(
            "log_exp_plus",
            log_exp_plus,
            lambda x, c: log(c + exp(x)),
            (lambda x, c: sigmoid(x - log(c)), lambda x, c: 1 / (c + exp(x))),
            "(-oo, oo)",
            _log_exp_plus,
        ),
        Atom(
            "softplus_pair",
            softplus_pair,
            lambda x, w: log(1 + exp(x)) + log(1 + exp(-x - w)),
            (lambda x, w: sigmoid_gap(x, w), lambda x, w: -sigmoid(-x - w)),
            "(-oo, oo)",
            lambda x, w: softplus(x) + softplus(-x - w),
        ),
        Atom(
            "sigmoid_gap",
            sigmoid_gap,
            lambda x, w: 1 / (1 + exp(-x)) - 1 / (1 + exp(x + w)),
            (
                lambda x, w: sigmoid(x) * sigmoid(-x) + sigmoid(x + w) * sigmoid(-x - w),
                lambda x, w: sigmoid(x + w) * sigmoid(-x - w),
            ),
            "(-oo, oo)",
            lambda x, w: tanh(x + w * _HALF) * (sigmoid(x) * sigmoid(x + w) + sigmoid(-x) * sigmoid(-x - w)),
        ),
        Atom(
            "exp_pair",
            exp_pair,
            lambda x, q, a, b: a * exp((q + 1) * x) - b * exp(q * x),
            (
                lambda x, q, a, b: exp_pair(x, q, (q + 1) * a, q * b),
                lambda x, q, a, b: x * exp_pair(x, q, a, b),
                lambda x, q, a, b: exp((q + 1) * x),
                lambda x, q, a, b: -exp(q * x),
            ),
            "(-oo, oo)",
            lambda x, q, a, b: a * exp((q + 1) * x) - b * exp(q * x),
        ),
        Atom(
            "power_pair",
            power_pair,
            lambda x, q, a, b: a * x ** (q + 1) - b * x**q,
            (
                lambda x, q, a, b: power_pair(x, q - 1, (q + 1) * a, q * b),
                lambda x, q, a, b: log(x) * power_pair(x, q, a, b),
                lambda x, q, a, b: x ** (q + 1),
                lambda x, q, a, b: -(x**q),
            ),
            "(0, oo)",
            lambda x, q, a, b: a * x ** (q + 1) - b * x**q,
        ),
        Atom(
            "quotient",
            quotient,
            lambda x, y: x / y,
            (lambda x, y: 1 / y, lambda x, y: -quotient(quotient(x, y), y)),
            "(0, oo)",
            lambda x, y: x / y,
        ),
        Atom(
            "root_ratio",
            root_ratio,
            lambda x, y: sqrt(x / y),
            (lambda x, y: root_ratio(x, y) / (2 * x), lambda x, y: -quotient(root_ratio(x, y), 2 * y)),
            "(0, oo)",
            lambda x, y: quotient(sqrt(x), sqrt(y)),
        ),
        Atom(
            "entropy_gap",
            entropy_gap,
            lambda x, y: Piecewise((y, Eq(x, 0)), (x * log(x / y) - x + y, True)),
            (lambda x, y: log(x / y), lambda x, y: 1 - xdivy(x, y)),
            "[0, oo)",
            _entropy_gap,
        ),
        Atom(
            "log_ratio_gap",
            log_ratio_gap,
            lambda x, y: x / y - log(x / y) - 1,
            (lambda x, y: 1 / y - 1 / x, lambda x, y: quotient(1 - quotient(x, y), y)),
            "(0, oo)",
            _log_ratio_gap,
        ),
        Atom(
            "chi_squared_gap",
            chi_squared_gap,
            lambda x, y: (x - y) ** 2 / x,
            (lambda x, y: 1 - quotient(y, x) ** 2, lambda x, y: 2 * (quotient(y, x) - 1)),
            "(0, oo)",
            lambda x, y: (x - y) * quotient(x - y, x),
        ),
        Atom(
            "hellinger_gap",
            hellinger_gap,
            lambda x, y: (sqrt(x) - sqrt(y)) ** 2 / 2,
            (lambda x, y: (1 - root_ratio(y, x)) / 2, lambda x, y: (1 - root_ratio(x, y)) / 2),
            "[0, oo)",
            lambda x, y: quotient(x - y, sqrt(x) + sqrt(y)) ** 2 * _HALF,
        ),
        Atom(
            "jensen_gap",
            jensen_gap,
            lambda x, y: x * log(2 * x / (x + y)) + _zero_if_zero(y, y * log(2 * y / (x + y))),
            (lambda x, y: log_share(x, y), lambda x, y: log_share(y, x)),
            "(0, oo)",
            _jensen_gap,
        ),
        Atom(
            "log_share",
            log_share,
            lambda x, y: log(2 * x / (x + y)),
            (lambda x, y: quotient(y / (x + y), x), lambda x, y: -1 / (x + y)),
            "(0, oo)",
            _log_share,
        ),
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
    "ndtr": ndtr, "log_ndtr": log_ndtr, "normal_density": normal_density, "inverse_mills": inverse_mills,
    "mills_bend": mills_bend, "mills_excess": mills_excess, "log_cloglog": log_cloglog,
    "cloglog_slope": cloglog_slope, "cloglog_bend": cloglog_bend, "cloglog_excess": cloglog_excess,
    "log_expm1": log_expm1, "log_cauchit": log_cauchit, "cauchit_slope": cauchit_slope,
    "log_exp_plus": log_exp_plus, "softplus_pair": softplus_pair, "sigmoid_gap": sigmoid_gap, "exp_pair": exp_pair,
    "power_pair": power_pair, "quotient": quotient, "root_ratio": root_ratio, "entropy_gap": entropy_gap,
    "log_ratio_gap": log_ratio_gap, "chi_squared_gap": chi_squared_gap, "hellinger_gap": hellinger_gap,
    "jensen_gap": jensen_gap, "log_share": log_share,
}  # fmt: skip
