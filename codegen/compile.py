"""How does a loss that is not in the catalogue become a function? `lf.compile`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Literal

from ..derive.claiming import claim
from ..derive.curvatures import NEEDED, lemmas
from ..derive.derivation import derive
from ..runtime.errors import EnvironmentLacking
from ..runtime.function import LossFunction
from ..runtime.native import compiler
from ..spec.catalog import CATALOG
from ..spec.model import Loss, expect_loss
from .build import artifacts, files_of
from .render import Artifact
from .tiers import Tier

Binder = Callable[[Mapping[str, Any]], LossFunction]


def compile_loss(
    loss: Loss,
    backend: Literal["auto", "c", "numpy"] = "auto",
    tier: Literal["accurate", "fast"] = "accurate",
    **parameters: Any,
) -> LossFunction:
    """Derive, generate and load a loss; the result is used like one of `lf.losses`.

    `parameters` are the loss's own; those without a default must be given.
    Raises TypeError for what is no Loss, DerivationError or TargetError when the
    formula cannot be derived or written, ParameterError for parameters that do
    not fit.
    """
    return _binder(expect_loss(loss, "lf.compile"))(backend, parameters, tier)


def compile_proved(loss: Loss, **parameters: Any) -> LossFunction:
    """`compile_loss`, with the curvatures and the intercept that objectives ask for: what they need is proved first."""
    artifacts_ = proved_artifacts(expect_loss(loss, "lf.objective"))
    texts = {a.path.split("/")[0]: a.text for a in artifacts_}
    return LossFunction.from_artifacts(json.loads(texts["facts"]), texts["numpy"], texts["c"], parameters)


@lru_cache(maxsize=64)
def proved_artifacts(loss: Loss) -> tuple[Artifact, ...]:
    """The files of a loss, with the curvatures and the intercept that objectives ask for."""
    derivation = derive(loss)
    claims = {name: derivation.properties[name].as_data() for name in NEEDED if name in derivation.properties}
    shown = {name: claim(lemma.about, lemma.property)[0] for name, lemma in lemmas(derivation, claims).items()}
    return tuple(files_of(derivation, claims, shown, "lossforge build FILE", ("numpy", "c")))


def available() -> tuple[str, ...]:
    """The back ends of this machine: `c` where there is a compiler, and `numpy`."""
    try:
        compiler()
    except EnvironmentLacking:
        return ("numpy",)
    return ("c", "numpy")


def bindings(loss: Loss, backends: Sequence[str] = (), tiers: Sequence[Tier] = ("accurate",)) -> dict[str, Binder]:
    """For each back end, by default for all available ones, what binds the parameters of a loss.

    C has one for each of the tiers, "c" and "c fast". Of a catalogue loss the
    files in generated/ are loaded; any other loss is derived and generated, once.
    """
    bind = partial(_catalogued, loss.name) if CATALOG.get(loss.name) == loss else _binder(loss)
    found: dict[str, Binder] = {}
    for backend in backends or available():
        for tier in tiers if backend == "c" else ("accurate",):
            name = backend if tier == "accurate" else f"{backend} {tier}"
            found[name] = partial(bind, backend, tier=tier)
    return found


def tensor_source(loss: Loss, library: str) -> str:
    """The module of a loss for "torch" or "jax", which needs nothing but that library.

    Raises DerivationError or TargetError when the formula cannot be derived or written.
    """
    made = artifacts(loss, regenerate="lossforge build FILE", targets=(library,))
    return next(a.text for a in made if a.path.startswith(f"{library}/"))


def _catalogued(name: str, backend: str, parameters: Mapping[str, Any], tier: str) -> LossFunction:
    return LossFunction.from_catalogue(name, parameters, backend, tier)


def _binder(loss: Loss) -> Callable[..., LossFunction]:
    texts = {a.path.split("/")[0]: a.text for a in artifacts(loss, regenerate="lossforge build FILE")}
    facts = json.loads(texts["facts"])

    def bind(backend: str, parameters: Mapping[str, Any], tier: str = "accurate") -> LossFunction:
        return LossFunction.from_artifacts(facts, texts["numpy"], texts["c"], parameters, backend, tier)

    return bind
