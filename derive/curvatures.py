"""What may stand for the second derivative, and what is proved of it?

A booster divides by a sum of curvatures: the exact ones may be zero or negative. Other choices are derived here, each
with the statements that make it what it claims to be. A statement is a formula made from the author's by substitution
alone, about which the prover makes one of its ordinary claims:

- `majorizer`: a quadratic with this curvature touches the loss and lies nowhere below it. Where the loss is an even
  function E of x plus a linear one, and E(sqrt(s)) is concave in s, E'(x)/x is the least such curvature (de Leeuw,
  Lange (2009), Sharp quadratic majorization in one dimension, section 4): r in residual losses, and the bound of
  Jaakkola and Jordan (2000), Bayesian parameter estimation via variational methods, for the logistic loss. Else it is
  the smoothness constant, where there is one.
- `fisher`: the expected Hessian when the target has the mean that the raw score stands for.
- `gauss_newton`: the second derivative in the mean, times the squared slope of the mean.
- `reweighted`: of a loss that falls with the margin, so that it is a rising function of the cross entropy c: that
  function's slope times c''. It is what iteratively reweighted cross entropy has, and 0 only where the gradient is.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp
from sympy import Abs, Expr, Piecewise, Symbol, sign

from ..spec import atoms
from ..spec.atoms import define_atoms, sigmoid, tanh, tanhc
from ..spec.domains import FiniteSet, Interval
from ..spec.model import Loss
from ..spec.notation import text
from ..spec.text import parse_expression
from .branches import choice, map_leaves, tidy
from .derivation import Derivation, base_variable
from .links import solve_link
from .recognise import recognise

Statement = dict[str, Any]
Claimed = Mapping[str, Mapping[str, Any]]  # lemma -> the claim about it, as data

MEAN = Symbol("mean", real=True)
_T = Symbol("t", positive=True)
_S = Symbol("s", positive=True)
_U = Symbol("u", real=True)

# What an odd atom is u times of.
_PER_ARGUMENT: dict[object, Callable[..., Expr]] = {
    tanh: tanhc,
    atoms.algebraic_sigmoid: lambda u: 1 / atoms.hypot1(u),
    atoms.lorentzian_odd: atoms.lorentzian,
    atoms.quartic_odd: atoms.quartic,
    atoms.hypot1_slope: lambda u, p: atoms.hypot1_power(u, p - 2),
    atoms.saturation: lambda u: 1 / (1 + u),
}


@dataclass(frozen=True, slots=True)
class Lemma:
    """A statement that the prover knows how to read, and which of its properties is asked for."""

    about: Statement
    property: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A curvature before anything is proved: its formula, why it is one, and what has to be shown.

    `lemmas` must hold for it to be a curvature of its name; `values` is the lemma about the values that it takes, where
    these do not follow from the others, and do not show by their factors.
    """

    name: str
    formula: Expr
    rule: str
    lemmas: Mapping[str, Lemma]
    values: Lemma | None


def candidates(derivation: Derivation, claims: Claimed) -> tuple[Candidate, ...]:
    """The curvatures of a loss of one scalar prediction on the whole line that its proved properties leave room for."""
    loss = derivation.loss
    if not claims or loss.size is not None or len(loss.predictions) != 1 or not _on_the_line(loss):
        return ()  # about a loss of which nothing is proved, nothing more is looked for
    majorizer = _even_majorizer(derivation) or _smooth_majorizer(loss, claims)
    elicited = claims.get("elicits", {}).get("value")
    proper = isinstance(elicited, dict) and elicited.get("statistic") == "mean"
    fisher = (_fisher(derivation) if proper else None) or _fisher_of_shares(derivation)
    found = (majorizer, fisher, _gauss_newton(derivation), _reweighted(derivation))
    return tuple(c for c in found if c is not None)


