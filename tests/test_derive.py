"""Branchwise calculus: derivatives, kinks and claims, held against independent finite differences of the formula."""

from __future__ import annotations

import pytest
import sympy as sp
from extent import some
from sympy import Abs, Max, Min, Piecewise, Rational, S, Symbol, exp, log, sqrt

from lossforge.derive.branches import DerivationError
from lossforge.derive.derivation import Derivation, derive
from lossforge.derive.forms import proved_base
from lossforge.derive.present import presented
from lossforge.derive.steps import steps
from lossforge.spec.algebra import combine
from lossforge.spec.atoms import ATOMS, define_atoms, sigmoid, softmax, softplus
from lossforge.spec.catalog import CATALOG
from lossforge.spec.domains import FiniteSet, contains
from lossforge.spec.model import Loss, SpecError
from lossforge.spec.notation import text
from lossforge.spec.text import parse

x = Symbol("x", real=True)
SCALAR = [loss for loss in CATALOG.values() if loss.size is None]
MULTICLASS = [loss for loss in CATALOG.values() if loss.size is not None]


_ORDERS = ("", "_slope", "_curvature")
# Arguments after the first, of atoms that are not defined for 5/4 there.
OTHERS = {"shifted_sigmoid": (Rational(2, 9),), "log_cosigmoid_plus": (Rational(2, 9),)}
OTHERS |= {f"{co}focal_term{d}": (Rational(5, 3), Rational(2, 9)) for co in ("", "co") for d in _ORDERS}
OTHERS |= {name: (Rational(5, 4), Rational(2, 3), Rational(1, 2)) for name in ("exp_pair", "power_pair")}
SERIES = {"expm1_gap", "log1p_gap", "erlang_gap", "softplus_excess"}
# Of Mills' ratio, by the polynomial that spec/atoms.py states to be within 2e-17 of a function that is at least 1.
MILLS = {"ndtr", "log_ndtr", "inverse_mills", "mills_excess"}
# Atoms with a logarithm, root or power of the first argument.
POSITIVE = {"entropy_gap", "jensen_gap", "log_share", "power_pair", "log_expm1", "log_ratio_gap", "root_ratio"}
POSITIVE |= {"hellinger_gap"}


def inside(name: str, first: sp.Expr, *others: sp.Expr) -> list[sp.Expr]:
    """Arguments of an atom, inside its domain, as many of the given ones as it takes."""
    if name == "logit":
        return [1 / (1 + first**2)]
    if name in POSITIVE:
        first = Abs(first)
    return [first, *OTHERS.get(name, others[: len(ATOMS[name].derivatives) - 1])]


@pytest.mark.parametrize("name", sorted(ATOMS))
def test_atom_derivatives_are_those_of_the_definitions(name: str) -> None:
    atom = ATOMS[name]
    symbols = [Symbol(f"x{i}", positive=True) for i in range(len(atom.derivatives))]
    given = Rational(3, 7), Rational(5, 4), Rational(2, 3), Rational(7, 5)
    point = dict(zip(symbols, inside(name, *given), strict=True))
    for symbol, derivative in zip(symbols, atom.derivatives, strict=True):
        h = sp.Rational(1, 10**25)
        ahead, behind = (
            define_atoms(atom.definition(*symbols)).subs(symbol, symbol + s * h).subs(point) for s in (1, -1)
        )
        expected = sp.N((ahead - behind) / (2 * h), 30, maxn=400)
        assert abs(sp.N(define_atoms(derivative(*symbols)).subs(point), 30) - expected) < 1e-18


@pytest.mark.parametrize("name", sorted(n for n, a in ATOMS.items() if a.stable is not None))
@pytest.mark.parametrize("at", [Rational(1, 3), Rational(-5, 2), Rational(7), Rational(-1, 1000)])
def test_stable_forms_are_the_definitions(name: str, at: sp.Expr) -> None:
    atom = ATOMS[name]
    arguments = inside(name, at, Rational(4, 3), Rational(4, 3), Rational(7, 5))
    stable = define_atoms(atom.stable(*arguments))  # type: ignore[misc]
    exact = define_atoms(atom.definition(*arguments))
    # A series is as long as a float64 needs it, and a polynomial as close.
    relative = 2.0**-56 if name in SERIES else 2e-17 if name in MILLS else 0
    tolerance = relative * abs(sp.N(exact, 30, maxn=200)) if relative else 1e-25
    assert abs(sp.N(stable - exact, 30, maxn=200)) <= tolerance


