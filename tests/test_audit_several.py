"""Does the audit judge code of several raw scores a row: K classes, or a mean and a scale?"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from test_audit_peers import library

import lossforge as lf
from lossforge.spec.catalog import CATALOG
from lossforge.spec.model import SpecError
from lossforge.verify.audit.audit import audit_trusted
from lossforge.verify.oracle import Oracle
from lossforge.verify.truth import setting_of

Array = Any
LOSS = "softmax_cross_entropy"


def softmax(f: Array) -> Array:
    e = np.exp(f - f.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def one_hot(y: Array, k: int) -> Array:
    return np.eye(k)[np.asarray(y).astype(int)]


def right(y_true: Array, y_pred: Array) -> Any:
    p = softmax(y_pred)
    return p - one_hot(y_true, p.shape[1]), p * (1 - p)


# Conventions -------------------------------------------------------------------------------------


def by_class(y_true: Array, y_pred: Array) -> Any:
    g, h = right(y_true, y_pred.reshape(-1, len(y_true)).T)
    return g.T.reshape(-1), h.T.reshape(-1)


def by_row(y_true: Array, y_pred: Array) -> Any:
    if y_pred.ndim != 1:
        raise ValueError("one array")
    return tuple(v.reshape(-1) for v in right(y_true, y_pred.reshape(len(y_true), -1)))


def transposed(y_true: Array, y_pred: Array) -> Any:
    if y_pred.shape[1] != len(y_true):
        raise ValueError("a row for each class")
    return tuple(v.T for v in right(y_true, y_pred.T))


def of_one_hot_rows(y_true: Array, y_pred: Array) -> Any:
    return softmax(y_pred) - y_true


def of_indices(y: Array, f: Array) -> Any:
    p = softmax(f)
    return -np.log(p[np.arange(len(f)), y]), p - one_hot(y, f.shape[1])


def native(preds: Array, dtrain: Any) -> Any:
    """As XGBoost's data sets answer: without weights, with an empty array."""
    g, h = right(dtrain.get_label(), preds)
    w = dtrain.get_weight()
    w = np.ones(len(g)) if w.size == 0 else w
    return (g * w[:, None]).reshape(-1, 1), (h * w[:, None]).reshape(-1, 1)


class OfCatBoost:
    def calc_ders_multi(self, approx: Any, target: float, weight: float) -> Any:
        e = np.exp(np.array(approx) - max(approx))
        p = e / e.sum()
        own = np.arange(len(p)) == int(target)
        return (weight * (own - p)).tolist(), (weight * (np.outer(p, p) - np.diag(p))).tolist()


def whole(y_true: Array, y_pred: Array) -> Any:
    p = softmax(y_pred)
    return p - one_hot(y_true, p.shape[1]), np.einsum("ni,ij->nij", p, np.eye(p.shape[1])) - np.einsum(
        "ni,nj->nij", p, p)  # fmt: skip


CALLED: list[tuple[Any, str]] = [
    (right, "a matrix of a row for each sample; with classes; answers with gradient, diagonal of the Hessian"),
    (by_class, "in one array, class after class"),
    (by_row, "in one array, sample after sample"),
    (transposed, "a row for each class"),
    (of_one_hot_rows, "with one-hot rows; answers with gradient"),
    (of_indices, "with classes as integers; answers with loss, gradient"),
    (native, "called with (predictions, data set)"),
    (OfCatBoost(), "calc_ders_multi(approx, target, weight); derivatives negated"),
    (whole, "answers with gradient, whole Hessian"),
]


@pytest.mark.parametrize(("function", "said"), CALLED, ids=lambda v: getattr(v, "__name__", type(v).__name__))
def test_the_layout_is_found(function: Any, said: str) -> None:
    report = lf.audit(function, loss=LOSS)
    assert said in "; ".join(report.convention), report.convention
    assert {v.verdict for v in report.verdicts} == {"right"}, report.text()
    assert not [f for f in report.faults if f.output != "loss"], report.text()