def lemmas(derivation: Derivation, claims: Claimed) -> dict[str, Lemma]:
    """Everything to be proved of the curvatures of a loss, by name: `majorizer.concave`, `fisher.values`."""
    return {
        f"{c.name}.{name}": lemma
        for c in candidates(derivation, claims)
        for name, lemma in {**c.lemmas, "values": c.values}.items()
        if lemma is not None
    }


def link(derivation: Derivation) -> Expr | None:
    """The raw score of a mean, for a loss that has an inverse link which can be solved."""
    loss = derivation.loss
    if derivation.inverse_link is None or len(loss.predictions) != 1 or loss.size is not None:
        return None
    return solve_link(derivation.inverse_link, loss.predictions[0].symbol, MEAN)


# Majorizers --------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _even_majorizer(derivation: Derivation) -> Candidate | None:
    """E'(x)/x of a loss that is E(x) and a linear function, if its quotient has a value everywhere."""
    loss = derivation.loss
    x, _ = base_variable(loss, loss.predictions[0])
    formula = _quotient(derivation, x)
    if formula is None or not _plausible(derivation, formula, x):
        return None
    e = loss.expression if loss.base else loss.full_expression
    lemmas: dict[str, Lemma] = {}
    if loss.base == "residual" and _is_even(e, x):
        even = e.xreplace({x: sp.sqrt(_S)})
    else:
        odd = e.xreplace({x: _U}) - e.xreplace({x: -_U})
        lemmas["odd_convex"] = Lemma(_about(loss, odd, _U), "convex")
        lemmas["odd_concave"] = Lemma(_about(loss, -odd, _U), "convex")
        even = e.xreplace({x: sp.sqrt(_S)}) + e.xreplace({x: -sp.sqrt(_S)})
    lemmas["concave"] = Lemma(_about(loss, -_squared_conditions(even), _S, "(0, oo)"), "convex")
    plain = define_atoms(formula.replace(tanhc, lambda u: tanh(u) / u)).xreplace({x: _T})
    # Even, and continuous at 0: the values on one side are enough.
    values = Lemma(_about(loss, plain, _T, "(0, oo)"), "range") if formula.has(x) else _values(loss, formula, x)
    return Candidate("majorizer", formula, "even", lemmas, values)


def _on_the_line(loss: Loss) -> bool:
    return loss.base is not None or loss.predictions[0].domain.text == "(-oo, oo)"


def _is_even(e: Expr, x: Symbol) -> bool:
    """Whether SymPy's constructors alone make e(-x) the same expression as e(x)."""
    return bool(e.xreplace({x: -_U}) == e.xreplace({x: _U}))


def _quotient(derivation: Derivation, x: Symbol) -> Expr | None:
    """E'(x)/x with the factor x taken out of every leaf; None where some leaf keeps it below the line."""
    loss = derivation.loss
    gradient = derivation.gradients[0]
    if loss.base == "margin":  # by the margin: its slope in f is y, and y**2 is 1
        gradient = map_leaves(lambda leaf: tidy(leaf / loss.targets[0].symbol), gradient)
    if loss.base == "residual" and _is_even(loss.expression, x):
        quotient = map_leaves(lambda leaf: _per(leaf, x), gradient)
    else:
        right, left = (gradient.xreplace({x: t}) for t in (_T, -_T))
        tree = (
            map_leaves(lambda a: map_leaves(lambda b: a - b, left), right) if gradient.has(Piecewise) else right - left
        )
        quotient = _pruned(map_leaves(lambda leaf: _per(_by_tanh(leaf), _T) / 2, tree)).xreplace({_T: Abs(x)})
        quotient = quotient.replace(tanhc, lambda u: tanhc(u.xreplace({Abs(x): x})))
    return recognise(quotient) if quotient != 0 and _has_a_value_at_zero(quotient, x) else None


