"""What may stand for the second derivative of every loss? Writes curvatures.md.

python docs/curvatures.py           write docs/curvatures.md from generated/facts
python docs/curvatures.py --check   exit 1 when the page is not what would be written
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "generated" / "facts"
PAGE = ROOT / "docs" / "curvatures.md"
WIDTH = 64  # of a formula in the table; longer ones are shown by the command line
Facts = dict[str, Any]

HEAD = """\
# Curvatures

<!-- Written by docs/curvatures.py from generated/facts; do not edit. -->

A booster's step is a sum of gradients over a sum of second derivatives; so is a Newton step. Where the second
derivative of a loss is zero or negative, or falls faster than the gradient, such a step is of any length and either
sign. What is put in its place is a choice, `lf.objective(..., curvature="majorizer")`, and each choice has a proved
standing for each loss.

| name | what it is |
| --- | --- |
| `exact` | the Hessian |
| `majorizer` | a quadratic with this curvature touches the loss and is nowhere below it: a step never raises the loss |
| `fisher` | the expected Hessian, if the target has the mean that the raw score stands for |
| `gauss_newton` | the second derivative by the mean, times the squared slope of the mean |
| `reweighted` | of a loss that is a rising function of the cross entropy: its slope times the cross entropy's Hessian |
| `diagonal_bound` | of several raw scores: the sums of the absolute values of each row of the Hessian |
| `floored(e)` | the Hessian, but at least e (1e-6) |
| `constant(c)` | c (1) |

## Which one is taken

If you name none, the first of these that is proved positive with your parameters:

1. the Hessian, if it depends on the target by a factor at most, or is bounded away from 0. All samples of a leaf that
   stand at one raw score then share it, and the step is a Newton step of their mean loss;
2. `fisher`, which is the mean of the Hessians;
3. `majorizer`, also if it is 0 where the gradient is 0;
4. the Hessian; 5. `reweighted`, which is 0 only where the gradient is; 6. `gauss_newton`;
7. `fisher` of a share that is not the sigmoid of the raw score, as with the probit: where the share is all but 0 or 1,
   it vanishes faster than the gradient.

A loss that has none of them is refused, with the place where its Hessian fails and a smooth loss close to it, if the
catalogue has one. Positive means: in exact arithmetic, everywhere, but perhaps at single points. Rounded, a tiny
curvature may be 0: that of a wrong label is exp(-|f|), which is 0 in float64 beyond 745.

## Why a majorizer is one

Let *L*(*x*) = *E*(*x*) + *ax* + *b* with an even *E*, and *g*(*s*) = *E*(√*s*) concave for *s* > 0. Then with
*w*(*x*) = *E*′(*x*)/*x* = 2*g*′(*x*²), for all *x* and *z*,

*L*(*z*) ≤ *L*(*x*) + *L*′(*x*)(*z* − *x*) + *w*(*x*)(*z* − *x*)²/2.

*Proof.* A concave *g* lies below its tangent: *E*(*z*) = *g*(*z*²) ≤ *g*(*x*²) + *g*′(*x*²)(*z*² − *x*²) = *E*(*x*) +
*w*(*x*)(*z*² − *x*²)/2 = *E*(*x*) + *E*′(*x*)(*z* − *x*) + *w*(*x*)(*z* − *x*)²/2, because *z*² − *x*² = 2*x*(*z* −
*x*) + (*z* − *x*)². The straight part adds the same to both sides. ∎ With equality at *z* = −*x*, so that no smaller
curvature serves (de Leeuw, Lange (2009), Sharp quadratic majorization in one dimension). *x* is the residual, the
margin, or the raw score. For residuals these are the weights of iteratively reweighted least squares; for the
logistic loss, tanh(*x*/2)/(2*x*) is the bound of Jaakkola and Jordan (2000).

