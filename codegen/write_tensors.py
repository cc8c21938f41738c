"""How does a loss become a module for PyTorch or JAX: a function to call, and its derivatives for their autograd?

The kernels take one tensor an argument, while a caller stacks several targets or predictions on the last axis. What
lies between is written here, as text; the templates hold what is the same for every loss.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sympy import Expr

from ..derive.derivation import upper_triangle
from ..spec.domains import OneHot
from ..spec.model import Argument, Loss
from ..spec.names import Allocator
from .target import Target

_WIDTH = 116
# What the templates define, beside the kernels.
_DEFINED = """
    loss gradient hessian loss_gradient gradient_hessian loss_gradient_hessian inverse_link loss_index gradient_index
    hessian_index loss_gradient_index gradient_hessian_index loss_gradient_hessian_index
    derived aligned constant reduced forwardloss forwardgradient forwardhessian forward_mode
    loss_of gradient_of hessian_of loss_rule gradient_rule hessian_rule tangent_of_f
"""
_LOCAL = "f y ctx inputs output grad tangent primals tangents weight sample_weight reduction losses shape rows"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a library writes what lies between its kernels and its autograd."""

    split: str
    stack: str


DIALECTS = {
    "torch": Dialect("{0}.unbind(-1)", "torch.stack([{0}], dim={1})"),
    "jax": Dialect("jnp.moveaxis({0}, -1, 0)", "jnp.stack([{0}], axis={1})"),
}


def tensor_module(loss: Loss, target: Target) -> dict[str, Any]:
    """What the template of a tensor library needs to know of a loss, beside its kernels."""
    dialect = DIALECTS[target.name]
    parameters = Allocator(target.reserved | {*_LOCAL.split()})
    names = {p.name: parameters.allocate(p.name) for p in loss.parameters}
    passed = ["y", "f", *names.values()]
    split = []
    groups: dict[str, tuple[Argument, ...]] = {"y": loss.targets, "f": loss.predictions}
    for whole, group in groups.items():
        if len(group) == 1:
            names[group[0].name] = whole
        else:
            names |= {a.name: parameters.allocate(a.name) for a in group}
            split.append(f"{', '.join(names[a.name] for a in group)} = {dialect.split.format(whole)}")
    called = [*(a.name for a in loss.arguments), *(p.name for p in loss.parameters)]
    arguments = ", ".join(names[n] for n in called)
    return {
        "name": Allocator(target.reserved | {*_DEFINED.split()}).allocate(loss.name),
        "loss_name": loss.name,
        "signature": _signature(loss, names),
        "documentation": _documentation(loss, names),
        "parameters": [names[p.name] for p in loss.parameters],
        "passed": ", ".join(passed),
        "passed_rows": ", ".join(["y", "rows", *passed[2:]]),
        "constants": len(loss.parameters),
        "split": split,
        **_parts(loss, arguments, dialect),
        "vector": loss.size is not None,
        "labels": _takes_labels(loss),
        "stacked": len(loss.predictions) if len(loss.predictions) > 1 else 0,
        "targets": len(loss.targets),
        "rows": loss.size is not None or len(loss.predictions) > 1,
    }


def _takes_labels(loss: Loss) -> bool:
    return isinstance(loss.targets[0].domain, OneHot)


def _parts(loss: Loss, arguments: str, dialect: Dialect) -> dict[str, str]:
    """The loss, the gradient and the Hessian of each sample, each as one tensor."""
    calls = {part: f"{part}({arguments})" for part in ("loss", "gradient", "hessian")}
    if _takes_labels(loss):
        calls = {part: f"({part}_index if y.ndim < f.ndim else {part})({arguments})" for part in calls}
    if (count := len(loss.predictions)) == 1:
        return {f"the_{part}": f"{call}[0]" for part, call in calls.items()}
    place = {pair: number for number, pair in enumerate(upper_triangle(count))}
    lines = []
    for i in range(count):
        entries = ", ".join(f"h[{place[min(i, j), max(i, j)]}]" for j in range(count))
        lines.append(dialect.stack.format(entries, -1))
    return {
        "the_loss": f"{calls['loss']}[0]",
        "the_gradient": dialect.stack.format(f"*{calls['gradient']}", -1),
        "the_hessian": dialect.stack.format(", ".join(lines), -2),
        "the_hessians": calls["hessian"],
    }


# What is said to the caller ----------------------------------------------------------------------


def _signature(loss: Loss, names: dict[str, str]) -> str:
    parameters = [f"{names[p.name]}{'' if p.default is None else f'={_number(p.default)}'}" for p in loss.parameters]
    return ", ".join(["f", "y", "*", *parameters, "sample_weight=None", 'reduction="mean"'])


def _number(value: Expr) -> str:
    return str(int(value)) if value.is_Integer else repr(float(value))


def _documentation(loss: Loss, names: dict[str, str]) -> list[str]:
    """The lines of the function's documentation, after its summary."""
    lines = [f"`f`: {_layout(loss.predictions, 'prediction')}.", f"`y`: {_targets(loss)}."]
    for p in loss.parameters:
        lines.append(f"`{names[p.name]}`: a number in {p.domain.text}.")
    return [text for line in lines for text in textwrap.wrap(line, _WIDTH, subsequent_indent="    ")]


def _targets(loss: Loss) -> str:
    said = _layout(loss.targets, "target")
    return f"class labels, integers (...) from 0 to K - 1; or the {said}" if _takes_labels(loss) else f"the {said}"


def _layout(group: Sequence[Argument], role: str) -> str:
    if len(group) > 1:
        named = ", ".join(f"{a.name} in {a.domain.text}" for a in group)
        return f"{role}s (..., {len(group)}), on the last axis {named}"
    (only,) = group
    if only.size is not None:
        return f"{role}s (..., {only.size}), each row in {only.domain.text}"
    return f"{role}s (...), each in {only.domain.text}"