def _per(leaf: Expr, x: Symbol) -> Expr:
    """A leaf divided by x."""
    for atom, per in _PER_ARGUMENT.items():
        leaf = leaf.replace(atom, lambda u, *more, per=per: u * per(u, *more))
    leaf = leaf.replace(sign, lambda u: u / Abs(u))
    return tidy(sp.powsimp(sp.expand_mul(leaf) / x if leaf.is_Add else leaf / x))


def _by_tanh(leaf: Expr) -> Expr:
    """With sigmoid(u) as (1 + tanh(u/2))/2, of which the constant parts of an even function cancel."""
    halves = leaf.replace(tanh, _odd_tanh).replace(sigmoid, lambda u: (1 + _odd_tanh(u / 2)) / 2)
    return sp.factor_terms(sp.expand(halves))


def _odd_tanh(u: Expr) -> Expr:
    return -tanh(-u) if u.could_extract_minus_sign() else tanh(u)


def _pruned(tree: Expr) -> Expr:
    """A tree without choices that a choice above them has made."""
    if not isinstance(tree, Piecewise):
        return tree
    (then, condition), (otherwise, _) = tree.args
    known = {condition: sp.true, ~condition: sp.false}
    unknown = {condition: sp.false, ~condition: sp.true}
    return choice(condition, _pruned(then.xreplace(known)), _pruned(otherwise.xreplace(unknown)))


def _has_a_value_at_zero(tree: Expr, x: Symbol) -> bool:
    """Whether no leaf that may stand at x = 0 is infinite or of no value there."""
    value = tree.subs(x, 0)
    if any(p.base == 0 and not p.exp.is_nonnegative for p in value.atoms(sp.Pow)):
        return False
    leaves = [leaf for leaf, _ in value.args] if isinstance(value, Piecewise) else [value]
    return all(v.is_finite is not False and not v.has(sp.zoo, sp.nan, sp.oo) for v in leaves)


def _plausible(derivation: Derivation, quotient: Expr, x: Symbol) -> bool:
    """Whether numbers do not speak against a proof, so that none is looked for in vain."""
    loss = derivation.loss
    values: dict[Any, Expr] = {p.symbol: _inside(p.domain, k) for k, p in enumerate(loss.parameters)}
    values |= {t.symbol: _inside(t.domain, 7) for t in loss.targets}

    def at(e: Expr, place: Any) -> float:
        return float(define_atoms(e.xreplace(values).subs(x, sp.Rational(place))).evalf(30))

    gradient = derivation.gradients[0]
    odd = [at(gradient, t) + at(gradient, f"-{t}") for t in ("1/50", "3/5", "17/10", "4")]
    falling = [at(quotient, t) for t in ("1/50", "3/5", "17/10", "4", "9")]
    straight = max(odd) - min(odd) <= 1e-12 * max(1.0, *map(abs, odd))
    return straight and all(a >= b - 1e-12 for a, b in itertools.pairwise(falling))


def _inside(domain: Any, number: int) -> Expr:
    """A number of a domain that is special in no way; others for other parameters."""
    share = sp.Rational(37 + 4 * number, 101)
    if isinstance(domain, FiniteSet):
        return domain.values[-1]
    low, high = (domain.low, domain.high) if isinstance(domain, Interval) else (domain.low, sp.oo)
    if low.is_finite and high.is_finite:
        return low + share * (high - low)
    return low + share if low.is_finite else high - share if high.is_finite else share


