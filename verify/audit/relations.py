"""Which known relation to the truth do the numbers of the foreign code have?

A hypothesis is a sentence and the numbers that it foretells. Ratio and difference of the foreign and the exact values
are held against all of them at ordinary points; what fits has to fit at fresh points as well.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import sympy as sp

from ...runtime import losses
from ...spec.atoms import define_atoms
from ...spec.notation import text
from ..floats import FloatError
from .ground import Floats, Ground
from .mistakes import mistakes
from .writing import is_stand_in, meanings, shown

# The same number, but for a dozen roundings; and for what single precision makes of one.
CLOSE, SINGLE, ROUGH = 1e-9, 3e-6, 2e-6


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, as a kind of error and a sentence; `right` is how a multiple of the truth is put right."""

    kind: str
    words: str
    constant: float | None = None


@dataclass(frozen=True, slots=True)
class Hypothesis:
    kind: str
    words: str
    values: Floats


@dataclass(frozen=True, slots=True)
class Answers:
    """What the foreign code said of one output at the points to fit, then at the fresh ones; `rough` asks for less."""

    values: Floats
    rough: bool = False

    @property
    def tolerance(self) -> float:
        """What rounding explains: much more, if all numbers are those of single precision."""
        if self.rough:
            return ROUGH
        finite = self.values[np.isfinite(self.values)]
        with np.errstate(over="ignore"):
            single = np.array_equal(finite.astype(np.float32).astype(np.float64), finite)
            plain = np.array_equal(np.round(finite * 2.0**12), finite * 2.0**12)
        return SINGLE if single and not plain else CLOSE


def fits(found: Floats, expected: Floats, tolerance: float = CLOSE) -> Any:
    """Where the numbers agree, relative to themselves and a little to the largest."""
    with np.errstate(all="ignore"):
        finite = np.abs(expected[np.isfinite(expected)])
        scale = float(np.median(finite)) if finite.size else 0.0
        gap = np.abs(found - expected)
        return (gap <= tolerance * (np.abs(expected) + 1e-3 * scale)) | ((found == expected) & np.isfinite(found))