@pytest.mark.parametrize("loss", some(CATALOG.values(), 6), ids=lambda loss: loss.name)
def test_no_generalised_functions(loss: object) -> None:
    derivation = derive(loss)  # type: ignore[arg-type]
    for e in (*derivation.gradients, *derivation.hessians):
        assert not e.has(sp.DiracDelta, sp.Heaviside, sp.Derivative, sp.Subs)


def numeric(e: sp.Expr) -> sp.Expr:
    return sp.N(define_atoms(e), 60, maxn=2000)


def rest(loss: Loss) -> dict[sp.Symbol, sp.Expr]:
    """Values of the arguments beside the first prediction and the first target."""
    known = {loss.predictions[0].symbol, loss.targets[0].symbol}
    return {
        a.symbol: S.One * 2 if a.role == "target" else Rational(1, 3) for a in loss.arguments if a.symbol not in known
    }


@pytest.mark.parametrize("loss", some(SCALAR, 6), ids=lambda loss: loss.name)
def test_derivatives_are_those_of_the_formula(loss: object) -> None:
    """Central differences, at 60 digits, on the author's formula alone."""
    derivation: Derivation = derive(loss)  # type: ignore[arg-type]
    loss = derivation.loss
    f, y = loss.predictions[0], loss.targets[0]
    definitions = {d.symbol: d.meaning for d in loss.definitions}
    parameters = {p.symbol: S.One if p.default is None else p.default for p in loss.parameters}
    unit = f.domain.text == "[0, 1]"
    targets = (
        y.domain.values
        if isinstance(y.domain, FiniteSet)
        else (S.Zero, S.One)
        if unit or "1]" in y.domain.text
        else (S.One * 2,)
    )
    h = Rational(1, 10**15)
    for target in targets:
        for at in (
            (Rational(1, 7), Rational(6, 7))
            if unit
            else (Rational(-17, 5), Rational(-1, 7), Rational(3, 5), Rational(13, 3))
        ):
            if not contains(f.domain, at):
                continue
            fixed = {y.symbol: target, **parameters, **rest(loss)}
            low, middle, high = (
                numeric(loss.full_expression.subs({f.symbol: v, **fixed})) for v in (at - h, at, at + h)
            )
            first, second = (high - low) / (2 * h), (high - 2 * middle + low) / h**2
            for derived, expected in ((derivation.gradients[0], first), (derivation.hessians[0], second)):
                exact = numeric(derived.subs(definitions).subs({f.symbol: at, **fixed}))
                assert abs(exact - expected) < 1e-12 * (1 + abs(expected)), (target, at, derived)


@pytest.mark.parametrize(
    ("formula", "gradient", "hessian"),
    [
        # A product of one-sided values is not the value of the product: each is checked at its kink.
        (Max(0, x) ** 2, 0, 1),
        (Max(0, x) ** 3, 0, 0),
        (Max(0, x), Rational(1, 2), 0),
        (Abs(x), 0, 0),
        (Abs(x) ** 3, 0, 0),
        (Abs(x) - log(1 + Abs(x)), 0, 1),
        (log(1 + Abs(x)), 0, -1),
        (exp(Abs(x)) * Max(x, 0), Rational(1, 2), 1),
        (Max(-x / 4, 3 * x / 4), Rational(1, 4), 0),
        (Piecewise((x**2, x < 0), (3 * x, True)), Rational(3, 2), 1),
        (Piecewise((x**2, (x > -1) & (x < 1)), (1, True)), 0, 2),
        (Max(x, x / 2, 2 * x), Rational(5, 4), 0),
        (Min(Max(x, 0), 1), Rational(1, 2), 0),
        (Abs(x) * sqrt(1 + x**2), 0, 0),
    ],
)
def test_the_value_at_a_kink_is_the_mean_of_both_sides(formula: sp.Expr, gradient: sp.Expr, hessian: sp.Expr) -> None:
    derivation = derive(parse(text(formula.subs(x, Symbol("r", real=True)))))
    r = derivation.loss.definitions[0].symbol
    assert define_atoms(derivation.gradients[0]).subs(r, 0) == gradient
    assert define_atoms(derivation.hessians[0]).subs(r, 0) == hessian


def kinks(name: str) -> list[tuple[str, int, str, str]]:
    return [(text(k.at), k.order, text(k.left), text(k.right)) for k in derive(CATALOG[name]).kinks]


