"""What does each property mean, and what shows it? One function a property, on a case: True, False, or Unproved.

A case (`cells.Case`) is one stratum of the parameters and targets, with the prediction cut into cells. A function asks
it for signs, limits and jumps; what it concludes from them is a lemma of docs/lemmas.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from .cells import Case, among, ends, less, minus, plus, short_of
from .duality import conjugate, elicits, prox, transform
from .lemmas import NEGATIVE, NONNEGATIVE, NONPOSITIVE, NULL, POSITIVE, leading, need
from .reading import Unproved
from .tower import Element

BREAKS: dict[str, tuple[int, Any]] = {"gap": (0, (-2, 2))}
BENDS = {**BREAKS, "jump": (1, NEGATIVE), "limit": (2, NEGATIVE), "cell": (2, NEGATIVE)}
BENDS |= {"near": (2, NEGATIVE), "point": (2, NEGATIVE)}
EVIDENCE: dict[str, dict[str, tuple[int, Any]]] = {  # kind of place -> derivative, signs (or infinity) that refute
    "convex": BENDS,
    "strictly_convex": {**BENDS, "cell": (2, NONPOSITIVE)},
    "strongly_convex": {**BENDS, "limit": (2, NONPOSITIVE), "cell": (2, NONPOSITIVE)},
    "weakly_convex": {**BREAKS, "jump": (1, NEGATIVE), "limit": (2, "-oo")},
    "continuous": BREAKS,
    "differentiable": {**BREAKS, "jump": (1, (-2, 2))},
    "lipschitz": {**BREAKS, "limit": (1, "-oo oo")},
    "bounded_influence": {**BREAKS, "limit": (1, "-oo oo")},
    "smooth": {**BREAKS, "jump": (1, (-2, 2)), "limit": (2, "-oo oo")},
    "bounded": {"limit": (0, "oo")},
    "nonnegative": dict.fromkeys(("limit", "at", "cell", "near", "point"), (0, NEGATIVE)),
    "monotone": dict.fromkeys(("limit", "cell", "near", "point"), (1, POSITIVE)),
    "conjugate": BENDS,
    "prox": BENDS,
    "self_concordant": {**BENDS, "jump": (1, (-2, 2)), "jump2": (2, (-2, 2))},
}


def refute(c: Case) -> bool:
    """Whether the evidence contradicts the property (lemma `evidence`): False, or Unproved."""
    kind, *where = c.node["evidence"]
    k, allowed = EVIDENCE[c.name][kind]
    if kind == "point":
        need(c.at_point(k, *where), allowed, "the evidence")
        return False
    e = c.found(["jump" if kind == "jump2" else kind, *where], k)
    if isinstance(allowed, str):
        if not isinstance(e, int) or ("oo" if e > 0 else "-oo") not in allowed.split():
            raise Unproved("the limit is not the infinity that refutes")
    else:
        need(c.sign(e, "evidence"), allowed, "the evidence")
    return False


def shown(holds: bool, what: str) -> bool:
    if not holds:
        raise Unproved(what)
    return True


def size_at_most(c: Case, k: int, goal: str | None) -> bool:
    """|f^(k)| <= goal, with equality somewhere; without a goal, by its finite limits (lemma `extreme value`)."""
    if goal is None:
        for i in c.cells:  # a limit at an end may say nothing of the inside
            c.regular(i)
        if any(isinstance(c.limit(k, i, side), int) for i in c.cells for side in ("low", "high")):
            raise Unproved("an infinite limit")
        return True
    c.every(k, NONNEGATIVE, "left", short_of, goal)
    c.every(k, NONNEGATIVE, "plus", plus, goal)
    c.reached(k, less if c.node.get("way", 1) > 0 else plus, goal)
    return True


def one_side(c: Case, text: str, closed: bool, what: Callable[..., Element], place: str, infinite: int) -> bool:
    """f stays on one side of a bound; and attains it (closed), or only approaches it, where a place is named."""
    if text == ("oo" if infinite > 0 else "-oo"):
        if place in c.node:
            kind, i, side = c.node[place]
            shown(not closed and kind == "limit" and c.limit(0, i, side) == infinite, "an infinite limit")
            c.attained.add(place)
        return True
    shown(closed or "period" not in c.node, "a bound that is met")
    c.every(0, NONNEGATIVE if closed else POSITIVE, place, what, text)
    c.values(NONNEGATIVE if closed else POSITIVE, what, text)
    if place in c.node and closed and c.node[place][0] == "limit":
        raise Unproved("a limit is not attained")
    c.reached(0, less, text, place)
    return True


def convex(c: Case, goal: str | None) -> bool:
    c.slopes_rise()
    c.every(2, NONNEGATIVE)
    return True


def strictly_convex(c: Case, goal: str | None) -> bool:
    c.slopes_rise()
    c.every(2, POSITIVE)
    return True


def strongly_convex(c: Case, goal: str | None) -> bool:
    need(c.sign(c.read(str(goal)), "value"), POSITIVE, "the modulus")
    c.slopes_rise()
    c.every(2, NONNEGATIVE, "less", less, goal)
    c.reached(2, less, str(goal))
    return True


def weakly_convex(c: Case, goal: str | None) -> bool:
    need(c.sign(c.read(str(goal)), "value"), NONNEGATIVE, "the modulus")
    c.slopes_rise()
    c.every(2, NONNEGATIVE, "plus", plus, goal)
    c.reached(2, plus, str(goal))
    return True


def quasiconvex(c: Case, goal: str | None) -> bool:
    """Falling up to cell `turn`, rising from there, or convex (lemma `quasiconvex`)."""
    if "evidence" in c.node:  # it rises at one place and falls at a later one
        (a, i, *side), (b, k, *other) = c.node["evidence"]
        need(c.sign(c.found([a, i, *side], 1), "rise"), POSITIVE, "the rise")
        need(c.sign(c.found([b, k, *other], 1), "fall"), NEGATIVE, "the fall")
        if {a, b} - {"limit", "cell", "near"} or not (i < k or (i == k and (side, other) == (["low"], ["high"]))):
            raise Unproved("the fall does not come after the rise")
        return False
    if c.node.get("convex"):
        return convex(c, None)
    turn = among(c.node["turn"], range(len(c.cells) + 1), "no cell where the direction turns")
    c.every(1, NONPOSITIVE, cells=range(turn))
    c.every(1, NONNEGATIVE, cells=range(turn, len(c.cells)))
    for j in c.seams():
        before, after = (c.sign(c.gap(j, side), f"gap {side} {j}") for side in ("left", "right"))
        if j == turn - 1:
            if before not in NONNEGATIVE and after not in NONNEGATIVE:
                raise Unproved("a peak where the direction turns")
        else:
            need(before, NONNEGATIVE if j < turn else NONPOSITIVE, f"the jump at {c.at[j]}")
            need(after, NONPOSITIVE if j < turn else NONNEGATIVE, f"the jump at {c.at[j]}")
    return True


def monotone(c: Case, goal: str | None) -> bool:
    c.every(1, NONPOSITIVE)
    for j in c.seams():
        need(c.sign(c.gap(j, "left"), f"gap left {j}"), NONNEGATIVE, f"the jump at {c.at[j]}")
        need(c.sign(c.gap(j, "right"), f"gap right {j}"), NONPOSITIVE, f"the jump at {c.at[j]}")
    return True


def continuous(c: Case, goal: str | None) -> bool:
    c.continuous()
    return True


def differentiable(c: Case, goal: str | None) -> bool:
    """Of class C^k inside the domain, where k is the value, the largest such number; oo without seams; else k >= 1."""
    if goal == "oo":
        return shown(not c.seams(), "a seam")
    if goal is None:
        c.smooth_to(1)
        return True
    k = int(str(goal))
    shown(k >= 1 and str(k) == goal, "a class of differentiable functions")
    c.smooth_to(k)
    need(c.sign(c.jump(k + 1, c.node["reached"]), "reached"), (-2, 2), "the jump of the next derivative")
    return True


def lipschitz(c: Case, goal: str | None) -> bool:
    c.continuous()
    return size_at_most(c, 1, goal)


def bounded_influence(c: Case, goal: str | None) -> bool:
    """That the loss is Lipschitz, whatever the constant."""
    c.continuous()
    return size_at_most(c, 1, None)


def smooth(c: Case, goal: str | None) -> bool:
    c.smooth_to(1)
    return size_at_most(c, 2, goal)


def bounded(c: Case, goal: str | None) -> bool:
    """Bounded above; the value is the least upper bound."""
    if goal is None:
        return size_at_most(c, 0, None)
    return shown(goal != "oo", "a bound") and one_side(c, goal, False, short_of, "reached", 2)


def range_(c: Case, goal: str | None) -> bool:
    low, high, has_low, has_high = ends(str(goal))
    return one_side(c, low, has_low, less, "lowest", -2) and one_side(c, high, has_high, short_of, "highest", 2)


def nonnegative(c: Case, goal: str | None) -> bool:
    c.every(0, NONNEGATIVE, "less", less, "0")
    c.values(NONNEGATIVE, less, "0")
    return True


def minimizer(c: Case, goal: str | None) -> bool:
    """The set of all minimizers: none, a point, or an interval between breakpoints, with a breakpoint in it."""
    if goal == "none":
        return one_side(c, c.node["level"], False, less, "lowest", -2) and shown("lowest" in c.attained, "the level")
    first, last = (among(j, range(-1, len(c.at) + 1), "no place of a minimum") for j in c.node["argmin"])
    interval = first != last or str(goal)[0] == "["  # [a, b] may have shrunk to a point
    # -1 and len(at) stand for the ends of the domain, which do not belong to an interval
    least, most = first + (interval and str(goal)[0] == "("), last - (interval and str(goal)[-1] == ")")
    base = among(least, range(min(most + 1, len(c.at))), "no breakpoint where the minimum is attained")
    low, high = ends(str(goal))[:2] if interval else (str(goal), str(goal))
    for text, j in ((low, first), (high, last)):
        end = c.low if j < 0 else c.high if j == len(c.at) else None
        shown(text == end if end else (c.read(text) - c.read(c.at[j])).zero, f"{text} is the breakpoint {j}")
    shown(most < len(c.at), "an interval without the end of the domain")
    for i in c.cells:
        s = c.sign_on(
            i,
            0,
            f"level@{i}",
            lambda cell: cell.derivative(0) - c.formula_on(cell, c.at[base]),
            lambda e: minus(e, c.value(base)),
        )
        need(s, NULL if first < i <= last else POSITIVE, f"the level on cell {i}")
    for j in range(len(c.at)):
        e = c.value(j) - c.value(base)
        need(c.sign(e, f"level {j}"), NULL if least <= j <= most else POSITIVE, f"the level at {c.at[j]}")
    return True


def redescending(c: Case, goal: str | None) -> bool:
    outer = [c.limit(1, 0, "low"), c.limit(1, len(c.at), "high")]
    if "evidence" in c.node:
        found = outer[among(c.node["evidence"], (0, 1), "no end")]
        need(c.sign(found, "evidence"), (-2, 2), "the slope at an end")
        return False
    return shown(all(not isinstance(e, int) and e.zero for e in outer), "the slope at an end")


def symmetric(c: Case, goal: str | None) -> bool:
    if "evidence" in c.node:
        e = c.read(c.breakpoint(c.node["evidence"]))
        need(c.sign(c.formula_at(e) - c.formula_at(-e), "evidence"), (-2, 2), "f(x) - f(-x)")
        return False
    reflected(c, c.zero(), NULL)
    return True


def reflected(c: Case, zero: int, allowed: tuple[int, ...]) -> None:
    """The sign of f(x) - f(-x) for all x > 0."""
    for j in range(zero + 1, len(c.at)):
        e = c.read(c.at[j])
        need(c.sign(c.formula_at(e) - c.formula_at(-e), f"mirrored value {j}"), allowed, "f(x) - f(-x)")
    for i in range(zero + 1, len(c.cells)):
        need(c.signed(i, f"mirrored {i}", c.mirrored), allowed, "f(x) - f(-x)")


def self_concordant(c: Case, goal: str | None) -> bool:
    """The third derivative is at most 2*value*hessian**(3/2)."""
    if "evidence" in c.node:
        _, i, side = c.node["evidence"]
        if not isinstance(c.limit(3, i, side, lambda z: z.derivative(3) ** 2 / z.derivative(2) ** 3 / 4), int):
            raise Unproved("the ratio is bounded")
        return False
    need(c.sign(c.read(str(goal)), "value"), NONNEGATIVE, "the constant")
    convex(c, None)
    c.smooth_to(2)
    for i in c.cells:
        s = c.signed(
            i, f"ratio@{i}", lambda z: c.read(str(goal), z) ** 2 * z.derivative(2) ** 3 * 4 - z.derivative(3) ** 2
        )
        need(s, NONNEGATIVE, f"the bound on cell {i}")
    if "reached" in c.node:
        kind, i, side = c.node["reached"]
        shown(kind == "limit" and not any(p.weak for p in c.path), "a limit of a ratio that is one for all targets")
        found = c.limit(3, i, side, lambda cell: cell.derivative(3) ** 2 / cell.derivative(2) ** 3 / 4)
        need(c.sign(minus(found, c.read(str(goal)) ** 2), "reached"), NULL, f"the bound at the {kind}")
        c.attained.add("reached")
    return True


def upper_bounds_zero_one(c: Case, goal: str | None) -> bool:
    zero = c.zero()
    if "evidence" in c.node:  # f < 1 at a margin <= 0, or f < 0
        kind, i, *side = c.node["evidence"]
        shown(kind in ("limit", "cell", "at"), "a place of f")
        e = c.found([kind, i, *side], 0)
        needed = e if isinstance(e, int) or i > zero else e - 1
        need(c.sign(needed, "evidence"), NEGATIVE, "f - 1")
        return False
    c.every(0, NONNEGATIVE, "one", less, "1", range(zero + 1))
    c.values(NONNEGATIVE, less, "1", range(zero + 1))
    c.every(0, NONNEGATIVE, "less", less, "0", range(zero + 1, len(c.cells)))
    c.values(NONNEGATIVE, less, "0", range(zero + 1, len(c.at)))
    return True


def calibrated(c: Case, goal: str | None) -> bool:
    """Bartlett, Jordan, McAuliffe (2006), theorem 2, for convex losses; lemma `calibrated` for others."""
    zero = c.zero()
    before, after = c.limit(1, zero, "high"), c.limit(1, zero + 1, "low")
    turns = c.sign(minus(after, before), "turns")
    if c.node.get("least"):  # f is least at 0, whatever the probability
        c.every(0, NONNEGATIVE, "least", less, c.node["least"])
        c.values(NONNEGATIVE, less, c.node["least"])
        return not shown((c.value(zero) - c.read(c.node["least"])).zero, "the level")
    if c.node.get("convex"):
        convex(c, None)
        if "evidence" in c.node:
            return not shown(turns == 2 or c.sign(after, "after") in NONNEGATIVE, "the slope at 0")
        need(turns, NULL, "the jump of the slope at 0")
        need(c.sign(after, "after"), NEGATIVE, "the slope at 0")
        if goal is not None:
            transform(c, goal)
        return True
    shown(goal is None, "no transform of a loss that is not convex")
    sides = {j: [c.sign(c.gap(j, s), f"gap {s} {j}") for s in ("left", "right")] for j in {*c.seams(), zero}}
    if any(s != [0, 0] for j, s in sides.items() if j != zero):
        raise Unproved("a jump away from 0")
    for end in (None, c.reflection):
        shown(c.limit(0, len(c.at), "high", end) != -2, "a loss that is bounded below")
    reflected(c, zero, NEGATIVE)
    far = c.limit(0, len(c.at), "high", c.mirrored)
    need(c.sign(far, "far"), NEGATIVE, "f(x) - f(-x) far out")
    if sides[zero] == [0, 0]:
        need(c.sign(after, "after"), NEGATIVE, "the slope at 0")
        need(turns, NONPOSITIVE, "the jump of the slope at 0")
    else:
        need(sides[zero][0], NONPOSITIVE, "the jump up to 0")
        need(sides[zero][1], NEGATIVE, "the jump down from 0")
        across = minus(c.gap(zero, "right"), c.gap(zero, "left"))
        shown(not isinstance(across, int), "finite limits at 0")
        need(c.sign(across, "across"), NEGATIVE, "the jump across 0")
    return True


def proper(c: Case, goal: str | None) -> bool:
    """The expected loss under p is stationary at p, falling before and rising after (lemma `proper`)."""
    strict, logit = c.name == "strictly_proper", c.loss["domain"] == "(-oo, oo)"
    if "evidence" not in c.node:
        for j, side, n in itertools.product(range(len(c.at)), ("left", "right"), (0, 1)):
            need(c.sign(c.gap(j, side, n), f"gap {side} {j} {n}"), NULL, f"the jump for the label {n} at {c.at[j]}")
    for i in c.cells:
        cell, (one, zero) = c.cell(i), c.both_labels(i)
        p = cell.tower.read(f"1/(1 + exp(-{c.x}))", cell.names) if logit else cell.names[c.x]
        e, rate = p * one + (1 - p) * zero, p * (1 - p) if logit else cell.tower.number(1)
        if "evidence" in c.node:
            kind, k, *side = c.node["evidence"]
            if i == k and kind == "flat":
                return not shown(strict and one.zero, "the slope")
            if i == k:
                end = leading(e, cell.t, c.starts(cell, side[0])) if kind == "near" else c.limit_of(e, cell, side[0])
                need(c.sign(end, "evidence"), (-2, 2), "the slope of the expected loss")
                return False
            continue
        need(c.sign(e, f"stationary@{i}"), NULL, "the slope of the expected loss at p")
        need(c.sign(one, f"falls@{i}"), NEGATIVE if strict else NONPOSITIVE, "the slope for the label 1")
        if goal:
            # Lemma `weight`.
            weight = one + cell.tower.read(goal, cell.names) * (1 - p) * rate
            need(c.sign(weight, f"weight@{i}"), NULL, "the weight")
    return shown("evidence" not in c.node, "the place of the evidence")


ATTAINED = {"range": {"lowest", "highest"}, "bounded": {"reached"}}  # what a value promises, for some target
BEST = ("strongly_convex", "weakly_convex", "lipschitz", "smooth", "self_concordant")  # a value must be reached
BOTH_LABELS = ("proper", "strictly_proper")
DUAL = ("conjugate", "prox", "elicits")
NAMED = (*DUAL, "range", "minimizer", "strongly_convex", "weakly_convex", "self_concordant")  # by a value
VALUED = (*NAMED, "calibrated", "differentiable", "lipschitz", "smooth", "bounded", *BOTH_LABELS)  # may have a value
OF_RESIDUALS = ("symmetric", "bounded_influence", "redescending")
OF_THE_LINE = ("conjugate", "prox")  # where f is finite, and nowhere infinite
OF_MARGINS = ("monotone", "upper_bounds_zero_one", "calibrated")


def predicts_probability(loss: dict[str, Any]) -> bool:
    """Whether the prediction is a probability, or a logit: of the raw scores, those named z are."""
    return loss["domain"] in ("(0, 1)", "[0, 1]") or (loss["domain"] == "(-oo, oo)" and loss["variable"] == "z")


def meaningful(loss: dict[str, Any], claim: dict[str, Any]) -> None:
    """Whether the property has a meaning for the loss, and the claim says exactly what a check of it shows."""
    name, verdict = claim["property"], claim["verdict"]
    shown(name in PROPERTIES, "a known property")
    shown(name not in OF_RESIDUALS or loss["base"] == "residual", "a loss of a residual")
    shown(name not in OF_MARGINS or loss["base"] == "margin", "a loss of a margin")
    shown(name not in OF_THE_LINE or loss["base"] in ("residual", "margin"), "a loss on the whole line")
    if name in BOTH_LABELS:
        shown([*loss["inputs"].values()] in (["{0, 1}"], ["[0, 1]"]), "a target that is a label")
        shown(predicts_probability(loss), "a prediction that is a logit or a probability")
    valued = formed(claim)
    shown(name in DUAL or not isinstance(claim.get("value"), dict), "a value that is one text")
    if verdict in ("proved", "conditional"):
        shown(len(valued) == 1 or not (valued or name in NAMED), "one value or bound")
        shown(name in VALUED if "value" in valued else name in BEST if valued else True, "a property with a value")


def formed(claim: dict[str, Any]) -> set[str]:
    """Whether a claim has the fields that belong to its verdict, and no others; which of value and bound it has."""
    valued: set[str] = {key for key in ("value", "bound") if key in claim}
    verdict = claim["verdict"]
    for key, content in claim.items():
        texts = content.values() if key == "value" and isinstance(content, dict) else [content]
        shown(all(isinstance(x, str) for x in texts), "a claim made of text")
    allowed = {"proved": valued, "refuted": (), "conditional": {*valued, "condition"}, "undecided": {"reason"}}[verdict]
    shown(claim.keys() <= {"property", "verdict", *allowed}, "a claim without other fields")
    return valued


ALL_TARGETS = (*BOTH_LABELS, "elicits")  # speak of all targets at once
UNCHOSEN = ("conjugate", "prox", "elicits", "calibrated")  # the conditions in their values are read by `duality`
Property = Callable[[Case, Any], bool]
_ALL: tuple[Property, ...] = (
    convex, strictly_convex, strongly_convex, weakly_convex, quasiconvex, continuous, differentiable, lipschitz, smooth,
    bounded, range_, nonnegative, symmetric, monotone, minimizer, bounded_influence, redescending, self_concordant,
    upper_bounds_zero_one, calibrated, proper, conjugate, prox, elicits,
)  # fmt: skip
PROPERTIES = {**{f.__name__.strip("_"): f for f in _ALL}, "strictly_proper": proper}
