"""Is what lies outside a domain refused, by name, place and value, and nothing else?"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_artifacts import HUBER, PAIR, SOFTMAX

from lossforge.runtime import domains
from lossforge.runtime.domains import contains, read_domain
from lossforge.runtime.errors import ArtifactError

INF, NAN = np.inf, np.nan
outside = np.errstate(all="ignore")(domains.outside)


@pytest.mark.parametrize(("text", "inside", "beyond"), [
    ("(-oo, oo)", [-1e308, 0, 1e308, 5e-324], [INF, -INF, NAN]),
    ("(0, oo)", [5e-324, 1, 1e308], [0, -0.0, -1, INF, NAN]),
    ("[0, oo)", [0, -0.0, 1e308], [-5e-324, INF, -INF, NAN]),
    ("[0, 1]", [0, 0.5, 1], [-1e-9, np.nextafter(1, 2), INF, NAN]),
    ("(0, 1)", [0.5, np.nextafter(0, 1), np.nextafter(1, 0)], [0, 1, NAN]),
    ("[-1/2, 3)", [-0.5, 2.999], [-0.51, 3]),
    ("[1/3, oo)", [1 / 3], [0.3333]),
    ("(-oo, 0)", [-1], [0, -INF]),
    ("{-1, 1}", [-1, 1], [0, 0.5, NAN, INF]),
    ("{0, 1/2, 1}", [0, 0.5, 1], [0.25]),
    ("integers [0, oo)", [0, 1, 2.0**53], [-1, 0.5, INF, NAN]),
    ("integers (-oo, oo)", [-5, 0, 5], [0.5, INF, -INF, NAN]),
])  # fmt: skip
def test_membership(text: str, inside: list[float], beyond: list[float]) -> None:
    domain = read_domain(text)
    assert outside(domain, np.array(inside, float)) is None
    for value in beyond:
        assert not contains(domain, value)
        mask = outside(domain, np.array([*inside, value], float))
        assert mask is not None and mask.tolist() == [False] * len(inside) + [True]


def test_an_overflowing_sum_of_finite_numbers_is_finite() -> None:
    assert outside(read_domain("(-oo, oo)"), np.full(4, 1.7e308)) is None
    assert outside(read_domain("(-oo, oo)"), np.array([1e308, 1e308, -INF, INF])) is not None


def test_ends_are_rounded_to_the_precision_of_the_data() -> None:
    tenth = read_domain("[0, 1/10]")
    assert outside(tenth, np.array([0.1], np.float32)) is None
    assert outside(tenth, np.array([np.float64(np.float32(0.1))])) is not None


def test_rows() -> None:
    simplex, one_hot = read_domain("simplex(K)"), read_domain("one_hot(K)")
    third = np.full((2, 3), 1 / 3, np.float32)
    assert outside(simplex, third) is None
    assert outside(simplex, third.astype(float)) is None  # normalised in float32, then widened
    rows = np.array([[0.5, 0.5], [0.5, 0.6], [-0.1, 1.1], [NAN, 1], [1, 0]])
    mask = outside(simplex, rows)
    assert mask is not None and mask.tolist() == [False, True, True, True, False]
    mask = outside(one_hot, rows)
    assert mask is not None and mask.tolist() == [True, True, True, True, False]


def test_unreadable_domain_is_a_fault_of_the_facts() -> None:
    for text in ("", "(0, oo", "{}", "{a}", "(0; 1)", "(1/0, 2)", "reals", "(0, oo)^"):
        with pytest.raises(ArtifactError, match="domain that cannot be read"):
            read_domain(text)


@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_refusals_name_place_value_domain_and_remedy(backend: str) -> None:
    positive = HUBER.with_domain("y", "(0, oo)").function(backend)
    y = np.ones((3, 4))
    y[1, 2] = y[2, 0] = -4
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        positive.loss(y, 1.0)
    assert str(caught.value) == (
        "huber: y[1, 2] = -4.0 lies outside (0, oo), the domain of the target y (2 of 12 values do); "
        "mend the data, or pass check_domain=False to compute anyway"
    )
    assert positive.loss(y, 1.0, check_domain=False).shape == (3, 4)
    function = HUBER.function(backend)
    with pytest.raises(ValueError, match=r"y = nan lies outside \(-oo, oo\), the domain of the target y"):
        function.loss(NAN, 0.0)
    with pytest.raises(ValueError, match=r"f\[1\] = -inf lies outside \(-oo, oo\), the domain of the prediction f"):
        function.loss(0.0, [1, -INF])
    # NaN in a prediction passes through, alone.
    loss, gradient, hessian = function.loss_gradient_hessian(np.zeros(3), np.array([1.0, NAN, 2.0]))
    for result in (loss, gradient, hessian):
        assert np.isnan(result).tolist() == [False, True, False]
    out = np.zeros((2, 3)).T  # also through a strided out, and where the formula swallows it
    function.gradient([0.0, 0.0], [[1.0, 2], [NAN, 2], [3, 4]], out=out)
    assert np.isnan(out).tolist() == [[False, False], [True, False], [False, False]]
    stacked = PAIR.function(backend, s=1).hessian([[0.0, 1.0]] * 2, [[1.0, NAN], [1, 1]])
    assert np.isnan(stacked[0]).all() and not np.isnan(stacked[1]).any()
    softmax = SOFTMAX.function(backend)
    with pytest.raises(ValueError, match=r"y\[1\] = \[0.5, 0.5\] lies outside one_hot\(K\).*\(1 of 2 rows do\)"):
        softmax.loss([[0.0, 1.0], [0.5, 0.5]], np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"f\[0, 1\] = inf lies outside \(-oo, oo\)\^K"):
        softmax.loss([0, 1], [[0, INF], [0, 0]])
    nan = softmax.loss_gradient_hessian([0, 1], [[0, NAN], [0, 0]])
    assert all(np.isnan(r[0]).all() and not np.isnan(r[1]).any() for r in nan)
    with pytest.raises(ValueError, match=r"f\[1, 0\] = inf .*\(1 of 4 values do\)"):
        softmax.loss([0, 1], [[0, NAN], [INF, 0]])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(), min_size=1, max_size=9), st.sampled_from(["(0, oo)", "[0, 1]", "(-oo, oo)", "{-1, 1}"]))
def test_check_agrees_with_one_value_at_a_time(values: list[float], text: str) -> None:
    domain = read_domain(text)
    one_by_one = [not contains(domain, v) for v in values]
    mask = outside(domain, np.array(values))
    assert (mask is None and not any(one_by_one)) or (mask is not None and mask.tolist() == one_by_one)


@pytest.mark.parametrize(("given", "text"), [
    ({"dleta": 2}, r"huber has no parameter 'dleta' \(its parameters: delta\); did you mean 'delta'\?"),
    ({"gamma": 2}, r"huber has no parameter 'gamma' \(its parameters: delta\)$"),
    ({"delta": 0}, r"huber: delta=0 lies outside its domain \(0, oo\); choose a number in it"),
    ({"delta": -1.5}, "delta=-1.5 lies outside"),
    ({"delta": NAN}, "delta=nan lies outside"),
    ({"delta": INF}, "delta=inf lies outside"),
    ({"delta": 10**400}, "lies outside"),
    ({"delta": "1"}, r"huber: delta must be a real number in \(0, oo\), got '1'"),
    ({"delta": True}, "delta must be a real number"),
    ({"delta": 1j}, "delta must be a real number"),
    ({"delta": [1.0]}, "delta must be a real number"),
    ({"delta": np.ones(1)}, "delta must be a real number"),
])  # fmt: skip
def test_parameters_are_always_checked(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        HUBER.function("numpy", **given)


def test_parameter_values() -> None:
    assert HUBER.function("numpy").parameters == {"delta": 1}
    for value in (2, 2.0, Fraction(2), np.float32(2), np.int8(2), np.float64(2)):
        function = HUBER.function("numpy", delta=value)
        assert function.parameters == {"delta": 2}
        assert type(function.parameters["delta"]) in (int, float)
    function.parameters["delta"] = 7
    assert function.parameters == {"delta": 2}
    advice = r"pair needs its parameter 's', .* it has no default; write lf\.compile\(loss, s=\.\.\.\)"
    with pytest.raises(ValueError, match=advice):
        PAIR.function("numpy")
    facts = {**HUBER.facts, "parameters": {"delta": {"domain": "[1/3, oo)", "default": "1/3"}}}
    third = type(HUBER)(facts, HUBER.numpy_source, HUBER.c_source)
    assert third.function("numpy").parameters == {"delta": 1 / 3}


@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_a_parameter_that_float32_cannot_hold(backend: str) -> None:
    tiny = HUBER.function(backend, delta=1e-60)
    assert tiny.gradient(0.0, 3.0) == 1e-60
    with pytest.raises(ValueError, match=r"delta=1e-60 becomes 0.0 in float32, outside its domain \(0, oo\)"):
        tiny.gradient(0.0, np.float32(3))
