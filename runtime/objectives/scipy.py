"""How is a linear model fitted by `scipy.optimize.minimize`? Value, gradient and Hessian-vector product in its weights.

    o = ScipyObjective(loss, X=X, y=y, l2=1.0)
    best = minimize(o.fun, o.start(), jac=True, hessp=o.hessp, method="trust-ncg")

The raw scores of the samples are X θ, or X θ + b with an intercept; what follows from the loss in the raw score follows
for θ by the chain rule, which is all that stands here. `X` is a dense array or one of scipy.sparse; nothing of SciPy is
needed to compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .core import BadNumber, Objective, weights

Array = NDArray[Any]


class ScipyObjective(Objective):
    """The penalised mean loss of a linear model, as a function of its weights.

    It is sum(w loss(y, X θ + b)) / sum(w) + l2/2 |θ|², with `X` of shape (n, p), targets `y`, weights `sample_weight`
    (all 1 by default) and an intercept b, which is not penalised, where `fit_intercept` says so. With K raw scores a
    sample (K classes, or several predictions) θ has shape (p, K) and b shape (K,); `n_classes` says K where the
    labels in y may lack the last one.

    The vector that SciPy varies has the entries of θ, row by row, and then those of b: `split` takes it apart. A value
    that is not finite, or a raw score outside the domain of the loss, is the value inf, from which a line search turns
    back.

    The curvature is the exact Hessian by default, as SciPy's methods mean it; another one, such as "majorizer", makes
    them descend surely where the loss is not convex.

    Raises ValueError for shapes that do not fit, BadNumber for numbers that are not finite.
    """

    OPTIONS = ("X", "y", "sample_weight", "l2", "fit_intercept", "n_classes")

    def __init__(
        self,
        loss: Any,
        curvature: str | None = None,
        *,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        l2: float = 0.0,
        fit_intercept: bool = True,
        n_classes: int | None = None,
    ) -> None:
        super().__init__(loss, curvature or "exact")
        self.X, self.y = _design(X), self.targets(y)
        n = self.X.shape[0]
        weight = weights(sample_weight)
        weight = np.ones(n) if weight is None else weight
        if len(self.y) != n or len(weight) != n:
            raise ValueError(f"X has {n} rows, y {len(self.y)}, sample_weight {len(weight)}; expected as many of each")
        if not 0 < weight.sum() < np.inf:
            raise ValueError(f"the weights sum to {weight.sum()}; expected a positive number")
        if not 0 <= l2 < np.inf:
            raise ValueError(f"l2 is {l2!r}; expected a number of 0 or more")
        self.weight, self.l2, self.fit_intercept = weight / weight.sum(), float(l2), bool(fit_intercept)
        self.size = self.outputs or n_classes or self._classes()
        self._bent: tuple[Array, Array] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the weights, the intercepts being the last row."""
        return int(self.X.shape[1]) + self.fit_intercept, self.size

    def start(self) -> Array:
        """Where to begin: weights of 0, and the best constant raw score as the intercept."""
        theta = np.zeros(self.shape)
        if self.fit_intercept:
            theta[-1] = self.intercept(self.y, self.weight)
        return theta.ravel()

    def split(self, theta: Any) -> tuple[Array, Array | float]:
        """Weights (p,) and the intercept, a float; or (p, K) and (K,)."""
        rows = self._rows(theta)
        coefficients, b = (rows[:-1], rows[-1]) if self.fit_intercept else (rows, np.zeros(self.size))
        return (coefficients, b) if self._several else (coefficients[:, 0], float(b[0]))

    def scores(self, theta: Any, X: Any = None) -> Array:
        """The raw scores of the samples, or of others: (n,) or (n, K)."""
        f = self._forward(self._rows(theta), self.X if X is None else _design(X))
        return f if self._several else f[:, 0]

    def fun(self, theta: Any) -> tuple[float, Array]:
        """Value and gradient, for `minimize(..., jac=True)`."""
        rows, f = self._rows(theta), self.scores(theta)
        if not self._inside(f):
            return np.inf, np.full(rows.size, np.nan)
        with np.errstate(all="ignore"):
            losses, gradient = self.loss.loss_gradient(self.y, f)
            value = float(self.weight @ losses) + self.l2 / 2 * float(np.sum(self._penalised(rows) ** 2))
            slope = self._back(self._weighted(gradient)) + self.l2 * self._penalised(rows)
        return value if np.isfinite(value) else np.inf, slope.ravel()

    def __call__(self, theta: Any) -> tuple[float, Array]:
        return self.fun(theta)

    def hessp(self, theta: Any, v: Any) -> Array:
        """The Hessian, or the curvature that stands for it, times v."""
        bent, v = self._curvatures(theta), self._rows(v)
        f = self._forward(v, self.X)
        product = np.einsum("nab,nb->na", bent, f) if bent.ndim == 3 else bent * f
        return np.asarray(self._back(product) + self.l2 * self._penalised(v)).ravel()

    def hess(self, theta: Any) -> Array:
        """The Hessian, or the curvature that stands for it, as a matrix."""
        bent, (p, size) = self._curvatures(theta), self.shape
        X = self.X.toarray() if hasattr(self.X, "toarray") else self.X
        X = np.column_stack([X, np.ones(len(X))]) if self.fit_intercept else X
        whole = np.zeros((p, size, p, size))
        for a in range(size):
            for b in range(size) if bent.ndim == 3 else (a,):
                entries = bent[:, a, b] if bent.ndim == 3 else bent[:, a]
                whole[:, a, :, b] = X.T @ (entries[:, None] * X)
        penalty = self.l2 * self._penalised(np.ones(self.shape))
        return whole.reshape(p * size, p * size) + np.diag(penalty.ravel())

    @property
    def _several(self) -> bool:
        return self.outputs != 1

    def _classes(self) -> int:
        return int(self.y.shape[1]) if self.y.ndim > 1 else int(self.y.max()) + 1

    def _rows(self, theta: Any) -> Array:
        theta = np.asarray(theta, np.float64)
        p, size = self.shape
        if theta.size != p * size:
            raise ValueError(f"theta has {theta.size} entries; expected {p} times {size}, as start() has")
        return theta.reshape(self.shape)

    def _forward(self, rows: Array, X: Any) -> Array:
        f = X @ (rows[:-1] if self.fit_intercept else rows)
        return np.asarray(f + rows[-1] if self.fit_intercept else f)

    def _back(self, g: Array) -> Array:
        """Sums over the samples, (n, K) to the shape of the weights."""
        sums = self.X.T @ g
        return np.vstack([sums, g.sum(axis=0)]) if self.fit_intercept else np.asarray(sums)

    def _weighted(self, g: Array) -> Array:
        g = np.asarray(g, np.float64).reshape(len(self.y), self.size, *np.shape(g)[2:])
        return np.asarray(g * self.weight.reshape(-1, *[1] * (g.ndim - 1)))

    def _penalised(self, rows: Array) -> Array:
        """The weights, with 0 for the intercepts."""
        return np.vstack([rows[:-1], np.zeros(self.size)]) if self.fit_intercept else rows

    def _curvatures(self, theta: Any) -> Array:
        """The weighted curvature of each sample, (n, K) or (n, K, K); kept, as SciPy asks for many products at a θ."""
        theta = np.array(theta, np.float64)
        kept = self._bent
        if kept is None or not np.array_equal(kept[0], theta):
            f = self.scores(theta)
            if not self._inside(f):  # the value there is inf, so SciPy steps back; but it asks for numbers first
                return np.tile(self.weight[:, None], self.size)
            if self._several and self.curvature.name == "exact":
                bent = self.loss.hessian(self.y, f)
            else:
                _, bent = self.curvature.derivatives(self.loss, self.y, f)
            kept = self._bent = theta, self._weighted(bent)
        return kept[1]

    def _inside(self, f: Array) -> bool:
        """Whether all raw scores are finite and in the domain of the loss."""
        if not np.isfinite(f).all():
            return False
        domains = [a["domain"] for a in self.loss.facts["arguments"].values() if a["role"] == "prediction"]
        for column, domain in zip(np.atleast_2d(f.T), domains * (self.size // len(domains)), strict=True):
            low, high = (float(end.replace("oo", "inf")) for end in domain.partition("^")[0].strip("[]()").split(", "))
            open_low, open_high = domain[0] == "(", ")" in domain.partition("^")[0]
            if np.any(column < low) or np.any(column > high):
                return False
            if (open_low and np.any(column == low)) or (open_high and np.any(column == high)):
                return False
        return True


def _design(X: Any) -> Any:
    """The design matrix in float64. Raises BadNumber for what is not finite, with its row and column."""
    X = X.astype(np.float64) if hasattr(X, "tocsr") else np.asarray(X, np.float64)
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}; expected (n, p), a row for each sample")
    entries = X.tocoo() if hasattr(X, "tocoo") else X
    numbers = entries.data if hasattr(X, "tocoo") else X
    if np.isfinite(numbers).all():
        return X.tocsr() if hasattr(X, "tocsr") else X
    if hasattr(X, "tocoo"):
        first = int(np.flatnonzero(~np.isfinite(numbers))[0])
        row, column, value = int(entries.row[first]), int(entries.col[first]), numbers[first]
    else:
        row, column = (int(i) for i in np.argwhere(~np.isfinite(X))[0])
        value = X[row, column]
    raise BadNumber(f"X[{row}, {column}] is {value}; drop such rows, or fill them in")
