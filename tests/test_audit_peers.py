"""Does the audit leave alone what is right? The functions of the libraries themselves, as installed, and our own code.

Notes are allowed, faults are not: tails that lose their digits where the numbers are too small to matter, and what a
library chooses at a kink.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from extent import some

import lossforge as lf
from lossforge.spec.catalog import CATALOG
from lossforge.spec.domains import Interval

Array = Any


def library(name: str) -> ModuleType:
    """An optional library; where CI says that it is there, its absence is a failure."""
    try:
        return __import__("importlib").import_module(name)  # type: ignore[no-any-return]
    except ImportError:
        if os.environ.get("CI", "").lower() in ("", "0", "false"):
            pytest.skip(f"{name} is not installed")
        raise


# PyTorch -----------------------------------------------------------------------------------------

TORCH: dict[str, tuple[dict[str, float], Any]] = {
    "binary_cross_entropy_logits": (
        {}, lambda F: lambda pred, target: F.binary_cross_entropy_with_logits(pred, target, reduction="none")
    ),
    "huber": ({"delta": 1.5}, lambda F: lambda pred, target: F.huber_loss(pred, target, reduction="none", delta=1.5)),
    "smooth_l1": (
        {"beta": 0.5}, lambda F: lambda pred, target: F.smooth_l1_loss(pred, target, reduction="none", beta=0.5)
    ),
    "squared_error": ({}, lambda F: lambda pred, target: F.mse_loss(pred, target, reduction="none")),
    "absolute_error": ({}, lambda F: lambda pred, target: F.l1_loss(pred, target, reduction="none")),
    "poisson_log_link": ({}, lambda F: lambda pred, target: F.poisson_nll_loss(pred, target, reduction="none")),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCH)
def test_torch(name: str, torch: ModuleType) -> None:
    parameters, make = TORCH[name]
    report = lf.audit(make(torch.nn.functional), loss=name, library="torch", **parameters)
    assert len(report.verdicts) == 3 and report.ok, report.text()


def test_what_pytorch_itself_gets_wrong(torch: ModuleType) -> None:
    """soft_margin_loss overflows for a margin of -710: right everywhere else, and infinite there."""

    def theirs(pred: Any, target: Any) -> Any:
        return torch.nn.functional.soft_margin_loss(pred, target, reduction="none")

    report = lf.audit(theirs, loss="logistic", library="torch")
    assert {v.verdict for v in report.verdicts} == {"right"}
    assert set(report.kinds("loss")) == {"infinite"} and set(report.kinds("gradient")) == {"NaN"}, report.text()
    assert all(709 < abs(f.given["f"]) < 711 for f in report.faults)


# scikit-learn, SciPy, optax ----------------------------------------------------------------------

SKLEARN: dict[str, tuple[dict[str, float], Any, tuple[str, ...]]] = {
    "binary_cross_entropy_logits": ({}, lambda m: m.HalfBinomialLoss(), ("gradient", "hessian")),
    "half_squared_error": ({}, lambda m: m.HalfSquaredError(), ("gradient", "hessian")),
    "poisson_log_link": ({}, lambda m: m.HalfPoissonLoss(), ("gradient", "hessian")),
    "gamma_log_link": ({}, lambda m: m.HalfGammaLoss(), ("gradient", "hessian")),
    "tweedie": ({"p": 1.25}, lambda m: m.HalfTweedieLossIdentity(power=1.25), ("gradient", "hessian")),
    # Of these two, scikit-learn's Hessian is 1 by intent.
    "absolute_error": ({}, lambda m: m.AbsoluteError(), ("gradient",)),
    "pinball": ({"tau": 0.3}, lambda m: m.PinballLoss(quantile=0.3), ("gradient",)),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_sklearn(name: str) -> None:
    parameters, make, outputs = SKLEARN[name]
    loss = make(library("sklearn._loss.loss"))

    def theirs(y_true: Array, raw_prediction: Array) -> Any:
        found = loss.gradient_hessian(y_true=np.ascontiguousarray(y_true), raw_prediction=raw_prediction)
        return found if len(outputs) == 2 else found[0]

    report = lf.audit(theirs, loss=name, output=outputs, **parameters)
    assert report.ok and {v.verdict for v in report.verdicts} == {"right"}, report.text()


def test_a_constant_hessian_is_named() -> None:
    """What scikit-learn does by intent for the pinball loss, the audit calls by its name."""
    loss = library("sklearn._loss.loss").PinballLoss(quantile=0.3)

    def theirs(y_true: Array, raw_prediction: Array) -> Any:
        return loss.gradient_hessian(y_true=np.ascontiguousarray(y_true), raw_prediction=raw_prediction)[1]

    assert lf.audit(theirs, loss="pinball", output="hessian", tau=0.3).kinds() == ["offset"]


def test_what_sklearn_itself_gets_wrong() -> None:
    """HalfTweedieLoss takes 0*exp(-(p - 1)*f) for a target of 0, and exp overflows for f < -2839."""
    loss = library("sklearn._loss.loss").HalfTweedieLoss(power=1.25)

    def theirs(y_true: Array, raw_prediction: Array) -> Any:
        return loss.gradient_hessian(y_true=np.ascontiguousarray(y_true), raw_prediction=raw_prediction)

    report = lf.audit(theirs, loss="tweedie_log_link", p=1.25)
    assert {v.verdict for v in report.verdicts} == {"right"}
    assert set(report.kinds()) == {"NaN"} and all(f.given["f"] < -2839 for f in report.faults), report.text()


def test_scipy() -> None:
    special = library("scipy.special")
    assert lf.audit(lambda y, f: special.pseudo_huber(1.5, f - y), loss="pseudo_huber", output="loss", delta=1.5).ok
    assert lf.audit(lambda y, f: special.huber(1.5, f - y), loss="huber", output="loss", delta=1.5).ok
    assert lf.audit(lambda y, f: special.expit(f) - y, loss="binary_cross_entropy_logits", output="gradient").ok
    assert lf.audit(lambda y, f: -y * special.expit(-y * f), loss="logistic", output="gradient").ok


@pytest.mark.parametrize(
    ("name", "called", "parameters"),
    some(
        [
            ("huber", "huber_loss", {"delta": 1.0}),
            ("binary_cross_entropy_logits", "sigmoid_binary_cross_entropy", {}),
            ("half_squared_error", "l2_loss", {}),
            ("log_cosh", "log_cosh", {}),
        ],
        4,
    ),
)
def test_optax(name: str, called: str, parameters: dict[str, float]) -> None:
    library("optax")
    report = lf.audit(f"optax:{called}", loss=name, library="jax", **parameters)
    assert len(report.verdicts) == 3 and report.ok, report.text()


def test_jax_that_has_started_here() -> None:
    """A fork would stand still in it; nor is its setting for float64 touched."""
    jax, optax = library("jax"), library("optax")
    jax.numpy.zeros(3).block_until_ready()
    before = jax.config.jax_enable_x64
    report = lf.audit(lambda pred, target: optax.squared_error(pred, target), loss="squared_error", library="jax")
    assert report.ok and {v.verdict for v in report.verdicts} == {"right"}, report.text()
    assert jax.config.jax_enable_x64 == before


# XGBoost and LightGBM ----------------------------------------------------------------------------

# The built-in objectives are no functions of Python; these are those that the libraries show in their own documentation
# and tests, in their own conventions.


def test_xgboost() -> None:
    """`xgboost.testing` and the tutorial on custom objectives: squared log error, native and scikit-learn."""
    library("xgboost")

    def gradient(predt: Array, dtrain: Any) -> Array:
        y = dtrain.get_label()
        return (np.log1p(predt) - np.log1p(y)) / (predt + 1)

    def hessian(predt: Array, dtrain: Any) -> Array:
        y = dtrain.get_label()
        return (-np.log1p(predt) + np.log1p(y) + 1) / np.power(predt + 1, 2)

    def squared_log(predt: Array, dtrain: Any) -> Any:
        return gradient(predt, dtrain), hessian(predt, dtrain)

    half = lf.parse("(log(1 + f) - log(1 + y))**2/2", arguments={"y": "(-1, oo)", "f": "(-1, oo)"})
    report = lf.audit(squared_log, loss=half, library="xgboost")
    assert report.ok, report.text()
    assert lf.audit(squared_log, loss="squared_log_error").kinds("gradient") == ["factor"]
    assert lf.audit("xgboost.testing:ls_obj", loss="half_squared_error").ok


def test_lightgbm() -> None:
    """The objectives of LightGBM's own tests and examples: log-likelihood and squared error, (y, f) and (f, data)."""
    library("lightgbm")

    def loglikelihood(preds: Array, train_data: Any) -> Any:
        labels = train_data.get_label()
        preds = 1.0 / (1.0 + np.exp(-preds))
        return preds - labels, preds * (1.0 - preds)

    def objective_ls(y_true: Array, y_pred: Array) -> Any:
        return y_pred - y_true, np.ones(len(y_true))

    assert lf.audit(loglikelihood, loss="binary_cross_entropy_logits", library="lightgbm").ok
    assert lf.audit(objective_ls, loss="half_squared_error", library="lightgbm").ok


# Our own code ------------------------------------------------------------------------------------

OURS = [
    name for name, loss in CATALOG.items()
    if loss.size is None and len(loss.predictions) == 1 and len(loss.targets) == 1
    and isinstance(loss.predictions[0].domain, Interval)
]  # fmt: skip


@pytest.mark.parametrize("name", some(OURS[::4], 3))
def test_our_own_code(name: str) -> None:
    function = lf.losses[name](backend="numpy")

    def ours(y_true: Array, y_pred: Array) -> Any:
        return function.loss_gradient_hessian(y_true, y_pred, check_domain=False)

    report = lf.audit(ours, loss=name)
    assert report.ok and {v.verdict for v in report.verdicts} == {"right"}, report.text()
