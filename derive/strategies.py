"""How might a property be shown on one stratum? Each strategy proposes nodes, and the value that belongs to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from flint import arb

from . import dual_strategies as dual
from .balls import Box
from .cells import Case, Cell, ends
from .explorer import Explorer
from .formal import number
from .judgements import EVIDENCE, PROPERTIES, refute
from .lemmas import Limit
from .reading import Unproved
from .search import attempt, signs
from .strata import SAMPLES, Stratum
from .tower import Budget, Element

if TYPE_CHECKING:
    from .prove import Prover

SPARE = 100_000  # terms made for a property without its constant
WANTED = {"convex": (2, 1), "strictly_convex": (2, 1), "monotone": (1, -1), "nonnegative": (0, 1)}
Found = tuple[dict[str, Any], str | None]


def holds(order: int, **more: Any) -> Callable[[Prover, Stratum], Found | None]:
    """The property as it stands, cut where a derivative changes its sign; if numbers do not contradict it."""

    def strategy(p: Prover, s: Stratum) -> Found | None:
        case = s.case(p.name, s.chart(order), **more)
        k, sign = WANTED.get(p.name, (0, 0))
        if sign and any(-sign in signs(e) for i in case.cells for e in [attempt(case.cell(i).derivative, k)] if e):
            return None
        return p.run(case, None)

    return strategy


def spared(strategy: Callable[[Prover, Stratum], Found | None]) -> Callable[[Prover, Stratum], Found | None]:
    """The same with some work of its own, where others before it have used up all."""

    def tried(p: Prover, s: Stratum) -> Found | None:
        Budget.left = max(Budget.left, SPARE)
        return strategy(p, s)

    return tried


def seen_from(view: int, strategy: Callable[[Prover, Stratum], Found | None]) -> Callable[[Prover, Stratum], Any]:
    """The same with other artificial breakpoints than 0, whose order among others may depend on parameters."""

    def tried(p: Prover, s: Stratum) -> Found | None:
        s.chart(0)
        s.view = view
        try:
            return strategy(p, s)
        finally:
            s.view = 0

    return tried


def by_evidence(order: int) -> Callable[[Prover, Stratum], Found | None]:
    """A place that contradicts the property."""

    def strategy(p: Prover, s: Stratum) -> Found | None:
        kinds = EVIDENCE[p.name]
        plain = {kind: what for kind, what in kinds.items() if kind != "near"}
        trials = [(s.chart(order), kinds, False), (s.chart(order), kinds, True)]
        for at, sought, patient in itertools.chain(trials, ((w, plain, True) for w in witnesses(s, order, kinds))):
            case = s.case(p.name, at)
            for place in places(case, sought):
                key = f"{p.name} {s.view} {at} {place} {patient}"
                if key in s.units.passed:  # in vain, before a unit was refined
                    continue
                node = {**case.node, "evidence": place, "proofs": {}, "limits": {}}
                trial = Explorer(s.loss, node, s.path, s.units, p.name)
                trial.made, trial.patient = case.made, patient
                if place[0] == "cell" and len(signs(trial.cell(place[1]).derivative(kinds["cell"][0]))) > 1:
                    continue
                if attempt(refute, trial) is False:
                    return trial.node, None
                s.units.passed[key] = 1
        return None

    return strategy


def compact(s: Stratum) -> bool:
    """Whether balls can reach all parameters and targets of a stratum."""
    return all("oo" not in (p.low.lstrip("-"), p.high) for p in s.path)


def by_point(p: Prover, s: Stratum) -> Found | None:
    """A point at which a derivative has a sign that contradicts the property."""
    k, allowed = EVIDENCE[p.name]["point"]
    if not compact(s):
        return None
    for x in s.rationals():
        if attempt(refuting_at, s, x, k, allowed):
            trial = Explorer(s.loss, {"at": [], "charts": [None], "evidence": ["point", x]}, s.path, s.units, p.name)
            if attempt(refute, trial) is False:
                return trial.node, None
    return None


def refuting_at(s: Stratum, x: str, k: int, allowed: tuple[int, ...]) -> bool:
    """Whether the derivative has such a sign for some parameters and targets, in the middle and near the ends."""
    case = Explorer(s.loss, {"at": [], "charts": [None]}, s.path, s.units)
    samples = ("0.5", "0.001", "0.999") if s.path else ("0",)
    values = [Box(s.loss, case.spans(x, x), [arb(v)] * (len(s.path) + 1), None).derivative(k)[0] for v in samples]
    return all((v < 0 and -2 in allowed) or (v > 0 and 2 in allowed) for v in values)


def far(order: int) -> Callable[[Prover, Stratum], Found | None]:
    """As it stands, with breakpoints far out and close to the others, between which balls tell the sign."""

    def strategy(p: Prover, s: Stratum) -> Found | None:
        if not compact(s):
            return None
        base = s.chart(order)
        for near, out in ((Fraction(1, 8), 4), (Fraction(1, 8), 8), (Fraction(1, 64), 40)):
            found = p.run(s.case(p.name, s.ordered({*base, *s.margins(base, near, out)})[1:-1]), None)
            if found is not None:
                return found
        return None

    return strategy


def places(case: Case, kinds: dict[str, Any]) -> Iterator[list[Any]]:
    for kind in ("cell", "limit", "at", "gap", "jump", "jump2", "near"):
        if kind not in kinds:
            continue
        if kind in ("cell", "limit", "near"):
            for i in case.cells:
                yield from ([[kind, i]] if kind == "cell" else [[kind, i, "low"], [kind, i, "high"]])
        else:
            for j in case.seams() if kind != "at" else range(len(case.at)):
                yield from ([[kind, j, "left"], [kind, j, "right"]] if kind == "gap" else [[kind, j]])


def witnesses(s: Stratum, order: int, kinds: dict[str, Any]) -> Iterator[list[str]]:
    """Breakpoints with one more point, where the derivative may have the sign that refutes."""
    if "limit" not in kinds or isinstance(kinds["limit"][1], str):
        return
    k, allowed = kinds["limit"]
    base = s.chart(order)
    bounds = [s.low, *base, s.high]
    scales = ["1", *(p.name for p in s.path if p.low != p.high and p.name in s.positive)]
    scales += [f"{a}*{b}" for a, b in itertools.combinations(scales[1:], 2)] + [
        f"{b}/{a}" for a, b in itertools.permutations(scales[1:], 2)
    ]
    count = 0
    for q in ("1", "2", "1/2", "3", "1/4", "4", "3/2", "3/4", "6", "10", "1/10", "30"):
        for a, b in itertools.pairwise(bounds):
            for scale in scales:
                options = []
                if a not in ("-oo",):
                    options.append(f"{a} + {q}*{scale}" if a != "0" else f"{q}*{scale}")
                if b not in ("oo",):
                    options.append(f"{b} - {q}*{scale}" if b != "0" else f"-{q}*{scale}")
                if a == "-oo" and b == "oo":
                    options += [f"{q}*{scale}", f"-{q}*{scale}"]
                for w in options:
                    if count > 40 or not refuting(s, w, a, b, k, allowed):
                        continue
                    count += 1
                    at = attempt(lambda w: s.ordered({*base, w})[1:-1], w)
                    if at is not None and len(at) == len(base) + 1:
                        yield at


def refuting(s: Stratum, w: str, a: str, b: str, k: int, allowed: tuple[int, ...]) -> bool:
    """Whether the derivative at a point has the right sign at every sample of the stratum."""
    for n in range(4):
        try:
            v = s.value(w, n)
            if not (v > s.value(a, n) and v < s.value(b, n)):
                return False
            piece, at = s.piece(v, n)
            value = number(piece.derivative(k), at)
            if not ((value < 0 and -2 in allowed) or (value > 0 and 2 in allowed)):
                return False
        except (Unproved, ZeroDivisionError):
            return False
    return True


def edges(case: Explorer, s: Stratum, k: int) -> list[tuple[float, list[Any], Limit]]:
    """The limits of the k-th derivative at the ends of all cells: number, place, value."""
    out: list[tuple[float, list[Any], Limit]] = []
    for i in case.cells:
        for side in ("low", "high"):
            e = case.limit(k, i, side)
            v = float("inf") * e if isinstance(e, int) else float(number(e, at_sample(s)))
            out.append((v, ["limit", i, side], e))
    return out


def at_sample(s: Stratum, n: int = 0) -> dict[int, Any]:
    return {i: SAMPLES[(n + j) % 4] * (1 + n // 4) for j, i in enumerate(s.here.tower.names.values())}


def finite(e: Limit) -> Element:
    if isinstance(e, int):
        raise Unproved("an infinite limit")
    return e


def charts(s: Stratum, k: int) -> list[list[str]]:
    """Breakpoints where the k-th derivative changes its sign; with margins, where balls can tell signs between them."""
    plain = s.chart(k)
    if any(p.low != p.high for p in s.path):
        return [plain]
    margins = [
        s.ordered({*plain, *s.margins(plain, near, out)})[1:-1]
        for near, out in ((Fraction(1, 8), 8), (Fraction(1, 64), 40))
    ]
    simple = not any(c.isalpha() for at in plain for c in at)
    return [plain, *margins] if simple else [*margins, plain]


def serves(p: Prover, s: Stratum, k: int) -> Found | None:
    """A value that was found for other targets holds here, whether or not it is attained."""
    for goal in [p.fixed] if p.fixed else p.seen[:2]:
        known = p.bounded_at.get(goal, [])
        for at in known or (s.chart(0), s.chart(k))[: 1 + (s.chart(0) != s.chart(k))]:
            whole = Budget.left
            Budget.left = share = whole / 2 if known else whole  # what is a bound for one target may not be for all
            found = attempt(lambda at, goal: p.run(s.case(p.name, at), goal), at, goal)
            Budget.left += whole - share
            if found is not None:
                return found
    return None


def first_of(p: Prover, s: Stratum, k: int, action: Callable[[list[str]], Any]) -> Any:
    """What an action finds on the first breakpoints that serve, each with its share of work; False ends the search.

    A share is left for values that were found for other targets (`serves`).
    """
    later = int(p.fixed is None and bool(p.seen))
    options = charts(s, k)
    key = f"{p.name} {p.fixed} {s.view} {k} {action.__name__}"
    for n, at in enumerate(options):
        if n < s.units.passed.get(key, 0):  # in vain, before a unit was refined
            continue
        whole = Budget.left
        Budget.left = share = whole / (len(options) - n + later)
        try:
            found = attempt(action, at)
        finally:
            Budget.left += whole - share
        s.units.passed[key] = n + 1
        if found is not None:
            return found or None
    return None


def bounded(p: Prover, s: Stratum, at: list[str], least: float) -> Found | None:
    """A bound that need not be the best; for other targets it is looked for at the same breakpoints."""
    bound = str(Fraction(int(least * 100) + 2, 100))
    found = p.run(s.case(p.name, at), bound)
    if found is not None:
        p.bounded_at.setdefault(bound, []).append(at)
    return found


def size(k: int) -> Callable[[Prover, Stratum], Found | None]:
    """The least bound of |f^(k)|: its largest limit at the ends of the cells between its extrema."""

    def strategy(p: Prover, s: Stratum) -> Found | None:
        def best(at: list[str]) -> Any:
            case = s.case(p.name, at)
            rows = edges(case, s, k)
            if any(isinstance(e, int) for _, _, e in rows):
                return False
            v, place, e = max(rows, key=lambda r: abs(r[0]))
            way = 1 if v >= 0 else -1
            return p.run(s.case(p.name, at, reached=place, way=way), p.fixed or s.back(finite(e) * way))

        def valid(at: list[str]) -> Any:
            """No closed form: a rational bound a little above."""
            case = s.case(p.name, at)
            top = max(abs(v) for i in case.cells for v in sampled(case, i, k))
            return bounded(p, s, at, top)

        found: Found | None = first_of(p, s, k + 1, best)
        if found is None and (p.fixed or s.loss["inputs"]):
            found = serves(p, s, k + 1)
        if found is None and not p.fixed and not s.here.tower.names:
            return first_of(p, s, k + 1, valid)
        return found

    return strategy


def sampled(case: Explorer, i: int, k: int) -> list[float]:
    """Values of a derivative on a cell without parameters, closely spaced."""
    cell = case.cell(i)
    e = cell.derivative(k)
    values = [number(e, {cell.t: arb(x)}) for n in range(-60, 61) for x in [10.0 ** (n / 15)]]
    return [float(v) for v in values if v.is_finite()]


def modulus(p: Prover, s: Stratum) -> Found | None:
    """The least second derivative (strongly convex), or its negative (weakly convex)."""
    weak = p.name == "weakly_convex"

    def best(at: list[str]) -> Any:
        case = s.case(p.name, at)
        v, place, e = min(edges(case, s, 2), key=lambda r: r[0])
        if isinstance(e, int) or (v <= 0 and not weak):
            return False
        if weak and v >= 0:
            return p.run(s.case(p.name, s.chart(2)), p.fixed or "0")
        return p.run(s.case(p.name, at, reached=place), p.fixed or s.back(-e if weak else e))

    def valid(at: list[str]) -> Any:
        """No closed form: a rational bound a little above."""
        case = s.case(p.name, at)
        low = min(x for i in case.cells for x in sampled(case, i, 2))
        return bounded(p, s, at, -low) if low < 0 else None

    found: Found | None = first_of(p, s, 3, best)
    if found is None and (p.fixed or s.loss["inputs"]):
        found = serves(p, s, 3)
    if found is None and weak and not p.fixed and not s.here.tower.names:
        return first_of(p, s, 3, valid)
    return found


def shape(p: Prover, s: Stratum) -> Found | None:
    """Falling, then rising; or rising at one place and falling at a later one."""
    case = s.case(p.name, s.chart(1))
    directions = []
    for i in case.cells:
        e = case.cell(i).derivative(1)
        found = {0} if e.zero else signs(e)
        directions.append(found.pop() if len(found) == 1 else 2)
    first = next((i for i, d in enumerate(directions) if d == 1), len(directions))
    found_ = p.run(s.case(p.name, s.chart(1), turn=first), None)
    if found_ is None and 2 in directions:  # the place where it turns is not known
        found_ = p.run(s.case(p.name, s.chart(2), convex=True), None)
    if found_ is not None:
        return found_
    spots = [[["cell", i], ["limit", i, "low"], ["limit", i, "high"]] for i in case.cells]
    for i, k in itertools.combinations(case.cells, 2):
        for rise, fall in itertools.product(spots[i], spots[k]):
            if directions[i] == -1 or directions[k] == 1:
                continue
            trial = s.case(p.name, s.chart(1), evidence=[rise, fall])
            if attempt(PROPERTIES[p.name], trial, None) is False:
                return trial.node, None
    return None


def outer(p: Prover, s: Stratum) -> Found | None:
    for evidence in (None, 0, 1):
        more = {} if evidence is None else {"evidence": evidence}
        case = s.case(p.name, s.chart(0), **more)
        found = attempt(PROPERTIES[p.name], case, None)
        if found is not None:
            return case.node, None
    return None


def levels(case: Explorer, s: Stratum) -> list[tuple[float, list[Any], Limit]]:
    """Values at the breakpoints and limits at the ends of cells."""
    rows = [(float(number(e, at_sample(s))), ["at", j], e) for j in range(len(case.at)) for e in [case.value(j)]]
    flat = [
        (float(number(e, at_sample(s))), ["cell", i], e)
        for i in case.cells
        for e in [constant(case, i)]
        if e is not None
    ]
    return [*rows, *flat, *edges(case, s, 0)]


def constant(case: Explorer, i: int) -> Element | None:
    e = case.cell(i).derivative(1)
    found = case.limit(0, i, "low") if e.zero else None
    return None if isinstance(found, int) else found


def lowest(rows: list[tuple[float, list[Any], Limit]], way: int) -> tuple[float, list[Any], Limit]:
    """The least (or, for way -1, the largest) level; attained ones first."""
    best = min(way * v for v, _, _ in rows)
    near = [r for r in rows if way * r[0] <= best or way * r[0] - best < 1e-12 * (1 + abs(best))]
    return min(near, key=lambda r: {"at": 0, "cell": 1, "limit": 2}[r[1][0]])


def values_of(p: Prover, s: Stratum) -> Found | None:
    """The range of f, from its values where it turns and its limits."""

    def best(at: list[str]) -> Found | None:
        case = s.case(p.name, at)
        rows = levels(case, s)
        more, parts = {}, []
        for way, key in ((1, "lowest"), (-1, "highest")):
            v, place, e = lowest(rows, way)
            closed = place[0] != "limit"
            infinite = "-oo" if way > 0 else "oo"
            parts.append((infinite if isinstance(e, int) else s.back(e), closed))
            if p.fixed is None or attains(s, v, closed, p.fixed, way):
                more[key] = place
        (low, has_low), (high, has_high) = parts
        return p.run(s.case(p.name, at, **more), p.fixed or f"{'(['[has_low]}{low}, {high}{')]'[has_high]}")

    found: Found | None = first_of(p, s, 1, best)
    return serves(p, s, 1) if found is None and p.fixed else found


def attains(s: Stratum, v: float, closed: bool, interval: str, way: int) -> bool:
    """Whether a level is, as far as numbers tell, the end of an interval."""
    low, high, has_low, has_high = ends(interval)
    end, has = (low, has_low) if way > 0 else (high, has_high)
    if end in ("-oo", "oo"):
        return abs(v) == float("inf")
    w = float(s.value(end))
    return closed == has and abs(v - w) <= 1e-12 * (1 + abs(w))


def supremum(p: Prover, s: Stratum) -> Found | None:
    def best(at: list[str]) -> Any:
        _, place, e = lowest(levels(s.case(p.name, at), s), -1)
        return False if isinstance(e, int) else p.run(s.case(p.name, at, reached=place), p.fixed or s.back(e))

    found: Found | None = first_of(p, s, 1, best)
    return serves(p, s, 1) if found is None and p.fixed else found


def least(p: Prover, s: Stratum) -> Found | None:
    """The set of minimizers."""
    return least_at(p, s, s.chart(1))


def least_at(p: Prover, s: Stratum, places_: list[str]) -> Found | None:
    case = s.case(p.name, places_)
    rows = levels(case, s)
    v, place, e = lowest(rows, 1)
    if place[0] == "limit":
        level = "-oo" if isinstance(e, int) else s.back(e)
        return p.run(s.case(p.name, places_, lowest=place, level=level), "none")
    at = [j for j in range(len(case.at)) if abs(rows[j][0] - v) <= 1e-12 * (1 + abs(v))]
    flat = [
        i
        for i in case.cells
        if constant(case, i) is not None
        and any(r[1] == ["cell", i] and abs(r[0] - v) <= 1e-12 * (1 + abs(v)) for r in rows)
    ]
    if not at:  # attained on a cell alone: a breakpoint within it shows the level
        low, high = case.bounds[flat[0]], case.bounds[flat[0] + 1]
        inner = f"{low} + 1" if high == "oo" else f"{high} - 1" if low == "-oo" else f"({low} + {high})/2"
        return least_at(p, s, s.ordered({*places_, inner})[1:-1])
    first = min([*at, *(i - 1 for i in flat)])
    last = max([*at, *flat])
    low = s.low if first < 0 else case.at[first]
    high = s.high if last == len(case.at) else case.at[last]
    goal = low if first == last else f"{'[' if first in at else '('}{low}, {high}{']' if last in at else ')'}"
    return p.run(s.case(p.name, places_, argmin=[first, last]), goal)


def smoothness(p: Prover, s: Stratum) -> Found | None:
    """The class C^k."""
    case = s.case(p.name, s.chart(0))
    seams = case.seams()
    if not seams:
        return p.run(case, "oo")
    for k in range(1, 7):
        for j in seams:
            jump = case.jump(k, j)
            if case.sign(jump, "probe") in (-2, 2):
                if k == 1:
                    return None
                return p.run(s.case(p.name, s.chart(0), reached=j), str(k - 1))
    return None


def mirror(p: Prover, s: Stratum) -> Found | None:
    base = s.chart(0)
    found = p.run(s.case(p.name, base), None)
    if found is not None:
        return found
    for w in (*(q.name for q in s.path if q.name in s.positive), "1", "2", "1/2", "1/3"):
        at = s.ordered({*base, w})[1:-1]
        trial = attempt(lambda at, w: s.case(p.name, at, evidence=at.index(w)), at, w)
        if trial is not None and attempt(PROPERTIES[p.name], trial, None) is False:
            return trial.node, None
    return None


def over_zero_one(p: Prover, s: Stratum) -> Found | None:
    found = p.run(s.case(p.name, s.chart(1)), None)
    if found is not None:
        return found
    for at in (s.chart(1), *(s.ordered({*s.chart(1), w})[1:-1] for w in ("-1", "-1/2", "-1/10", "-3"))):
        case = s.case(p.name, at)
        for place in places(case, {"limit": 0, "at": 0}):
            trial = s.case(p.name, at, evidence=place)
            trial.made = case.made
            if attempt(PROPERTIES[p.name], trial, None) is False:
                return trial.node, None
    return None


def calibration(p: Prover, s: Stratum) -> Found | None:
    for order in (2, 0, 1):
        at = s.chart(order)
        case = s.case(p.name, at)
        level = attempt(lambda case: s.back(case.value(case.zero())), case)
        options: list[dict[str, Any]] = [{"convex": True}, {"convex": True, "evidence": "slope"}, {}]
        if level is not None:
            options.append({"least": level})
        for more in options:
            trial = s.case(p.name, at, **more)
            found = attempt(PROPERTIES[p.name], trial, None)
            if found is not None:
                valued = found and more == {"convex": True} and attempt(dual.transform, p, s)
                return valued or (trial.node, None)
    return None


def propriety(p: Prover, s: Stratum) -> Found | None:
    base = s.chart_of_labels()
    found = p.run(s.case(p.name, base), None)
    if found is not None:
        return dual.weighted(p, s, found)
    for at in (base, *(s.ordered({*base, w})[1:-1] for w in ("1/2", "1/4", "1", "2", "-1"))):
        case = s.case(p.name, at)
        for i in case.cells:
            for place in (["flat", i], *([kind, i, side] for kind in ("limit", "near") for side in ("low", "high"))):
                trial = s.case(p.name, at, evidence=place)
                if attempt(PROPERTIES[p.name], trial, None) is False:
                    return trial.node, None
    return None


def ratio(cell: Cell) -> Element:
    return cell.derivative(3) ** 2 / cell.derivative(2) ** 3 / 4


def ratios(case: Explorer, s: Stratum) -> Iterator[tuple[list[Any], Limit]]:
    """The limits of the ratio at the ends of all cells; those where numbers are large first."""

    def near_end(place: list[Any]) -> float:
        cell = case.cell(place[1])
        t = arb("0.01") if (place[2] == "low") == cell.rising else arb(9)
        v = attempt(lambda: float(number(ratio(cell), {**at_sample(s), cell.t: t})))
        return 0.0 if v is None or v != v else -v

    for place in sorted((["limit", i, side] for i in case.cells for side in ("low", "high")), key=near_end):
        e = attempt(case.limit, 3, *place[1:], ratio)
        if e is not None:
            yield place, e


def concordance(p: Prover, s: Stratum) -> Found | None:
    at = s.chart(0)
    rows = []
    for place, e in ratios(s.case(p.name, at), s):
        if isinstance(e, int):
            trial = s.case(p.name, at, evidence=["ratio", *place[1:]])
            if attempt(PROPERTIES[p.name], trial, None) is False:
                return trial.node, None
        else:
            rows.append((float(number(e, at_sample(s))), place, e))
    for _, place, e in sorted(rows, key=lambda r: -r[0])[:1]:
        root = attempt(lambda e: s.here.tower.power(e, s.here.tower.number("1/2")), e)
        if root is not None:
            return p.run(s.case(p.name, at, reached=place), p.fixed or s.back(root))
    return p.run(s.case(p.name, at), "0")


def in_a_period(p: Prover, s: Stratum) -> Found | None:
    """Bounds of a periodic loss, from its quarters of one period."""
    if s.low != "-oo" or s.high != "oo":
        return None
    found = attempt(s.period)
    if found is None:
        return None
    period: Any = list(found)
    at = ["0", f"({period[1]})/4", f"({period[1]})/2"]
    order = {"lipschitz": 1, "bounded_influence": 1, "smooth": 2, "weakly_convex": 2}.get(p.name, 0)
    case = s.case(p.name, at, period=period)
    rows = levels(case, s) if order == 0 else edges(case, s, order)
    if p.name == "range":
        (_, low, a), (_, high, b) = lowest(rows, 1), lowest(rows, -1)
        goal = f"[{s.back(finite(a))}, {s.back(finite(b))}]"
        return p.run(s.case(p.name, at, period=period, lowest=low, highest=high), goal)
    if p.name in ("nonnegative", "bounded_influence", "bounded"):
        return p.run(case, None)
    v, place, e = min(rows) if p.name == "weakly_convex" else max(rows, key=lambda r: abs(r[0]))
    way = 1 if v >= 0 else -1
    more = {} if p.name == "weakly_convex" else {"way": way}
    return p.run(s.case(p.name, at, period=period, reached=place, **more), s.back(finite(e) * way))


PLAIN: dict[str, tuple[Callable[[Prover, Stratum], Found | None], ...]] = {  # without a value
    name: (holds(0), by_evidence(0)) for name in ("differentiable", "lipschitz", "smooth", "bounded")
}
_STRATEGIES: dict[str, tuple[Callable[[Prover, Stratum], Found | None], ...]] = {
    "convex": (by_point, holds(2), by_evidence(2), far(2)),
    "strictly_convex": (by_point, holds(2), by_evidence(2), far(2)),
    "strongly_convex": (by_point, modulus, by_evidence(2)),
    "weakly_convex": (in_a_period, modulus, by_evidence(2)),
    "quasiconvex": (shape,),
    "continuous": (holds(0), by_evidence(0)),
    "differentiable": (smoothness, by_evidence(0), holds(0)),
    "lipschitz": (in_a_period, size(1), spared(holds(0)), by_evidence(1)),
    "bounded_influence": (in_a_period, holds(0), by_evidence(0)),
    "smooth": (in_a_period, size(2), spared(holds(0)), by_evidence(2)),
    "bounded": (in_a_period, supremum, by_evidence(0), holds(0)),
    "range": (in_a_period, values_of),
    "nonnegative": (in_a_period, by_point, holds(1), by_evidence(1), far(1)),
    "symmetric": (mirror,),
    "monotone": (by_point, holds(1), by_evidence(1), far(1)),
    "minimizer": (least,),
    "redescending": (outer,),
    "upper_bounds_zero_one": (over_zero_one,),
    "calibrated": (calibration,),
    "self_concordant": (by_evidence(2), concordance),
    "proper": (propriety,),
    "strictly_proper": (propriety,),
    "conjugate": (dual.closed(dual.conjugate), dual.implicit, by_evidence(2)),
    "prox": (dual.closed(dual.prox), dual.implicit, by_evidence(2)),
    "elicits": (dual.statistic, dual.misled),
}


def with_views(rows: tuple[Callable[[Prover, Stratum], Found | None], ...]) -> tuple[Callable[..., Found | None], ...]:
    return (*rows, *(seen_from(view, row) for view in (1, 2) for row in rows if row not in (by_point, in_a_period)))


STRATEGIES = {name: with_views(rows) for name, rows in _STRATEGIES.items()}
STRATEGIES["range"] += (
    lambda p, s: serves(p, s, 1) if s.loss["inputs"] else None,
)  # its end may be a root without a text
PLAIN = {name: with_views(rows) for name, rows in PLAIN.items()}
