"""Which losses does the README list? Its table of formulas, gradients and kinks, from generated/facts.

python docs/catalogue.py           write the table in README.md
python docs/catalogue.py --check   exit 1 when the table is not what would be written
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "generated" / "facts"
README = ROOT / "README.md"
BEGIN, END = "<!-- catalogue: begin -->", "<!-- catalogue: end -->"
WIDTH = 84  # of a formula in a table; a longer one is shown by the command line
PIECES = re.compile(r"\bif\b|\b(?:abs|max|min|sign)\(")
JUMPS = {0: "the loss", 1: "the gradient", 2: "the Hessian"}


def formula(loss: dict[str, Any], part: str) -> str:
    text = loss[part]["text"].replace("|", "\\|")
    return f"`{text}`" if len(text) <= WIDTH else f"`lossforge show {loss['name']}`"


def kinks(loss: dict[str, Any]) -> str:
    """Where something jumps: place, what, and the value at the place."""
    prediction = next(name for name, argument in loss["arguments"].items() if argument["role"] == "prediction")
    base = {"residual": "r", "margin": "m"}.get(loss["base"] or "", prediction)
    places = [
        f"`{base} = {k['at']}`: {JUMPS.get(k['order'], 'derivative ' + str(k['order']))}, `{k['value']}` there"
        for k in loss["kinks"]
    ]
    if not places and loss["properties"].get("differentiable", {}).get("verdict") == "undecided":
        # Without a case, a modulus or a maximum there is nothing to jump; with one, nothing was found is not none.
        return "undecided" if PIECES.search(loss["formula"]["text"]) else "none"
    return "<br>".join(places) or "none"


def table() -> str:
    names = json.loads((FACTS / "index.json").read_text(encoding="utf-8"))["losses"]
    rows = ["| loss | formula | gradient | what jumps |", "| --- | --- | --- | --- |"]
    for name in names:
        loss = json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
        rows.append(f"| `{name}` | {formula(loss, 'formula')} | {formula(loss, 'gradient')} | {kinks(loss)} |")
    return "\n".join(rows)


def between(page: str, begin: str, end: str, content: str) -> str:
    """The page with the content between the two marks."""
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"README.md has no {begin} … {end}; put both marks where the table shall stand")
    return f"{before}{begin}\n{content}\n{end}{after}"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(f"docs/catalogue.py takes no argument but --check, got: {' '.join(arguments)}", file=sys.stderr)
        return 2
    page = README.read_text(encoding="utf-8")
    made = between(page, BEGIN, END, table())
    if not arguments:
        README.write_text(made, encoding="utf-8")
    elif made != page:
        print("the table in README.md would be written differently: python docs/catalogue.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
