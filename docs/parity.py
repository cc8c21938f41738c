"""Do our objectives train the same trees as the libraries' own of the same loss? Both trained, and what differs found.

    python docs/parity.py           write docs/parity.md
    python docs/parity.py --check   exit 1 when it is not what would be written

Needs xgboost, lightgbm, catboost and scikit-learn, and takes half a minute. Where predictions differ, what is said to
differ is put into our objective, and both are trained again: an explanation is kept only if nothing is left of the
difference.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import sklearn
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

import lossforge as lf

PAGE = Path(__file__).resolve().parent / "parity.md"
Array = NDArray[np.float64]
Change = Callable[[Any, Array, Array], Array]  # loss, y, f -> a curvature
Leaf = Callable[[Array, Array], float]  # residuals and targets of a leaf -> its value

N, ROUNDS, RATE = 600, 8, 0.3
EQUAL = 1e-5  # of predictions that range over 2 to 12; derivatives are kept as float32
VERSIONS = (
    f"XGBoost {xgboost.__version__}, LightGBM {lightgbm.__version__}, CatBoost {catboost.__version__}, "
    f"scikit-learn {sklearn.__version__}"
)

rng = np.random.default_rng(7)
X = np.round(rng.normal(size=(N, 5)), 1)
SIGNAL = X[:, 0] + np.sin(2 * X[:, 1])


def single(y: Any) -> Array:
    """As the libraries keep targets."""
    return np.asarray(y, np.float32).astype(np.float64)


REAL = single(SIGNAL + rng.standard_t(3, N))
TARGETS = {
    "real": REAL,
    "positive": single(rng.gamma(2, np.exp(SIGNAL / 2) / 2)),
    "above 1": single(1 + rng.gamma(2, np.exp(SIGNAL / 2) / 2)),
    "counts": rng.poisson(np.exp(SIGNAL / 2)).astype(float),
    "labels": (REAL > 0).astype(float),
    "shares": single(1 / (1 + np.exp(-REAL))),
    "classes": np.digitize(REAL, [-1, 1]).astype(float),
}


@dataclass(frozen=True)
class Row:
    """A built-in objective, our loss, and what makes ours the same: nothing, or what `why` says in words."""

    built_in: str
    settings: dict[str, Any]
    target: str
    loss: str
    parameters: dict[str, float] = field(default_factory=dict)
    why: str = ""
    curvature: Change | None = None
    scale: float = 1.0
    also: dict[str, Any] = field(default_factory=dict)  # settings of the library that the built-in objective makes
    leaf: Leaf | None = None
    gradient: Change | None = None


@dataclass(frozen=True)
class Changed:
    """A curvature, in the place of one of `lossforge.runtime.objectives.curvature`, with a gradient that is scaled."""

    curvature: Change
    gradient: Change
    name: str = "changed"

    def derivatives(self, loss: Any, y: Array, f: Array) -> tuple[Array, Array]:
        return self.gradient(loss, y, f), self.curvature(loss, y, f)


def slope(loss: Any, y: Array, f: Array, scale: float = 1.0) -> Array:
    return scale * np.asarray(loss.gradient(y, f))


def hinge_from_the_right(loss: Any, y: Array, f: Array) -> Array:
    return np.where(y * f < 1, -y, 0.0)


def percentage_from_the_right(loss: Any, y: Array, f: Array) -> Array:
    return np.where(f < y, -1 / y, 1 / y)


def exact(loss: Any, y: Array, f: Array, factor: float = 1.0) -> Array:
    hessian = np.asarray(loss.hessian(y, f))
    return factor * (hessian if hessian.ndim == f.ndim else np.einsum("njj->nj", hessian))


def ones(loss: Any, y: Array, f: Array) -> Array:
    return np.ones(f.shape)


def inside_the_hinge(loss: Any, y: Array, f: Array) -> Array:
    return np.where(y * f < 1, 1.0, np.finfo(np.float32).tiny)


def floored(loss: Any, y: Array, f: Array) -> Array:
    return np.maximum(exact(loss, y, f, 0.5), 1e-6)


def clipped(loss: Any, y: Array, f: Array) -> Array:
    return np.clip(exact(loss, y, f), 1e-16, 15)


def quantile(level: float, method: str) -> Leaf:
    return lambda r, y: float(np.quantile(r, level, method=method))  # type: ignore[call-overload]


def below_the_weighted_median(r: Array, y: Array) -> float:
    """LightGBM's: of the two residuals about the median by weights 1/y the lower one."""
    order = np.argsort(r, kind="stable")
    total = np.cumsum(single(1 / y)[order])
    place = min(int(np.searchsorted(total, total[-1] / 2, side="right")), len(r) - 1)
    return float(r[order][place if place in (0, len(r) - 1) else place - 1])


