"""What may somebody have computed instead of one output of a loss?

A hypothesis is a sentence and the numbers that it foretells, at the points to fit and at the fresh ones. Beside them
stand the terms and factors of the derivative, of which one may be missing, what other values of a parameter would give,
and the parts of the inputs that have a name.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sympy as sp

from ...runtime import losses
from ...spec.notation import text
from ..floats import FloatError
from .agreement import fits
from .ground import Floats, Ground
from .mistakes import mistakes
from .writing import is_stand_in, shown


@dataclass(frozen=True, slots=True)
class Hypothesis:
    kind: str
    words: str
    values: Floats


class Hypotheses:
    """All hypotheses about one output of one loss, with their numbers at the points to fit and the fresh ones."""

    def __init__(self, ground: Ground, output: str) -> None:
        self.ground, self.output = ground, output
        a, b = ground.fit, ground.fresh
        self.y, self.f = np.concatenate([a.y, b.y]), np.concatenate([a.f, b.f])
        self.exact = {o: np.concatenate([a.exact[o], b.exact[o]]) for o in a.exact}
        self.truth = self.exact[output]

    @functools.cached_property
    def all(self) -> list[Hypothesis]:
        """From the most telling to the most particular."""
        found: list[Hypothesis] = []
        for family in (self._outputs, self._links, self._curvatures, self._parameters, self._arguments,
                       self._mistakes, self._others):  # fmt: skip
            with np.errstate(all="ignore"):
                for kind, words, values in family():
                    v = np.asarray(values, np.float64)
                    # A formula of no value at some inputs may be what somebody typed, and see NaN there.
                    some = v.shape == self.truth.shape and np.isfinite(v).mean() > 0.4
                    if some and not fits(v, self.truth).all():
                        found.append(Hypothesis(kind, words, v))
        return found

    @functools.cached_property
    def table(self) -> Floats:
        rows = [h.values for h in self.all]
        return np.array(rows) if rows else np.empty((0, len(self.truth)))

    # Families --------------------------------------------------------------------------------------------------

    def _outputs(self) -> Iterator[tuple[str, str, Floats]]:
        for other in ("gradient", "hessian", "loss"):
            if other != self.output and np.ptp(self.exact[other]) > 0:
                yield "outputs exchanged", f"it is the {_name(other)}", self.exact[other]

    def _links(self) -> Iterator[tuple[str, str, Floats]]:
        """Derivatives by what the raw score stands for, and chain factors too many."""
        g, h = self.exact["gradient"], self.exact["hessian"]
        if self.output == "loss" or self.ground.prediction.domain.text != "(-oo, oo)":
            return
        if self.ground.loss.base == "residual":
            return
        for name, slope, bend, factor in self._slopes:
            through = h - g * bend
            if self.output == "gradient":
                words = f"it is taken with respect to {name} instead of the raw score (off by {factor})"
                yield "with respect to the probability", words, g / slope
                yield "chain factor", f"it is multiplied by {factor} once too often", g * slope
            else:
                words = f"it is taken with respect to {name} instead of the raw score"
                yield "with respect to the probability", words, through / slope**2
                missing = f"the gradient times the second derivative of {name} is missing"
                yield "Gauss-Newton", f"it is the Gauss-Newton Hessian: {missing}", through
                yield "chain factor", f"the second derivative by {name}, multiplied by {factor} once", through / slope
                yield "chain factor", f"it is multiplied by {factor} once too often", h * slope
                yield "chain factor", f"it is off by {factor}", h / slope

    @functools.cached_property
    def _slopes(self) -> list[tuple[str, Floats, Floats, str]]:
        """What a raw score may stand for, with its slope, the slope of that one's logarithm, and the slope in words."""
        p, mean = 1 / (1 + np.exp(-self.f)), np.exp(self.f)
        return [("the probability p", p * (1 - p), 1 - 2 * p, "p*(1 - p)"),
                ("the mean exp(f)", mean, np.ones_like(p), "exp(f)")]  # fmt: skip

    def _curvatures(self) -> Iterator[tuple[str, str, Floats]]:
        g, h = self.exact["gradient"], self.exact["hessian"]
        if self.output == "gradient":
            yield "signs alone", "it is the sign of the truth alone", np.sign(g)
            yield "absolute value", "it is the absolute value of the truth", np.abs(g)
            return
        if self.output == "hessian":
            yield "absolute value", "it is the absolute value of the Hessian", np.abs(h)
            yield "squared gradient", "it is the squared gradient", g**2
            if self.ground.loss.base == "residual":
                words = "it is the gradient divided by the residual, a majorizer and not the Hessian"
                yield "majorizer", words, g / (self.f - self.y)
            yield "square", "it is the square of the truth", h**2

    def _parameters(self) -> Iterator[tuple[str, str, Floats]]:
        """The truth for other values of the parameters."""
        e = self.declared_form
        given = self.ground.parameters
        for p in self.ground.loss.parameters:
            v = given[p.name]
            changes: list[tuple[str, str, float]] = [
                ("parameter ignored", f"the parameter {p.name} is ignored: it counts as 1", 1.0),
                ("parameter ignored", f"the parameter {p.name} is ignored: it counts as 0", 0.0),
            ]
            if p.default is not None:
                d = float(p.default)
                changes.append(("parameter ignored", f"the parameter {p.name} is ignored: it counts as {d:g}", d))
            changes += [
                ("parameter swapped", f"1 - {p.name} stands where {p.name} belongs", 1 - v),
                ("parameter off", f"{p.name} + 1 stands where {p.name} belongs", v + 1),
                ("parameter off", f"{p.name} - 1 stands where {p.name} belongs", v - 1),
                ("parameter off", f"1/{p.name} stands where {p.name} belongs", 1 / v if v else np.nan),
                ("parameter off", f"{p.name}/2 stands where {p.name} belongs", v / 2),
                ("parameter off", f"2*{p.name} stands where {p.name} belongs", 2 * v),
                ("parameter off", f"{p.name}**2 stands where {p.name} belongs", v * v),
                ("parameter off", f"sqrt({p.name}) stands where {p.name} belongs", abs(v) ** 0.5),
                ("parameter off", f"-{p.name} stands where {p.name} belongs", -v),
            ]
            changes += [("parameter swapped", f"{p.name} and {q.name} are exchanged", given[q.name])
                        for q in self.ground.loss.parameters if q is not p]  # fmt: skip
            for kind, words, value in changes:
                if np.isfinite(value) and value != v:
                    changed = {p.name: value}
                    if "exchanged" in words:
                        changed[words.split()[2]] = v
                    yield kind, words, self.formula(e, changed=changed)

    @functools.cached_property
    def declared_form(self) -> sp.Expr:
        d = self.ground.derivation
        return {"loss": d.stable, "gradient": d.gradients[0], "hessian": d.hessians[0]}[self.output]

    def _arguments(self) -> Iterator[tuple[str, str, Floats]]:
        """The truth for other conventions of target and prediction."""
        e, y, f = self.declared_form, self.y, self.f
        with np.errstate(all="ignore"):
            p, mean = 1 / (1 + np.exp(-f)), np.exp(f)
        for words, ys in (("the targets 0 and 1 are exchanged", 1 - y), ("the target has the wrong sign", -y),
                          ("targets -1 and 1 are expected, 0 and 1 were given", 2 * y - 1),
                          ("targets 0 and 1 are expected, -1 and 1 were given", (y + 1) / 2),
                          ("the target is ignored: it counts as 0", 0 * y),
                          ("the target is ignored: it counts as 1", 0 * y + 1)):  # fmt: skip
            yield "target convention", words, self.formula(e, ys, f)
        for words, fs in (("the prediction has the wrong sign", -f),
                          ("the raw score was expected to be a probability: it was put through the sigmoid twice", p),
                          ("the prediction is expected as a logarithm", mean),
                          ("the link is applied where none is due", np.log(np.where(f > 0, f, np.nan))),
                          ("a probability is expected, not the raw score", np.log(f / (1 - f)))):  # fmt: skip
            yield "prediction convention", words, self.formula(e, y, fs)
        if self.ground.target.domain == self.ground.prediction.domain or self.ground.loss.base is None:
            yield "arguments exchanged", "target and prediction are exchanged", self.formula(e, f, y)

    def _mistakes(self) -> Iterator[tuple[str, str, Floats]]:
        for m in mistakes(self.ground.forms[self.output], [p.symbol for p in self.ground.loss.parameters]):
            yield m.kind, m.words, self.formula(m.typed)

    def _others(self) -> Iterator[tuple[str, str, Floats]]:
        """What belongs to another model: its expected Hessian, or the same output of another loss of the catalogue."""
        if self.output == "hessian" and self.ground.loss.base != "residual":
            for _, slope, _, factor in self._slopes:
                yield "Fisher", f"it is {factor}, the expected Hessian of another model", slope
        for name in losses:
            if name == self.ground.loss.name:
                continue
            values = _of_another(name, self.output, self.ground, self.y, self.f)
            if values is not None and np.ptp(values) > 0:
                yield "another loss", f"it is the {_name(self.output)} of the loss {name}", values

    def formula(self, e: sp.Expr, y: Any = None, f: Any = None, changed: Mapping[str, float] | None = None) -> Floats:
        """An expression at all points, or at other targets and predictions; NaN where it cannot be computed."""
        try:
            return self.ground.formula(e, self.y if y is None else y, self.f if f is None else f, changed)
        except (FloatError, TypeError, KeyError, ZeroDivisionError):
            return np.full_like(self.truth, np.nan)

    # What else is held against the numbers ------------------------------------------------------------------------

    @functools.cached_property
    def terms(self) -> tuple[list[str], Floats]:
        """Summands of the forms of the derivative, with their numbers."""
        found: dict[sp.Expr, Floats] = {}
        for form in self.ground.forms[self.output]:
            for e in sp.preorder_traversal(form):
                if isinstance(e, sp.Add) and len(found) < 120:
                    for term in e.args:
                        if term not in found:
                            found[term] = self.formula(term)
        kept = [(shown(e), v) for e, v in found.items() if np.isfinite(v).all() and v.any()]
        return [w for w, _ in kept], self._stacked([v for _, v in kept])

    @functools.cached_property
    def factors(self) -> tuple[list[tuple[str, Literal["extra", "missing"]]], Floats]:
        """What may be a factor too many or too few: parts of the forms, and the usual suspects, up to their squares."""
        found: dict[sp.Expr, Floats] = {}
        own = {self.ground.target.name, self.ground.prediction.name, "r", "m"}
        for form in self.ground.forms[self.output]:
            for e in sp.preorder_traversal(form):
                parts = e.args if isinstance(e, sp.Mul | sp.Add) else (e,) if isinstance(e, sp.Expr) else ()
                for part in parts:
                    base = part.base if isinstance(part, sp.Pow) else part
                    new = len(found) < 160 and isinstance(base, sp.Expr) and base not in found
                    if new and any(str(s) in own or is_stand_in(s) for s in base.free_symbols):
                        found[base] = self.formula(base)
        with np.errstate(all="ignore"):
            p, mean = 1 / (1 + np.exp(-self.f)), np.exp(self.f)
        usual = [("y", self.y), (self.ground.prediction.name, self.f), ("(f - y)", self.f - self.y), ("p", p),
                 ("(1 - p)", 1 - p), ("p*(1 - p)", p * (1 - p)), ("exp(f)", mean)]  # fmt: skip
        words: list[tuple[str, Literal["extra", "missing"]]] = []
        rows: list[Floats] = []
        for name, v in [*((shown(e), v) for e, v in found.items()), *usual]:
            for power in (1, -1, 2, -2):
                with np.errstate(all="ignore"):
                    row = v**power
                if np.isfinite(row).all():
                    rows.append(row)
                    words.append((name if abs(power) == 1 else f"({name})**2", "extra" if power > 0 else "missing"))
        return words, self._stacked(rows)

    def _stacked(self, rows: list[Floats]) -> Floats:
        return np.array(rows) if rows else np.empty((0, len(self.truth)))

    @functools.cached_property
    def by_parameter(self) -> dict[str, tuple[Floats, Floats]]:
        """For each parameter, values on a grid and the numbers that each would give."""
        grid = np.unique(np.concatenate([np.linspace(0.02, 0.98, 17), np.geomspace(1e-2, 64, 30)]))

        def numbers(name: str) -> Floats:
            return np.array([self.formula(self.declared_form, changed={name: v}) for v in grid.tolist()])

        return {p.name: (grid, numbers(p.name)) for p in self.ground.loss.parameters}

    @functools.cached_property
    def parts(self) -> list[tuple[str, Any]]:
        y, f, name = self.y, self.f, self.ground.prediction.name
        parts: list[tuple[str, Any]] = [(f"for y = {v:g}", y == v) for v in np.unique(y)]
        if self.ground.loss.base == "residual":
            parts += [("for f > y", f > y), ("for f < y", f < y)]
        if self.ground.loss.base == "margin":
            parts += [("for y*f > 0", y * f > 0), ("for y*f < 0", y * f < 0)]
        parts += [("for y > 0", y > 0), ("for y < 0", y < 0), ("for y other than 0 and 1", (y != 0) & (y != 1)),
                  (f"for {name} > 0", f > 0), (f"for {name} < 0", f < 0)]  # fmt: skip
        for condition in self._conditions:
            holds = self.formula(sp.Piecewise((1, condition), (0, True))) == 1
            parts += [(f"where {text(condition)}", holds), (f"where not {text(condition)}", ~holds)]
        with np.errstate(all="ignore"):
            negative = self.truth < 0
        parts += [("where the truth is negative", negative), ("where the truth is positive", ~negative)]
        return [(words, where) for words, where in parts if where.any() and not where.all()]

    @functools.cached_property
    def _conditions(self) -> list[Any]:
        plain = [self.ground.loss.expression, *self.ground.forms[self.output]]
        found = [c for e in plain for c in e.atoms(sp.core.relational.Relational)]
        return list(dict.fromkeys(c for c in found if not isinstance(c, sp.Eq | sp.logic.boolalg.BooleanAtom)))[:8]


