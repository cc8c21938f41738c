"""Which loss should one choose? The page that answers from derived properties.

    python docs/choosing.py           write docs/choosing.md
    python docs/choosing.py --check   exit 1 when the page is not what would be written

Every statement about a loss is read from generated/facts. What stands here are
the words for a property, never the loss that has it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FACTS = HERE.parent / "generated" / "facts"
Facts = dict[str, Any]
BAR = "\\|"  # in a table

# What the columns are called, and what they mean.
MEANINGS = {
    "convex": (
        "convex",
        "no chord runs below the graph; with a prediction linear in its coefficients, every local minimum is global",
    ),
    "strongly_convex": (
        "strongly convex",
        "the second derivative is at least this constant, so the minimum is unique",
    ),
    "differentiable": (
        "smoothness",
        "C^k: k derivatives exist and are continuous; a kink is a place where the first derivative jumps",
    ),
    "lipschitz": ("largest slope", "a bound on the size of the gradient; unbounded where there is none"),
    "bounded_influence": (
        "influence",
        "how far a single observation can pull, up to a factor: the largest size of the slope in the residual",
    ),
    "redescending": (
        "redescending",
        "the slope tends to 0 far out: what is far enough away hardly pulls",
    ),
    "monotone": ("decreasing", "the loss never grows with the margin"),
    "upper_bounds_zero_one": ("bounds 0-1", "the loss is nowhere below the 0-1 loss"),
    "calibrated": (
        "calibrated",
        "with enough data, the least expected loss gives the decision with the fewest errors",
    ),
    "strictly_proper": (
        "strictly proper",
        "the expected loss is least where the prediction is the true probability, and only there",
    ),
}
REGRESSION = ("bounded_influence", "redescending", "differentiable", "convex", "strongly_convex")
MARGIN = ("calibrated", "upper_bounds_zero_one", "convex", "monotone", "differentiable", "lipschitz")
OTHER = ("strictly_proper", "convex", "strongly_convex", "differentiable", "lipschitz")


def read() -> list[Facts]:
    """The facts of every loss, in the order of the catalogue."""
    names = json.loads((FACTS / "index.json").read_text(encoding="utf-8"))["losses"]
    return [json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8")) for name in names]


def verdict(loss: Facts, claim: str) -> str:
    return str(loss["properties"].get(claim, {}).get("verdict", "–"))


def code(given: Any) -> str:
    return f"`{given}`"


def value(loss: Facts, claim: str) -> str | None:
    """The constant of a property, or a bound of it; the influence is bounded by the largest slope."""
    found = loss["properties"].get("lipschitz" if claim == "bounded_influence" else claim, {})
    return next((str(found[key]) for key in ("value", "bound") if key in found), None)


def condition(loss: Facts, claim: str) -> str:
    return f"if {code(loss['properties'][claim]['condition'])}"


def variable(loss: Facts) -> str:
    return {"residual": "r", "margin": "m"}.get(loss["base"] or "", "") or predictions(loss)[0]


def predictions(loss: Facts) -> list[str]:
    return [name for name, argument in loss["arguments"].items() if argument["role"] == "prediction"]


def kinks(loss: Facts) -> list[str]:
    """Where the value or the first derivative jumps."""
    return [f"{variable(loss)} = {k['at']}" for k in loss["kinks"] if k["order"] < 2]


def smoothness(loss: Facts) -> str:
    match verdict(loss, "differentiable"), verdict(loss, "continuous"):
        case "proved", _:
            k = value(loss, "differentiable")
            return f"C^{'∞' if k in ('oo', None) else k}"
        case "refuted", "refuted":
            return f"jump at {', '.join(map(code, kinks(loss)))}"
        case "refuted", _:
            return f"kink at {', '.join(map(code, kinks(loss)))}"
        case "conditional", _:
            return f"C^1 {condition(loss, 'differentiable')}"
        case other, _:
            return other


def cell(loss: Facts, claim: str) -> str:
    """What a table says of one property of one loss."""
    if claim == "differentiable":
        return smoothness(loss)
    if verdict(loss, claim) == "conditional":
        return condition(loss, claim)
    number, stated = value(loss, claim), verdict(loss, claim)
    if claim in ("lipschitz", "bounded_influence"):
        known = "bounded" if number is None else f"at most {code(number)}"
        return {"proved": known, "refuted": "unbounded"}.get(stated, stated)
    answer = {"proved": "yes", "refuted": "no"}.get(stated, stated)
    return answer + (f", {code(number)}" if stated == "proved" and number is not None else "")


def name(loss: Facts) -> str:
    return f"[{code(loss['name'])}](#{anchor(loss)})"


def anchor(loss: Facts) -> str:
    return str(loss["name"])


def listed(items: Iterable[str]) -> str:
    words = list(items)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def table(losses: list[Facts], claims: tuple[str, ...]) -> list[str]:
    rows = [["loss", *(MEANINGS[c][0] for c in claims)], ["---"] * (len(claims) + 1)]
    rows += [[name(loss), *(cell(loss, c) for c in claims)] for loss in losses]
    return ["| " + " | ".join(row) + " |" for row in rows]


def pulls(loss: Facts) -> str:
    return f"{name(loss)} (influence {cell(loss, 'bounded_influence')}, {smoothness(loss)})"


def regression(losses: list[Facts]) -> list[str]:
    """The answer by influence and smoothness."""

    def those(**wanted: str) -> list[Facts]:
        return [x for x in losses if all(verdict(x, claim) == v for claim, v in wanted.items())]

    unbounded = those(bounded_influence="refuted")
    sharp = those(bounded_influence="proved", differentiable="refuted", convex="proved")
    between = those(bounded_influence="proved", differentiable="proved", convex="proved")
    falling = those(bounded_influence="proved", convex="refuted")
    covered = {x["name"] for x in (*unbounded, *sharp, *between, *falling)}
    out: list[str] = []
    if unbounded:
        out.append(
            f"- **Large residuals matter, and are to pull**: {listed(map(name, unbounded))}. Their influence is "
            "unbounded: one observation far enough away moves the result as far as it likes."
        )
        if strong := [x for x in unbounded if verdict(x, "strongly_convex") == "proved"]:
            constants = (f"{code(x['name'])}: {code(value(x, 'strongly_convex'))}" for x in strong)
            out[-1] += f" Strongly convex, with these constants: {', '.join(constants)}."
    if sharp:
        out.append(
            f"- **Large residuals are corruption**: {listed(map(pulls, sharp))}. Every observation pulls with a "
            "slope of bounded size, however far away it is. The price is the kink: beside it the gradient does not "
            "become small, so gradient descent with a fixed step does not settle."
        )
    if between:
        out.append(
            f"- **Between the two**: {listed(map(pulls, between))}. The influence is bounded, and the first "
            "derivative is continuous, so the mean gradient vanishes at a minimum."
        )
    if gone := those(redescending="proved"):
        out.append(
            f"- **Far residuals are to be forgotten**: {listed(map(name, gone))}. Their slope tends to 0 far out. The "
            "price is that such a loss is not convex."
        )
    if rest := [x for x in losses if x["name"] not in covered]:
        out.append(f"- **Undecided, or different for different parameters**: {listed(map(name, rest))}.")
    return out


def margins(losses: list[Facts]) -> list[str]:
    def those(claim: str, wanted: str) -> list[Facts]:
        return [x for x in losses if verdict(x, claim) == wanted]

    out = []
    if good := [x for x in those("calibrated", "proved") if verdict(x, "convex") == "proved"]:
        out.append(f"- **Convex and calibrated**: {listed(map(name, good))}.")
        robust = [f"{name(x)} ({cell(x, 'lipschitz')})" for x in good if verdict(x, "lipschitz") == "proved"]
        wild = [name(x) for x in good if verdict(x, "lipschitz") == "refuted"]
        if robust and wild:
            out.append(
                f"- **Where labels may be wrong**, a bounded slope limits what one of them can do: {listed(robust)}. "
                f"Unbounded: {listed(wild)}."
            )
    for loss in those("calibrated", "refuted"):
        out.append(f"- **Not calibrated**: {name(loss)}: {failure(loss, 'calibrated')}.")
    for loss in those("continuous", "refuted"):
        out.append(
            f"- **Not continuous**: {name(loss)}. Its gradient is {code(loss['gradient']['text'])} wherever it exists: "
            "good for counting errors, and in need of a surrogate for training."
        )
    if below := those("upper_bounds_zero_one", "refuted"):
        out.append(f"- **Below the 0-1 loss somewhere**: {listed(map(reasoned, below))}.")
    return out


def reasoned(loss: Facts) -> str:
    return f"{name(loss)} ({failure(loss, 'upper_bounds_zero_one')})"


def failure(loss: Facts, claim: str) -> str:
    """Where a property fails, and how."""
    witness = loss["properties"][claim].get("witness")
    return f"{witness['what']}, {code(witness['at'])}" if witness else "refuted"


def undecided(losses: list[Facts]) -> list[str]:
    rows = [
        f"| {name(loss)} | {claim.replace('_', ' ')} | {found.get('reason', '').replace('|', BAR)} |"
        for loss in losses
        for claim, found in loss["properties"].items()
        if found["verdict"] == "undecided"
    ]
    silent = [loss for loss in losses if not loss["properties"]]
    out = ["| loss | property | why |", "| --- | --- | --- |", *rows] if rows else ["Nothing."]
    if silent:
        out += ["", f"Nothing is proved yet about losses of vectors: {listed(map(name, silent))}."]
    return out


def page(losses: list[Facts]) -> str:
    residual = [x for x in losses if x["base"] == "residual"]
    margin = [x for x in losses if x["base"] == "margin"]
    other = [x for x in losses if x["base"] is None and x["properties"]]
    used = dict.fromkeys((*REGRESSION, *MARGIN, *OTHER))
    lines = [
        "# Which loss?",
        "",
        "<!-- Written by docs/choosing.py from generated/facts; do not edit. -->",
        "",
        "This page is written by a program from properties that lossforge proved. *Yes* means proved for every value",
        "of the parameters, *no* means refuted for every one; what could not be decided is called undecided. The",
        "claims are about the inside of the prediction's domain. Each has a certificate, which a second program",
        "checks without knowing how the proof was found: `lossforge check --proofs --all`.",
        "",
        "## Regression",
        "",
        "![Regression losses and their gradients](regression_losses.svg)",
        "",
        *regression(residual),
        "",
        *table(residual, REGRESSION),
        "",
        "## Two classes, by the margin",
        "",
        "![Margin losses](margin_losses.svg)",
        "",
        *margins(margin),
        "",
        *table(margin, MARGIN),
        "",
        "## Probabilities, logits and counts",
        "",
        *table(other, OTHER),
        "",
        "## What is undecided",
        "",
        *undecided(losses),
        "",
        "## What the words mean",
        "",
        *(f"- *{MEANINGS[c][0]}*: {MEANINGS[c][1]}." for c in used),
        "",
        "## The losses",
        "",
    ]
    for loss in losses:
        defined = "".join(f", {code(f'{k} = {v}')}" for k, v in loss["definitions"].items())
        formula = f"{code(loss['formula']['text'])}{defined}"
        lines.append(
            f'- <a id="{anchor(loss)}"></a>**{loss["title"]}**, {code(loss["name"])}. {loss["summary"]} {formula}'
        )
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(f"docs/choosing.py takes no argument but --check, got: {' '.join(arguments)}", file=sys.stderr)
        return 2
    path, content = HERE / "choosing.md", page(read())
    if not arguments:
        path.write_text(content, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != content:
        print("docs/choosing.md would be written differently: python docs/choosing.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
