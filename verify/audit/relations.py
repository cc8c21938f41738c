"""Which known relation to the truth do the numbers of the foreign code have?

The numbers, their ratio to the exact ones and the difference are held against all hypotheses at ordinary points; what
fits has to fit at fresh points as well.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy as sp

from ...spec.atoms import define_atoms
from .agreement import Answers, agree, fits, minimum, multiple, multiples
from .ground import Floats, Ground
from .hypotheses import Hypotheses
from .writing import is_stand_in, meanings, shown


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, as a kind of error and a sentence; of a multiple of the truth, `constant` says which."""

    kind: str
    words: str
    constant: float | None = None


class Relations:
    """The relations that one output of one loss may have to the truth; `y`, `f` and `truth` are at all points."""

    def __init__(self, ground: Ground, output: str) -> None:
        self.ground, self.output = ground, output
        self.known = Hypotheses(ground, output)
        self.y, self.f, self.truth = self.known.y, self.known.f, self.known.truth

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
        for words, where in self.known.parts:
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
        hypotheses, table = self.known.all, self.known.table[:, where]
        exact = np.flatnonzero(agree(u, table, tolerance)).tolist()
        for i in exact[:4]:
            yield Diagnosis(hypotheses[i].kind, hypotheses[i].words + nan)
        if not finite.all():
            return
        cut, telling = self._cut(u, t, tolerance)
        if cut is not None and not telling:
            yield cut
        if exact:
            return
        for i, c in multiples(u, table, tolerance)[:1]:
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
        words, table = self.known.terms
        for i, c in multiples(gap, table[:, where], loose):
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
        names, powers = self.known.factors
        for i, c in multiples(ratio[big], powers[:, where][:, big], loose)[:1]:
            much = "" if np.isclose(c, 1, rtol=1e-7) else f", and {self._constant_name(c)} times the truth"
            what, verb = names[i]
            yield Diagnosis(f"{verb} factor", f"the factor {what} is {_VERBS[verb]}{much}")
            return
        offset = multiple(gap, np.ones_like(gap), loose)
        if offset is not None:
            yield Diagnosis("offset", f"it is the truth plus {self._constant_name(offset)}")

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
            columns = np.array([self.known.formula(b) for b in basis]).T
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

    def _other_parameter(self, answers: Answers) -> list[Diagnosis]:
        """The value of one parameter for which the numbers would be right."""
        u = answers.values
        if not np.isfinite(u).all():
            return []
        for name, (grid, table) in self.known.by_parameter.items():
            with np.errstate(all="ignore"):
                off = np.nan_to_num(np.median(np.abs(table - u) / (np.abs(u) + 1e-12), axis=1), nan=np.inf)
            best = int(np.argmin(off))
            if not off[best] < 0.3:
                continue

            def gap(value: float, name: str = name) -> float:
                found = self.known.formula(self.known.declared_form, changed={name: value})
                return float(np.nan_to_num(np.median(np.abs(found - u) / (np.abs(u) + 1e-12)), nan=np.inf))

            value = minimum(gap, float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)]))
            there = self.known.formula(self.known.declared_form, changed={name: value})
            if fits(u, there, max(1e-6, answers.tolerance)).all():
                given = self.ground.parameters[name]
                words = f"it is right for {name} = {value:.6g}, not for {name} = {given:g}"
                return [Diagnosis("parameter off", words)]
        return []

    def _parts(self, answers: Answers) -> tuple[str, Any] | None:
        """The part of the inputs on which the numbers are wrong, where that is a part with a name."""
        off = ~self.is_right(answers)
        if not off.any() or off.all():
            return None
        for words, where in self.known.parts:
            inside = off[where]
            if where.any() and not off[~where].any() and inside.mean() > 0.5:
                return words, where
        return None

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


@functools.lru_cache(maxsize=256)
def relations_of(ground: Ground, output: str) -> Relations:
    return Relations(ground, output)


__all__ = ["Diagnosis", "Relations", "relations_of"]