That *E* is what it should be is proved for each loss and all its parameters, as three of the prover's ordinary claims
about formulas made from the author's by substitution (a condition on √*s* is written as one on *s*): *L*(*x*) −
*L*(−*x*) is convex and concave, and −*L*(√*s*) − *L*(−√*s*) is convex. Their certificates lie beside the others
(`generated/facts/certificates/NAME.majorizer.*.json`), and `lossforge check --proofs NAME` follows them.

Elsewhere the smoothness constant serves: |*L*″| ≤ *c* gives *L*(*z*) ≤ *L*(*x*) + *L*′(*x*)(*z* − *x*) + *c*(*z* −
*x*)²/2.

## Why the others are what they are

- `fisher`: the Hessian is affine in the target, so its expectation is its value at the mean. The loss is proved to
  elicit the mean; its range says that it is positive. Of a share *y* with the mean *p*(*f*), the gradient is
  (*y* − *p*)*g* with a *g* that does not depend on *y*, and at *y* = *p* its slope is −*p*′*g*, a product of factors
  that are positive.
- `reweighted`: with the cross entropy *c* of the label, *L* = φ(*c*), and *L*′ = φ′(*c*)*c*′; so φ′(*c*)*c*″ =
  *L*′*c*″/*c*′. It is not negative because *L* is proved to fall with the margin, and 0 only where *L*′ is. The step
  is that of logistic regression with weights φ′(*c*).
- `diagonal_bound`: a symmetric matrix *H* and the diagonal *D* of the sums of its rows' absolute values: *D* − *H*
  has rows whose diagonal entry is no smaller than the others together, so it is positive semidefinite (Gershgorin).
  For the softmax it is 2*p*(1 − *p*). It is positive there, but need not be elsewhere: that of `gaussian_nll` is 0
  for the deviation where a target is met exactly.

## Every loss

Numbered in the order in which they are tried; the others are had by name.
"""


def code(text: str) -> str:
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`" if len(text) <= WIDTH else "long"


def standing(c: Facts) -> str:
    """A curvature in a few words."""
    positive, said = c["positive"], []
    if "condition" in c["holds"]:
        said.append(f"if {code(c['holds']['condition'])}")
    if positive["verdict"] == "conditional":
        said.append(f"positive if {code(positive['condition'])}")
    elif positive["verdict"] == "proved":
        said.append("positive")
    elif c["rule"] in ("even", "reweighted") and positive.get("nonnegative"):
        said.append("0 only where the gradient is")
    elif "witness" in positive:
        at = positive["witness"]
        said.append(f"not positive at {code(at['at'])}" + (f" for {code(at['for'])}" if "for" in at else ""))
    else:
        said.append("not positive everywhere" if positive["verdict"] == "refuted" else "sign not known")
    return ", ".join(said)


def rows(name: str, facts: Facts) -> list[str]:
    if facts["size"] or "text" not in facts["hessian"]:
        return [f"| `{name}` | `diagonal_bound` | | |"]
    known = facts["curvatures"]
    if not known:
        return []
    ranked = [*facts["preferred"], *(n for n in known if n not in facts["preferred"])]
    found = []
    for place, curvature in enumerate(ranked):
        c = known[curvature]
        formula = code(c["formula"]["text"]) if "formula" in c else ""
        label = f"`{name}`" if not place else ""
        taken = f"{place + 1}. " if curvature in facts["preferred"] else ""
        found.append(f"| {label} | {taken}`{curvature}` | {formula} | {standing(c)} |")
    return found


def page() -> str:
    names = json.loads((FACTS / "index.json").read_text(encoding="utf-8"))["losses"]
    all_ = {n: json.loads((FACTS / f"{n}.json").read_text(encoding="utf-8")) for n in names}
    lines = [HEAD, "| loss | curvature | formula | proved |", "| --- | --- | --- | --- |"]
    lines += [row for name, facts in all_.items() for row in rows(name, facts)]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(f"docs/curvatures.py takes [--check], got: {' '.join(arguments)}", file=sys.stderr)
        return 2
    made = page()
    if not arguments:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        print("docs/curvatures.md would be written differently: python docs/curvatures.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
