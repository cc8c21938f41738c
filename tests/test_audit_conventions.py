"""Does the audit find out how code is called, whatever its conventions, and see where they are broken?"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lossforge as lf

Array = Any


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def of_labels(y_true: Array, y_pred: Array) -> Any:
    return y_pred - y_true, np.ones_like(y_pred)


def reversed_order(preds: Array, labels: Array) -> Any:
    return preds - labels, np.ones_like(preds)


def without_names(a: Array, b: Array) -> Any:
    return b - a


def without_names_reversed(a: Array, b: Array) -> Any:
    return a - b


def native(pred: Array, dtrain: Any) -> Any:
    w = dtrain.get_weight()
    w = np.ones_like(pred) if w is None or len(w) == 0 else w
    return (pred - dtrain.get_label()) * w, w


def weighted(y: Array, f: Array, w: Array) -> Any:
    return w * (f - y), w


def of_one_number(y: float, f: float) -> float:
    return math.exp(f) / (1 + math.exp(f)) - y


def value_and_gradient(y: Array, f: Array) -> Any:
    return (f - y) ** 2 / 2, f - y


def mean_value_and_gradient(y: Array, f: Array) -> Any:
    return np.mean((f - y) ** 2 / 2), (f - y) / len(y)


def pairs(y: Array, f: Array) -> Any:
    return [(b - a, 1.0) for a, b in zip(y, f, strict=True)]


class OfCatBoost:
    def calc_ders_range(self, approxes: Array, targets: Array, weights: Array) -> Any:
        w = [1.0] * len(approxes) if weights is None else weights
        return [((t - a) * v, -v) for a, t, v in zip(approxes, targets, w, strict=True)]


CALLED = [
    (of_labels, "half_squared_error", "called with (targets, predictions)"),
    (reversed_order, "half_squared_error", "called with (predictions, targets)"),
    (without_names, "half_squared_error", "called with (targets, predictions)"),
    (without_names_reversed, "half_squared_error", "called with (predictions, targets)"),
    (native, "half_squared_error", "called with (predictions, data set)"),
    (weighted, "half_squared_error", "called with (targets, predictions, weights)"),
    (of_one_number, "binary_cross_entropy_logits", "number by number"),
    (value_and_gradient, "half_squared_error", "answers with loss, gradient"),
    (pairs, "half_squared_error", "answers with gradient, Hessian"),
    (OfCatBoost(), "half_squared_error", "called as CatBoost does"),
    (lambda y, p: 2 * (p - y) * p * (1 - p), "brier_logits", "with the probability in place of the raw score"),
    (lambda y, f: sigmoid(f) - (y + 1) / 2, "binary_cross_entropy_logits", "with labels -1 and 1"),
    (lambda y, f: sigmoid(f) - y, "logistic", "with labels 0 and 1"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "loss", "said"), CALLED)
def test_the_convention_is_found(code: Any, loss: str, said: str) -> None:
    report = lf.audit(code, loss=loss)
    assert said in "; ".join(report.convention), report.text()
    assert {v.verdict for v in report.verdicts} == {"right"}, report.text()


def test_names_of_arguments_outweigh_a_sign() -> None:
    """A wrong sign is not explained away by exchanging arguments whose names say what they are."""

    def wrong(y_true: Array, y_pred: Array) -> Array:
        return y_true - y_pred

    assert lf.audit(wrong, loss="half_squared_error").kinds() == ["sign"]


WEIGHED = [
    (lambda y, f, w: (w**2 * (f - y), w), "weights twice"),
    (lambda y, f, w: (f - y, np.ones_like(f)), "weights ignored"),
    (lambda y, f, w: (w / w.mean() * (f - y), w / w.mean()), "weights normalised"),
    (lambda y, f, w: (np.sqrt(w) * (f - y), np.sqrt(w)), "weights rooted"),
]


@pytest.mark.parametrize(("code", "kind"), WEIGHED)
def test_weights_are_multiplied_once(code: Any, kind: str) -> None:
    report = lf.audit(code, loss="half_squared_error", output=("gradient", "hessian"))
    assert kind in report.kinds("gradient"), report.text()


def by_position(power: float) -> Any:
    return lambda y_true, y_pred, sample_weight: (y_pred - y_true) * np.power(sample_weight, power)


def as_an_option(power: float) -> Any:
    """As scikit-learn's functions have it, behind an option of their own."""

    def theirs(y_true: Array, y_pred: Array, scale: float = 1.0, sample_weight: Array | None = None) -> Array:
        g = scale * (y_pred - y_true)
        return g if sample_weight is None else g * np.power(sample_weight, power)

    return theirs