def least_log_cosh(r: Array, y: Array) -> float:
    return float(lf.objective(lf.losses.log_cosh(backend="numpy"), library="catboost").intercept(r))


# --- the libraries: raw scores of all rows after some rounds, from a given start, and the leaves of the last tree


def by_xgboost(settings: dict[str, Any], y: Array, start: Array, own: Any, rounds: int) -> tuple[Array, Array]:
    data = xgboost.DMatrix(X, y, base_margin=start)
    if settings.get("objective") == "survival:aft":
        for side in ("lower", "upper"):
            data.set_float_info(f"label_{side}_bound", y)
    common = {"nthread": 1, "max_depth": 4, "eta": RATE, "min_child_weight": 1e-3}
    booster = xgboost.train(common | settings, data, rounds, obj=own)
    return booster.predict(data, output_margin=True), booster.predict(data, pred_leaf=True)


def by_lightgbm(settings: dict[str, Any], y: Array, start: Array, own: Any, rounds: int) -> tuple[Array, Array]:
    common = {
        "num_threads": 1, "verbose": -1, "num_leaves": 15, "learning_rate": RATE, "deterministic": True,
        "force_col_wise": True, "boost_from_average": False,
    }  # fmt: skip
    chosen = common | settings | ({} if own is None else {"objective": own})
    booster = lightgbm.train(chosen, lightgbm.Dataset(X, y, init_score=start), rounds)
    return start + np.asarray(booster.predict(X, raw_score=True)), np.asarray(booster.predict(X, pred_leaf=True))


def by_catboost(settings: dict[str, Any], y: Array, start: Array, own: Any, rounds: int) -> tuple[Array, Array]:
    common = {
        "iterations": rounds, "depth": 4, "learning_rate": RATE, "thread_count": 1, "random_seed": 0, "verbose": False,
        "allow_writing_files": False, "bootstrap_type": "No", "boosting_type": "Plain", "random_strength": 0,
        "leaf_estimation_iterations": 1, "leaf_estimation_backtracking": "No",
    }  # fmt: skip
    chosen = common | settings | ({} if own is None else {"loss_function": own, "eval_metric": own.metric})
    model = catboost.CatBoost(chosen).fit(catboost.Pool(X, y, baseline=start))
    return start + model.predict(X, prediction_type="RawFormulaVal"), model.calc_leaf_indexes(X)


def by_sklearn(settings: dict[str, Any], y: Array, start: Array, own: Any, rounds: int) -> tuple[Array, Array]:
    """It begins where its loss says, and gives no leaves away."""
    kind = HistGradientBoostingClassifier if settings["loss"] == "log_loss" else HistGradientBoostingRegressor
    common = {"max_iter": rounds, "learning_rate": RATE, "max_leaf_nodes": 15, "early_stopping": False}
    model = kind(**common, **settings | ({} if own is None else {"loss": own})).fit(X, y)
    raw = model._raw_predict(X)
    return raw[:, 0] if raw.shape[1] == 1 else raw, np.empty(0)