# What is right is left alone ----------------------------------------------------------------------


def test_our_own_code() -> None:
    function = lf.losses[LOSS](backend="numpy")

    def ours(y: Array, f: Array) -> Any:
        return function.loss_gradient_hessian(y.astype(int), f)

    report = audit_trusted(ours, CATALOG[LOSS], {})
    assert report.ok and len(report.verdicts) == 3, report.text()


def test_torch(torch: ModuleType) -> None:
    def theirs(input: Any, target: Any) -> Any:
        return torch.nn.functional.cross_entropy(input, target, reduction="none")

    report = lf.audit(theirs, loss=LOSS, library="torch")
    assert report.ok and [v.output for v in report.verdicts] == ["loss", "gradient", "hessian"], report.text()
    assert "classes as integers" in "; ".join(report.convention) and "whole Hessian" in "; ".join(report.convention)


def test_the_mean_over_rows_of_torch(torch: ModuleType) -> None:
    def theirs(input: Any, target: Any) -> Any:
        return torch.nn.functional.cross_entropy(input, target)

    report = lf.audit(theirs, loss=LOSS, library="torch")
    assert report.ok and "row by row" in report.convention, report.text()


def test_sklearn() -> None:
    loss = library("sklearn._loss.loss").HalfMultinomialLoss(n_classes=3)

    def theirs(y_true: Array, raw_prediction: Array) -> Any:
        return loss.gradient_hessian(y_true=y_true, raw_prediction=np.ascontiguousarray(raw_prediction))

    assert lf.audit(theirs, loss=LOSS, library="sklearn").ok


def test_optax() -> None:
    optax = library("optax")

    def theirs(logits: Any, labels: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)

    report = lf.audit(theirs, loss=LOSS, library="jax")
    assert report.ok and len(report.verdicts) == 3, report.text()


def test_a_normal_distribution(torch: ModuleType) -> None:
    """PyTorch's own, of a mean and a variance; NGBoost's parameters are a mean and the logarithm of a scale."""

    def theirs(f: Any, y: Any) -> Any:
        variance = torch.exp(2 * f[:, 1])
        return torch.nn.functional.gaussian_nll_loss(f[:, 0], y, variance, reduction="none", eps=0, full=True)

    report = lf.audit(theirs, loss="gaussian_nll", library="torch")
    gradient, hessian = (next(v for v in report.verdicts if v.output == o) for o in ("gradient", "hessian"))
    assert gradient.verdict == hessian.verdict == "right", report.text()


# What is wrong is named ---------------------------------------------------------------------------


def planted(change: Callable[[Array, Array, Array, Array], Any]) -> Callable[[Array, Array], Any]:
    """Gradient and Hessian with a mistake, from softmax, one-hot rows and the right ones."""

    def objective(y_true: Array, y_pred: Array) -> Any:
        g, h = right(y_true, y_pred)
        return change(softmax(y_pred), one_hot(y_true, y_pred.shape[1]), g, h)

    return objective