def by_name_alone(power: float) -> Any:
    return lambda y_true, y_pred, *, weights=1.0: (y_pred - y_true) * np.power(weights, power)


def of_numbers(power: float) -> Any:
    """Code that takes a number at a time."""
    return lambda y_true, y_pred, w=1.0: (y_pred - y_true) * w**power if y_pred > -1e300 else 0.0


def mean_loss(power: float) -> Any:
    def theirs(y_true: Array, y_pred: Array, sample_weight: Array | None = None) -> float:
        w = None if sample_weight is None else np.power(sample_weight, power)
        return float(np.average((y_pred - y_true) ** 2 / 2, weights=w))

    return theirs


def summed_loss(power: float) -> Any:
    return lambda y_true, y_pred, w=1.0: ((y_pred - y_true) ** 2 / 2 * np.power(w, power)).sum()


@pytest.mark.parametrize("written", [by_position, as_an_option, by_name_alone, of_numbers, mean_loss, summed_loss])
@pytest.mark.parametrize(("power", "kinds"), [(1, []), (0, ["weights ignored"]), (2, ["weights twice"]),
                                              (0.5, ["weights rooted"]), (3, ["weights"])])  # fmt: skip
def test_weights_are_tried_however_they_are_taken(written: Any, power: float, kinds: list[str]) -> None:
    report = lf.audit(written(power), loss="half_squared_error")
    assert [f.kind for f in report.faults] == kinds, report.text()


@pytest.mark.parametrize(("power", "kinds"), [(1, []), (0, ["weights ignored"]), (2, ["weights twice"])])
def test_weights_in_single_precision_where_digits_cancel(power: int, kinds: list[str]) -> None:
    """w*p - w*p*p has some five digits where p is nearly 1: that is no mistake about weights."""

    def theirs(y: Array, z: Array, sample_weight: Array | None = None) -> Any:
        single = [
            np.asarray(v, np.float32) for v in (y, z, np.ones_like(y) if sample_weight is None else sample_weight)
        ]
        y, z, w = single
        w, p = w**power, 1 / (1 + np.exp(-z))
        return w * p - w * y, w * p - w * p * p

    report = lf.audit(theirs, loss="binary_cross_entropy_logits")
    assert [f.kind for f in report.faults if f.output == "hessian" and "weights" in f.kind] == kinds, report.text()


def test_an_argument_that_only_sounds_like_weights() -> None:
    """Two weights, of the labels: that it takes no weight a row is said, and is no fault."""

    def theirs(y: Array, z: Array, weights: tuple[float, float] = (1.0, 1.0)) -> Array:
        below, above = weights
        return np.where(y > 0, above, below) * (1 / (1 + np.exp(-z)) - y)

    report = lf.audit(theirs, loss="binary_cross_entropy_logits")
    assert not report.faults, report.text()
    assert "no array of sample weights is taken as weights: ValueError" in report.text()


def test_a_parameter_of_the_loss_is_no_weight() -> None:
    def theirs(y: Array, f: Array, w: float = 1.0) -> Array:
        return w * (f - y)

    report = lf.audit(theirs, loss=lf.parse("w*(f - y)**2/2", parameters={"w": "(0, oo)"}), w=2.0)
    assert not report.findings, report.text()


def test_a_slip_that_has_no_value_somewhere_is_named_all_the_same() -> None:
    """The root of a negative number is NaN in the typed formula, too."""

    def theirs(y: Array, f: Array) -> Array:
        r = f - y
        return r / np.sqrt(r**3 + 1)

    report = lf.audit(theirs, loss="charbonnier", epsilon=1.0, output=("gradient",))
    (fault, *_) = report.faults
    assert fault.kind == "exponent", report.text()
    assert "r**2 has an exponent that is 1 too large; NaN at" in fault.words


