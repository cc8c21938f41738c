"""Which kernels does a loss have?

Loss, gradient and Hessian, and the fused ones that share their work. Losses
over K classes have a second set for targets given as class numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import sympy as sp
from sympy import Expr, KroneckerDelta, Symbol

from ..derive.curvatures import MEAN, Curvature, link
from ..derive.derivation import Derivation, base_variable, kept_definitions, upper_triangle
from ..derive.vector import contract, without_cancellation
from ..spec.declare import j, k
from ..spec.domains import Domain, FiniteSet, Integers, Interval, OneHot
from ..spec.model import Argument, Parameter
from .ir import Assign, Kernel
from .lower import Lowering
from .ranges import EVERYTHING, Range, between

PARTS: dict[str, tuple[str, ...]] = {
    "loss": ("loss",),
    "gradient": ("gradient",),
    "hessian": ("hessian",),
    "loss_gradient": ("loss", "gradient"),
    "gradient_hessian": ("gradient", "hessian"),
    "loss_gradient_hessian": ("loss", "gradient", "hessian"),
}


def kernels(derivation: Derivation) -> tuple[Kernel, ...]:
    """Every kernel of a loss, lowered and not yet optimised."""
    if derivation.vector is not None:
        return _vector_kernels(derivation)
    return _scalar_kernels(derivation)


def _scalar_kernels(derivation: Derivation) -> tuple[Kernel, ...]:
    loss = derivation.loss
    names = [p.name for p in loss.predictions]
    single = len(names) == 1
    expressions: dict[str, dict[str, Expr]] = {
        "loss": {"loss": derivation.stable},
        "gradient": {
            "gradient" if single else f"gradient_{n}": g for n, g in zip(names, derivation.gradients, strict=True)
        },
        "hessian": {
            "hessian" if single else f"hessian_{names[a]}_{names[b]}": h
            for (a, b), h in zip(upper_triangle(len(names)), derivation.hessians, strict=True)
        },
    }
    lowering = Lowering([base_variable(loss, p)[0] for p in loss.predictions], targets=[t.symbol for t in loss.targets])
    kept = kept_definitions(derivation)
    result = []
    for name, parts in PARTS.items():
        outputs = {o: e for part in parts for o, e in expressions[part].items()}
        used = set().union(*(e.free_symbols for e in outputs.values()))
        definitions = {d.symbol.name: d.meaning for d in kept if d.symbol in used}
        result.append(
            Kernel(
                name,
                tuple(a.name for a in loss.arguments),
                tuple(p.name for p in loss.parameters),
                tuple(Assign(o, lowering(e)) for o, e in outputs.items()),
                body=tuple(Assign(d, lowering(e)) for d, e in definitions.items()),
                pivots=lowering.pivots((*outputs.values(), *definitions.values())),
                predictions=tuple(names),
                domains=_domains(*loss.arguments, *loss.parameters),
                rounded=tuple(d.symbol.name for d in loss.definitions) if loss.base is not None else (),
            )
        )
    if derivation.inverse_link is not None:
        lowering = Lowering()
        result.append(
            Kernel(
                "inverse_link",
                (names[0],),
                tuple(p.name for p in loss.parameters),
                (Assign("mean", lowering(derivation.inverse_link)),),
                weighted=False,
                domains=_domains(*loss.parameters),
            )
        )
    return tuple(result)


def extra_kernels(derivation: Derivation, curvatures: Iterable[Curvature]) -> tuple[Kernel, ...]:
    """What an objective needs beside the kernels, and NumPy is fast enough for: other curvatures, and the link."""
    loss, result = derivation.loss, []
    parameters = tuple(p.name for p in loss.parameters)
    for c in curvatures:
        if c.formula is None:
            continue
        lowering = Lowering(targets=[t.symbol for t in loss.targets])
        used = [d for d in loss.definitions if d.symbol in c.formula.free_symbols]
        result.append(
            Kernel(
                c.name,
                tuple(a.name for a in loss.arguments),
                parameters,
                (Assign(c.name, lowering(c.formula)),),
                body=tuple(Assign(d.symbol.name, lowering(d.meaning)) for d in used),
                weighted=False,
                domains=_domains(*loss.arguments, *loss.parameters),
            )
        )
    if (back := link(derivation)) is not None:
        lowered = Assign("score", Lowering()(back))
        result.append(Kernel("link", (MEAN.name,), parameters, (lowered,), weighted=False))
    return tuple(result)


def _domains(*named: Argument | Parameter) -> tuple[tuple[str, Range], ...]:
    return tuple((n.name, _range(n.domain)) for n in named)


def _range(domain: Domain) -> Range:
    match domain:
        case FiniteSet(values):
            numbers = [float(v) for v in values]
            return between(numbers[0], numbers[-1], min(map(abs, numbers)))
        case Interval(low, high):
            return between(float(low), float(high))
        case Integers(low):
            return between(float(low), math.inf)
    return EVERYTHING


def _vector_kernels(derivation: Derivation) -> tuple[Kernel, ...]:
    loss, vector = derivation.loss, derivation.vector
    assert vector is not None
    target = loss.targets[0]
    one_hot = target.symbol if isinstance(target.domain, OneHot) else None
    gradient = without_cancellation(vector.gradient) if one_hot is None else vector.gradient
    forms = {"loss": vector.loss, "gradient": gradient, "hessian": vector.hessian}
    axes: dict[str, tuple[str, ...]] = {"loss": (), "gradient": (j.name,), "hessian": (j.name, k.name)}
    parameters = tuple(p.name for p in loss.parameters)
    result = []
    for suffix in ("", "_index") if one_hot is not None else ("",):
        label = Symbol(target.name, integer=True, positive=True) if suffix else None
        lowering = Lowering(label=label, one_hot=one_hot)
        expressions = {part: e if label is None else _at_label(e, target.symbol, label) for part, e in forms.items()}
        vectors = tuple(a.name for a in loss.arguments if label is None or a is not target)
        for name, parts in PARTS.items():
            result.append(
                Kernel(
                    name + suffix,
                    tuple(a.name for a in loss.arguments),
                    parameters,
                    tuple(Assign(part, lowering(expressions[part])) for part in parts),
                    axes=tuple(axes[part] for part in parts),
                    vectors=vectors,
                    index_target=None if label is None else target.name,
                )
            )
    if vector.inverse_link is not None:
        f = loss.predictions[0].name
        mean = Assign("mean", Lowering()(vector.inverse_link))
        result.append(
            Kernel("inverse_link", (f,), parameters, (mean,), axes=((k.name,),), vectors=(f,), weighted=False)
        )
    return tuple(result)


def _at_label(e: Expr, target: sp.IndexedBase, label: Symbol) -> Expr:
    """The expression for a one-hot target, given by its class: y[i] is 1 where i is the class."""
    indexed = e.replace(
        lambda n: isinstance(n, sp.Indexed) and n.base == target, lambda n: KroneckerDelta(n.indices[0], label)
    )
    return contract(indexed, None)
