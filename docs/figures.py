"""What do the losses look like? Two pictures, drawn from the generated code.

    python docs/figures.py           write docs/*.svg
    python docs/figures.py --check   exit 1 when the files are not what would be written

The curves are values of `lf.losses`; titles, defaults and jumps are the facts'.
The SVG is written by hand: the same bytes on every run, no background, and
colours that follow the reader's light or dark mode.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lossforge as lf

HERE = Path(__file__).resolve().parent
Array = NDArray[np.float64]
Jump = tuple[float, float, float, float]  # x, limit from the left, limit from the right, value

# Okabe and Ito (2008), Color universal design; yellow is left out (too pale for a line), and black
# is the reader's ink. Lighter blue and green for dark backgrounds.
PALETTE = ("ink", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
DARK = {"#0072b2": "#4f8fe6", "#009e73": "#2bb58c", "#d55e00": "#ec7014"}
# Never colour alone: no two curves share colour or dashes.
DASHES = ("", "", "7 4", "", "2 3", "10 3 2 3", "5 2")
GREEK = {"delta": "δ", "tau": "τ"}


@dataclass(frozen=True, slots=True)
class Curve:
    """One loss in one panel: its name, number (colour, dashes), values, and jumps."""

    label: str
    number: int
    values: Callable[[Array], Array]
    jumps: tuple[Jump, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle of the page that shows x in [x0, x1] and y in [y0, y1]."""

    left: float
    top: float
    width: float
    height: float
    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        return self.left + (value - self.x0) / (self.x1 - self.x0) * self.width

    def y(self, value: float) -> float:
        return self.top + (self.y1 - value) / (self.y1 - self.y0) * self.height

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def right(self) -> float:
        return self.left + self.width


def number(value: float) -> str:
    """A coordinate with one decimal, and none where it is whole."""
    rounded = round(float(value), 1) + 0.0  # no -0
    return f"{rounded:.0f}" if rounded == int(rounded) else f"{rounded:.1f}"


def text(x: float, y: float, content: str, anchor: str = "start", kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}"{css}>{content}</text>'


