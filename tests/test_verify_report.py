"""Are errors measured in the right unit, points chosen the same way each time, and findings told apart?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import sympy as sp
from mpmath.libmp import finf, from_float, from_rational, fzero

from lossforge.spec.catalog import CATALOG
from lossforge.spec.domains import REALS
from lossforge.spec.model import Argument, Loss
from lossforge.spec.text import parse
from lossforge.verify.compare import compare
from lossforge.verify.points import Batch, points
from lossforge.verify.report import check
from lossforge.verify.truth import TruthTable, truth_table
from lossforge.verify.ulps import FLOAT32, FLOAT64, error


class Hinge:
    """The hinge loss by hand, right unless `spoil` says otherwise."""

    def __init__(self, spoil: str = "", known: Any = ()) -> None:
        self.spoil = spoil
        self.known = known  # the predictions at which a loss spoilt between them is right

    def loss_gradient_hessian(self, y: Any, f: Any, *, check_domain: bool = True) -> tuple[Any, Any, Any]:
        m = y * f
        loss = np.maximum(0, 1 - m).astype(f.dtype)
        at_kink = -y / 2 if self.spoil != "kink" else -y
        gradient = np.where(m < 1, -y, np.where(m == 1, at_kink, np.where(np.isnan(m), m, 0 * y)))
        if self.spoil == "nan":
            gradient = np.where(m > 1e4, np.nan, gradient)
        if self.spoil == "limit":
            gradient = np.where(np.isinf(m) & (m < 0), 0, gradient)
        if self.spoil == "lost":
            gradient = np.where(np.isnan(m), 0, gradient)
        if self.spoil == "scale" or (self.spoil == "between" and not np.isin(f, self.known).all()):
            loss = 2 * loss
        if self.spoil == "slope":
            gradient = 2 * gradient
        return loss, gradient.astype(f.dtype), np.zeros_like(f)


@pytest.fixture(scope="module")
def table() -> TruthTable:
    return truth_table(CATALOG["hinge"], n=400)


def hinge(spoil: str) -> Any:
    def bind(parameters: Mapping[str, float]) -> Hinge:
        return Hinge(spoil)

    return bind


def test_right_code_has_no_finding(table: TruthTable) -> None:
    report = check(table.loss, {"numpy": hinge("")}, table=table)
    assert report.findings == ()
    assert all(row.max_ulp <= 1 and row.failures == 0 and row.undecided == 0 for row in report.rows)
    assert {(r.output, r.precision) for r in report.rows} == {
        (o, p) for o in ("loss", "gradient", "hessian") for p in ("float64", "float32")}  # fmt: skip


def test_the_own_error_leaves_out_roots_and_subnormal_results() -> None:
    """Of r*r - 1, which has a root at 1: half an ulp of r explains an error there, and not away from it."""
    loss = parse("r**2 - 1", name="own")
    at = np.array([1 + 2.0**-40, 3.0, 1.0])
    batch = Batch({}, {"y": np.zeros(3), "f": at}, np.zeros(3, np.bool_), np.zeros(3, np.bool_))
    table = truth_table(loss, (batch,))
    exact = (at - 1) * (at + 1)
    moved = exact + np.array([2.0**-53, 0.0, 0.0])  # 2**12 ulps of the first
    row, _ = compare(table, "loss", [moved], FLOAT64, "c")
    assert row.max_ulp > 2000 and row.own.kept and row.own.ulp <= 2
    row, _ = compare(table, "loss", [exact + np.array([2.0**-51, 0.0, 0.0])], FLOAT64, "c")
    assert not row.own.kept and row.own.moves > 128 and row.own.worst["f"] == at[0]
    row, _ = compare(table, "loss", [exact * (1 + 2.0**-50)], FLOAT64, "c")
    assert not row.own.kept and row.own.worst["f"] == 3.0
    assert compare(table, "loss", [exact * (1 + 2.0**-50)], FLOAT64, "numpy")[0].own.kept
    small = Batch({}, {"y": np.zeros(1), "f": np.array([1e-160])}, np.zeros(1, np.bool_), np.zeros(1, np.bool_))
    row, _ = compare(truth_table(parse("r**2", name="own"), (small,)), "loss", [np.zeros(1)], FLOAT64, "c")
    assert row.own.ulp == 0 and not row.faint.kept


@pytest.mark.parametrize(("spoil", "kind", "output"), [
    ("kink", "wrong value", "gradient"), ("nan", "not a number", "gradient"), ("limit", "wrong limit", "gradient"),
    ("lost", "a lost NaN", "gradient"), ("scale", "wrong value", "loss"),
    ("slope", "not the formula's, and inconsistent with differences of its own loss", "gradient"),
])  # fmt: skip
def test_each_kind_of_finding(table: TruthTable, spoil: str, kind: str, output: str) -> None:
    report = check(table.loss, {"numpy": hinge(spoil)}, table=table)
    assert (kind, output) in {(f.kind, f.output) for f in report.findings}
    assert not report.ok


def test_a_right_gradient_is_not_blamed_for_a_wrong_loss(table: TruthTable) -> None:
    report = check(table.loss, {"numpy": hinge("scale")}, table=table)
    assert {f.output for f in report.findings} == {"loss"}


def test_a_loss_that_is_wrong_between_the_points_is_seen(table: TruthTable) -> None:
    known = np.unique(np.concatenate([b.arguments["f"] for b in table.batches]))
    report = check(table.loss, {"numpy": lambda _: Hinge("between", known)}, table=table, formats=[FLOAT64])
    assert {(f.kind, f.output) for f in report.findings} == {("its differences are not the formula's gradient", "loss")}
    assert all(f.computed == 2 * f.expected for f in report.findings)


def test_a_wrong_gradient_is_held_against_the_formula(table: TruthTable) -> None:
    report = check(table.loss, {"numpy": hinge("slope")}, table=table)
    found = [
        f for f in report.findings if f.kind == "not the formula's, and inconsistent with differences of its own loss"
    ]
    assert found
    assert all((f.output, f.computed) == ("gradient", 2 * f.expected) for f in found)


def test_the_report_is_plain_data_and_text(table: TruthTable) -> None:
    report = check(table.loss, {"numpy": hinge("nan")}, table=table)
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["loss"] == "hinge"
    assert data["findings"][0]["message"] in report.text()


def test_processes_do_not_change_the_result() -> None:
    one, two = (truth_table(CATALOG["pseudo_huber"], n=120, jobs=jobs) for jobs in (1, 2))
    for a, b in zip(one.truths, two.truths, strict=True):
        for output, truth in a.items():
            assert np.array_equal(truth.high, b[output].high, equal_nan=True)
            assert np.array_equal(truth.low, b[output].low)


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_points_are_the_same_each_time_and_in_the_domain(name: str) -> None:
    first, second = points(CATALOG[name], 300), points(CATALOG[name], 300)
    for a, b in zip(first, second, strict=True):
        assert a.parameters == b.parameters
        for argument in a.arguments:
            assert np.array_equal(a.arguments[argument], b.arguments[argument])
            assert not np.isnan(a.arguments[argument]).any()
        if not a.single.any():  # parameters that are no float32
            continue
        singles = np.column_stack([v[a.single].reshape(int(a.single.sum()), -1) for v in a.arguments.values()])
        assert np.array_equal(singles, singles.astype(np.float32).astype(np.float64))


def test_kinks_and_their_neighbours_are_among_the_points() -> None:
    default = points(CATALOG["huber"], 300)[0].arguments["f"]
    for r in (1.0, -1.0):
        assert {r, np.nextafter(r, 9), np.nextafter(r, -9)} <= set(default.tolist())


THIRD = (from_rational(1, 3, 300, "n"), fzero)


def test_ulps_of_a_third() -> None:
    assert error(THIRD, 1 / 3) == pytest.approx(1 / 3, rel=1e-12)  # 1/3 = 0x1.5555…p-2, 1/3 ulp above the float
    assert error(THIRD, float(np.nextafter(1 / 3, 1))) == pytest.approx(2 / 3, rel=1e-12)
    assert error(THIRD, float(np.float32(1) / np.float32(3)), FLOAT32) == pytest.approx(1 / 3, rel=1e-6)


def test_ulps_of_subnormals_and_zero() -> None:
    assert error((from_float(5e-324), fzero), 0.0) == 1
    assert error((from_rational(1, 10**400, 300, "n"), fzero), 0.0) == pytest.approx(0, abs=1e-50)
    assert error((fzero, fzero), 1.5e-323) == 3
    assert error((fzero, fzero), -0.0) == 0
    assert error((from_float(2.0**-149), fzero), 0.0, FLOAT32) == 1


def test_ulps_of_infinities_and_nan() -> None:
    infinite = float("inf")
    assert error((finf, fzero), infinite) == 0
    assert error((finf, fzero), -infinite) == infinite
    assert error((finf, fzero), 1.0) == infinite
    assert error((from_float(1.0), fzero), infinite) == infinite
    assert error((from_float(1.0), fzero), float("nan")) == infinite
    assert error((from_float(1e39), fzero), infinite, FLOAT32) == 0
    assert error((from_float(1e39), fzero), infinite, FLOAT64) == infinite
    largest = float(np.finfo(np.float64).max)
    assert error((from_float(largest), fzero), infinite) == 1
    assert error((from_float(largest), fzero), largest) == 0
    assert np.isnan(error(None, 1.0))


def test_the_radius_is_taken_off() -> None:
    assert error((from_float(1.0), from_float(2.0**-50)), 1 + 2.0**-52) == 0


class Gaussian:
    """Two predictions, mean and log scale: exp(-2 s) (m - y)**2/2 + s, right unless the mixed derivative is spoilt."""

    def __init__(self, mixed: float) -> None:
        self.mixed = mixed

    def loss_gradient_hessian(self, y: Any, f: Any, *, check_domain: bool = True) -> tuple[Any, Any, Any]:
        r, s = f[..., 0] - y, f[..., 1]
        w = np.exp(-2 * s)
        loss, gradient = w * r * r / 2 + s, np.stack([w * r, 1 - w * r * r], axis=-1)
        mixed = self.mixed * w * r
        hessian = np.stack([np.stack([w, mixed], axis=-1), np.stack([mixed, 2 * w * r * r], axis=-1)], axis=-1)
        return loss, gradient, hessian


@pytest.mark.parametrize(("mixed", "right"), [(-2.0, True), (-1.0, False)])
def test_two_predictions(mixed: float, right: bool) -> None:
    y, m, s = sp.symbols("y m s", real=True)
    arguments = (Argument(y, "target", REALS), Argument(m, "prediction", REALS), Argument(s, "prediction", REALS))
    loss = Loss("gaussian", "", "", sp.exp(-2 * s) * (m - y) ** 2 / 2 + s, arguments)
    batches = []
    for b in points(loss, 200):
        keep = np.max(np.abs(np.column_stack(list(b.arguments.values()))), axis=1) < 30
        moderate = {name: column[keep] for name, column in b.arguments.items()}
        batches.append(Batch(b.parameters, moderate, b.single[keep], b.rounded[keep]))
    table = truth_table(loss, batches)
    report = check(loss, {"numpy": lambda _: Gaussian(mixed)}, table=table)
    wrong = {(f.output, tuple(f.given["entry"])) for f in report.findings}
    assert wrong == (set() if right else {("hessian", (0, 1)), ("hessian", (1, 0))})
