"""Which losses are there? The page of formulas, gradients and kinks, and the README's list, from generated/facts.

python docs/catalogue.py           write docs/catalogue.md and the list in README.md
python docs/catalogue.py --check   exit 1 when they are not what would be written
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
PAGE = ROOT / "docs" / "catalogue.md"
BEGIN, END = "<!-- catalogue: begin -->", "<!-- catalogue: end -->"
WIDTH = 84  # of a formula in a table; a longer one is shown by the command line
PIECES = re.compile(r"\bif\b|\b(?:abs|max|min|sign)\(")
JUMPS = {0: "the loss", 1: "the gradient", 2: "the Hessian"}


def formula(loss: dict[str, Any], part: str) -> str:
    text = loss[part].get("text", "").replace("|", "\\|")  # of several predictions there is a gradient for each
    return f"`{text}`" if 0 < len(text) <= WIDTH else f"`lossforge show {loss['name']}`"


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


def families() -> dict[str, list[str]]:
    """The names of the losses by family, in the order of the catalogue."""
    out: dict[str, list[str]] = {}
    for name, loss in json.loads((FACTS / "index.json").read_text(encoding="utf-8"))["losses"].items():
        out.setdefault(loss["family"], []).append(name)
    return out


def page() -> str:
    known = families()
    lines = [
        "# The catalogue",
        "",
        "<!-- Written by docs/catalogue.py. Do not edit: python docs/catalogue.py -->",
        "",
        f"{sum(map(len, known.values()))} losses. Gradients are with respect to the prediction; where there are",
        "several, `lossforge show LOSS` has them. [What is proved of every loss](properties.md) has a page of its own.",
    ]
    for family, names in known.items():
        lines += [
            "",
            f"## {family.capitalize()}",
            "",
            "| loss | formula | gradient | what jumps |",
            "| --- | --- | --- | --- |",
        ]
        for name in names:
            loss = json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
            cells = [formula(loss, "formula"), formula(loss, "gradient"), kinks(loss)]
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def table() -> str:
    rows = ["| family | losses |", "| --- | --- |"]
    return "\n".join([*rows, *(f"| {f} | {', '.join(f'`{n}`' for n in names)} |" for f, names in families().items())])


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
    made = {PAGE: page(), README: between(README.read_text(encoding="utf-8"), BEGIN, END, table())}
    changed = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if arguments:
        for path in changed:
            print(f"{path.relative_to(ROOT)} would be written differently: python docs/catalogue.py", file=sys.stderr)
        return int(bool(changed))
    for path in changed:
        path.write_text(made[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
