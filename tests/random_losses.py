"""Random formulas in the residual, for tests: a grammar of what authors of losses write."""

from __future__ import annotations

import sympy as sp
from hypothesis import strategies as st
from sympy import Expr, Rational

from lossforge.spec.declare import make_argument, make_parameter
from lossforge.spec.model import Definition, Loss

R = sp.Symbol("r", real=True)
A = make_parameter("a", "(0, oo)", "3/2")
B = make_parameter("b", "(0, 1)", "1/4")

_constants = st.sampled_from([1, 2, 3, Rational(1, 2), Rational(3, 4), A.symbol, B.symbol, 1 - B.symbol])
_leaves = st.one_of(
    st.just(R), st.just(R), st.builds(lambda c: c * R, _constants), st.builds(lambda c: R - c, _constants)
)


def _positive(e: Expr) -> Expr:
    return 1 + e**2


def _grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    bounded = st.builds(lambda e, c: c * sp.tanh(e), inner, _constants)
    return st.one_of(
        st.builds(lambda e, c: e + c, inner, _constants),
        st.builds(lambda e, c: e * c, inner, _constants),
        st.builds(lambda e, c: e / c, inner, _constants),
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda e: e**2, inner),
        st.builds(lambda e: e**3, inner),
        st.builds(sp.Abs, inner),
        st.builds(lambda e: sp.log(_positive(e)), inner),
        st.builds(lambda e: sp.sqrt(_positive(e)), inner),
        st.builds(lambda e: sp.sqrt(_positive(e)) - 1, inner),
        st.builds(lambda e: 1 / _positive(e), inner),
        st.builds(lambda e, c: _positive(e) ** (c / 2), inner, _constants),
        st.builds(lambda e: sp.log(1 + sp.exp(-e)), inner),
        st.builds(lambda e: 1 / (1 + sp.exp(e)), inner),
        st.builds(lambda e: sp.exp(-(e**2)), inner),
        st.builds(lambda e: sp.log(sp.cosh(e)), inner),
        st.builds(sp.atan, inner),
        bounded,
        st.builds(lambda a, c: sp.Max(a, c), inner, _constants),
        st.builds(lambda a, b: sp.Min(a, b), inner, inner),
        st.builds(lambda a, b, c: sp.Piecewise((a, sp.Abs(R) <= c), (b, True)), inner, inner, _constants),
        st.builds(lambda a, b, c: sp.Piecewise((a, c < R), (b, True)), inner, inner, _constants),
    )


expressions = st.recursive(_leaves, _grow, max_leaves=5).filter(lambda e: e.has(R))


def as_loss(expression: Expr, name: str) -> Loss:
    """A residual loss with the parameters a and b around a formula in r."""
    y, f = make_argument("y", "target", "(-oo, oo)"), make_argument("f", "prediction", "(-oo, oo)")
    return Loss(
        name=name,
        title=name,
        summary="",
        expression=expression,
        arguments=(y, f),
        parameters=(A, B),
        family="regression",
        definitions=(Definition(R, f.symbol - y.symbol),),
    )