Train = Callable[[dict[str, Any], Array, Array, Any, int], tuple[Array, Array]]
E_07 = float(np.exp(0.7))
MEDIAN = "a leaf is the median of its residuals"
POISSON = "its curvature is exp(f + 0.7)"
LEAF = {"leaf_estimation_method": "Gradient"}
LIBRARIES: dict[str, tuple[Train, list[Row]]] = {
    "xgboost": (
        by_xgboost,
        [
            Row("reg:squarederror", {}, "real", "half_squared_error"),
            Row("reg:squaredlogerror", {}, "positive", "squared_log_error",
                why="half of the loss; its curvature is at least 1e-6", curvature=floored, scale=0.5),
            Row("reg:pseudohubererror", {"huber_slope": 2.0}, "real", "pseudo_huber", {"delta": 2.0},
                why="its curvature is the exact one", curvature=exact),
            Row("reg:absoluteerror", {}, "real", "absolute_error", why=f"its curvature is 1; {MEDIAN}",
                curvature=ones, leaf=quantile(0.5, "weibull")),
            Row("reg:quantileerror", {"quantile_alpha": 0.8}, "real", "pinball", {"tau": 0.8},
                why="its curvature is 1; a leaf is the quantile of its residuals, (n + 1) tau counted from below",
                curvature=ones, leaf=quantile(0.8, "weibull")),
            Row("binary:logistic", {}, "labels", "logistic"),
            Row("reg:logistic", {}, "shares", "binary_cross_entropy_logits"),
            Row("binary:hinge", {}, "labels", "hinge",
                why="its curvature is 1 where y f < 1, next to 0 elsewhere; at the kink its slope is 0, not the mean",
                curvature=inside_the_hinge, gradient=hinge_from_the_right),
            Row("multi:softprob", {"num_class": 3}, "classes", "softmax_cross_entropy"),
            Row("count:poisson", {}, "counts", "poisson_log_link", why=f"{POISSON}, and it sets max_delta_step = 0.7",
                curvature=partial(exact, factor=E_07), also={"max_delta_step": 0.7}),
            Row("reg:gamma", {}, "positive", "gamma_log_link"),
            Row("reg:tweedie", {"tweedie_variance_power": 1.5}, "counts", "tweedie_log_link", {"p": 1.5},
                why="its curvature is the exact one", curvature=exact),
            *(
                Row("survival:aft", {"aft_loss_distribution": name, "aft_loss_distribution_scale": 1.2}, "positive",
                    f"aft_{name}", {"sigma": 1.2}, why=why, curvature=curvature)
                for name, why, curvature in (
                    ("normal", "", None),
                    ("logistic", "its curvature is the exact one, in [1e-16, 15]", clipped),
                    ("extreme", "", None),
                )
            ),
        ],
    ),
    "lightgbm": (
        by_lightgbm,
        [
            Row("regression", {}, "real", "half_squared_error"),
            Row("regression_l1", {}, "real", "absolute_error", why=f"its curvature is 1; {MEDIAN}",
                curvature=ones, leaf=quantile(0.5, "linear")),
            Row("huber", {"alpha": 0.9}, "real", "huber", {"delta": 0.9}, why="its curvature is 1", curvature=ones),
            Row("fair", {"fair_c": 1.3}, "real", "fair", {"c": 1.3}, why="its curvature is the exact one",
                curvature=exact),
            Row("quantile", {"alpha": 0.8}, "real", "pinball", {"tau": 0.8},
                why="its curvature is 1; a leaf is the quantile of its residuals, (n - 1) tau counted from the least",
                curvature=ones, leaf=quantile(0.8, "linear")),
            Row("mape", {}, "above 1", "absolute_percentage_error",
                why="its curvature is 1; a leaf is the residual just below their median by weights 1/y",
                curvature=ones, leaf=below_the_weighted_median),
            Row("binary", {}, "labels", "logistic"),
            Row("cross_entropy", {}, "shares", "binary_cross_entropy_logits"),
            Row("multiclass", {"num_class": 3}, "classes", "softmax_cross_entropy",
                why="its curvature is K/(K - 1) p (1 - p)", curvature=partial(exact, factor=1.5)),
            Row("poisson", {}, "counts", "poisson_log_link", why=POISSON, curvature=partial(exact, factor=E_07)),
            Row("gamma", {}, "positive", "gamma_log_link"),
            Row("tweedie", {"tweedie_variance_power": 1.5}, "counts", "tweedie_log_link", {"p": 1.5},
                why="its curvature is the exact one", curvature=exact),
        ],
    ),
    "catboost": (
        by_catboost,
        [
            Row("RMSE", {}, "real", "half_squared_error"),
            Row("MAE", LEAF, "real", "absolute_error", why="half of the loss", scale=0.5, curvature=ones),
            Row("MAE", {}, "real", "absolute_error", why=f"{MEDIAN}, the lower one of two (Exact)",
                curvature=ones, leaf=quantile(0.5, "inverted_cdf"), also=LEAF, scale=0.5),
            Row("Quantile:alpha=0.8", LEAF, "real", "pinball", {"tau": 0.8}),
            Row("Quantile:alpha=0.8", {}, "real", "pinball", {"tau": 0.8},
                why="a leaf is the quantile of its residuals, the lower one of two, give or take 1e-6 (Exact)",
                curvature=ones, leaf=quantile(0.8, "inverted_cdf"), also=LEAF),
            Row("MAPE", LEAF, "above 1", "absolute_percentage_error",
                why="at the kink its slope is 1/y, not the mean", curvature=ones, gradient=percentage_from_the_right),
            Row("Huber:delta=1.3", {}, "real", "huber", {"delta": 1.3}, why="its curvature is the exact one",
                curvature=exact),
            Row("Expectile:alpha=0.8", {}, "real", "expectile", {"tau": 0.8}),
            Row("Lq:q=3", {}, "real", "power_error", {"q": 3.0}),
            Row("LogCosh", {"leaf_estimation_method": "Newton"}, "real", "log_cosh",
                why="its curvature is the exact one", curvature=exact),
            Row("LogCosh", {}, "real", "log_cosh", why="a leaf has the least loss of its residuals (Exact)",
                curvature=exact, leaf=least_log_cosh, also=LEAF),
            Row("Logloss", {}, "labels", "logistic"),
            Row("CrossEntropy", {}, "shares", "binary_cross_entropy_logits"),
            Row("Focal:focal_alpha=0.25;focal_gamma=2", {}, "labels", "focal", {"alpha": 0.25, "gamma": 2.0},
                why="its curvature is the exact one", curvature=exact),
            Row("MultiClass", {"classes_count": 3}, "classes", "softmax_cross_entropy"),
            Row("Poisson", {}, "counts", "poisson_log_link"),
            Row("Tweedie:variance_power=1.5", {}, "counts", "tweedie_log_link", {"p": 1.5},
                why="its curvature is the exact one", curvature=exact),
        ],
    ),
    "sklearn": (
        by_sklearn,
        [
            Row("squared_error", {}, "real", "half_squared_error"),
            Row("absolute_error", {}, "real", "absolute_error"),
            Row("quantile", {"quantile": 0.8}, "real", "pinball", {"tau": 0.8},
                why="it begins at, and a leaf is, the quantile, (n - 1) tau counted from the least; ours is the middle "
                "of all that are one", curvature=ones, leaf=quantile(0.8, "linear")),
            Row("poisson", {}, "counts", "poisson_log_link"),
            Row("gamma", {}, "positive", "gamma_log_link"),
            Row("log_loss", {}, "labels", "logistic"),
            Row("log_loss", {}, "classes", "softmax_cross_entropy", why="its curvature is p (1 - p)", curvature=exact),
        ],
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What our objective begins with, its curvature, and the greatest differences of raw scores."""

    start: Any
    curvature: str
    difference: float
    explained: float | None


def compare(library: str, row: Row) -> Result:
    train, y = LIBRARIES[library][0], TARGETS[row.target]
    chosen = default(library, row)
    own = chosen.objective if library == "sklearn" else chosen
    start = np.asarray(own.intercept(y))
    begin = np.broadcast_to(start, (N, *start.shape)).copy()
    key = {"catboost": "loss_function", "sklearn": "loss"}.get(library, "objective")
    theirs, _ = train(row.settings | {key: row.built_in}, y, begin, None, ROUNDS)
    kept = ("num_class", "classes_count", "leaf_estimation_method")
    shared = {k: v for k, v in row.settings.items() if k in kept}
    if library == "sklearn":
        shared["loss"] = row.built_in
    ours, _ = train(shared, y, begin, chosen, ROUNDS)
    shown, difference = str(own.curvature), apart(ours, theirs)
    if not row.why:
        return Result(start, shown, difference, None)
    own.curvature = Changed(row.curvature or exact, row.gradient or partial(slope, scale=row.scale))
    settings = shared | row.also
    if library == "sklearn" and row.leaf is not None:  # it asks the loss for the value of a leaf
        leaf = row.leaf
        chosen.fit_intercept_only = lambda y_true, sample_weight=None: np.float64(leaf(y_true, y_true))
        return Result(start, shown, difference, apart(train(settings, y, begin, chosen, ROUNDS)[0], theirs))
    alike = (
        train(settings, y, begin, chosen, ROUNDS)[0] if row.leaf is None else by_leaves(train, settings, y, own, row)
    )
    return Result(start, shown, difference, apart(alike, theirs))


def apart(ours: Array, theirs: Array) -> float:
    return float(np.abs(ours - theirs).max())


def by_leaves(train: Train, settings: dict[str, Any], y: Array, own: Any, row: Row) -> Array:
    """Raw scores where each tree is grown from our derivatives, and its leaves get the values that the row says."""
    raw = np.full(N, float(own.intercept(y)))
    for _ in range(ROUNDS):
        leaves = train(settings, y, raw.copy(), own, 1)[1].ravel()
        step = np.zeros(N)
        for leaf in np.unique(leaves):
            rows = leaves == leaf
            assert row.leaf is not None
            step[rows] = RATE * row.leaf((y - raw)[rows], y[rows])
        raw = raw + step
    return raw


def default(library: str, row: Row) -> Any:
    """Our objective with its default curvature; with ones where it has none."""
    loss = lf.losses[row.loss](backend="numpy", **row.parameters)  # compiling thirty losses takes longer than this
    if library == "sklearn" and row.target == "classes":
        return lf.objective(loss, library=library, n_classes=3)
    try:
        return lf.objective(loss, library=library)
    except ValueError:
        return lf.objective(loss, library=library, curvature="constant")


# --- where the library begins by itself


def beginning(library: str, row: Row) -> Any:
    """The raw score that the built-in objective begins with: of a model whose trees weigh next to nothing."""
    y, name = TARGETS[row.target], row.built_in
    if library == "xgboost":
        data = xgboost.DMatrix(X, y)
        for side in ("lower", "upper") if name == "survival:aft" else ():
            data.set_float_info(f"label_{side}_bound", y)
        booster = xgboost.train({"nthread": 1, "eta": 1e-9, "objective": name, **row.settings}, data, 1)
        return booster.predict(data, output_margin=True)[0]
    if library == "lightgbm":
        parameters = {"num_threads": 1, "verbose": -1, "learning_rate": 1e-9, "objective": name, **row.settings}
        return np.asarray(lightgbm.train(parameters, lightgbm.Dataset(X, y), 1).predict(X, raw_score=True))[0]
    if library == "sklearn":
        kind = HistGradientBoostingClassifier if name == "log_loss" else HistGradientBoostingRegressor
        return kind(max_iter=1, loss=name, **row.settings).fit(X, y)._baseline_prediction.ravel()
    quiet = {"iterations": 1, "depth": 1, "verbose": False, "allow_writing_files": False, "thread_count": 1}
    model = catboost.CatBoost({**quiet, "loss_function": name, **row.settings}).fit(X, y)
    return np.asarray(model.get_scale_and_bias()[1])


def starts(library: str, row: Row, own: Any) -> str:
    theirs = np.atleast_1d(beginning(library, row)).astype(float)
    ours = np.atleast_1d(own)
    theirs, ours = (a - a.mean() if len(a) > 1 else a for a in (theirs, ours))
    return "the same" if np.abs(theirs - ours).max() < 1e-4 else f"{numbers(theirs)}; ours {numbers(ours)}"


def numbers(values: Array) -> str:
    return ", ".join(f"{v + 0.0:.4g}" if abs(v) > 5e-7 else "0" for v in values)


# --- the page


def shown(difference: float) -> str:
    return "equal" if difference < EQUAL else f"{difference:.1g}"


def table(library: str) -> list[str]:
    lines = [
        "| built in | ours | our curvature | differ by | why | then differ by | begins at |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in LIBRARIES[library][1]:
        found = compare(library, row)
        bound = "".join(f", {k}={v:g}" for k, v in row.parameters.items())
        named = row.built_in + "".join(
            f" {v}" for k, v in row.settings.items() if k in ("aft_loss_distribution", "leaf_estimation_method")
        )
        then = "" if found.explained is None else shown(found.explained)
        cells = [
            f"`{named}`", f"`{row.loss}`{bound}", found.curvature, shown(found.difference), row.why, then,
            starts(library, row, found.start),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return lines


TITLES = {"xgboost": "XGBoost", "lightgbm": "LightGBM", "catboost": "CatBoost", "sklearn": "scikit-learn"}


def page() -> str:
    lines = [
        "# Parity with the built-in objectives",
        "",
        "<!-- Written by docs/parity.py. Do not edit: python docs/parity.py -->",
        "",
        f"Measured with {VERSIONS}.",
        "",
        f"The built-in objective of a library and ours of the same loss are trained on the same {N} rows for {ROUNDS}",
        "rounds from the same start. *differ by* is the greatest difference of their raw scores, where ours has its",
        "default curvature, and 1 where it has none; below 1e-5 they are called equal. Where they are not, *why* says",
        "what the library does otherwise. This is verified, not inferred: *then differ by* is the greatest difference",
        "once ours does the same (its curvature exchanged, its gradient scaled, its leaves set).",
        "",
        "*begins at* is the raw score from which the library starts by itself, against our intercept: the constant",
        "with the least mean loss. With a custom objective XGBoost starts from 1/2, LightGBM and CatBoost from 0,",
        "unless they are given the intercept: see [objectives](objectives.md). scikit-learn asks the loss for it.",
    ]
    for library, title in TITLES.items():
        lines += ["", f"## {title}", "", *table(library)]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(f"docs/parity.py takes no argument but --check, got: {' '.join(arguments)}", file=sys.stderr)
        return 2
    made = page()
    if not arguments:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.exists() or made != PAGE.read_text(encoding="utf-8"):
        print("docs/parity.md would be written differently: python docs/parity.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