def line(x0: float, y0: float, x1: float, y1: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{number(x0)} {number(y0)}L{number(x1)} {number(y1)}"/>'


def axes(panel: Panel, xs: Iterable[float], ys: Iterable[float], x_name: str, numbers_right: bool = False) -> list[str]:
    """Grid lines with their numbers, outside the panel."""
    out = []
    for y in ys:
        out.append(line(panel.left, panel.y(y), panel.right, panel.y(y), "axis" if y == 0 else "grid"))
        place = (panel.right + 8, "start") if numbers_right else (panel.left - 8, "end")
        out.append(text(place[0], panel.y(y) + 4, sign(y), place[1], "faint"))
    for x in xs:
        out.append(line(panel.x(x), panel.top, panel.x(x), panel.bottom, "axis" if x == 0 else "grid"))
        out.append(text(panel.x(x), panel.bottom + 18, sign(x), "middle", "faint"))
    out.append(text(panel.left + panel.width / 2, panel.bottom + 38, x_name, "middle"))
    return out


def sign(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def draw(panel: Panel, curves: Iterable[Curve], clip: str, samples: int = 400) -> list[str]:
    """The curves, broken at jumps; a full dot is the value there, an empty one a limit."""
    out = [f'<g clip-path="url(#{clip})" class="curves">']
    dots: list[str] = []
    for curve in curves:
        jumps = [j for j in curve.jumps if panel.x0 < j[0] < panel.x1]
        # Every corner of the catalogue at its defaults lies on a multiple of 1/2, and so on this grid.
        grid = np.linspace(panel.x0, panel.x1, samples + 1)
        ends = [panel.x0, *(j[0] for j in jumps), panel.x1]
        for i, (a, b) in enumerate(pairwise(ends)):
            inner = grid[(grid > a) & (grid < b)]
            x = np.concatenate([[a], inner, [b]])
            y = curve.values(x)
            if i > 0:
                y[0] = jumps[i - 1][2]
            if i < len(jumps):
                y[-1] = jumps[i][1]
            points = " ".join(f"{number(panel.x(u))},{number(panel.y(v))}" for u, v in straightened(panel, x, y))
            out.append(f'<polyline class="c{curve.number}" points="{points}"/>')
        for at, before, after, value in jumps:
            empty = {before, after} - {value}
            dots += [dot(panel.x(at), panel.y(v), curve.number, "empty") for v in sorted(empty)]
            dots.append(dot(panel.x(at), panel.y(value), curve.number, "full"))
    return [*out, "</g>", *dots]


def dot(x: float, y: float, colour: int, kind: str) -> str:
    return f'<circle class="c{colour} {kind}" cx="{number(x)}" cy="{number(y)}" r="3.5"/>'


def straightened(panel: Panel, x: Array, y: Array) -> list[tuple[float, float]]:
    """The points without those in the middle of a straight stretch, and without what lies far outside."""
    span = panel.y1 - panel.y0
    near = (y > panel.y0 - span) & (y < panel.y1 + span)
    points = list(zip(x[near].tolist(), y[near].tolist(), strict=True))
    kept = points[:1]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        bend = (after[1] - here[1]) * (here[0] - before[0]) - (here[1] - before[1]) * (after[0] - here[0])
        if abs(bend) > 1e-9:
            kept.append(here)
    return kept + points[-1:]


def labels(wishes: list[tuple[float, float, Curve]], x: float, anchor: str, gap: float = 19) -> list[str]:
    """Names in a column at `x`, each as near to its curve's end (x, y) as the others allow, with a leader."""
    order = sorted(wishes, key=lambda w: w[1])
    places = [w[1] for w in order]
    for _ in range(200):  # push neighbours apart, both the same way
        for i in range(len(places) - 1):
            if (lack := gap - (places[i + 1] - places[i])) > 1e-6:
                places[i] -= lack / 2
                places[i + 1] += lack / 2
    out = []
    towards = -1 if anchor == "start" else 1
    for (end_x, end_y, curve), y in zip(order, places, strict=True):
        elbow = x + towards * 8
        out.append(f'<path class="leader" d="M{number(end_x)} {number(end_y)}L{number(elbow)} {number(y)}"/>')
        out.append(text(x, y + 4, curve.label, anchor, f"t{curve.number}"))
    return out


def style() -> str:
    def rules(dark: bool) -> str:
        shades = [DARK.get(c, c) if dark else c for c in PALETTE]
        shades = [("#e6edf3" if dark else "#1f2328") if c == "ink" else c for c in shades]
        return "".join(f".c{i}{{stroke:{c}}}.full.c{i}{{fill:{c}}}.t{i}{{fill:{c}}}" for i, c in enumerate(shades))

    dashes = "".join(f"polyline.c{i}{{stroke-dasharray:{d}}}" for i, d in enumerate(DASHES) if d)
    return (
        "<style>text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}"
        ".faint{fill:#59636e;font-size:12px}.head{font-weight:600}"
        ".grid{stroke:#8884;stroke-width:1}.axis{stroke:#8889;stroke-width:1.2}.leader{stroke:#888b;fill:none}"
        "polyline{fill:none;stroke-width:2.2;stroke-linejoin:round}circle{stroke-width:1.8}.empty{fill:none}"
        f"{dashes}{rules(False)}"
        "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}" + rules(True) + "}</style>"
    )


def page(width: float, height: float, title: str, description: str, clips: dict[str, Panel], body: list[str]) -> str:
    clip = "".join(
        f'<clipPath id="{name}"><rect x="{number(p.left)}" y="{number(p.top - 1)}" width="{number(p.width)}" '
        f'height="{number(p.height + 2)}"/></clipPath>'
        for name, p in clips.items()
    )
    w, h = number(width), number(height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">',
        "<!-- Written by docs/figures.py from the generated code; do not edit. -->",
        f"<title>{title}</title>",
        f"<desc>{description}</desc>",
        style(),
        f"<defs>{clip}</defs>",
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def catalogue(base: str) -> list[lf.LossFunction]:
    """The losses of the catalogue that are declared in the residual or in the margin, in the order drawn."""
    everything = {name: lf.losses[name](backend="numpy", **SHOWN.get(name, {})) for name in lf.losses}
    declared = {name for name, loss in everything.items() if loss.facts["base"] == base}
    if declared != set(ORDER[base]):
        raise SystemExit(f"docs/figures.py draws {ORDER[base]}, but the catalogue has {sorted(declared)}: mend ORDER")
    return [everything[name] for name in ORDER[base]]


# The order in which they are drawn; the first has the reader's ink.
ORDER = {
    "margin": ("zero_one", "squared_hinge", "modified_huber", "hinge", "logistic", "exponential", "perceptron"),
    "residual": (
        "squared_error", "half_squared_error", "absolute_error", "huber", "pinball", "log_cosh", "pseudo_huber",
    ),
}  # fmt: skip
SHOWN = {"pinball": {"tau": 0.75}}  # at its default it is half the absolute error


def name_of(loss: lf.LossFunction) -> str:
    given = ", ".join(f"{GREEK.get(k, k)} = {v:g}" for k, v in loss.parameters.items())
    return str(loss.facts["title"]) + (f", {given}" if given else "")


def jumps(loss: lf.LossFunction, order: int, values: Callable[[Array], Array]) -> tuple[Jump, ...]:
    """Where the loss (order 0) or its slope (order 1) jumps: place, both limits, value.

    The limits are read a little beside the place, which is exact for the piecewise linear losses that jump.
    """
    found = []
    for kink in loss.facts["kinks"]:
        if kink["order"] == order:
            at = float(kink["at"])
            left, value, right = values(np.array([at - 2.0**-30, at, at + 2.0**-30])).tolist()
            found.append((at, left, right, value))
    return tuple(found)


def margin_losses() -> str:
    curves = []
    for i, loss in enumerate(catalogue("margin")):

        def values(m: Array, loss: lf.LossFunction = loss) -> Array:
            return np.asarray(loss.loss(np.ones_like(m), m))

        curves.append(Curve(name_of(loss), i, values, jumps(loss, 0, values)))
    whole = Panel(150, 50, 690, 500, -2, 3, 0, 9.25)
    near = Panel(530, 106, 290, 250, -0.5, 1.5, 0, 2)
    ends = [(whole.x(-2), whole.y(float(c.values(np.array([-2.0]))[0])), c) for c in curves]
    body = [
        text(whole.left, 24, "Margin losses: the loss over the margin m = y·f, for y ∈ {−1, 1}", kind="head"),
        *axes(whole, range(-2, 4), range(10), "margin m = y·f", numbers_right=True),
        *draw(whole, curves, "whole"),
        text(whole.x(-1), whole.bottom + 38, "← wrong decision", "middle", "faint"),
        text(whole.x(2.2), whole.bottom + 38, "right decision →", "middle", "faint"),
        *labels(ends, whole.left - 26, "end"),
        text(near.left, near.top - 12, "the same near the decision", kind="faint"),
        *axes(near, (-0.5, 0, 0.5, 1, 1.5), (0, 0.5, 1, 1.5, 2), ""),
        *draw(near, curves, "near"),
    ]
    description = "Curves over the margin from -2 to 3: " + ", ".join(c.label for c in curves) + "."
    return page(880, 602, "Margin losses", description, {"whole": whole, "near": near}, body)


def regression_losses() -> str:
    panels = (Panel(44, 62, 300, 380, -3, 3, 0, 4.5), Panel(560, 62, 300, 380, -3, 3, -3, 3))
    heads = ("Loss over the residual r = f − y", "Gradient")
    body: list[str] = []
    losses = catalogue("residual")
    for order, panel in enumerate(panels):
        curves = []
        for i, loss in enumerate(losses):

            def values(r: Array, method: Callable[..., Any] = (loss.loss, loss.gradient)[order]) -> Array:
                return np.array(method(np.zeros_like(r), r))

            curves.append(Curve(name_of(loss), i, values, jumps(loss, order, values)))
        ys = range(5) if order == 0 else range(-3, 4)
        body.append(text(panel.left, 22, heads[order], kind="head"))
        body += axes(panel, range(-3, 4), ys, "residual r = f − y")
        body += draw(panel, curves, f"panel{order}")
        wishes = []
        for curve in curves:
            end = float(curve.values(np.array([panel.x1]))[0])
            if end <= panel.y1:
                wishes.append((panel.right, panel.y(end), curve))
            else:  # it leaves through the top: its name stands there
                x = np.linspace(panel.x0, panel.x1, 4001)
                leaves = x[(x > 0) & (curve.values(x) <= panel.y1)].max()
                body.append(text(panel.x(float(leaves)), panel.top - 8, curve.label, "middle", f"t{curve.number}"))
        body += labels(wishes, panel.right + 30, "start")
    description = "Losses and gradients over the residual from -3 to 3: " + ", ".join(map(name_of, losses)) + "."
    clips = {f"panel{i}": p for i, p in enumerate(panels)}
    return page(1050, 490, "Regression losses and their gradients", description, clips, body)


FIGURES = {"margin_losses.svg": margin_losses, "regression_losses.svg": regression_losses}


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(f"docs/figures.py takes no argument but --check, got: {' '.join(arguments)}", file=sys.stderr)
        return 2
    stale = []
    for name, figure in FIGURES.items():
        path, content = HERE / name, figure()
        if arguments and (not path.exists() or path.read_text(encoding="utf-8") != content):
            stale.append(name)
        elif not arguments:
            path.write_text(content, encoding="utf-8")
    if stale:
        print(f"docs/{' and docs/'.join(stale)} would be written differently: python docs/figures.py", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
