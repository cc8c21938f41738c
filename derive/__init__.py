"""What follows from a formula? Gradient, Hessian, kinks and proved properties.

The package can be called: `lossforge.derive(loss)` is
`lossforge.derive.derivation.derive(loss)`. A package and a function share this
name, and importing a submodule binds the package to it in any case; so the
package answers the call, and imports SymPy only then.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..spec.model import Loss
    from .derivation import Derivation


class _Callable(ModuleType):
    """A module that is also a function."""

    def __call__(self, loss: Loss) -> Derivation:
        from ..spec.model import expect_loss
        from .derivation import derive

        return derive(expect_loss(loss, "lf.derive"))


sys.modules[__name__].__class__ = _Callable
