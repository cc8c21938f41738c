"""Does the checker refuse what is wrong? Certificates as they are written down, each spoilt in one way.

A certificate that is spoilt may be accepted only if the claim is true all the same; every case here is one in which the
claim becomes false, or a step that it needs is gone. The checker must answer with Unproved: no other exception, no
endless work.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from extent import some

from lossforge.cli.facts import FACTS
from lossforge.derive import checker
from lossforge.derive.certificates import statement
from lossforge.derive.reading import Unproved

Part = dict[str, Any]
NAMES = (
    "absolute_error", "binary_cross_entropy", "binary_cross_entropy_logits", "exponential", "half_squared_error",
    "hinge", "huber", "log_cosh", "logistic", "modified_huber", "perceptron", "pinball",
    "poisson_log_link", "pseudo_huber",
    "squared_error", "squared_hinge", "zero_one",
)  # fmt: skip
LINEAR = ["linear", "1", False]


class Case:
    """A claim about a loss, its tree, and what they are about; a change spoils one of the three."""

    def __init__(self, about: Part, claim: Part, tree: Any) -> None:
        self.about, self.claim, self.tree = copy.deepcopy((about, claim, tree))
        self.loss = checker.digest(about)
        self.extra: Part = {}

    def forge(self) -> Case:
        """With the digest of what the certificate is now said to be about."""
        self.loss = checker.digest(self.about)
        return self

    def certificate(self) -> Part:
        return {"property": self.claim["property"], "loss": self.loss, "tree": self.tree, **self.extra}

    def accepted(self) -> bool:
        """Whether the checker accepts; any exception but Unproved goes through."""
        try:
            checker.check(self.about, self.claim, self.certificate())
        except Unproved:
            return False
        return True

    @property
    def leaf(self) -> Part:
        return next(leaves(self.tree))


def leaves(node: Any) -> Iterator[Part]:
    if isinstance(node, dict) and "parts" in node:
        for part in node["parts"]:
            yield from leaves(part)
    elif node is not None:
        yield node


def written(name: str) -> tuple[Part | None, Part]:
    return (
        statement(json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))),
        json.loads((FACTS / "certificates" / f"{name}.json").read_text(encoding="utf-8"))["claims"],
    )


WRITTEN = {name: written(name) for name in NAMES}


def case(name: str, claim: str) -> Case:
    about, claims = WRITTEN.get(name) or written(name)
    assert about is not None
    return Case(about, claims[claim]["claim"], claims[claim]["certificate"]["tree"])


def every() -> Iterator[tuple[str, Case]]:
    """Every decided claim of the catalogue losses named above."""
    for name, (_, claims) in WRITTEN.items():
        for claim, content in claims.items():
            if content["certificate"] is not None:
                yield name, case(name, claim)


def residual(formula: str, base: str = "residual", **parameters: str) -> Part:
    return {
        "formula": formula, "definitions": {}, "variable": {"residual": "r", "margin": "m"}[base], "base": base,
        "domain": "(-oo, oo)", "inputs": {}, "parameters": parameters,
    }  # fmt: skip


def unit(formula: str, **inputs: str) -> Part:
    """A loss of a prediction p in (0, 1)."""
    return {
        "formula": formula, "definitions": {}, "variable": "p", "base": None, "domain": "(0, 1)", "inputs": inputs,
        "parameters": {},
    }  # fmt: skip


def made(about: Part, claim: str, verdict: str, at: list[str], value: str | None = None, **more: Any) -> Case:
    """A claim with a tree of one case, in linear charts."""
    said = {"property": claim, "verdict": verdict} | ({} if value is None else {"value": value})
    return Case(about, said, {"at": at, "charts": [LINEAR] * (len(at) + 1)} | more)


# All certificates, each spoilt in the same way ---------------------------------------------------


def test_what_is_written_down_is_accepted() -> None:
    """Otherwise nothing below says anything."""
    found = [(name, c.claim["property"]) for name, c in every() if not c.accepted()]
    assert found == []
    assert sum(1 for _ in every()) > 250


@pytest.mark.parametrize("verdict", ["proved", "refuted", "conditional"])
def test_another_verdict(verdict: str) -> None:
    wrong = []
    for name, c in every():
        if c.claim["verdict"] != verdict:
            c.claim["verdict"] = verdict
            wrong += [(name, c.claim)] if c.accepted() else []
    assert wrong == []


@pytest.mark.parametrize("change", ["({})*1001/1000", "({})*999/1000", "-({})", "({}) + 1", "({})/2", "2*({})"])
def test_another_constant(change: str) -> None:
    best = ("strongly_convex", "weakly_convex", "lipschitz", "smooth", "self_concordant", "bounded")
    wrong, tried = [], 0
    for name, c in every():
        value = c.claim.get("value")
        if c.claim["property"] in best and value is not None and not (value == "0" and "+" not in change):
            c.claim["value"] = change.format(value)
            tried += 1
            wrong += [(name, c.claim)] if c.accepted() else []
    assert wrong == []
    assert tried >= 10


@pytest.mark.parametrize("claim", ["range", "minimizer"])
@pytest.mark.parametrize(
    "change",
    [lambda low, high: (f"{low} - 1", high), lambda low, high: (f"{low} + 1/10", high), lambda low, high: (high, low),
     lambda low, high: (low, f"{high} + 1"), lambda low, high: ("oo", high), lambda low, high: (low, "-oo")],
)  # fmt: skip
def test_another_set(claim: str, change: Callable[[str, str], tuple[str, str]]) -> None:
    wrong = []
    for name, c in every():
        value = c.claim.get("value")
        if (
            c.claim["property"] == claim
            and value
            and value[0] in "(["
            and value.count(",") == 1
            and " if " not in value
        ):
            low, high = (end.strip() for end in value[1:-1].split(","))
            ends = change(low, high)
            if ends != (low, high):
                c.claim["value"] = f"{value[0]}{ends[0]}, {ends[1]}{value[-1]}"
                wrong += [(name, c.claim)] if c.accepted() else []
    assert wrong == []


@pytest.mark.parametrize("claim", ["range", "minimizer"])
@pytest.mark.parametrize("place", [0, -1])
def test_another_end(claim: str, place: int) -> None:
    """Closed for open, and open for closed."""
    wrong, tried = [], 0
    for name, c in every():
        value = c.claim.get("value")
        if c.claim["property"] == claim and value and value[0] in "([" and " if " not in value:
            brackets = {"[": "(", "(": "[", "]": ")", ")": "]"}
            turned = list(value)
            turned[place] = brackets[value[place]]
            c.claim["value"] = "".join(turned)
            tried += 1
            wrong += [(name, c.claim)] if c.accepted() else []
    assert wrong == []
    assert tried >= 1


def test_a_class_that_is_another_one() -> None:
    wrong = []
    for name, c in every():
        if c.claim["property"] == "differentiable" and "value" in c.claim:
            for k in {"0", "1", "2", "3", "oo", "-1"} - {c.claim["value"]}:
                other = copy.deepcopy(c)
                other.claim["value"] = k
                wrong += [(name, k)] if other.accepted() else []
    assert wrong == []


def test_a_bound_is_not_the_best() -> None:
    """Of losses without targets: a bound for all of them may be attained for one, and then it is the value."""
    wrong, tried = [], 0
    for name, c in every():
        if c.claim["property"] in ("lipschitz", "smooth") and "value" in c.claim and not c.about["inputs"]:
            for leaf in leaves(c.tree):
                leaf.pop("reached", None)
            c.claim["bound"] = f"2*({c.claim.pop('value')})"
            if c.accepted():
                tried += 1
                c.claim["value"] = c.claim.pop("bound")
                wrong += [(name, c.claim)] if c.accepted() else []
    assert wrong == []
    assert tried >= 10


EXTRAS = ({"value": "7"}, {"bound": "0"}, {"condition": "1 < 0"}, {"value": "7", "bound": "0"})


@pytest.mark.parametrize("extra", EXTRAS, ids=str)
def test_a_claim_that_says_more_than_is_checked(extra: Part) -> None:
    wrong = []
    for name, c in every():
        if not extra.keys() & c.claim.keys() and not (c.claim["verdict"] == "conditional" and "condition" in extra):
            c.claim |= extra
            wrong += [(name, c.claim["property"])] if c.accepted() else []
    assert wrong == []


@pytest.mark.parametrize("of", ["hinge", "zero_one", "squared_error", "log_cosh", "exponential", "perceptron"])
def test_the_certificate_of_another_loss(of: str) -> None:
    """With its own digest it is refused in any case; with a forged one, wherever the other loss has another verdict."""
    wrong, tried = [], 0
    for name, c in every():
        about, claims = WRITTEN[of]
        there = claims.get(c.claim["property"])
        if name == of or there is None or about is None:
            continue
        c.about = copy.deepcopy(about)
        wrong += [(name, "its own digest", c.claim)] if c.accepted() else []
        if there["certificate"] is not None and there["claim"]["verdict"] != c.claim["verdict"]:
            tried += 1
            wrong += [(name, c.claim)] if c.forge().accepted() else []
    assert wrong == []
    assert tried >= 10


def test_the_certificate_of_another_property() -> None:
    wrong = []
    for name, (_, claims) in WRITTEN.items():
        for a, b in (("convex", "strictly_convex"), ("convex", "strongly_convex"), ("continuous", "differentiable"),
                     ("lipschitz", "smooth"), ("nonnegative", "bounded"), ("convex", "self_concordant")):  # fmt: skip
            if claims[a]["claim"]["verdict"] == "proved" and claims[b]["claim"]["verdict"] == "refuted":
                c = case(name, a)
                c.claim = {**c.claim, "property": b}
                wrong += [(name, a, b)] if c.accepted() else []
    assert wrong == []


@pytest.mark.parametrize("drop", ["at", "charts", "parts", "split"])
def test_a_field_is_missing(drop: str) -> None:
    wrong, tried = [], 0

    def without(node: Any) -> Any:
        return (
            {k: [without(n) for n in v] if k == "parts" else v for k, v in node.items() if k != drop} if node else node
        )

    for name, c in every():
        before = c.tree
        c.tree = without(c.tree)
        if c.tree != before:
            tried += 1
            wrong += [(name, c.claim["property"])] if c.accepted() else []
    assert wrong == []
    assert tried >= 10


@pytest.mark.parametrize("bad", [None, 7, "x", [], {}, True, [["linear"]], {"a": {"b": []}}, 1e308, -1], ids=str)
@pytest.mark.parametrize("field", ["at", "charts", "tree", "evidence", "proofs", "using", "limits"])
def test_a_wrong_type(field: str, bad: Any) -> None:
    """Nothing but Unproved comes out; what is accepted is what is read as if nothing stood there."""
    harmless = {"proofs", "using", "limits", "evidence"}
    for name in ("huber", "logistic", "binary_cross_entropy_logits"):
        for claim in ("convex", "strictly_convex", "range", "minimizer", "self_concordant"):
            c = case(name, claim)
            if field == "tree":
                c.tree = bad
            else:
                c.leaf[field] = bad
            if c.accepted():
                assert field in harmless, (name, claim, field, bad)


# One certificate, spoilt in one way --------------------------------------------------------------

Change = Callable[[Case], Any]
SPOILT: dict[str, tuple[str, str, Change]] = {
    # What the certificate is about
    "formula changed, digest kept": ("hinge", "convex", lambda c: c.about.update(formula="max(0, 1 - m) - m**2")),
    "formula changed, digest forged": (
        "hinge",
        "convex",
        lambda c: (c.about.update(formula="min(0, 1 - m)"), c.forge()),
    ),
    "formula changed a little": (
        "logistic",
        "convex",
        lambda c: (c.about.update(formula="log(1 + exp(-m)) - m**2"), c.forge()),
    ),
    "parameter's domain widened, digest kept": (
        "pinball",
        "range",
        lambda c: c.about["parameters"].update(tau="(0, 2)"),
    ),
    "parameter's domain widened": (
        "pinball",
        "range",
        lambda c: (c.about["parameters"].update(tau="(0, 2)"), c.forge()),
    ),
    "parameter's domain closed": (
        "pseudo_huber",
        "smooth",
        lambda c: (c.about["parameters"].update(delta="[0, oo)"), c.forge()),
    ),
    "parameter of any sign": (
        "huber",
        "convex",
        lambda c: (c.about["parameters"].update(delta="(-oo, oo)"), c.forge()),
    ),
    "target's domain widened": (
        "binary_cross_entropy_logits",
        "nonnegative",
        lambda c: (c.about["inputs"].update(y="[0, 2]"), c.forge()),
    ),
    "prediction's domain widened": (
        "binary_cross_entropy",
        "convex",
        lambda c: (c.about.update(domain="(0, 2)"), c.forge()),
    ),
    "another property in the certificate": ("hinge", "convex", lambda c: c.extra.update(property="continuous")),
    "no digest": ("hinge", "convex", lambda c: c.extra.update(loss=None)),
    # Strata of parameters and targets
    "stratum dropped": ("pinball", "symmetric", lambda c: c.tree["parts"].pop()),
    "stratum doubled": ("pinball", "symmetric", lambda c: c.tree["parts"].append(c.tree["parts"][0])),
    "strata in another order": ("pinball", "symmetric", lambda c: c.tree["parts"].insert(0, c.tree["parts"].pop(1))),
    "stratum undecided": ("pinball", "symmetric", lambda c: c.tree["parts"].__setitem__(0, None)),
    "cut of a parameter moved": ("pinball", "symmetric", lambda c: c.tree.update(at=["1/3"])),
    "cut of a parameter outside": ("pinball", "symmetric", lambda c: c.tree.update(at=["2"])),
    "cuts of a parameter out of order": ("pinball", "symmetric", lambda c: c.tree.update(at=["2/3", "1/3"])),
    "condition narrowed": ("pinball", "symmetric", lambda c: c.claim.update(condition="tau == 1/3")),
    "condition widened": ("pinball", "symmetric", lambda c: c.claim.update(condition="tau >= 1/2")),
    "condition said in another way": (
        "pinball",
        "symmetric",
        lambda c: c.claim.update(condition="tau == 1/2 or tau > 1"),
    ),
    "no condition": ("pinball", "symmetric", lambda c: c.claim.pop("condition")),
    "split of an unknown name": ("huber", "convex", lambda c: c.tree.update(split="gamma")),
    "split of the prediction": ("huber", "convex", lambda c: c.tree.update(split="r")),
    "no split of a parameter": ("huber", "convex", lambda c: setattr(c, "tree", c.tree["parts"][0])),
    "no split of a target": ("binary_cross_entropy_logits", "convex", lambda c: setattr(c, "tree", c.tree["parts"][0])),
    "target cut in a place left out": ("binary_cross_entropy_logits", "convex", lambda c: c.tree["parts"].pop()),
    "end of a range left out": (
        "binary_cross_entropy_logits",
        "range",
        lambda c: (c.tree["parts"].pop(0), c.tree.update(weak=True)),
    ),
    # Cells of the prediction
    "breakpoint dropped": ("huber", "convex", lambda c: (c.leaf["at"].pop(), c.leaf["charts"].pop())),
    "chart dropped": ("huber", "convex", lambda c: c.leaf["charts"].pop()),
    "breakpoint moved": ("huber", "convex", lambda c: c.leaf["at"].__setitem__(-1, "2*delta")),
    "breakpoint doubled": (
        "huber",
        "convex",
        lambda c: (c.leaf["at"].append("delta"), c.leaf["charts"].append(LINEAR)),
    ),
    "breakpoints out of order": ("huber", "convex", lambda c: c.leaf["at"].reverse()),
    "breakpoint in the prediction": ("hinge", "convex", lambda c: c.leaf["at"].__setitem__(-1, "m")),
    "breakpoint at oo": ("hinge", "convex", lambda c: (c.leaf["at"].append("oo"), c.leaf["charts"].append(LINEAR))),
    "breakpoint outside of the domain": (
        "binary_cross_entropy",
        "convex",
        lambda c: [(n["at"].append("3/2"), n["charts"].append(LINEAR)) for n in leaves(c.tree)],
    ),
    "breakpoint that is no number": ("hinge", "convex", lambda c: c.leaf["at"].__setitem__(-1, "log(-1)")),
    "unknown chart": ("hinge", "convex", lambda c: c.leaf["charts"].__setitem__(0, ["cubic", "1", False])),
    "chart of scale 0": ("hinge", "convex", lambda c: c.leaf["charts"].__setitem__(0, ["linear", "0", False])),
    "chart of negative scale": ("hinge", "convex", lambda c: c.leaf["charts"].__setitem__(0, ["linear", "-1", False])),
    "chart scaled by the prediction": (
        "hinge",
        "convex",
        lambda c: c.leaf["charts"].__setitem__(0, ["linear", "m", False]),
    ),
    "chart without a scale": ("hinge", "convex", lambda c: c.leaf["charts"].__setitem__(0, ["linear"])),
    "zero that is another breakpoint": ("hinge", "upper_bounds_zero_one", lambda c: c.leaf.update(zero=1)),
    "zero of another breakpoint": ("hinge", "calibrated", lambda c: c.leaf.update(zero=2)),
    "zero missing": ("hinge", "calibrated", lambda c: c.leaf.pop("zero")),
    # Proofs of signs
    "proof removed": ("linex", "nonnegative", lambda c: c.leaf.pop("proofs")),
    "proof of an unknown lemma": ("linex", "nonnegative", lambda c: proof(c).__setitem__(0, "believe")),
    "proof of no lemma": ("linex", "nonnegative", lambda c: proof(c).clear()),
    "slope from the wrong end": ("linex", "nonnegative", lambda c: proof(c).__setitem__(3, "end")),
    "slope from the start of what falls": (
        "ordinal_logit_class",
        "nonnegative",
        lambda c: proof(c).__setitem__(3, "start"),
    ),
    "slope in an unknown coordinate": ("linex", "nonnegative", lambda c: proof(c).__setitem__(1, "delta")),
    "slope divided by an unknown generator": ("linex", "nonnegative", lambda c: proof(c).__setitem__(2, [99, 1, []])),
    "slope divided by a negative index": ("linex", "nonnegative", lambda c: proof(c).__setitem__(2, [-1, 1, []])),
    "slope divided by a huge power": (
        "linex",
        "nonnegative",
        lambda c: proof(c).__setitem__(2, [None, 0, [[31, 10**12]]]),
    ),
    "slope divided by a power of no generator": (
        "linex",
        "nonnegative",
        lambda c: proof(c).__setitem__(2, [None, 0, [[-1, 1]]]),
    ),
    "slope cut off": ("linex", "nonnegative", lambda c: proof(c).pop()),
    "square that is none": ("linex", "nonnegative", lambda c: proof(c).__setitem__(slice(None), ["square", 31, None])),
    "square of a negative index": (
        "linex",
        "nonnegative",
        lambda c: proof(c).__setitem__(slice(None), ["square", -1, None]),
    ),
    "factors without proofs": ("periodic", "convex", lambda c: proof(c)[1].clear()),
    "terms without proofs": ("binomial_cloglog", "convex", lambda c: proof(c, "terms")[2].clear()),
    "terms by another generator": ("binomial_cloglog", "convex", lambda c: proof(c, "terms").__setitem__(1, 30)),
    "cut at a negative place": ("periodic", "convex", lambda c: proof(c)[1]["0"].__setitem__(2, "-1")),
    "cut at the coordinate itself": ("periodic", "convex", lambda c: proof(c)[1]["0"].__setitem__(2, "r")),
    "cut in an unknown coordinate": ("periodic", "convex", lambda c: proof(c)[1]["0"].__setitem__(1, "delta")),
    "cut with two of three parts": ("periodic", "convex", lambda c: proof(c)[1]["0"][3].pop()),
    "balls removed": ("tangent", "quasiconvex", lambda c: c.leaf.pop("balls")),
    "balls in an unbounded cell": ("tangent", "quasiconvex", lambda c: c.leaf["balls"].append("1@2")),
    "ends removed": ("tangent", "quasiconvex", lambda c: c.leaf.pop("ends")),
    "ends of what is not monotone": ("tangent", "quasiconvex", lambda c: c.leaf["ends"].append("1@2")),
    # Evidence and places
    "evidence in another cell": ("huber", "strictly_convex", lambda c: c.leaf.update(evidence=["cell", 1])),
    "evidence in no cell": ("huber", "strictly_convex", lambda c: c.leaf.update(evidence=["cell", 9])),
    "evidence at another end": ("exponential", "lipschitz", lambda c: c.leaf.update(evidence=["limit", 1, "high"])),
    "evidence at an unknown side": (
        "exponential",
        "lipschitz",
        lambda c: c.leaf.update(evidence=["limit", len(c.leaf["at"]), "middle"]),
    ),
    "evidence at another jump": (
        "hinge",
        "differentiable",
        lambda c: c.leaf.update(at=["0", "1"], charts=[["linear", "1", False]] * 3, evidence=["jump", 0]),
    ),
    "evidence of an unknown kind": ("hinge", "differentiable", lambda c: c.leaf.update(evidence=["believe", 0])),
    "evidence of another kind": ("hinge", "differentiable", lambda c: c.leaf.update(evidence=["gap", 0, "left"])),
    "evidence at the other end": ("huber", "bounded", lambda c: c.leaf.update(evidence=["limit", 1, "high"])),
    "evidence of a slope that rises": (
        "huber",
        "convex",
        lambda c: (c.leaf.update(evidence=["jump", 0]), c.claim.update(verdict="refuted")),
    ),
    "evidence against what holds": (
        "logistic",
        "convex",
        lambda c: (c.leaf.update(evidence=["cell", 0]), c.claim.update(verdict="refuted")),
    ),
    "reached elsewhere": ("huber", "lipschitz", lambda c: c.leaf.update(reached=["limit", 1, "high"])),
    "reached nowhere": ("huber", "lipschitz", lambda c: c.leaf.pop("reached")),
    "reached the other way": ("huber", "lipschitz", lambda c: c.leaf.update(way=-c.leaf["way"])),
    "lowest elsewhere": ("huber", "range", lambda c: c.leaf.update(lowest=["at", 0])),
    "highest elsewhere": ("huber", "range", lambda c: c.leaf.update(highest=["limit", 1, "high"])),
    "highest missing": ("huber", "range", lambda c: c.leaf.pop("highest")),
    "minimizers widened": (
        "huber",
        "minimizer",
        lambda c: (c.leaf.update(argmin=[0, 2]), c.claim.update(value="[-delta, delta]")),
    ),
    "minimizers shifted": (
        "huber",
        "minimizer",
        lambda c: (c.leaf.update(argmin=[2, 2]), c.claim.update(value="delta")),
    ),
    "minimizers out of order": ("huber", "minimizer", lambda c: c.leaf.update(argmin=[2, 0])),
    "minimizer on the whole line": (
        "huber",
        "minimizer",
        lambda c: (c.leaf.update(argmin=[-1, 3]), c.claim.update(value="(-oo, oo)")),
    ),
    "no minimizer": (
        "huber",
        "minimizer",
        lambda c: (c.leaf.update(lowest=["at", 1], level="0"), c.claim.update(value="none")),
    ),
    "turn shifted": ("huber", "quasiconvex", lambda c: c.leaf.update(turn=c.leaf["turn"] + 1)),
    "turn shifted back": ("huber", "quasiconvex", lambda c: c.leaf.update(turn=c.leaf["turn"] - 1)),
    "turn outside": ("huber", "quasiconvex", lambda c: c.leaf.update(turn=10**12)),
    "turn negative": ("huber", "quasiconvex", lambda c: c.leaf.update(turn=-10)),
    "no turn": ("huber", "quasiconvex", lambda c: c.leaf.pop("turn")),
    "called convex where it is not": (
        "zero_one",
        "convex",
        lambda c: (c.leaf.pop("evidence"), c.claim.update(verdict="proved")),
    ),
    "extra fields": (
        "zero_one",
        "convex",
        lambda c: (
            c.claim.update(verdict="proved"),
            c.extra.update(verdict=True, checked=True),
            c.leaf.update(verdict=True, found=True),
        ),
    ),
    "claims in a field of the statement": (
        "zero_one",
        "convex",
        lambda c: (c.about.update(properties={"convex": True}), c.claim.update(verdict="proved"), c.forge()),
    ),
}


def proof(c: Case, lemma: str | None = None) -> list[Any]:
    """The first proof of a sign, or the first one by a lemma."""
    proofs = (one for leaf in leaves(c.tree) for one in leaf.get("proofs", {}).values() if one)
    return next(one for one in proofs if lemma in (None, one[0]))


@pytest.mark.parametrize("kind", some(SPOILT, 6))
def test_a_spoilt_certificate_is_refused(kind: str) -> None:
    name, claim, change = SPOILT[kind]
    c = case(name, claim)
    before = copy.deepcopy((c.about, c.claim, c.certificate()))
    change(c)
    assert before != (c.about, c.claim, c.certificate()), "nothing is spoilt"
    assert not c.accepted()


# Certificates made up ----------------------------------------------------------------------------

HUBER = residual("r**2/2 if abs(r) <= 1 else abs(r) - 1/2")
HINGE, PERCEPTRON = residual("max(0, 1 - m)", "margin"), residual("max(0, -m)", "margin")
STEEPER = residual("r**2 if r < 0 else 3*r**2/2")
ENTROPY = "-(y*log(p) + (1 - y)*log(1 - p))"
SINGLE = residual("1 if abs(m) <= 0 else m**2 - atan(m)**3/10", "margin")
STEEP = {"at": [], "charts": [LINEAR], "reached": ["cell", 0], "way": 1}
SLICED = {
    "formula": "x**2*z if z > 0 else -x**2", "definitions": {}, "variable": "x, z",
    "variables": {"x": "(-oo, oo)", "z": "[0, oo)"}, "base": None, "inputs": {}, "parameters": {},
}  # fmt: skip
FORGED: dict[str, Case] = {
    "a gap at a negative index": made(HUBER, "continuous", "refuted", ["-1", "0", "1"], evidence=["gap", -1, "right"]),
    "a gap at a negative index, convex": made(
        HUBER, "convex", "refuted", ["-1", "0", "1"], evidence=["gap", -1, "right"]
    ),
    "a jump at a negative index": made(unit("p**2"), "convex", "refuted", [], evidence=["jump", -1]),
    "a class from a negative index": made(unit("p**3"), "differentiable", "proved", [], "1", reached=-1),
    "a rise in a negative cell": made(
        unit("(p - 1/2)**2"), "quasiconvex", "refuted", [], evidence=[["limit", -1, "high"], ["limit", 0, "low"]]
    ),
    "zero at a negative index": made(PERCEPTRON, "upper_bounds_zero_one", "proved", ["0"], zero=-1),
    "a value at a negative index": made(
        HINGE, "upper_bounds_zero_one", "refuted", ["0", "1"], zero=0, evidence=["at", -1]
    ),
    "a slope reached by a jump": made(
        residual("abs(r)"), "lipschitz", "proved", ["0"], "2", reached=["jump", 0], way=1
    ),
    "a slope reached by a value": made(HINGE, "lipschitz", "proved", ["-1", "1"], "2", reached=["at", 0], way=1),
    "a modulus reached by a jump": made(STEEPER, "strongly_convex", "proved", ["0"], "1", reached=["jump", 0]),
    "a level reached by a jump": made(
        residual("2 if r < 0 else 3"), "range", "proved", ["0"], "[1, 3]", lowest=["jump", 0], highest=["cell", 1]
    ),
    "bounded by oo": made(HINGE, "bounded", "proved", ["0", "1"], "oo", reached=["limit", 0, "low"]),
    "bounded by -oo": made(HINGE, "bounded", "proved", ["0", "1"], "-oo", reached=["limit", 0, "low"]),
    "proper in spite of a jump": Case(
        unit(f"{ENTROPY} + (0 if p < 1/2 else 1)", y="{0, 1}"),
        {"property": "proper", "verdict": "proved"},
        {"at": ["1/2"], "charts": [LINEAR] * 2},
    ),
    "calibrated with a value of its own at 0": made(SINGLE, "calibrated", "proved", ["0"], zero=0),
    "self-concordant with a negative constant": Case(
        {**unit("-log(p)"), "domain": "(0, oo)"},
        {"property": "self_concordant", "verdict": "proved", "value": "-1"},
        {"at": [], "charts": [LINEAR], "reached": ["limit", 0, "low"]},
    ),
    # Values and places that mean something else than what is checked
    "a constant in the prediction": made(
        residual("r**2"), "lipschitz", "proved", ["0"], "2*abs(r)", reached=["cell", 1], way=1
    ),
    "a range in braces": made(
        residual("tanh(r)"),
        "range",
        "proved",
        ["0"],
        "{-1, 1}",
        lowest=["limit", 0, "low"],
        highest=["limit", 1, "high"],
    ),
    "a set without its point": made(residual("r**2"), "minimizer", "proved", ["0"], "(0, 0)", argmin=[0, 0]),
    "an end of a set left out": made(
        residual("max(0, abs(r) - 1)"), "minimizer", "proved", ["-1", "0", "1"], "(-1, 1]", argmin=[0, 2]
    ),
    "an end of a set taken in": made(
        residual("0 if 0 < m else 1", "margin"), "minimizer", "proved", ["0", "1"], "[0, oo)", argmin=[0, 2]
    ),
    "an end of a set taken in, from within": made(
        residual("0 if 0 < m and m < 2 else 1", "margin"),
        "minimizer",
        "proved",
        ["0", "1", "2"],
        "(0, 2]",
        argmin=[0, 2],
    ),
    "a set without breakpoints": made(
        residual("0 if 0 < m else 1", "margin"), "minimizer", "proved", ["0"], "(0, oo)", argmin=[0, 1]
    ),
    "minimizers outside of the domain": made(
        unit("max(0, p - 1/2)"), "minimizer", "proved", ["1/2"], "(-oo, 1/2]", argmin=[-1, 0]
    ),
    "a number that is rounded": made(
        residual("abs(r)"), "lipschitz", "proved", ["0"], "1.00000000000000000000001", reached=["limit", 1, "high"]
    ),
    # Cells that nobody reads, or only a part of
    "continuous, unread": made(residual("sign(r)"), "continuous", "proved", []),
    "smooth in what is read": made(
        residual("r**2 if r < 0 else 2*r**2 if r < 3 else 7"),
        "differentiable",
        "proved",
        ["0", "1", "2"],
        "1",
        reached=0,
    ),
    "a chart that stops at 0": made(
        residual("exp(-r)*(1 + r)"), "redescending", "proved", [], charts=[["free", "1", False]]
    ),
    "a chart that stops at 0, lipschitz": made(
        residual("exp(-m)", "margin"), "lipschitz", "proved", [], charts=[["free", "1", False]]
    ),
    "an exponent that is whole at one point": made(
        residual("((r - 1)**2)**r"), "differentiable", "proved", ["1"], "oo", charts=[["linear", "1", False]] * 2
    ),
    # Lemmas beyond their conditions
    "calibrated, without a lower bound": made(
        residual("-m**2 - atan(m)", "margin"), "calibrated", "proved", ["0"], zero=0
    ),
    "calibrated, with a pole at 0": made(
        residual("-1/m if m > 0 else 1", "margin"), "calibrated", "proved", ["0"], zero=0
    ),
    "bounded influence of a jump": made(residual("1 if r > 0 else 0"), "bounded_influence", "proved", ["0"]),
    "proper for what is no label": Case(
        unit(ENTROPY, y="(0, oo)"),
        {"property": "proper", "verdict": "proved"},
        {"split": "y", "at": [], "parts": [{"at": [], "charts": [LINEAR]}]},
    ),
    "calibrated, of a residual": made(residual("exp(-r)"), "calibrated", "proved", ["0"], zero=0, convex=True),
    "symmetric on half of its domain": made(
        {**unit("p**2 if p > -1 else 1"), "domain": "(-2, 1)"}, "symmetric", "proved", ["0"], zero=0
    ),
    "a target between the integers": Case(
        {
            **unit("y*p"),
            "formula": "p**2 if y < 1/4 else -p**2 if y < 1/2 else p**2",
            "inputs": {"y": "integers [0, oo)"},
        },
        {"property": "convex", "verdict": "refuted"},
        {
            "split": "y",
            "at": ["1/4", "1/2"],
            "parts": [None, None, None, {"at": [], "charts": [LINEAR], "evidence": ["cell", 0]}, None, None],
        },
    ),
    "a condition that reads otherwise": Case(
        residual("abs(r) + (r if tau > 1/2 else 0)", tau="(0, 1)"),
        {"property": "symmetric", "verdict": "conditional", "condition": "tau <= 1/2 if 1 > 0 else 2"},
        {
            "split": "tau",
            "at": ["1/2 if 1 > 0 else 2"],
            "parts": [{"at": ["0"], "charts": [LINEAR] * 2, "zero": 0}] * 2
            + [{"at": ["0", "1"], "charts": [LINEAR] * 3, "zero": 0, "evidence": 1}],
        },
    ),
    "a condition on what is out of order": Case(
        residual("abs(r) + (r if tau == 2 else 0)", tau="{1, 0, 2}"),
        {"property": "symmetric", "verdict": "conditional", "condition": "tau <= 0"},
        {
            "split": "tau",
            "at": [],
            "parts": [{"at": ["0"], "charts": [LINEAR] * 2, "zero": 0}] * 2
            + [{"at": ["0", "1"], "charts": [LINEAR] * 3, "zero": 0, "evidence": 1}],
        },
    ),
    # What is read formally, or in balls, and not on all of a cell
    "bounded in spite of a pole": made(unit("1/(p - 1/3)"), "bounded", "proved", []),
    "a pole where a product with 0 hides it": made(
        unit("p**2 + 0*(p - 1/3)**(-1)"), "continuous", "proved", [], balls=["regular@0"]
    ),
    "a comparison in the text of a point": Case(  # it must not take the outcome of one in the formula
        residual("r**2 if a != 1 else (-r**2 if a == 1 else 0)", a="(0, 2)"),
        {"property": "convex", "verdict": "proved"},
        {"split": "a", "at": ["abs(1)"], "parts": [{"at": ["0"], "charts": [LINEAR] * 2}] * 3},
    ),
    "an exponent that is whole at a seam": made(
        residual("((r - 1)**2 + atan(r - 1)**2)**r"), "differentiable", "proved", ["1"], "oo"
    ),
    "nonnegative in spite of a change of sign, by balls": made(
        unit("p - 1/2"), "nonnegative", "proved", [], balls=["less0@0"]
    ),
    "nonnegative at both ends of each cell, and not between": made(
        residual("(r**2 - 1)**2 - 1/2"), "nonnegative", "proved", ["0"], ends=["less0@0", "less0@1"]
    ),
    "nonnegative at the ends of what is called monotone": made(
        residual("(r**2 - 1)**2 - 1/2"),
        "nonnegative",
        "proved",
        ["0"],
        ends=[f"{key}@{i}" for key in ("less0", "rate1", "rate2", "rate3") for i in (0, 1)],
    ),
    # Ends of ranges
    "a conjugate on half of the line": made(
        unit("p**2"),
        "conjugate",
        "proved",
        [],
        "oo if s < 0 else 0 if s == 0 else s**2/4 if s < 2 else 1 if s == 2 else oo",
    ),
    "a proximal point outside of the domain": made(unit("p**2"), "prox", "proved", [], "v/(1 + 2*lambda_)"),
    "not convex where another prediction is at its end": Case(
        SLICED,
        {"property": "convex_in_x", "verdict": "refuted"},
        {
            "split": "z",
            "at": [],
            "parts": [{"at": ["0"], "charts": [LINEAR] * 2} | e for e in ({"evidence": ["cell", 1]}, {})],
        },
    ),
    "a value for each target, the best for two of them": Case(
        unit("y*p", y="[0, 1]"),
        {"property": "lipschitz", "verdict": "proved", "value": "y*(2 - y)"},
        {"split": "y", "at": [], "parts": [STEEP, {"at": [], "charts": [LINEAR]}, STEEP]},
    ),
    "a value for all targets, the best for none": Case(
        unit("y*p", y="[0, 1]"),
        {"property": "lipschitz", "verdict": "proved", "value": "2"},
        {"split": "y", "at": [], "parts": [{"at": [], "charts": [LINEAR]}] * 3},
    ),
    "evidence beside a proof": made(HINGE, "convex", "proved", ["1"], evidence=["believe", 0]),
    "a condition that hides the worse case": made(HINGE, "lipschitz", "proved", ["1"], "1 if 1 < 0 else 2"),
}


@pytest.mark.parametrize("kind", some(FORGED, 6))
def test_a_forged_certificate_is_refused(kind: str) -> None:
    assert not copy.deepcopy(FORGED[kind]).accepted()


BARRIER = {**unit("-log(p)"), "domain": "(0, oo)"}
GENUINE: dict[str, Case] = {  # beside forgeries that look alike
    "self-concordant, the best constant": made(
        BARRIER, "self_concordant", "proved", [], "1", reached=["limit", 0, "low"]
    ),
    "a value for all targets, the best for one of them": Case(
        unit("y*p", y="[0, 1]"),
        {"property": "lipschitz", "verdict": "proved", "value": "1"},
        {"split": "y", "at": [], "parts": [{"at": [], "charts": [LINEAR]}] * 2 + [STEEP]},
    ),
    "a value for each target": Case(
        unit("y*p", y="[0, 1]"),
        {"property": "lipschitz", "verdict": "proved", "value": "y"},
        {"split": "y", "at": [], "parts": [STEEP] * 3},
    ),
    "a comparison in the text of a point": Case(
        residual("r**2 if a != 1 else (2*r**2 if a == 1 else 0)", a="(0, 2)"),
        {"property": "convex", "verdict": "proved"},
        {"split": "a", "at": ["abs(1)"], "parts": [{"at": ["0"], "charts": [LINEAR] * 2}] * 3},
    ),
    "nonnegative, by balls": made(unit("p + 1/2"), "nonnegative", "proved", [], balls=["less0@0"]),
    "nonnegative at the ends of what is monotone": made(
        residual("(r**2 + 1)**2 - 1/2"), "nonnegative", "proved", ["0"], ends=["less0@0", "less0@1"]
    ),
    "branches that are one formula": made(residual("r**4 if r < 0 else r**4"), "differentiable", "proved", ["0"], "oo"),
}


@pytest.mark.parametrize("kind", GENUINE)
def test_what_is_genuine_is_accepted(kind: str) -> None:
    assert copy.deepcopy(GENUINE[kind]).accepted()


@pytest.mark.parametrize("certificate", [None, [], "x", 7, {}, {"tree": {}}], ids=str)
def test_what_is_no_certificate_is_refused(certificate: Any) -> None:
    c = case("hinge", "convex")
    with pytest.raises(Unproved):
        checker.check(c.about, c.claim, certificate)


@pytest.mark.parametrize("claim", [{}, {"property": "convex"}, {"property": "round", "verdict": "proved"}], ids=str)
def test_what_is_no_claim_is_refused(claim: Any) -> None:
    c = case("hinge", "convex")
    with pytest.raises(Unproved):
        checker.check(c.about, claim, c.certificate() | {"property": claim.get("property")})


# Texts -------------------------------------------------------------------------------------------

TEXTS = (
    "__import__('os').system('true')", "(lambda: 1)()", "m.real", "m", "[1][0]", "'1'", "1 if 1 else 2", "(1, 2)",
    "{1: 1}[1]",    "[x for x in (1,)][0]", "f'{1}'", "x := 1", "yield", "await m", "print(1)",
    "open('x')", "eval('1')", "exec('1')",
    "10**10**10", "2**(10**9)", "(1 + 1/10)**(10**7)", "(1 + sqrt(2))**(10**6)", "exp(10**9)", "exp(exp(exp(exp(9))))",
    "2**(1/10**7)", "1e400", "1e99999999", "-" * 100_000 + "1", "(" * 500 + "1" + ")" * 500, "1 + " * 50_000 + "1",
    "exp(" * 150 + "1" + ")" * 150, "9" * 100_000, "1/0", "log(0)", "sqrt(-1)", "oo", "nan", "True", "None", "1j",
    "max()",    "abs(1, 2)", "sum(1)", "atan(10**1000)", "1 < 2 < 3", "#", "", "1 # 2",
    "abs(1, y=2)", "exp(0, 1)", "1.0000000000000000000000001", "1e-400", "log(2**300 + 1)", "m/m",
    "*", "1; 2", "\0", "\ud800", "𝟙 + 1",
)  # fmt: skip
PROGRAM = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
sys.stdin.reconfigure(errors="surrogatepass")
from lossforge.derive import checker
from lossforge.derive.reading import Unproved
about, claim, certificate = json.load(sys.stdin)
try:
    checker.check(about, claim, certificate)
    print("accepted")
except Unproved:
    print("refused")
"""


# As a value, everything; as a breakpoint and as the scale of a chart, what is no formula at all.
PLACES = [("value", text) for text in TEXTS] + [(where, text) for where in ("at", "scale") for text in TEXTS[:9]]


@pytest.mark.parametrize(("where", "text"), PLACES, ids=lambda t: t.encode("unicode_escape").decode()[:24] or "empty")
def test_a_text_that_is_no_formula(where: str, text: str) -> None:
    """In a process of its own: some of these texts have brought down an interpreter."""
    c = case("hinge", "lipschitz")
    if where == "value":
        c.claim["value"] = text
    elif where == "at":
        c.leaf["at"][-1] = text
    else:
        c.leaf["charts"][-1][1] = text
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([c.about, c.claim, c.certificate()]), capture_output=True, text=True, timeout=10,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-300:]
    assert done.stdout == "refused\n"