class Relations:
    """All hypotheses about one output of one loss, with their numbers at the points to fit and the fresh ones."""

    def __init__(self, ground: Ground, output: str) -> None:
        self.ground, self.output = ground, output
        a, b = ground.fit, ground.fresh
        self.y, self.f = np.concatenate([a.y, b.y]), np.concatenate([a.f, b.f])
        self.exact = {o: np.concatenate([a.exact[o], b.exact[o]]) for o in a.exact}
        self.truth = self.exact[output]

    @functools.cached_property
    def hypotheses(self) -> list[Hypothesis]:
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
        rows = [h.values for h in self.hypotheses]
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
        e = self._declared_form
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
                    yield kind, words, self._formula(e, changed=changed)

    @functools.cached_property
    def _declared_form(self) -> sp.Expr:
        d = self.ground.derivation
        return {"loss": d.stable, "gradient": d.gradients[0], "hessian": d.hessians[0]}[self.output]

    def _arguments(self) -> Iterator[tuple[str, str, Floats]]:
        """The truth for other conventions of target and prediction."""
        e, y, f = self._declared_form, self.y, self.f
        with np.errstate(all="ignore"):
            p, mean = 1 / (1 + np.exp(-f)), np.exp(f)
        for words, ys in (("the targets 0 and 1 are exchanged", 1 - y), ("the target has the wrong sign", -y),
                          ("targets -1 and 1 are expected, 0 and 1 were given", 2 * y - 1),
                          ("targets 0 and 1 are expected, -1 and 1 were given", (y + 1) / 2),
                          ("the target is ignored: it counts as 0", 0 * y),
                          ("the target is ignored: it counts as 1", 0 * y + 1)):  # fmt: skip
            yield "target convention", words, self._formula(e, ys, f)
        for words, fs in (("the prediction has the wrong sign", -f),
                          ("the raw score was expected to be a probability: it was put through the sigmoid twice", p),
                          ("the prediction is expected as a logarithm", mean),
                          ("the link is applied where none is due", np.log(np.where(f > 0, f, np.nan))),
                          ("a probability is expected, not the raw score", np.log(f / (1 - f)))):  # fmt: skip
            yield "prediction convention", words, self._formula(e, y, fs)
        if self.ground.target.domain == self.ground.prediction.domain or self.ground.loss.base is None:
            yield "arguments exchanged", "target and prediction are exchanged", self._formula(e, f, y)

    def _mistakes(self) -> Iterator[tuple[str, str, Floats]]:
        for m in mistakes(self.ground.forms[self.output], [p.symbol for p in self.ground.loss.parameters]):
            yield m.kind, m.words, self._formula(m.typed)

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

    def _formula(self, e: sp.Expr, y: Any = None, f: Any = None, changed: Mapping[str, float] | None = None) -> Floats:
        try:
            return self.ground.formula(e, self.y if y is None else y, self.f if f is None else f, changed)
        except (FloatError, TypeError, KeyError, ZeroDivisionError):
            return np.full_like(self.truth, np.nan)

    # Search ----------------------------------------------------------------------------------------------------

    def is_right(self, answers: Answers, tolerance: float | None = None) -> Any:
        return fits(answers.values, self.truth, answers.tolerance if tolerance is None else tolerance)

    def plainly(self, answers: Answers) -> Diagnosis | None:
        """A relation that needs no hypotheses, such as a factor; looked for at once."""
        if not np.isfinite(answers.values).all():
            return None
        return next(iter(self._whole(answers.values, self.truth, answers.tolerance)), None)

    def diagnose(self, answers: Answers) -> list[Diagnosis]:
        """The relations that hold, the plainest first; none where nothing is known to explain the numbers.

        Where nothing explains them to the last digits, they are looked at once more, as numbers of half the digits.
        """
        found = self._diagnosed(answers)
        if not found and not answers.rough:
            found = self._diagnosed(replace(answers, rough=True))
        return [self._explained(d) for d in found]

    def _explained(self, d: Diagnosis) -> Diagnosis:
        """With what p and mu are, where it speaks of them."""
        spoken = [f"{name} = {of}" for name, of in meanings(self.ground.loss).items()
                  if re.search(rf"\b{name}\b", d.words)]  # fmt: skip
        return replace(d, words=f"{d.words} ({', '.join(spoken)})") if spoken else d

    def _diagnosed(self, answers: Answers) -> list[Diagnosis]:
        everywhere = np.ones(len(self.truth), np.bool_)
        found = self._relations(answers, everywhere)
        parts = self._parts(answers)
        if parts is not None:
            words, where = parts
            inner = self._relations(answers, where)
            described = f"; there, {inner[0].words}" if inner else ""
            part = Diagnosis("part", f"it is wrong {words} only{described}")
            others = [replace(d, words=f"{d.words}, {words}") for d in inner if d.kind not in {x.kind for x in found}]
            return [*found[:2], part, *others][:4]
        last = (self._other_parameter, self._each_part, self._recombined, self._multiple_somewhere)
        return found or next((d for search in last for d in [search(answers)] if d), [])

    def _each_part(self, answers: Answers) -> list[Diagnosis]:
        """Where the whole has no explanation: one for each of the two targets."""
        values = np.unique(self.y)
        if len(values) != 2:
            return []
        parts = [(v, self._relations(answers, self.y == v) or self._right_there(answers, v)) for v in values]
        if not all(d for _, d in parts):
            return []
        words = "; ".join(f"for y = {v:g}, {d[0].words}" for v, d in parts)
        return [Diagnosis("part", words), *(replace(d[0], words=f"{d[0].words}, for y = {v:g}") for v, d in parts)]

    def _multiple_somewhere(self, answers: Answers) -> list[Diagnosis]:
        """Where it is a multiple of the truth on a part with a name, that, and what it is elsewhere."""
        u, t = answers.values, self.truth
        for words, where in self._named_parts:
            c = multiple(u[where], t[where], answers.tolerance) if where.mean() > 0.3 else None
            if c is not None:
                rest = self._relations(answers, ~where)
                elsewhere = f"elsewhere, {rest[0].words}" if rest else "elsewhere, no known relation holds"
                part = Diagnosis("part", f"it is {self._constant_name(c)} times the truth {words}; {elsewhere}")
                return [part, *(replace(d, words=f"{d.words}, not {words}") for d in rest)]
        return []

    def _right_there(self, answers: Answers, target: float) -> list[Diagnosis]:
        there = self.y == target
        right = fits(answers.values[there], self.truth[there], answers.tolerance).all()
        return [Diagnosis("right", "it is right")] if right else []

    def _relations(self, answers: Answers, where: Any) -> list[Diagnosis]:
        found = list(self._search(answers, where))
        unique: dict[str, Diagnosis] = {}
        for d in found:
            unique.setdefault(d.kind, d)
        return list(unique.values())[:3]

    def _search(self, answers: Answers, where: Any) -> Iterator[Diagnosis]:
        u, t = answers.values[where], self.truth[where]
        tolerance = answers.tolerance
        finite = np.isfinite(u)
        if finite.mean() < 0.4 or len(u) < 3:
            return
        nan = "" if finite.all() else f"; NaN at {1 - finite.mean():.0%} of ordinary inputs, where that has no value"
        plain = list(self._whole(u, t, tolerance)) if finite.all() else []
        yield from plain
        if any(d.kind in ("sign", "factor", "sign and factor", "zero", "constant") for d in plain):
            return
        hypotheses, table = self.hypotheses, self.table[:, where]
        exact = np.flatnonzero(_agree(u, table, tolerance)).tolist()
        for i in exact[:4]:
            yield Diagnosis(hypotheses[i].kind, hypotheses[i].words + nan)
        if not finite.all():
            return
        cut, telling = self._cut(u, t, tolerance)
        if cut is not None and not telling:
            yield cut
        if exact:
            return
        for i, c in _multiples(u, table, tolerance)[:1]:
            yield Diagnosis(hypotheses[i].kind, f"{hypotheses[i].words}, times {self._constant_name(c)}", c)
            return
        yield from self._fitted(u, t, where, tolerance)

    def _whole(self, u: Floats, t: Floats, tolerance: float) -> Iterator[Diagnosis]:
        """Multiples, constants, clipping: what needs no formula."""
        if not u.any() and t.any():
            yield Diagnosis("zero", "it is 0 everywhere")
            return
        c = multiple(u, t, tolerance)
        if c is not None and not np.isclose(c, 1, rtol=tolerance):
            if np.isclose(c, -1, rtol=1e-9):
                yield Diagnosis("sign", "it is -1 times the truth", c)
            else:
                kind = "factor" if c > 0 else "sign and factor"
                yield Diagnosis(kind, f"it is {self._constant_name(c)} times the truth", c)
            return
        if np.ptp(u) <= tolerance * abs(float(u[0])) and np.ptp(t) > 1e-6 * float(np.max(np.abs(t))):
            yield Diagnosis("constant", f"it is the constant {self._constant_name(float(u[0]))}")
            return
        cut, telling = self._cut(u, t, tolerance)
        if cut is not None and telling:
            yield cut
        if self.output == "loss":
            with np.errstate(all="ignore"):
                gap = u - t
            groups = [gap[self.y[: len(gap)] == v] for v in np.unique(self.y[: len(gap)])] if len(gap) == len(
                self.y) else []  # fmt: skip
            scale = float(np.max(np.abs(t))) + 1e-300
            if groups and all(np.ptp(part) <= 1e-9 * scale for part in groups):
                yield Diagnosis("offset", "it differs from the truth by what does not depend on the prediction")

    def _cut(self, u: Floats, t: Floats, tolerance: float) -> tuple[Diagnosis | None, bool]:
        """Whether the truth is cut off at a number, and whether that says more than that one value is another."""
        off = ~fits(u, t, tolerance)
        sizes = np.unique(np.round(np.abs(u[off]), 12))
        if off.sum() < 2 or off.all() or len(sizes) != 1:
            return None, False
        size = float(sizes[0])
        telling = bool(np.ptp(t[off]) > 0 or not t[off].any())
        if self.output == "hessian" and (u[off] > t[off]).all():
            return Diagnosis("floored", f"it is the Hessian, but never less than {self._constant_name(size)}"), telling
        if size > 0 and (np.abs(t[off]) > size).all() and (np.abs(t[~off]) <= size * (1 + tolerance)).all():
            return Diagnosis("clipped", f"it is cut off at {self._constant_name(size)}"), telling
        return None, False

    def _fitted(self, u: Floats, t: Floats, where: Any, tolerance: float) -> Iterator[Diagnosis]:
        """One number is free: the coefficient of a term, the power of a factor, the value of a parameter."""
        loose = max(tolerance, 1e-7)
        with np.errstate(all="ignore"):
            gap, ratio = u - t, u / t
        words, table = self._terms
        for i, c in _multiples(gap, table[:, where], loose):
            if abs(c) > 1e-6:
                if np.isclose(c, -1, rtol=1e-7):
                    yield Diagnosis("missing term", f"the term {words[i]} is missing")
                elif np.isclose(c, -2, rtol=1e-7):
                    yield Diagnosis("sign of a term", f"the term {words[i]} has the wrong sign")
                else:
                    times = self._constant_name(1 + c)
                    yield Diagnosis("factor of a term", f"the term {words[i]} counts {times} times")
                return
        big = np.abs(t) > 1e-3 * float(np.median(np.abs(t)))
        names, powers = self._factors
        for i, c in _multiples(ratio[big], powers[:, where][:, big], loose)[:1]:
            much = "" if np.isclose(c, 1, rtol=1e-7) else f", and {self._constant_name(c)} times the truth"
            what, verb = names[i]
            yield Diagnosis(f"{verb} factor", f"the factor {what} is {_VERBS[verb]}{much}")
            return
        offset = multiple(gap, np.ones_like(gap), loose)
        if offset is not None:
            yield Diagnosis("offset", f"it is the truth plus {self._constant_name(offset)}")

    @functools.cached_property
    def _terms(self) -> tuple[list[str], Floats]:
        """Summands of the forms of the derivative, with their numbers."""
        found: dict[sp.Expr, Floats] = {}
        for form in self.ground.forms[self.output]:
            for e in sp.preorder_traversal(form):
                if isinstance(e, sp.Add) and len(found) < 120:
                    for term in e.args:
                        if term not in found:
                            found[term] = self._formula(term)
        kept = [(shown(e), v) for e, v in found.items() if np.isfinite(v).all() and v.any()]
        return [w for w, _ in kept], self._stacked([v for _, v in kept])

    @functools.cached_property
    def _factors(self) -> tuple[list[tuple[str, Literal["extra", "missing"]]], Floats]:
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
                        found[base] = self._formula(base)
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

    def _recombined(self, answers: Answers) -> list[Diagnosis]:
        """Other coefficients of the terms, and the target at another term, as when two terms are mixed up."""
        u, y = answers.values, self.ground.target.symbol
        if not np.isfinite(u).all():
            return []
        for form in self.ground.forms[self.output]:
            cores: dict[sp.Expr, None] = {}
            own = (self.ground.prediction.symbol, *(d.symbol for d in self.ground.loss.definitions))
            variables = (*own, *filter(is_stand_in, form.free_symbols))
            for term in sp.Add.make_args(sp.expand(define_atoms(form))):
                cores.setdefault(sp.Mul(*(a for a in sp.Mul.make_args(term) if a.has(*variables))))
            basis = [b for core in list(cores)[:6] for b in (core, y * core)]
            columns = np.array([self._formula(b) for b in basis]).T
            if not 1 < len(basis) < len(u) / 2 or not np.isfinite(columns).all():
                continue
            sizes = np.abs(columns).max(axis=0) + 1e-300
            c = np.linalg.lstsq(columns / sizes, u, rcond=1e-10)[0] / sizes
            c = np.where(np.abs(c) * sizes < 1e-8 * np.abs(c * sizes).max(), 0, c)
            if fits(u, columns @ c, max(answers.tolerance, 1e-7)).all():
                said = " ".join(f"{'-' if v < 0 else '+'} {self._constant_name(abs(v))}*{shown(b)}"
                                for v, b in zip(c, basis, strict=True) if v)  # fmt: skip
                return [Diagnosis("terms mixed up", f"what it computes is {said.removeprefix('+ ')}")]
        return []

    @functools.cached_property
    def _by_parameter(self) -> dict[str, tuple[Floats, Floats]]:
        """For each parameter, values on a grid and the numbers that each would give."""
        grid = np.unique(np.concatenate([np.linspace(0.02, 0.98, 17), np.geomspace(1e-2, 64, 30)]))

        def numbers(name: str) -> Floats:
            return np.array([self._formula(self._declared_form, changed={name: v}) for v in grid.tolist()])

        return {p.name: (grid, numbers(p.name)) for p in self.ground.loss.parameters}

    def _other_parameter(self, answers: Answers) -> list[Diagnosis]:
        """The value of one parameter for which the numbers would be right."""
        u = answers.values
        if not np.isfinite(u).all():
            return []
        for name, (grid, table) in self._by_parameter.items():
            with np.errstate(all="ignore"):
                off = np.nan_to_num(np.median(np.abs(table - u) / (np.abs(u) + 1e-12), axis=1), nan=np.inf)
            best = int(np.argmin(off))
            if not off[best] < 0.3:
                continue

            def gap(value: float, name: str = name) -> float:
                found = self._formula(self._declared_form, changed={name: value})
                return float(np.nan_to_num(np.median(np.abs(found - u) / (np.abs(u) + 1e-12)), nan=np.inf))

            value = _minimum(gap, float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)]))
            if fits(u, self._formula(self._declared_form, changed={name: value}), max(1e-6, answers.tolerance)).all():
                given = self.ground.parameters[name]
                words = f"it is right for {name} = {value:.6g}, not for {name} = {given:g}"
                return [Diagnosis("parameter off", words)]
        return []

    def _parts(self, answers: Answers) -> tuple[str, Any] | None:
        """The part of the inputs on which the numbers are wrong, where that is a part with a name."""
        off = ~self.is_right(answers)
        if not off.any() or off.all():
            return None
        for words, where in self._named_parts:
            inside = off[where]
            if where.any() and not off[~where].any() and inside.mean() > 0.5:
                return words, where
        return None

    @functools.cached_property
    def _named_parts(self) -> list[tuple[str, Any]]:
        y, f, name = self.y, self.f, self.ground.prediction.name
        parts: list[tuple[str, Any]] = [(f"for y = {v:g}", y == v) for v in np.unique(y)]
        if self.ground.loss.base == "residual":
            parts += [("for f > y", f > y), ("for f < y", f < y)]
        if self.ground.loss.base == "margin":
            parts += [("for y*f > 0", y * f > 0), ("for y*f < 0", y * f < 0)]
        parts += [("for y > 0", y > 0), ("for y < 0", y < 0), ("for y other than 0 and 1", (y != 0) & (y != 1)),
                  (f"for {name} > 0", f > 0), (f"for {name} < 0", f < 0)]  # fmt: skip
        for condition in self._conditions:
            holds = self._formula(sp.Piecewise((1, condition), (0, True))) == 1
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

    def _constant_name(self, c: float) -> str:
        """A constant as a person would write it."""
        known: list[tuple[str, float]] = [
            ("1", 1.0), ("2", 2.0), ("1/2", 0.5), ("4", 4.0), ("1/4", 0.25), ("3", 3.0), ("1/3", 1 / 3),
            ("log(2)", np.log(2)), ("1/log(2)", 1 / np.log(2)), ("log(10)", np.log(10)), ("1/log(10)", 1 / np.log(10)),
        ]  # fmt: skip
        for name, v in self.ground.parameters.items():
            known += [(name, v), (f"1/{name}", 1 / v if v else np.inf), (f"{name}**2", v * v), (f"(1 - {name})", 1 - v),
                      (f"1/{name}**2", 1 / v**2 if v else np.inf), (f"2*{name}", 2 * v), (f"(1 + {name})", 1 + v),
                      (f"{name}/2", v / 2), (f"1/(1 - {name})", 1 / (1 - v) if v != 1 else np.inf)]  # fmt: skip
        for name, value in known:
            for sign, mark in ((1, ""), (-1, "-")):
                if np.isclose(c, sign * value, rtol=1e-7):
                    return mark + name
        return f"{c:.6g}"


