"""How does a loss train? `objective("pseudo_huber", library="xgboost")`: one adapter a library, over one core.

`core.py` says what every library is given, `curvature.py` what stands for the second derivative, `intercept.py` where
to begin. An adapter owns the conventions of its library and imports it only when it is asked for.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from ..catalog import losses
from ..function import LossFunction

# library -> the class in the module of its name
LIBRARIES = {
    "xgboost": "XGBoostObjective",
    "lightgbm": "LightGBMObjective",
    "catboost": "CatBoostObjective",
    "sklearn": "SklearnLoss",
    "scipy": "ScipyObjective",
    "torch": "TorchObjective",
    "jax": "JaxObjective",
}


def objective(loss: str | LossFunction, library: str, curvature: str | None = None, **options: Any) -> Any:
    """A loss as an objective of a library.

    `loss` is a name of the catalogue, with its parameters among the options, or a function made by `lf.losses` or
    `lf.compile`. `curvature` names what stands for the second derivative (see `Objective`). What else an adapter
    takes is in the documentation of its class. Raises ValueError for a loss, library or curvature that is none,
    ParameterError for parameters that do not fit, ModuleNotFoundError where the library is not installed.
    """
    if library not in LIBRARIES:
        near = get_close_matches(str(library), LIBRARIES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"library is {library!r}; expected one of {', '.join(LIBRARIES)}{hint}")
    adapter = getattr(import_module(f".{library}", __name__), LIBRARIES[library])
    own = {name: options.pop(name) for name in adapter.OPTIONS if name in options}
    if isinstance(loss, str):
        if loss not in losses:
            near = get_close_matches(loss, losses, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "of a formula of your own, pass lf.parse(...)"
            raise ValueError(f"the catalogue has no loss {loss!r}; {hint}")
        loss = losses[loss](**options)
    elif options:
        raise TypeError(f"the parameters of {loss.name} are bound already, got {', '.join(options)} as well")
    return adapter(loss, curvature, **own)
