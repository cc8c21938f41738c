"""What does a user type? `import lossforge as lf`, then these names.

`losses.huber(delta=1.5)` is a function over arrays. The formula behind it is
`catalog["huber"]`, a `Loss`; `parse`, `load`, `loss` and `combine` make more of
these, and `derive`, `compile`, `check` and `diff` take them; `audit` holds
somebody else's code against one.

Each is imported when first asked for: `lf.losses` and evaluation pay for NumPy
alone, what works on formulas for SymPy, and `lossforge --help` for neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cli.audit import audit_code as audit
    from .cli.check import check_loss as check
    from .codegen.compile import compile_loss as compile
    from .codegen.objective import objective as objective
    from .derive.compare import compare as diff
    from .derive.derivation import derive as derive
    from .runtime import ArtifactError, DomainViolation, EnvironmentLacking, LossFunction, ParameterError, losses
    from .spec.algebra import combine as combine
    from .spec.catalog import CATALOG as catalog
    from .spec.declare import loss as loss
    from .spec.file import load as load
    from .spec.text import parse as parse

__version__ = "0.1.0"

# name -> where it lives. `derive` is the subpackage itself, which can be called; see derive/__init__.py.
_HOMES = {
    "ArtifactError": ("runtime", "ArtifactError"),
    "DomainViolation": ("runtime", "DomainViolation"),
    "EnvironmentLacking": ("runtime", "EnvironmentLacking"),
    "LossFunction": ("runtime", "LossFunction"),
    "ParameterError": ("runtime", "ParameterError"),
    "audit": ("cli.audit", "audit_code"),
    "catalog": ("spec.catalog", "CATALOG"),
    "check": ("cli.check", "check_loss"),
    "combine": ("spec.algebra", "combine"),
    "compile": ("codegen.compile", "compile_loss"),
    "derive": ("derive", None),
    "diff": ("derive.compare", "compare"),
    "load": ("spec.file", "load"),
    "loss": ("spec.declare", "loss"),
    "losses": ("runtime", "losses"),
    "objective": ("codegen.objective", "objective"),
    "parse": ("spec.text", "parse"),
}

__all__ = [
    "ArtifactError", "DomainViolation", "EnvironmentLacking", "LossFunction", "ParameterError", "__version__",
    "audit", "catalog", "check", "combine", "compile", "derive", "diff", "load", "loss", "losses", "objective", "parse",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    home = import_module(f".{module}", __name__)
    value = home if attribute is None else getattr(home, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