def _squared_conditions(e: Expr) -> Expr:
    """With conditions on sqrt(s), those of maxima too, as conditions on s: sqrt(s) <= c is s <= c**2 for c >= 0."""

    def squared(relation: sp.core.relational.Relational) -> Any:
        root = sp.sqrt(_S)
        left, right = relation.lhs, relation.rhs
        if right.has(root):
            return squared(relation.reversed) if not left.has(root) else relation
        outer, inner = left.as_independent(root, as_Add=True)
        factor = inner / root
        if factor.has(_S) or not (factor.is_positive or factor.is_negative):
            return relation
        bound = (right - outer) / factor
        turned = relation.func if factor.is_positive else relation.reversed.func
        if bound.is_nonnegative:
            return turned(_S, bound**2)
        if bound.is_negative or bound.is_nonpositive:  # sqrt(s) > 0 lies above it
            return sp.true if turned in (sp.StrictGreaterThan, sp.GreaterThan) else sp.false
        return relation

    e = e.replace(sp.Max, lambda *parts: Piecewise((parts[0], parts[0] >= parts[1]), (parts[1], True))
                  if len(parts) == 2 else sp.Max(*parts))  # fmt: skip
    return e.replace(lambda n: isinstance(n, sp.core.relational.Relational) and n.has(_S), squared)


def _smooth_majorizer(loss: Loss, claims: Claimed) -> Candidate | None:
    """The smoothness constant, as a formula; None where none is proved, or it is 0."""
    smooth = claims.get("smooth", {})
    value = smooth.get("value")
    if smooth.get("verdict") != "proved" or not isinstance(value, str) or value == "0":
        return None
    symbols = {a.name: a.symbol for a in loss.targets} | {p.name: p.symbol for p in loss.parameters}
    formula = parse_expression(value, symbols)
    return Candidate("majorizer", formula, "smooth", {}, _values(loss, formula, _U))


# Expected curvature ------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _fisher(derivation: Derivation) -> Candidate | None:
    """The Hessian at the mean for the target, of a loss that is affine in its target."""
    loss = derivation.loss
    (prediction,) = loss.predictions
    if len(loss.targets) != 1 or loss.base is not None:
        return None
    y, f = loss.targets[0].symbol, prediction.symbol
    if isinstance(loss.targets[0].domain, FiniteSet):
        return None
    if derivation.inverse_link is None:
        return None
    hessian, mean = derivation.hessians[0], derivation.inverse_link
    if any(c.has(y, f) for c in hessian.atoms(sp.core.relational.Relational)):
        return None
    if sp.expand(sp.diff(define_atoms(hessian), y, 2)) != 0:
        return None
    leaves = map_leaves(lambda leaf: _in_mean(leaf.xreplace({y: MEAN}), mean, f) or sp.nan, hessian)
    formula = tidy(leaves)
    if formula.has(y, sp.nan):
        return None
    return Candidate("fisher", formula, "mean", {}, _values(loss, formula, f))


@functools.lru_cache(maxsize=256)
def _fisher_of_shares(derivation: Derivation) -> Candidate | None:
    """The Hessian at the mean p for a target of [0, 1], of a loss whose gradient g is (y - p)*dg/dy: -dp/df*dg/dy.

    It is wanted where it is a product of positive factors, so that nothing cancels and nothing is left to prove.
    """
    loss, mean = derivation.loss, derivation.inverse_link
    if mean is None or len(loss.targets) != 1 or loss.base is not None or loss.targets[0].domain.text != "[0, 1]":
        return None
    y, f, gradient = loss.targets[0].symbol, loss.predictions[0].symbol, derivation.gradients[0]
    by_target = sp.diff(gradient, y)
    if gradient.has(Piecewise) or sp.expand(sp.diff(by_target, y)) != 0:
        return None
    if sp.simplify(define_atoms(gradient).xreplace({y: define_atoms(mean)}).rewrite(sp.erf)) != 0:
        return None
    formula = recognise(tidy(sp.powsimp(sp.expand(-sp.diff(mean, f) * by_target))))
    return Candidate("fisher", formula, "share", {}, None) if formula.is_positive else None