MISTAKES: dict[str, tuple[str, str, Callable[[Array, Array, Array, Array], Any]]] = {
    "no target": ("gradient", "missing term", lambda p, y, g, h: (p, h)),
    "sign of the target": ("gradient", "sign of a term", lambda p, y, g, h: (p + y, h)),
    "negated": ("gradient", "sign", lambda p, y, g, h: (-g, h)),
    "half": ("gradient", "factor", lambda p, y, g, h: (g / 2, h)),
    "over classes": ("gradient", "factor", lambda p, y, g, h: (g / 3, h)),
    "by the probabilities": ("gradient", "with respect to the probability", lambda p, y, g, h: (-y / p, h)),
    "chain factor": ("gradient", "chain factor", lambda p, y, g, h: (g * p * (1 - p), h)),
    "own class alone": ("gradient", "missing entries", lambda p, y, g, h: (g * y, h)),
    "other classes alone": ("gradient", "missing entries", lambda p, y, g, h: (g * (1 - y), h)),
    "order": ("gradient", "layout", lambda p, y, g, h: (g.T.reshape(g.shape), h)),
    "absolute": ("gradient", "absolute value", lambda p, y, g, h: (np.abs(g), h)),
    "one class wrong": ("gradient", "part", lambda p, y, g, h: (g * [2, 1, 1], h)),
    "smoothed labels": ("gradient", "terms mixed up", lambda p, y, g, h: (p - 0.9 * y - 0.1 / 3, h)),
    "shifted classes": ("gradient", "target convention", lambda p, y, g, h: (p - np.roll(y, 1, axis=1), h)),
    "nonsense": ("gradient", "unknown", lambda p, y, g, h: (np.cos(7 * g), h)),
    "twice": ("hessian", "diagonal bound", lambda p, y, g, h: (g, 2 * h)),
    "K/(K - 1)": ("hessian", "diagonal bound", lambda p, y, g, h: (g, 1.5 * h)),
    "the probability": ("hessian", "missing factor", lambda p, y, g, h: (g, p)),
    "squared probability": ("hessian", "exponent", lambda p, y, g, h: (g, p * p)),
    "ones": ("hessian", "constant", lambda p, y, g, h: (g, np.ones_like(h))),
    "squared gradient": ("hessian", "squared gradient", lambda p, y, g, h: (g, g * g)),
    "size of the gradient": ("hessian", "absolute value", lambda p, y, g, h: (g, np.abs(g))),
    "1 + p": ("hessian", "sign of a term", lambda p, y, g, h: (g, p * (1 + p))),
    "quarter": ("hessian", "factor", lambda p, y, g, h: (g, h / 4)),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_named(mistake: str) -> None:
    output, kind, change = MISTAKES[mistake]
    report = audit_trusted(planted(change), CATALOG[LOSS], {})
    assert kind in report.kinds(output), report.text()
    other = "hessian" if output == "gradient" else "gradient"
    assert not report.kinds(other), report.text()
    first = next(f for f in report.faults if f.output == output)
    assert first.entry.startswith("f[") and first.computed != first.expected, report.text()


def test_the_first_failing_input_is_plain() -> None:
    report = audit_trusted(planted(lambda p, y, g, h: (p, h)), CATALOG[LOSS], {})
    first = report.faults[0]
    assert (dict(first.given), first.entry) == ({"y": 0, "f[0]": 0, "f[1]": 0, "f[2]": 0}, "f[0]")
    assert (first.computed, first.expected) == (1 / 3, -2 / 3)
    assert "softmax(f)[j] - y[j]" in report.text()


def test_sigmoid_in_place_of_softmax() -> None:
    def theirs(y: Array, f: Array) -> Any:
        return 1 / (1 + np.exp(-f)) - one_hot(y, f.shape[1])

    assert "wrong function" in audit_trusted(theirs, CATALOG[LOSS], {}, output=("gradient",)).kinds("gradient")


def test_softmax_twice() -> None:
    def theirs(y: Array, f: Array) -> Any:
        return softmax(softmax(f)) - one_hot(y, f.shape[1])

    assert "prediction convention" in audit_trusted(theirs, CATALOG[LOSS], {}, output=("gradient",)).kinds("gradient")


def test_entries_off_the_diagonal() -> None:
    def theirs(y: Array, f: Array) -> Any:
        g, h = right(y, f)
        return g, np.einsum("ni,ij->nij", h, np.eye(h.shape[1]))

    report = audit_trusted(theirs, CATALOG[LOSS], {})
    assert report.kinds("hessian") == ["missing entries"], report.text()


# Further out, weights, the rest ------------------------------------------------------------------


def test_an_overflow_is_found() -> None:
    def theirs(y: Array, f: Array) -> Any:
        e = np.exp(f)
        p = e / e.sum(axis=1, keepdims=True)
        return p - one_hot(y, f.shape[1]), p * (1 - p)

    report = audit_trusted(theirs, CATALOG[LOSS], {})
    assert {v.verdict for v in report.verdicts} == {"right"}
    nan = [f for f in report.faults if f.kind == "NaN"]
    assert {f.output for f in nan} == {"gradient", "hessian"}, report.text()
    assert all(708 < max(f.given[f"f[{k}]"] for k in range(3)) < 712 for f in nan), report.text()


def test_the_logarithm_of_a_probability() -> None:
    def theirs(y: Array, f: Array) -> Any:
        return -np.log(np.maximum(softmax(f), 1e-15)[np.arange(len(f)), y.astype(int)])

    report = audit_trusted(theirs, CATALOG[LOSS], {}, output=("loss",))
    (fault,) = report.faults
    assert fault.kind == "wrong tail" and 33 < -fault.given["f[0]"] < 36, report.text()


def test_a_floor_is_a_note() -> None:
    def theirs(y: Array, f: Array) -> Any:
        g, h = right(y, f)
        return g, np.maximum(h, 1e-6)

    report = audit_trusted(theirs, CATALOG[LOSS], {})
    assert report.ok and "never less than 1e-06" in report.text(), report.text()


@pytest.mark.parametrize(
    ("power", "kinds"),
    [(0, ["weights ignored"] * 2), (1, []), (2, ["weights twice"] * 2)],
    ids=["not", "once", "twice"],
)
def test_weights(power: int, kinds: list[str]) -> None:
    def theirs(y: Array, f: Array, w: Array) -> Any:
        g, h = right(y, f)
        return g * w[:, None] ** power, h * w[:, None] ** power

    def by_name(y: Array, f: Array, sample_weight: Array | None = None) -> Any:
        return theirs(y, f, np.ones(len(y)) if sample_weight is None else sample_weight)

    assert audit_trusted(theirs, CATALOG[LOSS], {}).kinds() == kinds
    assert audit_trusted(by_name, CATALOG[LOSS], {}).kinds() == kinds


def test_a_mean_over_the_rows() -> None:
    report = audit_trusted(lambda y, f: right(y, f)[0] / len(f), CATALOG[LOSS], {})
    assert "mean reduction" in report.kinds("gradient"), report.text()


def test_what_writes_into_its_inputs() -> None:
    def theirs(y: Array, f: Array) -> Any:
        f -= f.max(axis=1, keepdims=True)
        return right(y, f)

    assert audit_trusted(theirs, CATALOG[LOSS], {}).kinds("call") == ["changes its inputs"]


def test_a_crash_is_a_finding() -> None:
    def theirs(y: Array, f: Array) -> Any:
        import os

        os.abort()

    assert lf.audit(theirs, loss=LOSS).kinds() == ["crash"]


def test_a_crash_far_out_is_found_with_its_input() -> None:
    def theirs(y: Array, f: Array) -> Any:
        import os

        if f.max() > 500:
            os.abort()
        return right(y, f)

    report = lf.audit(theirs, loss=LOSS)
    assert report.kinds() == ["crash"] and {v.verdict for v in report.verdicts} == {"right"}, report.text()
    assert max(report.faults[0].given[f"f[{k}]"] for k in range(3)) > 500


@pytest.mark.parametrize("flat", [False, True])
def test_what_raises_far_out(flat: bool) -> None:
    def theirs(y: Array, f: Array) -> Any:
        if flat and f.ndim != 1:
            raise ValueError("one array")
        if np.max(f) > 500:
            raise OverflowError("too large")
        return by_class(y, f) if flat else right(y, f)

    report = audit_trusted(theirs, CATALOG[LOSS], {})
    assert set(report.kinds()) == {"raises"} and "OverflowError: too large" in report.text(), report.text()
    assert all(500 < max(f.given[f"f[{k}]"] for k in range(3)) < 506 for f in report.faults), report.text()


def test_a_distribution_for_the_target() -> None:
    """Of probabilities, not raw scores: the gradient is -y/p."""
    report = audit_trusted(lambda y, p: -y / p, CATALOG["categorical_cross_entropy"], {}, output=("gradient",))
    assert report.ok and report.verdicts[0].verdict == "right", report.text()
    wrong = audit_trusted(lambda y, p: y / p, CATALOG["categorical_cross_entropy"], {}, output=("gradient",))
    assert wrong.kinds("gradient")[0] == "sign", wrong.text()


def test_what_cannot_be_called() -> None:
    def theirs(y: Array, f: Array) -> Any:
        raise RuntimeError("no")

    report = audit_trusted(theirs, CATALOG[LOSS], {})
    assert report.kinds() == ["raises"] and "RuntimeError: no" in report.text()


# A mean and a scale -------------------------------------------------------------------------------


def normal(by_mean: str = "(m - y) / v", by_scale: str = "1 - (y - m) ** 2 / v", first: str = "1 / v",
           second: str = "2 * (y - m) ** 2 / v") -> Any:  # fmt: skip
    def objective(y_true: Array, y_pred: Array) -> Any:
        m, s = y_pred[:, 0], y_pred[:, 1]
        names = {"y": y_true, "m": m, "s": s, "v": np.exp(2 * s), "np": np}
        g, h = ((by_mean, by_scale), (first, second))
        return tuple(np.stack([eval(e, names) * np.ones_like(m) for e in pair], axis=1) for pair in (g, h))

    return objective


NORMAL: dict[str, tuple[dict[str, str], str, str, str]] = {
    "right": ({}, "", "", ""),
    "sign": ({"by_mean": "(y - m) / v"}, "gradient", "sign", "by mu"),
    "no one": ({"by_scale": "-(y - m) ** 2 / v"}, "gradient", "missing term", "by log_sigma"),
    "by the scale": ({"by_scale": "(1 - (y - m) ** 2 / v) / np.exp(s)"}, "gradient", "with respect to the probability",
                     "with respect to sigma"),
    "variance": ({"by_mean": "(m - y) / np.exp(s)"}, "gradient", "factor", "by mu"),
    "half": ({"second": "(y - m) ** 2 / v"}, "hessian", "factor", "by log_sigma, it is 1/2 times"),
    "expected": ({"second": "2"}, "hessian", "constant", "by log_sigma: it is the constant 2"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", NORMAL)
def test_of_a_normal_distribution(mistake: str) -> None:
    changes, output, kind, words = NORMAL[mistake]
    report = audit_trusted(normal(**changes), CATALOG["gaussian_nll"], {})
    found = report.kinds()
    assert (found == []) == (not output), report.text()
    if output:
        assert {f.output for f in report.faults} == {output}, report.text()
        assert any(kind in k for k in found) and words in report.text(), report.text()


# What is refused, and what is true ----------------------------------------------------------------


def test_refused() -> None:
    with pytest.raises(SpecError, match="one target; aft_logistic_interval has 2"):
        lf.audit(right, loss="aft_logistic_interval")
    from lossforge.verify.audit.audit import audit_formula

    with pytest.raises(SpecError, match="one raw score"):
        audit_formula("f", "gradient", CATALOG[LOSS], {})


@pytest.mark.parametrize("shift", [0.0, 1e4, 1.5e48, -1e300])
def test_the_truth_of_scores_that_are_huge_together(shift: float) -> None:
    """A difference of two huge scores matters on the scale of 1."""
    setting = setting_of(CATALOG[LOSS], 3)
    assert isinstance(setting.oracle, Oracle)
    estimates = setting.estimates((1.0, 0.0, 0.0, shift, shift, shift))
    numbers = [float(e[0][1]) * 2.0 ** e[0][2] * (-1) ** e[0][0] if e is not None else None for e in estimates[1:5]]
    np.testing.assert_allclose(numbers, [-2 / 3, 1 / 3, 1 / 3, 2 / 9], rtol=1e-15)