def _of_another(name: str, output: str, ground: Ground, y: Floats, f: Floats) -> Floats | None:
    """An output of another catalogue loss at the same inputs, targets translated between {0, 1} and {-1, 1}."""
    from ...runtime.artifacts import catalogue_facts

    facts = catalogue_facts(name)
    arguments = facts["arguments"]
    roles = [a["role"] for a in arguments.values()]
    if facts["size"] is not None or roles.count("prediction") != 1 or roles.count("target") != 1:
        return None
    domains = {a["role"]: a["domain"] for a in arguments.values()}
    ours = ground.target.domain.text
    if domains["prediction"] != ground.prediction.domain.text:
        return None
    binary = {"{0, 1}", "{-1, 1}", "[0, 1]"}
    if ours == "{-1, 1}" and domains["target"] in ("{0, 1}", "[0, 1]"):
        y = (y + 1) / 2
    elif ours in ("{0, 1}", "[0, 1]") and domains["target"] == "{-1, 1}":
        y = 2 * y - 1
    elif (ours in binary) != (domains["target"] in binary):
        return None
    values = {n: v for n, v in ground.parameters.items() if n in facts["parameters"]}
    try:
        with np.errstate(all="ignore"):
            function = losses[name](backend="numpy", **values)
            return np.asarray(getattr(function, output)(y, f, check_domain=False), np.float64)
    except (ValueError, TypeError):
        return None


def _name(output: str) -> str:
    return {"hessian": "Hessian"}.get(output, output)


__all__ = ["Hypotheses", "Hypothesis"]
