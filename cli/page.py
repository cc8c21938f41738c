"""How do a loss's facts read on a terminal, in a paper, on a page?

Three renderings of the same facts: plain text, LaTeX, Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .facts import Facts

PARTS = {"formula": "loss", "gradient": "gradient", "hessian": "Hessian", "inverse_link": "inverse link"}
INDICES = {"gradient": "[j]", "hessian": "[j, k]", "inverse_link": "[k]"}  # of K classes, an entry is shown
SETS = ("range", "minimizer")  # properties whose value is a set or a point, not a constant
CHOICES = (" (first choice)", " (second choice)", *[" (later choice)"] * 5)
ORDINALS = {0: "value", 1: "slope", 2: "second derivative"}


def formulas(facts: Facts, form: str) -> Iterator[tuple[str, str]]:
    """Label and formula of the loss and of what follows from it; a derivative may have several entries."""
    for part, label in PARTS.items():
        entry = facts.get(part)
        if entry is None:
            continue
        if form in entry:
            yield label + (INDICES.get(part, "") if facts.get("size") else ""), entry[form]
        else:
            for name, single in entry.items():
                yield f"{label} by {name}", single[form]


def variables(facts: Facts) -> list[tuple[str, str, str]]:
    """Role, name and domain of every argument and parameter; definitions last."""
    rows = [(a["role"], name, a["domain"]) for name, a in facts["arguments"].items()]
    for name, parameter in facts["parameters"].items():
        default = parameter.get("default")
        domain = parameter["domain"] + ("" if default is None else f", default {default}")
        rows.append(("parameter", name, domain))
    rows += [("where", name, f"= {meaning}") for name, meaning in facts["definitions"].items()]
    return rows


def kink(facts: Facts, entry: dict[str, Any]) -> str:
    base = {"residual": "r", "margin": "m"}.get(facts.get("base") or "", "")
    place = f"{base} = {entry['at']}" if base and "=" not in str(entry["at"]) else f"{entry['at']}"
    what = ORDINALS.get(entry["order"], f"derivative {entry['order']}")
    return f"{place}: the {what} jumps from {entry['left']} to {entry['right']}"


def claims(facts: Facts) -> list[tuple[str, str]]:
    """Name and verdict of every property, in words."""
    rows = []
    for name, claim in facts.get("properties", {}).items():
        said = claim["verdict"]
        if name == "differentiable" and said == "proved":  # how often, and continuously so
            said += f", C^{str(claim['value']).replace('oo', '∞')}" if "value" in claim else ""
        elif (value := claim.get("value")) is not None:
            named = isinstance(value, dict)  # a statistic, with its level and link
            shown = ", ".join(v if k == "statistic" else f"{k} {v}" for k, v in value.items()) if named else value
            said += f", {shown}" if named or name in SETS else f" = {shown}"
        elif (bound := claim.get("bound")) is not None:
            said += f", at {'least' if name == 'strongly_convex' else 'most'} {bound}"
        if condition := claim.get("condition"):
            said = said.replace("conditional", "proved", 1) + f" if {condition}"
        if witness := claim.get("witness"):
            said += f": {failure(witness)}"
        rows.append((name.replace("_", " "), said))
    return rows


def training(facts: Facts) -> list[tuple[str, ...]]:
    """Name and standing of each curvature, those that one would train with in their order, and the intercept."""
    rows: list[tuple[str, ...]] = []
    if not facts.get("properties") or facts["size"] or "text" not in facts["hessian"]:
        return rows
    for name, c in facts.get("curvatures", {}).items():
        said = c["formula"]["text"] if "formula" in c else "the Hessian"
        said += f", if {c['holds']['condition']}" if "condition" in c["holds"] else ""
        rank = CHOICES[facts["preferred"].index(name)] if name in facts["preferred"] else ""
        rows.append((name.replace("_", " "), f"{said}; {sign(c)}{rank}"))
    return [*rows, ("intercept", intercept(facts))]


def sign(c: Facts) -> str:
    """What is proved about the sign of a curvature, in words."""
    positive = c["positive"]
    if positive["verdict"] == "conditional":
        return f"positive if {positive['condition']}"
    if positive["verdict"] == "proved":
        return "positive"
    if c["rule"] in ("even", "reweighted") and positive.get("nonnegative"):
        return "0 only where the gradient is"
    if witness := positive.get("witness"):
        return failure(witness)
    return "not positive everywhere" if positive["verdict"] == "refuted" else "of unknown sign"


def intercept(facts: Facts) -> str:
    known = facts["intercept"]
    if known["statistic"] == "root":
        return "the root of the mean gradient"
    what = f"the {known['statistic']} of the targets" + (f", level {known['level']}" if "level" in known else "")
    return what + (f", by {facts['link']['text']}" if known.get("link") else "")


def failure(witness: Facts) -> str:
    """Where a property fails, and for which parameters and targets."""
    at = witness["at"]
    word = "as" if "->" in at else "at" if " = " in at else "for" if at.startswith("all") else "where"
    return f"{witness['what']} {word} {at}" + (f", for {witness['for']}" if "for" in witness else "")


def table(rows: list[tuple[str, ...]], indent: str = "  ") -> list[str]:
    """Rows in columns, the last one as wide as it likes."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [indent + "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def text(facts: Facts) -> str:
    lines = [f"{facts['name']}: {facts['title']}", *([facts["summary"]] if facts["summary"] else []), ""]
    lines += table([*variables(facts)]) + [""]
    lines += table([*formulas(facts, "text")])
    for heading, items in (
        ("kinks", [kink(facts, entry) for entry in facts["kinks"]]),
        ("properties", table(list(claims(facts)), indent="") if claims(facts) else []),
        ("for training", table(training(facts), indent="") if training(facts) else []),
        ("remarks", facts["remarks"]),
        ("elsewhere", facts["equivalents"]),
        ("sources", facts["references"]),
    ):
        if items:
            lines += ["", heading, *(f"  {item}" for item in items)]
    return "\n".join(lines)


def latex(facts: Facts) -> str:
    """An aligned display, ready to paste."""
    rows = [rf"  \text{{{label}}} &= {formula}" for label, formula in formulas(facts, "latex")]
    return "\n".join([r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"])


def markdown(facts: Facts) -> str:
    lines = [f"# {facts['title']}", *(["", facts["summary"]] if facts["summary"] else [])]
    lines += ["", "| role | name | domain |", "|---|---|---|"]
    lines += [f"| {role} | `{name}` | {domain} |" for role, name, domain in variables(facts)]
    for label, formula in formulas(facts, "latex"):
        lines += ["", f"**{label[0].upper() + label[1:]}**", "", f"$$\n{formula}\n$$"]
    for heading, items in (
        ("Kinks", [kink(facts, entry) for entry in facts["kinks"]]),
        ("Properties", [f"{name}: {verdict}" for name, verdict in claims(facts)]),
        ("For training", [f"{name}: {said}" for name, said in training(facts)]),
        ("Remarks", facts["remarks"]),
        ("Elsewhere", facts["equivalents"]),
        ("Sources", facts["references"]),
    ):
        if items:
            lines += ["", f"## {heading}", "", *(f"- {item}" for item in items)]
    return "\n".join(lines)


FORMATS: dict[str, Callable[[Facts], str]] = {"text": text, "latex": latex, "markdown": markdown}
