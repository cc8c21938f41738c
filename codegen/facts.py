"""What is known of a loss, as data? The JSON document of `lossforge show --json`, schema 1.

Everything at run time reads these facts instead of deriving them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sympy import Expr

from ..derive.curvatures import Claimed, Curvature, link, preferred
from ..derive.derivation import Derivation, kept_definitions, upper_triangle
from ..derive.forms import proved_base
from ..derive.intercept import intercept
from ..derive.present import presented
from ..spec.catalog.smoothed import SMOOTHED
from ..spec.model import Parameter
from ..spec.notation import latex, text
from .ir import Kernel

SCHEMA = 1

Facts = dict[str, Any]


def facts(
    derivation: Derivation,
    kernels: Iterable[Kernel] = (),
    properties: Claimed | None = None,
    curvatures: Mapping[str, Curvature] | None = None,
) -> Facts:
    """The facts of one loss.

    `kernels` adds which kernels its files hold, `properties` what is proved about it, `curvatures` what may stand for
    its second derivative.
    """
    loss, back = derivation.loss, link(derivation)
    names = [p.name for p in loss.predictions]
    gradient: dict[str, Any]
    hessian: dict[str, Any]
    if len(names) == 1:
        gradient, hessian = formula(presented(derivation.gradients[0])), formula(presented(derivation.hessians[0]))
    else:
        gradient = {n: formula(presented(g)) for n, g in zip(names, derivation.gradients, strict=True)}
        hessian = {
            f"{names[a]}, {names[b]}": formula(presented(h))
            for (a, b), h in zip(upper_triangle(len(names)), derivation.hessians, strict=True)
        }
    return {
        "schema": SCHEMA,
        "name": loss.name,
        "title": loss.title,
        "summary": loss.summary,
        "family": loss.family,
        "references": list(loss.references),
        "remarks": list(loss.remarks),
        "equivalents": list(loss.equivalents),
        "base": proved_base(loss),
        "size": None if loss.size is None else loss.size.name,
        "arguments": {a.name: {"role": a.role, "domain": a.domain.text} for a in loss.arguments},
        "parameters": {p.name: _parameter(p) for p in loss.parameters},
        "definitions": {d.symbol.name: text(d.meaning) for d in kept_definitions(derivation)},
        "formula": formula(loss.expression),
        "stable": formula(derivation.stable),
        "gradient": gradient,
        "hessian": hessian,
        "inverse_link": None if derivation.inverse_link is None else formula(derivation.inverse_link),
        "link": None if back is None else formula(back),
        "kinks": [
            {"at": text(k.at), "order": k.order, "left": text(k.left), "right": text(k.right), "value": text(k.value)}
            for k in derivation.kinks
        ],
        "properties": dict(properties or {}),
        "curvatures": {name: _curvature(c) for name, c in (curvatures or {}).items()},
        "preferred": list(preferred(derivation, curvatures or {}, properties or {})),
        "intercept": intercept(derivation, properties or {}),
        "smoothed": list(SMOOTHED.get(loss.name, ())),
        "kernels": {k.name: [o.name for o in k.outputs] for k in kernels},
    }


def _curvature(c: Curvature) -> Facts:
    written = {} if c.formula is None else {"formula": formula(presented(c.formula))}
    return {**written, "rule": c.rule, "holds": c.holds, "positive": c.positive, "lemmas": list(c.lemmas)}


def formula(e: Expr) -> dict[str, str]:
    return {"text": text(e), "latex": latex(e)}


def dumps(document: Facts) -> str:
    """JSON with a fixed layout, for files that are compared byte by byte."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {"domain": parameter.domain.text, "default": _number(parameter.default)}


def _number(value: Expr | None) -> int | float | str | None:
    """An int, a float where one says exactly the same, else a fraction as text."""
    if value is None:
        return None
    if value.is_Integer:
        return int(value)
    q = int(value.q)
    while q % 2 == 0:
        q //= 2
    while q % 5 == 0:
        q //= 5
    return float(value) if q == 1 else str(value)