@functools.lru_cache(maxsize=256)
def _gauss_newton(derivation: Derivation) -> Candidate | None:
    """The second derivative in the mean, times the square of the mean's slope."""
    loss = derivation.loss
    back = link(derivation)
    if back is None or len(loss.targets) != 1 or loss.base is not None:
        return None
    f = loss.predictions[0].symbol
    in_mean = define_atoms(loss.full_expression).xreplace({f: define_atoms(back)})
    if in_mean.has(Piecewise, Abs, sp.Max, sp.Min):
        return None
    slope = sp.diff(define_atoms(back), MEAN)
    in_mean = sp.expand_log(in_mean.replace(sp.log, lambda u: sp.log(sp.factor(u))), force=True)
    curvature = sp.cancel(sp.together(sp.diff(in_mean, MEAN, 2) / slope**2))
    if curvature.has(f) or not curvature.is_rational_function(MEAN):
        return None
    assert derivation.inverse_link is not None
    formula = _in_mean(curvature, derivation.inverse_link, f)
    return None if formula is None else Candidate("gauss_newton", formula, "mean", {}, _values(loss, formula, f))


@functools.lru_cache(maxsize=256)
def _reweighted(derivation: Derivation) -> Candidate | None:
    """The gradient times c''/c', for the cross entropy c of a label and a logit; of losses that are not convex."""
    loss = derivation.loss
    if len(loss.targets) != 1 or not isinstance(loss.targets[0].domain, FiniteSet):
        return None
    y, f, e = loss.targets[0].symbol, loss.predictions[0].symbol, loss.expression
    m = Symbol("m", real=True)
    if loss.base == "margin":
        (definition,) = loss.definitions
        ratio, falling = -sigmoid(definition.symbol) / y, {"falling": e.xreplace({definition.symbol: m})}
    elif loss.targets[0].domain.values == (0, 1):
        ratio = (1 - y) * sigmoid(-f) - y * sigmoid(f)
        falling = {f"falling_{v}": e.xreplace({y: sp.Integer(v), f: m if v else -m}) for v in (1, 0)}
    else:
        return None
    formula = map_leaves(lambda leaf: tidy(leaf * ratio), derivation.gradients[0])
    lemmas = {name: Lemma(_margin(loss, of), "monotone") for name, of in falling.items()}
    return Candidate("reweighted", formula, "reweighted", lemmas, None)


def _margin(loss: Loss, e: Expr) -> Statement:
    return {**_about(loss, e, Symbol("m", real=True)), "base": "margin", "inputs": {}}


def _in_mean(e: Expr, mean: Expr, f: Symbol) -> Expr | None:
    """A rational function of MEAN, with the mean put in so that nothing cancels or overflows; None for another one."""
    if mean == sigmoid(f):
        e = sp.factor(e.xreplace({sigmoid(f): MEAN, sigmoid(-f): 1 - MEAN}))
        if e.has(f):
            return None
        e = e.subs(MEAN - 1, -sigmoid(-f)).subs(1 - MEAN, sigmoid(-f))
    elif mean == sp.exp(f):
        e = _fraction(define_atoms(e).subs(sp.exp(f), MEAN), f)
    else:
        return None
    found = recognise(tidy(sp.powsimp(e.xreplace({MEAN: mean}))))
    return None if found.has(sp.zoo, sp.nan) else found


def _fraction(e: Expr, f: Symbol) -> Expr:
    """A fraction of polynomials in MEAN = exp(f), so written that no power overflows that does not overflow the whole.

    Divided by its leading power where that leaves no sum below; else so for f > 0 alone.
    """
    above, below = sp.fraction(sp.cancel(sp.powsimp(e)))
    if e.has(f) or not (above.is_polynomial(MEAN) and below.is_polynomial(MEAN)):
        return sp.expand(sp.powsimp(sp.expand(e.xreplace({MEAN: sp.exp(f)}))))
    power = MEAN ** sp.degree(below, MEAN)
    divided = sp.expand(above / power) / sp.expand(below / power)
    return choice(f > 0, divided, above / below) if sp.expand(below).is_Add else divided


# Statements --------------------------------------------------------------------------------------