@pytest.mark.parametrize(
    ("loss", "code", "words"),
    [
        ("brier_logits", lambda p, y: 2 * (p - y) * p * (1 + p), "the term -p has the wrong sign (p = sigmoid(z))"),
        ("focal", lambda p, y: 0.25 * y * (1 - p) ** 2 * (2 * p * np.log(p) + (1 - p))
            + 0.75 * (1 - y) * p**2 * (p - 2 * (1 - p) * np.log(1 - p)), "the term -(1 - p) has the wrong sign"),
    ],
    ids=["brier_logits", "focal"],
)  # fmt: skip
def test_slips_are_named_in_the_probability(loss: str, code: Any, words: str) -> None:
    def theirs(y: Array, z: Array) -> Array:
        return code(1 / (1 + np.exp(-z)), y)  # type: ignore[no-any-return]

    parameters = {"gamma": 2.0, "alpha": 0.25} if loss == "focal" else {}
    report = lf.audit(theirs, loss=loss, output=("gradient",), **parameters)
    assert words in report.faults[0].words, report.text()


def test_catboost_wants_negated_derivatives() -> None:
    class Wrong(OfCatBoost):
        def calc_ders_range(self, approxes: Array, targets: Array, weights: Array) -> Any:
            return [(-a, -b) for a, b in super().calc_ders_range(approxes, targets, weights)]

    report = lf.audit(Wrong(), loss="half_squared_error")
    assert [report.kinds(o) for o in ("gradient", "hessian")] == [["sign"], ["sign"]]


def test_a_parameter_that_is_ignored_is_seen_at_its_default() -> None:
    """Right for delta = 1 alone, which is what the audit is asked about; but it takes delta, and does not use it."""

    def ignores(y_true: Array, y_pred: Array, delta: float = 1.0) -> Array:
        return np.clip(y_pred - y_true, -1, 1)

    def uses(y_true: Array, y_pred: Array, delta: float = 1.0) -> Array:
        return np.clip(y_pred - y_true, -delta, delta)

    assert lf.audit(ignores, loss="huber", output="gradient").kinds() == ["parameter ignored"]
    assert lf.audit(uses, loss="huber", output="gradient").ok


def test_a_mean_is_seen() -> None:
    report = lf.audit(mean_value_and_gradient, loss="half_squared_error")
    assert "mean reduction" in [f.kind for f in report.findings], report.text()


def test_what_code_does_beside_its_work_is_seen() -> None:
    def changes(y: Array, f: Array) -> Array:
        f -= y
        return f

    def centres(y: Array, f: Array) -> Array:
        return f - y - 1e-3 * np.mean(f)

    generator = np.random.default_rng(1)

    def noisy(y: Array, f: Array) -> Array:
        return (f - y) * (1 + 1e-11 * generator.normal(size=f.shape))

    assert "changes its inputs" in lf.audit(changes, loss="half_squared_error").kinds()
    assert not lf.audit(centres, loss="half_squared_error").ok
    assert "random" in lf.audit(noisy, loss="half_squared_error").kinds()


NUMERICAL = [
    ("log_cosh", lambda y, f: np.log(np.cosh(f - y)), "loss", "infinite"),
    ("binary_cross_entropy_logits", lambda y, f: np.log(1 + np.exp(f)) - y * f, "loss", "infinite"),
    ("binary_cross_entropy_logits", lambda y, f: -(y * np.log(sigmoid(f)) + (1 - y) * np.log(1 - sigmoid(f))),
     "loss", "infinite"),
    ("binary_cross_entropy_logits", lambda y, f: np.exp(f) / (1 + np.exp(f)) - y, "gradient", "NaN"),
    ("binary_cross_entropy_logits", lambda y, f: np.clip(sigmoid(f), 1e-7, 1 - 1e-7) - y, "gradient", "wrong tail"),
    ("logistic", lambda y, f: np.exp(-y * f) / (1 + np.exp(-y * f)) ** 2, "hessian", "NaN"),
    ("absolute_error", lambda y, f: (f - y) / np.abs(f - y), "gradient", "NaN"),
    ("pseudo_huber", lambda y, f: (f - y) / np.sqrt(1 + (f - y) ** 2 + 1e-4), "gradient", "approximate"),
    ("poisson_log_link", lambda y, f: np.clip(np.exp(f), 0, 1e3) - y, "gradient", "wrong tail"),
    ("log_cosh", lambda y, f: np.sinh(f - y) / np.cosh(f - y), "gradient", "NaN"),
    ("huber", lambda y, f: np.where(abs(f - y) < 1, f - y, np.where(abs(f - y) > 1, np.sign(f - y), 0)), "gradient",
     "wrong at the kink"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "code", "output", "kind"), NUMERICAL)