_VERBS = {"extra": "one too many", "missing": "missing"}


def multiple(u: Floats, t: Floats, tolerance: float) -> float | None:
    """The c with u = c*t, if there is one."""
    with np.errstate(all="ignore"):
        size = float(np.max(np.abs(t))) if len(t) else 0.0
        big = np.abs(t) > 1e-6 * size
        if size == 0 or not np.isfinite(size) or big.sum() < 2:
            return None
        c = float(np.median(u[big] / t[big]))
    if not np.isfinite(c) or c == 0 or not fits(u, c * t, max(tolerance, 1e-8)).all():
        return None
    return c


def _agree(u: Floats, table: Floats, tolerance: float) -> Any:
    """Which rows of the table the numbers agree with, as `fits` has it."""
    if not len(table):
        return np.zeros(0, np.bool_)
    with np.errstate(all="ignore"):
        scale = np.median(np.nan_to_num(np.abs(table), posinf=np.inf), axis=1, keepdims=True)
        near = np.abs(u - table) <= tolerance * (np.abs(table) + 1e-3 * scale)
        return np.all(near | (u == table) | (np.isnan(u) & np.isnan(table)), axis=1)


def _multiples(u: Floats, table: Floats, tolerance: float) -> list[tuple[int, float]]:
    """The rows of which the numbers are a multiple, with the constants."""
    if not len(table) or len(u) < 3:
        return []
    places = np.argmax(np.abs(np.nan_to_num(table, posinf=0, neginf=0)), axis=1)
    with np.errstate(all="ignore"):
        constants = u[places] / table[np.arange(len(table)), places]
        constants = np.where(np.isfinite(constants), constants, 0.0)
    right = _agree(u, constants[:, None] * table, max(tolerance, 1e-8)) & (constants != 0)
    return [(int(i), float(constants[i])) for i in np.flatnonzero(right)]


def _minimum(off: Callable[[float], float], low: float, high: float) -> float:
    """Golden section."""
    ratio = (5**0.5 - 1) / 2
    a, b = low, high
    c, d = b - ratio * (b - a), a + ratio * (b - a)
    fc, fd = off(c), off(d)
    for _ in range(60):
        if fc < fd:
            b, d, fd = d, c, fc
            c = b - ratio * (b - a)
            fc = off(c)
        else:
            a, c, fc = c, d, fd
            d = a + ratio * (b - a)
            fd = off(d)
    return (a + b) / 2


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


@functools.lru_cache(maxsize=256)
def relations_of(ground: Ground, output: str) -> Relations:
    return Relations(ground, output)


def _name(output: str) -> str:
    return {"hessian": "Hessian"}.get(output, output)


__all__ = ["CLOSE", "SINGLE", "Answers", "Diagnosis", "Relations", "fits", "multiple", "relations_of"]
