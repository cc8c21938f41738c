"""What must be found where a property is said not to hold?

That nothing is found is a doubt, no proof.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpmath import mp, mpf

from .breach import Claim, any_confirmed
from .functions import Number, UndefinedError
from .jumps import rough_up_to
from .lines import Line, grows, vanishes
from .properties import BREACHES
from .shapes import convex
from .study import Setting, Study


def tail_grows(s: Setting, *kinds: str) -> bool:
    return any(
        grows([v if kind == "f" else abs(v) for v in getattr(tail, kind)])
        for line in s.lines
        for tail in line.tails()
        for kind in kinds
    )


def flat_somewhere(s: Setting) -> bool:
    """Second differences that vanish along a tail, or are far smaller than usual somewhere."""
    for line in s.lines:
        bends = sorted(d for d, *_ in line.bends())
        if not bends or bends[0] <= abs(bends[len(bends) // 2]) / 1000:
            return True
        usual = abs(bends[len(bends) // 2])
        if any(vanishes(tail.bend) or any(d <= usual / 10**9 for d in tail.bend) for tail in line.tails()):
            return True
    return False


def sinks(s: Setting) -> bool:
    """Second differences that tend to -oo."""
    if any(grows([-v for v in tail.bend]) for line in s.lines for tail in line.tails()):
        return True
    rows = [[d for d, *_ in line.bends()] for line in s.lines if line.bends()]
    return any(min(row) < -(10**9) * (1 + sorted(map(abs, row))[len(row) // 2]) for row in rows)


def breaks(study: Study, s: Setting, order: int) -> bool:
    return any(True for _ in rough_up_to(study, s, order))


EVIDENCE: dict[str, Callable[[Study, Setting], bool]] = {
    "strongly_convex": lambda study, s: flat_somewhere(s),
    "weakly_convex": lambda study, s: sinks(s) or breaks(study, s, 0),
    "differentiable": lambda study, s: breaks(study, s, 1),
    "lipschitz": lambda study, s: tail_grows(s, "slope") or breaks(study, s, 0),
    "bounded_influence": lambda study, s: tail_grows(s, "slope") or breaks(study, s, 0),
    "smooth": lambda study, s: tail_grows(s, "bend", "slope") or breaks(study, s, 1),
    "bounded": lambda study, s: tail_grows(s, "f"),
    "self_concordant": lambda study, s: breaks(study, s, 2) or unbounded_ratio(s),
}
UNSEEN = ("range", "minimizer", "elicits")  # whose refutation says nothing that could be sampled


def unbounded_ratio(s: Setting) -> bool:
    """Whether |f'''|/f''**1.5 grows along a tail."""
    for line in s.lines:
        units = [mpf(1), *(u for v in line.names.values() if v for u in (abs(v), 1 / abs(v)))]
        for tail in line.tails():
            way = mp.sign(tail.xs[0]) if tail.infinite and tail.xs else None
            paths = [tail.xs] if way is None else [[way * k * unit for k in (1, 5, 20, 60)] for unit in units]
            if any(grows(ratios(line, xs, tail.infinite)) for xs in paths):
                return True
    return False


def ratios(line: Line, xs: Sequence[Number], infinite: bool) -> list[Number]:
    """|f'''|/f''**1.5 along a path, where f'' is positive."""
    found = []
    with mp.workdps(150):
        for x in xs:
            h = (abs(x) if infinite else line.scale(x) * mpf(10) ** -3) * mpf(10) ** -20
            try:
                a, b, c, d, e = (line.f(x + i * h) for i in (-2, -1, 0, 1, 2))
            except UndefinedError:
                continue
            second, third = (b - 2 * c + d) / h**2, (e - 2 * d + 2 * b - a) / (2 * h**3)
            if second > 0:
                found.append(abs(third) / second ** mpf(1.5))
    return found


def evident(study: Study, s: Setting, claim: Claim) -> bool:
    """Whether something contradicts the property, for these values of the parameters."""
    plain = Claim(claim.name, claim.verdict)
    if claim.name in ("conjugate", "prox"):  # they fail where f is not convex
        return any_confirmed(convex(study, s, Claim("convex", claim.verdict)))
    if claim.name in EVIDENCE:
        if EVIDENCE[claim.name](study, s):
            return True
        if claim.name in ("lipschitz", "bounded_influence", "smooth", "bounded"):
            return False
        if claim.name == "differentiable":
            return False
        plain = Claim("convex", claim.verdict) if claim.name != "weakly_convex" else plain
        return claim.name != "weakly_convex" and any_confirmed(convex(study, s, plain))
    return any_confirmed(BREACHES[claim.name](study, s, plain))


def looked_again(study: Study, s: Setting) -> Setting:
    """More lines with other targets, and more points."""
    count = 4 if study.inputs else 1
    return Setting(s.names, [study.line(s.names, 7 + 3 * i, 600) for i in range(count)])
