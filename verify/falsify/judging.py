"""Do the claims about a loss survive? Each is held against the samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mpmath import mp

from .best import unreached
from .breach import Claim, shown
from .contradiction import Contradiction
from .evidence import UNSEEN, evident, looked_again
from .functions import Number, UnreadableError
from .jumps import unseen_order
from .lines import DIGITS
from .properties import BREACHES
from .study import Study


def _place(study: Study, names: Mapping[str, Number], points: Sequence[Number] = ()) -> dict[str, str]:
    out = {n: shown(v) for n, v in names.items()}
    if points:
        out[study.variable] = ", ".join(shown(x) for x in points)
    return out


def judge(study: Study, claim: Claim) -> Iterator[Contradiction]:
    """Hold one claim against the samples."""
    name = claim.name
    for s in study.settings:
        expected: bool | None = {"proved": True, "refuted": False}.get(claim.verdict)
        if claim.verdict == "conditional":
            expected = study.holds(str(claim.condition), s.names)
        if expected is None:
            continue
        if not expected:
            if name in UNSEEN or not study.ordinary(s) or any(line.dim() for line in s.lines):
                continue
            if evident(study, s, claim) or evident(study, looked_again(study, s), claim):
                continue
            message = "nothing was found that contradicts the property"
            yield Contradiction(name, "unconfirmed", message, _place(study, s.names))
            continue
        for breach in BREACHES[name](study, s, claim):
            if breach.confirmed():
                yield Contradiction(name, "contradicted", breach.what, _place(study, breach.line.names, breach.points))
                break
        else:
            for message in unreached(study, s, claim):
                yield Contradiction(name, "unreached", message, _place(study, s.names))
                break
            if name == "differentiable" and (order := unseen_order(study, s, claim)) is not None:
                message = f"no jump of derivative {order} was found"
                yield Contradiction(name, "unreached", message, _place(study, s.names))


MOST = 3  # contradictions reported of one claim


def falsify(
    statement: Mapping[str, Any], claims: Mapping[str, Any], points: int = 10_000, seed: int = 0
) -> list[Contradiction]:
    """Hold claims about a loss against samples of its formula.

    `statement` has the keys formula, definitions, variable, base, domain, inputs and parameters (see
    `derive.checker.statement`); `claims` maps a property to its verdict, value, bound, condition and witness, as the
    `properties` of generated/facts do. At least `points` places are sampled, which all claims share. At most three
    contradictions of a claim are returned; of true claims, none.
    """
    found: list[Contradiction] = []
    live = {n: c for n, c in claims.items() if c.get("verdict") in ("proved", "refuted", "conditional")}
    with mp.workdps(DIGITS):
        try:
            study = Study(statement, live, points, seed)
        except UnreadableError as error:
            return [Contradiction("formula", "unreadable", str(error))]
        for name, c in live.items():
            if name not in BREACHES:
                found.append(Contradiction(name, "unreadable", f"the falsifier knows no property {name}"))
                continue
            claim = Claim(name, c["verdict"], c.get("value"), c.get("bound"), c.get("condition"))
            kept: list[Contradiction] = []
            try:
                for contradiction in judge(study, claim):
                    kept.append(contradiction)
                    if len(kept) == MOST:
                        break
            except UnreadableError as error:
                kept.append(Contradiction(name, "unreadable", str(error)))
            found += kept
    return found


def statement_of(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The statement of a file of generated/facts; None for losses of vectors or of several predictions."""
    predictions = [n for n, a in facts["arguments"].items() if a["role"] == "prediction"]
    if facts.get("size") is not None or len(predictions) != 1:
        return None
    base = {"residual": "r", "margin": "m"}.get(facts["base"])
    targets = {n: a["domain"] for n, a in facts["arguments"].items() if a["role"] == "target"}
    return {
        "formula": facts["formula"]["text"],
        "definitions": {} if base else dict(facts["definitions"]),
        "variable": base or predictions[0],
        "base": facts["base"],
        "domain": "(-oo, oo)" if base else facts["arguments"][predictions[0]]["domain"],
        "inputs": {} if base else targets,
        "parameters": {n: p["domain"] for n, p in facts["parameters"].items()},
    }