def test_kinks() -> None:
    assert kinks("huber") == [("-delta", 2, "0", "1"), ("delta", 2, "1", "0")]
    assert kinks("absolute_error") == [("0", 1, "-1", "1")]
    assert kinks("pinball") == [("0", 1, "-tau", "1 - tau")]
    assert kinks("zero_one") == [("0", 0, "1", "0")]
    assert kinks("hinge") == [("1", 1, "-1", "0")]
    assert kinks("modified_huber") == [("-1", 2, "0", "2"), ("1", 2, "2", "0")]
    for smooth in ("squared_error", "log_cosh", "pseudo_huber", "logistic", "focal", "poisson_log_link"):
        assert kinks(smooth) == []


def test_the_authors_form_is_kept() -> None:
    assert text(CATALOG["huber"].expression) == "r**2/2 if abs(r) <= delta else delta*(abs(r) - delta/2)"
    assert text(derive(CATALOG["huber"]).gradients[0]) == "r if abs(r) <= delta else delta*sign(r)"


def test_textbook_gradients_come_out_of_the_formula() -> None:
    z, y = (a.symbol for a in reversed(CATALOG["binary_cross_entropy_logits"].arguments))
    assert presented(derive(CATALOG["binary_cross_entropy_logits"]).gradients[0]) == sigmoid(z) - y
    vector = derive(CATALOG["softmax_cross_entropy"])
    assert text(vector.gradients[0]) == "softmax(f)[j] - y[j]"
    assert text(vector.hessians[0]) == "(delta(j, k) - softmax(f)[k])*softmax(f)[j]"
    assert vector.gradients[0].has(softmax)
    assert not derive(CATALOG["logistic"]).gradients[0].has(softplus)


def test_base_is_proved_from_the_formula() -> None:
    for loss in SCALAR:
        assert proved_base(loss) == loss.base
    assert proved_base(parse("(f - y)**2 + abs(y - f)")) == "residual"
    assert proved_base(parse("f**2 - y*f")) is None
    assert (
        proved_base(parse("log(1 + exp(-y*f))", arguments={"y": {"role": "target", "domain": "{-1, 1}"}})) == "margin"
    )
    assert proved_base(parse("exp(-f) + y", arguments={"y": {"role": "target", "domain": "{-1, 1}"}})) is None


def test_claims_that_must_not_be_made() -> None:
    """What reference tables and SymPy get wrong."""

    def claim(source, name, **parameters):
        return derive(parse(source, parameters=parameters)).properties[name].verdict

    assert derive(CATALOG["log_cosh"]).properties["strongly_convex"].verdict == "refuted"
    assert derive(CATALOG["zero_one"]).properties["convex"].verdict == "refuted"
    assert derive(CATALOG["zero_one"]).properties["lipschitz"].verdict == "refuted"
    assert claim("abs(r)**3", "strongly_convex") != "proved"
    assert claim("min(r**2, 1)", "convex") == "refuted"
    assert claim("r if r < 0 else r/2", "convex") == "refuted"
    assert claim("min(abs(r), c)", "convex", c="(0, oo)") == "refuted"
    squared = derive(parse("a*r**2", parameters={"a": "(-oo, oo)"})).properties["convex"]
    assert (squared.verdict, squared.condition) == ("conditional", "a >= 0")
    assert claim("log(1 + r**2)", "convex") != "proved"
    assert claim("1 - exp(-r**2)", "convex") != "proved"
    assert claim("max(r, -r)*a", "convex", a="[0, oo)") != "refuted"
    assert claim("-(y*log(p) + (1 - y)*log(1 - p))", "lipschitz") != "proved"


def test_steps_read_as_a_derivation() -> None:
    shown = [f"{s.title}: {s.text}" for s in steps(derive(CATALOG["huber"]))]
    assert shown[0] == "The loss, as written: L = r**2/2 if abs(r) <= delta else delta*(abs(r) - delta/2)"
    assert any("dr/df = 1" in line for line in shown)
    assert sum(line.startswith("Kink") for line in shown) == 2


def test_combination_is_a_loss_again() -> None:
    both = combine({"a": CATALOG["huber"], "b": CATALOG["logistic"]})
    derivation = derive(both)
    assert [p.name for p in both.predictions] == ["f_a", "f_b"]
    assert text(derivation.gradients[1]) == "-weight_b*y_b*sigmoid(-m_b)"
    assert derivation.hessian[0, 1] == 0
    assert len(derivation.kinks) == 2
    with pytest.raises(SpecError, match="scalar prediction"):
        combine({"a": CATALOG["softmax_cross_entropy"]})
    with pytest.raises(SpecError, match="at least one"):
        combine({})


def test_an_equality_in_the_prediction_is_refused() -> None:
    with pytest.raises(DerivationError, match="singles out one value"):
        derive(parse("1 if r == 0 else r**2"))
