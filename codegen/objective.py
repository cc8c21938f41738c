"""How does a formula become an objective? `lf.objective`, which also takes names and functions.

What the catalogue holds, and what is compiled already, needs NumPy alone: SymPy is imported only for a formula.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..runtime.function import LossFunction
from ..runtime.objectives import objective as of_function

if TYPE_CHECKING:
    from ..spec.model import Loss


def objective(loss: str | LossFunction | Loss, library: str, curvature: str | None = None, **options: Any) -> Any:
    """A loss as an objective of a library: "xgboost", "lightgbm", "catboost", "sklearn", "scipy", "torch" or "jax".

    `loss` is a name of the catalogue, a function made by `lf.losses` or `lf.compile`, or a formula such as
    `lf.parse("...")`, about which is proved first what decides its curvature. `curvature` names what stands for the
    second derivative: "exact", "majorizer", "fisher", "gauss_newton", "reweighted", "diagonal_bound",
    "floored(1e-6)", "constant(1)"; by default the best one that is proved positive. `options` are the parameters of
    the loss, and what the library's adapter takes. Raises TypeError, ValueError, ParameterError for what does not
    fit, ModuleNotFoundError where the library is not installed.
    """
    if isinstance(loss, str | LossFunction):
        return of_function(loss, library, curvature, **options)
    from .compile import compile_loss, compile_proved, tensor_source

    parameters = {p.name: options.pop(p.name) for p in getattr(loss, "parameters", ()) if p.name in options}
    if library == "torch" or library == "jax":
        compiled = compile_loss(loss, **parameters)
        return of_function(compiled, library, curvature, source=tensor_source(loss, library), **options)
    return of_function(compile_proved(loss, **parameters), library, curvature, **options)
