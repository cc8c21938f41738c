"""What is proved of every loss? Writes properties.md: verdicts, values, phase diagrams, and what is still open.

python docs/properties.py [FACTS]           write docs/properties.md from generated/facts, or another folder
python docs/properties.py [FACTS] --check   exit 1 when the page is not what would be written
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "generated" / "facts"
PAGE = ROOT / "docs" / "properties.md"
WIDTH = 40  # of a value in a table; a longer one is shown by the command line
VERDICTS = ("proved", "refuted", "conditional", "undecided")
THEMES: dict[str, tuple[str, ...]] = {
    "Shape": ("convex", "strictly_convex", "strongly_convex", "weakly_convex", "quasiconvex"),
    "Smoothness": ("continuous", "differentiable", "lipschitz", "smooth", "self_concordant"),
    "Values": ("nonnegative", "bounded", "range", "minimizer"),
    "Losses of a residual": ("symmetric", "bounded_influence", "redescending"),
    "Losses of a margin": ("monotone", "upper_bounds_zero_one", "calibrated"),
    "Losses of a probability": ("proper", "strictly_proper"),
    "What it estimates": ("elicits", "conjugate", "prox"),
}
Claims = dict[str, dict[str, dict[str, Any]]]  # loss -> property -> claim


def claims(facts: Path) -> Claims:
    names = json.loads((facts / "index.json").read_text(encoding="utf-8"))["losses"]
    return {n: json.loads((facts / f"{n}.json").read_text(encoding="utf-8"))["properties"] for n in names}


def code(text: Any) -> str:
    escaped = str(text).replace("|", "\\|")
    return f"`{escaped}`"


def cell(loss: str, claim: dict[str, Any] | None) -> str:
    """A claim in a few characters."""
    if claim is None:
        return ""
    if claim["verdict"] == "refuted":
        return "no"
    if claim["verdict"] == "undecided":
        return "?"
    value = claim.get("value", claim.get("bound"))
    if isinstance(value, dict):
        value = ", ".join(str(v) for v in value.values())
    sign = "" if "value" in claim else "≤ "
    shown = "yes" if value is None else f"{sign}{code(value)}"
    if len(shown) > WIDTH + 4:
        shown = f"yes, long: {code(loss)}"
    if claim["verdict"] == "conditional":
        condition = claim["condition"]
        where = code(condition) if len(condition) <= WIDTH else "on a part, below"
        return f"{shown} if {where}" if value is not None else f"if {where}"
    return shown


def table(all_: Claims, names: tuple[str, ...]) -> list[str]:
    rows = ["| loss | " + " | ".join(n.replace("_", " ") for n in names) + " |", "| --- " * (len(names) + 1) + "|"]
    for loss, found in all_.items():
        if any(n in found for n in names):
            rows.append(f"| `{loss}` | " + " | ".join(cell(loss, found.get(n)) for n in names) + " |")
    return rows if len(rows) > 2 else ["No loss has such a claim yet."]


def counted(all_: Claims) -> tuple[list[str], Counter[str]]:
    """How many claims have which verdict, by property; and altogether."""
    by: dict[str, Counter[str]] = {}
    for found in all_.values():
        for name, claim in found.items():
            by.setdefault(name, Counter())[claim["verdict"]] += 1
    order = [n for names in THEMES.values() for n in names]
    rows = ["| property | " + " | ".join(VERDICTS) + " |", "| --- " * (len(VERDICTS) + 1) + "|"]
    for name in sorted(by, key=lambda n: (order.index(n) if n in order else len(order), n)):
        rows.append(f"| {name.replace('_', ' ')} | " + " | ".join(str(by[name][v]) for v in VERDICTS) + " |")
    total = sum(by.values(), Counter())
    rows.append("| **all** | " + " | ".join(f"**{total[v]}**" for v in VERDICTS) + " |")
    return rows, total


def listed(all_: Claims, verdict: str, key: str, head: str) -> list[str]:
    rows = [f"| loss | property | {head} |", "| --- | --- | --- |"]
    for loss, found in all_.items():
        for name, claim in found.items():
            if claim["verdict"] == verdict:
                text = str(claim.get(key) or "no reason given")
                shown = code(text) if key == "condition" else text.replace("|", "\\|")
                rows.append(f"| `{loss}` | {name.replace('_', ' ')} | {shown} |")
    return rows if len(rows) > 2 else ["None."]


def page(facts: Path) -> str:
    all_ = {loss: found for loss, found in claims(facts).items() if found}
    counts, total = counted(all_)
    everything = sum(total.values())
    decided = everything - total["undecided"]
    share = f"{100 * decided / everything:.1f} %" if everything else "none"
    known = {n for names in THEMES.values() for n in names}
    others = tuple(sorted({n for found in all_.values() for n in found} - known))
    themes = {**THEMES, **({"Others": others} if others else {})}
    lines = [
        "# What is proved of every loss",
        "",
        "<!-- Written by docs/properties.py. Do not edit: python docs/properties.py -->",
        "",
        f"{everything} claims about {len(all_)} losses; {decided} of them ({share}) are decided: proved for all values",
        "of the parameters, refuted for all, or true exactly under a condition. Each decided claim has a certificate,",
        "which `lossforge check --proofs` checks without the prover; [lemmas.md](lemmas.md) proves what it relies on.",
        "",
        "A claim is about the interior of the prediction's domain, and about every target. *yes*: proved; *no*:",
        "refuted, there is a target and a place that contradict; *?*: undecided. A formula in a cell is the best",
        "possible value (of the modulus, of the constant, k of C^k …), one after ≤ only a valid bound.",
        "`lossforge show LOSS` prints values in full.",
        "",
        *counts,
    ]
    for title, names in themes.items():
        present = tuple(n for n in names if any(n in found for found in all_.values()))
        if present:
            lines += ["", f"## {title}", "", *table(all_, present)]
    lines += ["", "## Phase diagrams", "", "The property holds exactly under the condition.", ""]
    lines += listed(all_, "conditional", "condition", "holds exactly if")
    lines += ["", "## Undecided", "", *listed(all_, "undecided", "reason", "why")]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    folders = [a for a in arguments if a != "--check"]
    if len(folders) > 1 or any(a.startswith("-") for a in folders):
        print(f"docs/properties.py takes [FACTS] [--check], got: {' '.join(arguments)}", file=sys.stderr)
        return 2
    made = page(Path(folders[0]) if folders else FACTS)
    if "--check" not in arguments:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        print("docs/properties.md would be written differently: python docs/properties.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
