"""Where does code go wrong? The inputs at which it is compared with the oracle.

Dense and log-uniform over the whole range of the format, the ends of every
domain, kinks and their neighbours, zeros of both signs, subnormals, the
thresholds at which exponentials over- and underflow, infinities; targets and
parameters over their own domains. The same loss always gets the same points:
the random ones are seeded by its name.

Losses of the residual are judged at r = fl(f - y), rounded once, as every
implementation must; so most points have y = 0 or an exact difference, and
those whose difference is rounded are marked. A point is `single` when every
input and parameter is a float32 too: those points serve both precisions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from ..spec.domains import Box, Domain, FiniteSet, Integers, Interval, OneHot, Simplex
from ..spec.model import Argument, Loss, Parameter, Role
from .floats import FloatError, evaluate

Floats = NDArray[np.float64]
KinkHints = Callable[[Mapping[str, float]], Iterable[float]]

# exp overflows at 709.78 and 88.72, underflows at -745.13 and -103.97; sigmoid tails vanish at 36.7 and 16.6.
THRESHOLDS = (709.5, 709.78, 710.0, 744.5, 745.2, 746.0, 88.5, 88.72, 89.0, 103.5, 104.0, 87.3, 36.5, 37.0, 16.5, 17.0)
MAGNITUDES = (0.0, 5e-324, 1.4e-45, 2.2250738585072014e-308, 1.17549435e-38, 1e-300, 1e-160, 1e-20, 1e-8, 1e-4, 0.5,
              1.0, 2.0, 10.0, 40.0, 100.0, 1e4, 1e8,
              1e20, 1e150, 1e154, 1.5e154, 1e300, 3.4028235e38, 1.7976931348623157e308)  # fmt: skip
CLASS_COUNTS = (2, 3, 5)


@dataclass(frozen=True, slots=True)
class Batch:
    """Points that share their parameters: arrays (n,), or (n, K) for vectors, by argument name."""

    parameters: dict[str, float]
    arguments: dict[str, Floats]
    single: NDArray[np.bool_]
    rounded: NDArray[np.bool_]
    size: int | None = None

    def __len__(self) -> int:
        return len(self.single)


def points(loss: Loss, n: int = 1600, kinks: KinkHints | None = None) -> tuple[Batch, ...]:
    """About n points for a scalar loss; for vectors n counts entries of the loss's Hessian."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(loss.name.encode()).digest()[:8], "big"))
    sets = parameter_sets(loss)
    if loss.size is not None:
        return tuple(_vector_batch(loss, p, k, max(12, n // (8 * k * len(sets))), rng)
                     for p, k in product(sets, CLASS_COUNTS))  # fmt: skip
    # The first set, the defaults, gets half of the points.
    shares = [n] if len(sets) == 1 else [n // 2] + [n // (2 * (len(sets) - 1))] * (len(sets) - 1)
    return tuple(_scalar_batch(loss, p, share, kinks, rng) for p, share in zip(sets, shares, strict=True))


def parameter_sets(loss: Loss) -> list[dict[str, float]]:
    """The defaults, their float32 neighbours when they differ, and values up to near the ends."""
    if not loss.parameters:
        return [{}]
    columns = [_parameter_values(p) for p in loss.parameters]
    rows = [{p.name: c[0] for p, c in zip(loss.parameters, columns, strict=True)}]
    rows.append({name: float(np.float32(v)) for name, v in rows[0].items()})
    for i in range(1, max(len(c) for c in columns)):
        # Shifted against each other, so that several parameters do not move in step.
        rows.append({p.name: c[1 + (i - 1 + 2 * k) % (len(c) - 1)] if len(c) > 1 else c[0]
                     for k, (p, c) in enumerate(zip(loss.parameters, columns, strict=True))})  # fmt: skip
    return [row for i, row in enumerate(rows) if row not in rows[:i]]


def _parameter_values(parameter: Parameter) -> list[float]:
    default = None if parameter.default is None else float(parameter.default)
    match parameter.domain:
        case FiniteSet(values):
            others = [float(v) for v in values]
        case Integers(low):
            others = [float(max(low, 0) + k) for k in (1, 2, 5)]
        case Interval(low, high, low_open, high_open):
            a, b = float(low), float(high)
            if np.isfinite(a) and np.isfinite(b):
                others = [a + (b - a) * w for w in (2.0**-10, 0.25, 0.625, 1 - 2.0**-7)]
                others += [a] * (not low_open) + [b] * (not high_open)
            elif np.isfinite(a):
                scale = default - a if default is not None and default > a else 1.0
                others = [a + scale * w for w in (2.0**-10, 0.375, 3.0, 8.0)] + [a] * (not low_open)
            elif np.isfinite(b):
                others = [b - w for w in (2.0**-10, 0.375, 3.0, 8.0)] + [b] * (not high_open)
            else:
                others = [0.0, -1.0, 0.375, 5.0]
        case _:
            raise ValueError(f"the parameter {parameter.name} has the domain of a vector, {parameter.domain.text}")
    others = [float(np.float32(v)) for v in others]
    others = [v for v in others if _inside(parameter.domain, v) and v != default]
    return others if default is None else [default, *others]


def _inside(domain: Domain, value: float) -> bool:
    if isinstance(domain, Interval):
        a, b = float(domain.low), float(domain.high)
        above = value > a if domain.low_open else value >= a
        return above and (value < b if domain.high_open else value <= b)
    return True


def switch_roots(expression: sp.Expr, variable: str, values: Mapping[str, float]) -> list[float]:
    """Where Piecewise conditions, Abs, sign, Max and Min change over, found on a grid and by bisection."""
    switches: set[sp.Expr] = set()
    for e in sp.preorder_traversal(expression):
        if isinstance(e, sp.Rel):
            switches.add(e.lhs - e.rhs)
        elif isinstance(e, sp.Abs | sp.sign):
            switches.add(e.args[0])
        elif isinstance(e, sp.Max | sp.Min):
            switches |= {a - b for a, b in zip(e.args, e.args[1:], strict=False)}
    relevant = [s for s in sorted(switches, key=sp.default_sort_key) if variable in {str(v) for v in s.free_symbols}]
    positive = np.concatenate([np.geomspace(1e-9, 1e9, 181), np.linspace(0.0625, 20, 320)])
    grid = np.unique(np.concatenate([-positive, [0.0], positive]))
    roots: list[float] = []
    for switch in relevant:

        def at(x: Any, switch: sp.Expr = switch) -> Any:
            return np.sign(evaluate(switch, {**values, variable: x}))

        try:
            signs = np.broadcast_to(at(grid), grid.shape)
        except (FloatError, TypeError):
            continue
        roots += [float(x) for x in grid[signs == 0][:8]]
        for i in np.flatnonzero(signs[:-1] * signs[1:] < 0)[:8]:
            roots.append(_bisect(at, grid[i], grid[i + 1]))
    return sorted(set(roots))


def _bisect(sign_at: Callable[[Any], Any], low: float, high: float) -> float:
    below = sign_at(np.float64(low))
    while True:
        middle = low + (high - low) / 2
        if middle in (low, high):
            return float(low)
        sign = sign_at(np.float64(middle))
        if sign == 0:
            return float(middle)
        low, high = (middle, high) if sign == below else (low, middle)


def _around(values: Iterable[float], dtype: Any) -> list[float]:
    """Each value with its neighbours up to two ulps away."""
    found = []
    for value in values:
        low = high = dtype(value)
        found.append(float(low))
        for _ in range(2):
            low, high = np.nextafter(low, dtype(-np.inf)), np.nextafter(high, dtype(np.inf))
            found += [float(low), float(high)]
    return found


def _essential(domain: Domain) -> list[float]:
    """Special values of a scalar domain: ends, zeros, thresholds, largest and smallest numbers."""
    with np.errstate(over="ignore"):
        if isinstance(domain, FiniteSet):
            return [float(v) for v in domain.values]
        if isinstance(domain, Integers):
            return [float(max(domain.low, 0) + k) for k in (0, 1, 2, 3, 10, 1000)]
        assert isinstance(domain, Interval)
        ends = [float(e) for e in (domain.low, domain.high) if e.is_finite]
        specials = [-0.0] + [s * m for m in (*MAGNITUDES, *THRESHOLDS) for s in (1.0, -1.0)]
        near = _around(ends, np.float64) + _around(ends, np.float32)
        near += [e + s * m for e in ends for s in (1, -1) for m in (1e-300, 1e-17, 1e-8, 1e-4, 0.25)]
        infinite = [float(e) for e in (domain.low, domain.high) if not e.is_finite]
        values = [v for v in dict.fromkeys((*ends, *near, *specials)) if np.isfinite(v) and _inside(domain, v)]
        return values + infinite + ([-0.0] if -0.0 in values else [])


def _spread(domain: Domain, n: int, rng: np.random.Generator, single: bool, role: str) -> Floats:
    """n random values: half dense, a third log-uniform to moderate sizes, the rest over the whole range.

    Targets end at 2**60: beyond, y*f overflows where the loss need not.
    """
    if isinstance(domain, FiniteSet):
        return rng.choice([float(v) for v in domain.values], n)
    if isinstance(domain, Integers):
        return np.floor(float(max(domain.low, 0)) + np.exp2(rng.uniform(0, 16, n))) - 1
    assert isinstance(domain, Interval)
    a, b = float(domain.low), float(domain.high)
    signs = rng.choice([-1.0, 1.0], n)
    moderate = np.exp2(rng.uniform(-30, 10, n))
    extreme = np.exp2(rng.uniform(-126, 127, n) if single else rng.uniform(-1070, 1020, n))
    if role == "target":
        extreme = np.minimum(extreme, 2.0**60)
    which = rng.choice(3, n, p=[0.5, 0.35, 0.15])
    if np.isfinite(a) and np.isfinite(b):
        small = (b - a) * np.minimum(np.where(which == 1, np.exp2(rng.uniform(-40, -1, n)), extreme), 0.5)
        values = np.where(which == 0, rng.uniform(a, b, n), np.where(signs > 0, a + small, b - small))
    elif np.isfinite(a) or np.isfinite(b):
        far = np.where(which == 0, rng.exponential(3.0, n), np.where(which == 1, moderate, extreme))
        values = a + far if np.isfinite(a) else b - far
    else:
        values = signs * np.where(which == 0, np.abs(rng.normal(0, 6, n)), np.where(which == 1, moderate, extreme))
    if single:
        values = values.astype(np.float32).astype(np.float64)
    ok = np.array([_inside(domain, float(v)) for v in values])
    inside = a + (b - a) / 4 if np.isfinite(a) and np.isfinite(b) else a + 1 if np.isfinite(a) else b - 1
    return np.where(ok, values, inside)


def _is_single(values: Any) -> NDArray[np.bool_]:
    with np.errstate(over="ignore"):
        return np.asarray(np.asarray(values, np.float64).astype(np.float32).astype(np.float64) == values)


def _scalar_batch(loss: Loss, parameters: dict[str, float], n: int, hints: KinkHints | None,
                  rng: np.random.Generator) -> Batch:  # fmt: skip
    rows: list[tuple[float, ...]] = []
    arguments = loss.arguments
    kinks = list(hints(parameters)) if hints is not None else []
    if loss.base is not None:
        variable = str(loss.definitions[0].symbol)
        kinks += switch_roots(loss.expression, variable, parameters)
    special = {a.name: _essential(a.domain) for a in arguments}
    plain = {a.name: _plain(a) for a in arguments}
    for prediction in loss.predictions:
        names = [a.name for a in arguments if a is not prediction]
        first = set(product(*(plain[name][:2] for name in names)))
        for held in product(*(plain[name] for name in names)):
            others = dict(zip(names, held, strict=True))
            if loss.base == "residual":
                if held[0] != 0:
                    continue
                near = kinks
            elif loss.base == "margin":
                near = [k / held[0] for k in kinks]
            else:
                near = [*kinks, *switch_roots(loss.full_expression, prediction.name, {**parameters, **others})]
            close = [v for dtype in (np.float64, np.float32) for v in _around(near, dtype)
                     if _inside(prediction.domain, v)]  # fmt: skip
            # All special values for the first other values; then a quarter of them, in turn.
            chosen = special[prediction.name] if held in first else special[prediction.name][len(rows) % 4 :: 4]
            for v in dict.fromkeys((*close, *chosen)):
                row = {**others, prediction.name: v}
                rows.append(tuple(row[a.name] for a in arguments))
            if len(rows) > n:
                break
    rows = _thin(rows, (3 * n) // 4)
    rest = max(n - len(rows), n // 4)
    for single, count in ((True, (rest * 2) // 3), (False, rest - (rest * 2) // 3)):
        columns = {a.name: _spread(a.domain, count, rng, single, a.role) for a in arguments}
        if any(a.domain.text == "(-oo, oo)" for a in loss.targets):
            columns = _exact_differences(loss, columns, count, rng, single)
        rows += list(zip(*(columns[a.name].tolist() for a in arguments), strict=True))
    table = np.array(rows, np.float64).reshape(-1, len(arguments))
    single_rows = np.all(_is_single(table), axis=1) & bool(np.all(_is_single(list(parameters.values()))))
    rounded = np.zeros(len(table), np.bool_)
    if loss.base == "residual":
        target, prediction_ = table[:, _first(loss, "target")], table[:, _first(loss, "prediction")]
        rounded = ~_exact(prediction_, target)
        with np.errstate(all="ignore"):
            single_rows &= ~rounded & _is_single(prediction_ - target)
    return Batch(parameters, {a.name: table[:, i] for i, a in enumerate(arguments)}, single_rows, rounded)


def _first(loss: Loss, role: Role) -> int:
    return [a.role for a in loss.arguments].index(role)


def _exact(f: Floats, y: Floats) -> NDArray[np.bool_]:
    """Whether f - y is a float64 (Knuth's two-sum leaves no remainder)."""
    with np.errstate(all="ignore"):
        d = f - y
        v = d - f
        rest = (f - (d - v)) + (-y - v)
    return np.asarray((rest == 0) | ~np.isfinite(d))


def _exact_differences(loss: Loss, columns: dict[str, Floats], n: int, rng: np.random.Generator, single: bool
                       ) -> dict[str, Floats]:  # fmt: skip
    """Real targets: 0 for half, a short number near the prediction for most others, anything for a tenth."""
    kind = rng.choice(3, n, p=[0.5, 0.4, 0.1])
    short = np.round(rng.normal(0, 30, n) * 16) / 16
    result = dict(columns)
    for target in loss.targets:
        if target.domain.text == "(-oo, oo)":
            anything = rng.normal(0, 10, n)
            result[target.name] = np.where(kind == 0, 0.0, np.where(kind == 1, short, np.round(anything, 3)))
    for prediction in loss.predictions:
        near = short + np.round(rng.normal(0, 4, n) * 1024) / 1024
        result[prediction.name] = np.where((kind == 1) & [_inside(prediction.domain, float(v)) for v in near],
                                           near, result[prediction.name])  # fmt: skip
    return {name: v.astype(np.float32).astype(np.float64) if single else v for name, v in result.items()}


def _plain(argument: Argument) -> list[float]:
    """A few ordinary and a few hard values of one argument, the ordinary ones first."""
    domain = argument.domain
    if isinstance(domain, FiniteSet):
        return [float(v) for v in domain.values]
    if isinstance(domain, Integers):
        return [float(max(domain.low, 0) + k) for k in (1, 0, 3, 1000)]
    if not isinstance(domain, Interval):
        raise ValueError(f"the argument {argument.name} is a vector, {domain.text}; a scalar domain is expected")
    a, b = float(domain.low), float(domain.high)
    if np.isfinite(a) and np.isfinite(b):
        values = [a, b, (a + b) / 2, a + (b - a) * 2.0**-30, b - (b - a) * 2.0**-20, a + (b - a) * 0.3]
    elif np.isfinite(a):
        values = [a + 1, a, a + 3.5, a + 2.0**-60, a + 1e6, a + 1e-300]
    elif np.isfinite(b):
        values = [b - 1, b, b - 3.5, b - 1e6]
    else:
        values = [0.0, 1.0, -1.0, 0.375] if argument.role == "target" else [0.0, 1.0, -2.5, 1e-8, 40.0]
    return [v for v in values if _inside(domain, v)]


def _thin(rows: Sequence[tuple[float, ...]], most: int) -> list[tuple[float, ...]]:
    """At most so many of the rows, evenly taken."""
    unique = list({tuple(map(repr, row)): row for row in rows}.values())
    if len(unique) <= most:
        return unique
    return [unique[(i * len(unique)) // most] for i in range(most)]


def _vector_batch(loss: Loss, parameters: dict[str, float], size: int, n: int, rng: np.random.Generator) -> Batch:
    arguments = {a.name: _vectors(a.domain, size, n, rng, a.role) for a in loss.arguments}
    single = np.ones(n, np.bool_) & bool(np.all(_is_single(list(parameters.values()))))
    return Batch(parameters, arguments, single, np.zeros(n, np.bool_), size)


def _vectors(domain: Domain, size: int, n: int, rng: np.random.Generator, role: str) -> Floats:
    """n vectors of float32 numbers; probabilities are multiples of 2**-12, so that they sum to 1 exactly."""
    if isinstance(domain, OneHot):
        return np.eye(size)[np.arange(n) % size]
    if isinstance(domain, Simplex):
        counts = rng.multinomial(4096, rng.dirichlet(np.full(size, 0.7)), n) / 4096.0
        counts[::3] = np.eye(size)[np.arange(len(counts[::3])) % size]
        return np.asarray(counts)
    assert isinstance(domain, Box)
    low, high = float(domain.entries.low), float(domain.entries.high)
    if np.isfinite(low) and np.isfinite(high):
        values = low + (high - low) * rng.uniform(2.0**-12, 1, (n, size))
        values[1::5, 0] = low + (high - low) * 2.0**-100
        if role == "prediction" and n > 7:
            values[3, 0] = values[3, 0] if domain.entries.low_open else low
            values[7, 0] = values[7, 0] if domain.entries.high_open else high
    else:
        scale = np.array([1.0, 10.0, 0.01, 100.0, 800.0, 1e4])[np.arange(n) % 6, None]
        values = rng.normal(0, 1, (n, size)) * scale + rng.choice([0.0, 0.0, 1e3, -1e4], (n, 1))
        values[5::9] = values[5::9, :1]  # ties
        values[0] = 0.0
        if np.isfinite(low):
            values = low + np.abs(values) + 2.0**-60
    return np.asarray(values.astype(np.float32).astype(np.float64))
