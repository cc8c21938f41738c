"""How would a person write the derivation down?"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr

from ..spec.notation import latex, text
from .derivation import Derivation, base_variable, upper_triangle
from .forms import proved_base
from .present import presented


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a derivation: what is done, and the formula it leads to, in text and LaTeX."""

    title: str
    text: str
    latex: str


def steps(derivation: Derivation) -> list[Step]:
    """The derivation of gradient, Hessian and kinks, from the author's formula on."""
    loss = derivation.loss
    result = [_step("The loss, as written", "L", loss.expression)]
    for definition in loss.definitions:
        result.append(_step("where", text(definition.symbol), definition.meaning, latex(definition.symbol)))
    base = proved_base(loss)
    if base is not None:
        variable = {"residual": "r = f - y", "margin": "m = y*f"}[base]
        result.append(
            Step(f"The formula depends on y and f only through the {base}", variable, variable.replace("*", ""))
        )
    if derivation.stable != loss.expression:
        result.append(_step("In functions that keep their accuracy", "L", derivation.stable))
    if derivation.vector is not None:
        name = loss.predictions[0].name
        result.append(
            _step(
                f"Differentiate by {name}[j]; the sums over Kronecker deltas collapse",
                f"dL/d{name}[j]",
                derivation.gradients[0],
                rf"\partial L/\partial {name}_j",
            )
        )
        result.append(_step(f"Differentiate by {name}[k]", f"d2L/(d{name}[j] d{name}[k])", derivation.hessians[0],
                            rf"\partial^2 L/\partial {name}_j \partial {name}_k"))  # fmt: skip
        return result
    for prediction, gradient in zip(loss.predictions, derivation.gradients, strict=True):
        x, slope = base_variable(loss, prediction)
        how = f"Differentiate by {text(x)}, branch by branch"
        if x != prediction.symbol:
            how += f", and multiply by d{text(x)}/d{prediction.name} = {text(slope)}"
        f = latex(prediction.symbol)
        result.append(_step(how, f"dL/d{prediction.name}", gradient, rf"\partial L/\partial {f}"))
        result += _as_read(gradient, f"dL/d{prediction.name}", rf"\partial L/\partial {f}")
    names = [p.name for p in loss.predictions]
    for (a, b), hessian in zip(upper_triangle(len(names)), derivation.hessians, strict=True):
        by = f"{names[a]}" if a == b else f"{names[a]} and {names[b]}"
        left = f"d2L/d{names[a]}2" if a == b else f"d2L/(d{names[a]} d{names[b]})"
        symbols = [latex(p.symbol) for p in loss.predictions]
        tex = rf"\partial^2 L/\partial {symbols[a]}" + ("^2" if a == b else rf" \partial {symbols[b]}")
        result.append(_step(f"The second derivative by {by}", left, hessian, tex))
        result += _as_read(hessian, left, tex)
    for kink in derivation.kinks:
        what = {0: "the loss", 1: "the first derivative", 2: "the second derivative"}.get(
            kink.order, f"derivative {kink.order}"
        )
        convention = "as the formula says" if kink.order == 0 else "the mean of both sides, by convention"
        result.append(
            Step(
                f"Kink: {what} jumps from {text(kink.left)} to {text(kink.right)}; there it is {convention}",
                f"at {text(kink.at)}: {text(kink.value)}",
                f"{latex(kink.at)}: {latex(kink.value)}",
            )
        )
    return result


def _step(title: str, left: str, right: Expr, left_latex: str | None = None) -> Step:
    return Step(title, f"{left} = {text(right)}", f"{left_latex or left} = {latex(right)}")


def _as_read(e: Expr, left: str, left_latex: str) -> list[Step]:
    shown = presented(e)
    return [] if shown == e else [_step("which is the same as", left, shown, left_latex)]
