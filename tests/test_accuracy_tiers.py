"""Is the accurate tier within an ulp of the exact values, and does the measurement see a plan that is too plain?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest
from extent import some

from lossforge.codegen import tiers
from lossforge.codegen.compile import available, compile_loss
from lossforge.codegen.doubleword import Goal
from lossforge.runtime.function import LossFunction
from lossforge.spec.catalog import CATALOG
from lossforge.verify.compare import arrays, condition, selection
from lossforge.verify.limits import EXPONENTIAL
from lossforge.verify.points import Batch, points
from lossforge.verify.truth import OUTPUTS, TruthTable, truth_table
from lossforge.verify.ulps import FINITE, FORMATS, Format, errors

pytestmark = pytest.mark.skipif("c" not in available(), reason="no C compiler")

OTHER = (
    "squared_error", "huber", "pseudo_huber", "charbonnier", "cauchy", "welsch", "geman_mcclure", "tukey_biweight",
    "fair", "focal", "kl_divergence", "tweedie", "aft_normal_right", "binomial_probit", "hellinger", "barron",
)  # fmt: skip
LIMITS = {
    **dict.fromkeys(EXPONENTIAL, (1.1, 1.0, 1.0)),
    **dict.fromkeys(OTHER, (2.0, 2.0, 2.0)),
}


def worst(table: TruthTable, function: Any, format_: Format, limits: tuple[float, ...]) -> Iterator[tuple[str, float]]:
    """Of each output the largest error in ulps, where neither a number below 2**-900 (2**-100 in float32) nor one
    near the end of the range plays a part.

    Beside a root it may be as large as moving the inputs by half an ulp makes it.
    """
    for number, batch in enumerate(table.batches):
        which = selection(batch, format_)
        if not which.any():
            continue
        y, f = arrays(table, batch, format_)
        with np.errstate(all="ignore"):
            found = function(batch.parameters).loss_gradient_hessian(y, f, check_domain=False)
        exponent = 900 if format_.bits == 53 else 100
        coordinates = np.array(table.coordinates(batch))[which]
        normal = np.all((coordinates == 0) | (np.abs(np.log2(np.abs(coordinates) + 1e-323)) < exponent / 4), axis=1)
        for output, values, limit in zip(OUTPUTS, found, limits, strict=True):
            truth = table.truths[number][output].take(which)
            error = np.where(normal & (truth.kind == FINITE), errors(truth, np.asarray(values), format_), 0.0)
            error = np.where(np.abs(truth.exponent) < exponent, error, 0.0)
            for i in np.flatnonzero(error > limit):
                moved = condition(table, batch, output, 0, tuple(coordinates[i]), format_)
                ulp = 2.0 ** float(truth.exponent[i] - format_.bits)
                error[i] = max(0.0, error[i] - moved / (2 * ulp)) if moved > 256 * ulp else error[i]
            yield output, float(np.nanmax(error, initial=0.0))


@pytest.mark.parametrize("name", some(LIMITS, 6))
def test_the_accurate_tier_keeps_its_bounds(name: str) -> None:
    table = truth_table(CATALOG[name], points(CATALOG[name], 500))
    for format_ in FORMATS:
        for output, error in worst(table, lambda p: LossFunction.from_catalogue(name, p, "c"), format_, LIMITS[name]):
            limit = LIMITS[name][OUTPUTS.index(output)]
            assert error <= limit, f"{name} {output} in {format_.name}: {error} ulp"


def test_powers_of_what_is_beside_1() -> None:
    """Where 1 + u**2 is 1 in its first part, its power is not: 2.4 ulps were lost."""
    loss = CATALOG["barron"]
    at = np.array([-1.8653490485576185e-07, 1.6318452367158898e-07])
    batch = Batch({"alpha": -1.0, "c": 8.0}, {"y": np.zeros(2), "f": at}, np.zeros(2, np.bool_), np.zeros(2, np.bool_))
    found = dict(worst(truth_table(loss, (batch,)), lambda p: compile_loss(loss, "c", **p), FORMATS[0], (1.1, 1, 1)))
    assert all(error <= 1 for error in found.values()), found


def test_the_fast_tier_sees_what_a_sum_loses_where_its_terms_saturate() -> None:
    """(4*q - 3)*q for q near 1 is 1, and no root: 6.5 ulps were lost."""
    loss = CATALOG["arctan_loss"]
    at = np.concatenate([np.linspace(0.01, 0.3, 200), [0.09733135527654367 / 8, 0.044988736510276794]])
    batch = Batch({"c": 1.0}, {"y": 0 * at, "f": at}, np.zeros(at.size, np.bool_), np.zeros(at.size, np.bool_))
    table = truth_table(loss, (batch,))
    found = dict(worst(table, lambda p: compile_loss(loss, "c", "fast", **p), FORMATS[0], (5, 5, 5)))
    assert all(error <= 5 for error in found.values()), found


def test_the_logarithm_of_a_small_sum() -> None:
    """log(alpha + exp(-f)) is not taken of 1 + (alpha + (exp(-f) - 1)): 42 ulps were lost, and then everything."""
    loss = CATALOG["negative_binomial"]
    given = {"y": np.array([18897540.0]), "f": np.array([8.142407417297363])}
    batch = Batch({"alpha": 0.0009765625}, given, np.zeros(1, np.bool_), np.zeros(1, np.bool_))
    table = truth_table(loss, (batch,))
    found = dict(worst(table, lambda p: compile_loss(loss, "c", "fast", **p), FORMATS[0], (5, 5, 5)))
    assert all(error <= 5 for error in found.values()), found
    backends: tuple[Literal["c", "numpy"], ...] = ("c", "numpy")
    for backend in backends:
        exact = 2.3510866967873961e17  # and not -inf
        assert compile_loss(loss, backend, alpha=1e-20).loss(3.0, 40.0) == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize("name", ["welsch", "logistic", "log_cosh"])
def test_a_plain_plan_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a goal that allows anything there are no pairs, and the bounds are broken."""
    monkeypatch.setattr(tiers, "ACCURATE", Goal(2.0**40, 2.0**40))
    loss = dataclasses.replace(CATALOG[name], name=f"plain_{name}")
    table = truth_table(loss, points(loss, 500))
    found = dict(worst(table, lambda p: compile_loss(loss, "c", **p), FORMATS[0], LIMITS[name]))
    assert any(found[output] > limit for output, limit in zip(OUTPUTS, LIMITS[name], strict=True)), found