def _about(loss: Loss, e: Expr, variable: Symbol, domain: str = "(-oo, oo)") -> Statement:
    """A formula as the prover reads one, over the targets and parameters of a loss."""
    return {
        "formula": text(e),
        "definitions": {},
        "variable": str(variable),
        "base": None,
        "domain": domain,
        "inputs": {} if loss.base else {t.name: t.domain.text for t in loss.targets},
        "parameters": {p.name: p.domain.text for p in loss.parameters},
    }


def _values(loss: Loss, formula: Expr, x: Symbol) -> Lemma:
    """What says whether a curvature is positive: its range; of one that does not vary, that it bends a parabola up."""
    if not formula.has(x):
        return Lemma(_about(loss, formula * _U**2, _U), "strictly_convex")
    return Lemma(_about(loss, define_atoms(formula), x), "range")


# Conclusions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curvature:
    """A curvature and what is proved of it, as data: `holds` of its name, `positive` of its values."""

    name: str
    formula: Expr | None
    rule: str
    holds: dict[str, Any]
    positive: dict[str, Any]
    lemmas: tuple[str, ...] = ()  # whose certificates show it


def curvatures(derivation: Derivation, claims: Claimed, shown: Claimed) -> dict[str, Curvature]:
    """The curvatures that are shown to be what they are called, the exact one first.

    `claims` are those about the loss, `shown` those about the lemmas. A majorizer that one lemma refutes, or leaves
    open, is none; so is a curvature whose values are not known.
    """
    found = {"exact": Curvature("exact", None, "derivative", {"verdict": "proved"}, _exact_sign(claims))}
    for c in candidates(derivation, claims):
        holds = _together([shown.get(f"{c.name}.{name}", {}) for name in c.lemmas])
        if c.rule == "reweighted":
            positive = {"verdict": "undecided", "nonnegative": True}
            if holds["verdict"] == "proved" and _bends_down(claims):
                found[c.name] = Curvature(c.name, c.formula, c.rule, holds, positive, tuple(c.lemmas))
            continue
        positive = _sign(shown.get(f"{c.name}.values", {})) if c.values else {"verdict": "proved"}
        if positive["verdict"] == "undecided" and c.rule == "smooth" and _bends(claims):
            positive = {"verdict": "proved"}
        if holds["verdict"] in ("proved", "conditional") and positive["verdict"] != "undecided":
            needed = tuple(n for n in (*c.lemmas, "values") if f"{c.name}.{n}" in shown)
            found[c.name] = Curvature(c.name, c.formula, c.rule, holds, positive, needed)
    return found


def _together(shown: list[Mapping[str, Any]]) -> dict[str, Any]:
    """All of some claims: the one condition that they share, or no verdict."""
    verdicts = {claim.get("verdict") for claim in shown}
    conditions = {claim["condition"] for claim in shown if claim.get("verdict") == "conditional"}
    if verdicts <= {"proved"}:
        return {"verdict": "proved"}
    if verdicts <= {"proved", "conditional"} and len(conditions) == 1:
        return {"verdict": "conditional", "condition": conditions.pop()}
    return {"verdict": "undecided"}


def _exact_sign(claims: Claimed) -> dict[str, Any]:
    """Whether the Hessian is positive, and where it is not: a loss may be strictly convex, convex, or neither."""
    strict, convex = (claims.get(name, {"verdict": "undecided"}) for name in ("strictly_convex", "convex"))
    known = {key: strict[key] for key in ("verdict", "condition", "witness") if key in strict}
    if strict["verdict"] == "refuted" and convex["verdict"] == "refuted" and "witness" in convex:
        known["witness"] = convex["witness"]
    return known | ({"nonnegative": True} if convex["verdict"] == "proved" else {})