def test_right_formulas_that_fail_in_floating_point(loss: str, code: Any, output: str, kind: str) -> None:
    report = lf.audit(code, loss=loss, output=output)
    assert kind in report.kinds(output) or (kind == "approximate" and not report.ok), report.text()
    assert any(f.given for f in report.faults)


def test_a_threshold_is_narrowed_down() -> None:
    """exp(f)/(1 + exp(f)) is NaN where exp overflows, for f > 709.78."""
    report = lf.audit(
        lambda y, f: np.exp(f) / (1 + np.exp(f)) - y, loss="binary_cross_entropy_logits", output="gradient"
    )
    (fault,) = [f for f in report.faults if f.kind == "NaN"]
    assert 709.78 <= fault.given["z"] <= 710.5


def test_what_single_precision_leaves_is_no_fault() -> None:
    """1 - p of float32 numbers has lost digits where p is near 1: so has everybody's."""

    def single(y: Array, f: Array) -> Any:
        p = 1 / (1 + np.exp(-f.astype(np.float32)))
        return p - y.astype(np.float32), p * (1 - p)

    report = lf.audit(single, loss="binary_cross_entropy_logits")
    assert {f.kind for f in report.findings} >= {"approximate"}
    assert "approximate" not in {f.kind for f in report.faults}


def test_small_losses_of_digits_are_notes() -> None:
    """1 - sigmoid(f) loses all its digits beyond 37, where the truth is 1e-16: worth a note, no fault."""
    report = lf.audit(lambda y, f: sigmoid(f) - y, loss="binary_cross_entropy_logits", output="gradient")
    assert report.ok and report.notes


C_SOURCE = """
#include <math.h>
#include <stddef.h>
double gradient_of_one(double y, double f) { return tanh(f - y); }
void gradient_of_many(const double *y, const double *f, double *gradient, double *hessian, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gradient[i] = tanh(f[i] - y[i]);
        hessian[i] = 2 - pow(tanh(f[i] - y[i]), 2);  /* 1 - tanh**2 is right */
    }
}
double with_a_parameter(double y, double f, double delta) { return fmax(-delta, fmin(delta, f - y)); }
double dies(double y, double f) { return *(volatile double *)8; }
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    if not shutil.which("cc") and not shutil.which("gcc"):
        pytest.skip("there is no C compiler")
    path = tmp_path / "mine.c"
    path.write_text(C_SOURCE, encoding="utf-8")
    return path


def test_c_functions(source: Path) -> None:
    assert lf.audit(f"{source}:gradient_of_one", loss="log_cosh", output="gradient").ok
    many = lf.audit(f"{source}:gradient_of_many", loss="log_cosh")
    assert [v.verdict for v in many.verdicts] == ["right", "wrong"] and many.kinds("hessian") == ["factor of a term"]
    assert (
        lf.audit(f"{source}:with_a_parameter", loss="huber", delta=1.5, output="gradient").verdicts[0].verdict
        == "right"
    )
    crash = lf.audit(f"{source}:dies", loss="log_cosh")
    assert crash.kinds() == ["crash"] and "SIGSEGV" in crash.faults[0].words


def test_torch_functions(torch: ModuleType) -> None:
    functional = torch.nn.functional

    def wrong(pred: Any, target: Any) -> Any:
        return functional.softplus(pred) - 2 * target * pred

    report = lf.audit(wrong, loss="binary_cross_entropy_logits", library="torch")
    assert [v.output for v in report.verdicts] == ["loss", "gradient", "hessian"]
    assert {v.output: v.verdict for v in report.verdicts}["hessian"] == "right" and not report.ok

    def mean(pred: Any, target: Any) -> Any:
        return functional.mse_loss(pred, target)

    report = lf.audit(mean, loss="squared_error", library="torch")
    assert report.ok and "mean reduction" in [f.kind for f in report.notes], report.text()