def _sign(values: Mapping[str, Any]) -> dict[str, Any]:
    """Whether values are positive: a range such as `(0, 1]` is; of `[0, 1)` it is said that it is nonnegative."""
    if values.get("property") == "strictly_convex":
        return {key: values[key] for key in ("verdict", "condition") if key in values}
    if values.get("verdict") != "proved" or not isinstance(values.get("value"), str):
        return {"verdict": "undecided"}
    ranges = [part.split(" if ")[0].strip() for part in values["value"].split(" else ")]
    known = {"range": values["value"]}
    if all(r.startswith("(0,") or _begins_above_zero(r) for r in ranges):
        return {"verdict": "proved", **known}
    if all(r.startswith(("(0,", "[0,")) or _begins_above_zero(r) for r in ranges):
        return {"verdict": "refuted", "nonnegative": True, **known}
    return {"verdict": "refuted", **known}


def _bends_down(claims: Claimed) -> bool:
    """Whether a loss is not strictly convex, or only with some parameters: then another curvature is of use."""
    return claims.get("strictly_convex", {}).get("verdict") != "proved"


def _bends(claims: Claimed) -> bool:
    """Whether a loss is shown not to be a straight line: it stays above 0, and is unbounded."""
    reach = claims.get("range", {})
    above = claims.get("nonnegative", {}).get("verdict") == "proved"
    ranges = [part.split(" if ")[0].strip() for part in str(reach.get("value")).split(" else ")]
    return above and reach.get("verdict") == "proved" and all(r.endswith(", oo)") for r in ranges)


def _begins_above_zero(interval: str) -> bool:
    """Whether the lower end is a positive number, or one over a square."""
    try:
        return Fraction(interval[1:].split(",", maxsplit=1)[0]) > 0
    except ValueError:  # an end that depends on parameters
        return re.fullmatch(r"[\[(]1/\(\w+\*\*2\), .*", interval) is not None


def preferred(derivation: Derivation, known: Mapping[str, Curvature], claims: Claimed) -> tuple[str, ...]:
    """The curvatures to train with, the best first, of which the first that holds with the parameters is taken.

    The exact one, if it does not depend on the target but by a factor (then the samples of a leaf share it, and a
    leaf's step is a Newton step of their mean loss) or is bounded away from 0. Else the expected one, which is its
    mean; else a majorizer, whose steps never raise the loss, also if it is 0 where the gradient is; else what is
    positive. The expected one of a share comes last: where the share is all but 0 or 1 it vanishes faster than any
    gradient.
    """
    order = ["fisher", "majorizer", "exact", "reweighted", "gauss_newton"]
    if "fisher" in known and known["fisher"].rule == "share":
        order = [*order[1:], "fisher"]
    if claims.get("strongly_convex", {}).get("verdict") == "proved" or _shared(derivation):
        order = ["exact", "fisher", "majorizer", "reweighted", "gauss_newton"]
    return tuple(name for name in order if name in known and _serves(known[name]))


def _serves(c: Curvature) -> bool:
    if c.rule in ("even", "reweighted") and c.positive.get("nonnegative"):
        return True  # 0 only where the gradient is
    return c.positive["verdict"] in ("proved", "conditional")


def _shared(derivation: Derivation) -> bool:
    """Whether the Hessian at one raw score is the same for all targets, but for a factor."""
    loss, hessian = derivation.loss, derivation.hessians[0]
    x, _ = base_variable(loss, loss.predictions[0])
    if loss.base == "residual":
        return not hessian.has(x)
    if loss.base == "margin":
        return _is_even(hessian, x)
    targets = [t.symbol for t in loss.targets]
    if hessian.has(Piecewise):
        return False
    return not any(f.has(*targets) and f.has(x) for f in sp.Mul.make_args(hessian))


# The properties of a loss that curvatures, their order and the intercept depend on.
NEEDED = ("convex", "strictly_convex", "strongly_convex", "smooth", "nonnegative", "range", "elicits")


__all__ = [
    "MEAN", "NEEDED", "Candidate", "Claimed", "Curvature", "Lemma",
    "candidates", "curvatures", "lemmas", "link", "preferred",
]  # fmt: skip
