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
from sympy import Symbol

import lossforge as lf
from lossforge.spec.text import parse_expression

HERE = Path(__file__).resolve().parent
Array = NDArray[np.float64]
Jump = tuple[float, float, float, float]  # x, limit from the left, limit from the right, value

# Okabe and Ito (2008), Color universal design; yellow is left out (too pale for a line), and black
# is the reader's ink. Lighter blue and green for dark backgrounds.
PALETTE = ("ink", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
DARK = {"#0072b2": "#4f8fe6", "#009e73": "#2bb58c", "#d55e00": "#ec7014"}
# Never colour alone: no two curves share colour or dashes.
DASHES = ("", "", "7 4", "", "2 3", "10 3 2 3", "5 2")
GREEK = {"alpha": "α", "beta": "β", "delta": "δ", "epsilon": "ε", "gamma": "γ", "nu": "ν", "tau": "τ"}


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

    def x(self, value: Any) -> Any:
        """Across the page, for a number or an array."""
        return self.left + (value - self.x0) / (self.x1 - self.x0) * self.width

    def y(self, value: Any) -> Any:
        """Down the page."""
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


def axes(panel: Panel, xs: Iterable[float], ys: Iterable[float], x_name: str) -> list[str]:
    """Grid lines with their numbers, outside the panel."""
    out = []
    for y in ys:
        out.append(line(panel.left, panel.y(y), panel.right, panel.y(y), "axis" if y == 0 else "grid"))
        out.append(text(panel.left - 8, panel.y(y) + 4, sign(y), "end", "faint"))
    for x in xs:
        out.append(line(panel.x(x), panel.top, panel.x(x), panel.bottom, "axis" if x == 0 else "grid"))
        out.append(text(panel.x(x), panel.bottom + 18, sign(x), "middle", "faint"))
    out.append(text(panel.left + panel.width / 2, panel.bottom + 38, x_name, "middle"))
    return out


def sign(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def draw(panel: Panel, curves: Iterable[Curve], clip: str, samples: int = 480) -> list[str]:
    """The curves, broken at jumps; a full dot is the value there, an empty one a limit."""
    out = [f'<g clip-path="url(#{clip})" class="curves">']
    dots: list[str] = []
    for curve in curves:
        jumps = [j for j in curve.jumps if panel.x0 < j[0] < panel.x1]
        # Nearly every corner that is drawn lies on a multiple of 1/2, and so on this grid.
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


def straightened(panel: Panel, x: Array, y: Array, tolerance: float = 0.08) -> list[tuple[float, float]]:
    """The fewest points within `tolerance` of the page's units of the curve, without what lies far outside.

    Douglas and Peucker (1973): of a stretch, keep the point farthest from its chord, while that is too far.
    """
    span = panel.y1 - panel.y0
    near = (y > panel.y0 - span) & (y < panel.y1 + span)
    u, v = panel.x(x[near]), panel.y(y[near])
    kept, stretches = {0, len(u) - 1}, [(0, len(u) - 1)]
    while stretches:
        first, last = stretches.pop()
        du, dv = u[last] - u[first], v[last] - v[first]
        inside = slice(first + 1, last)
        away = np.abs((u[inside] - u[first]) * dv - (v[inside] - v[first]) * du) / (np.hypot(du, dv) or 1)
        if len(away) and away.max() > tolerance:
            middle = first + 1 + int(away.argmax())
            kept.add(middle)
            stretches += [(first, middle), (middle, last)]
    return [(float(x[near][i]), float(y[near][i])) for i in sorted(kept)]


def style() -> str:
    def rules(dark: bool) -> str:
        shades = [DARK.get(c, c) if dark else c for c in PALETTE]
        shades = [("#e6edf3" if dark else "#1f2328") if c == "ink" else c for c in shades]
        return "".join(f".c{i}{{stroke:{c}}}.full.c{i}{{fill:{c}}}.t{i}{{fill:{c}}}" for i, c in enumerate(shades))

    dashes = "".join(f"polyline.c{i}{{stroke-dasharray:{d}}}" for i, d in enumerate(DASHES) if d)
    return (
        "<style>text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}"
        ".faint{fill:#59636e;font-size:12px}.head{font-weight:600}"
        ".grid{stroke:#8884;stroke-width:1}.axis{stroke:#8889;stroke-width:1.2}"
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


# Which losses stand in one panel, at most as many as there are colours; the first has the reader's ink.
ORDER: dict[str, dict[str, tuple[str, ...]]] = {
    "margin": {
        "Convex, with corners": (
            "hinge", "perceptron", "squared_hinge", "modified_huber", "smoothed_hinge", "binary_sparsemax", "unhinged",
        ),
        "Convex and smooth": (
            "logistic", "log2_logistic", "exponential", "squared_margin", "distance_weighted_discrimination",
        ),
        "Bounded": ("zero_one", "ramp", "sigmoid_loss", "tanh_loss", "savage", "tangent"),
    },
    "residual": {
        "The absolute and the squared error, and between": (
            "squared_error", "half_squared_error", "absolute_error", "power_error", "epsilon_insensitive",
            "squared_epsilon_insensitive", "tolerant",
        ),
        "Quadratic near zero, linear in the tails": (
            "huber", "smooth_l1", "pseudo_huber", "charbonnier", "log_cosh", "logistic_distance", "fair",
        ),
        "Different on both sides": (
            "pinball", "huber_pinball", "smooth_pinball", "expectile", "asymmetric_squared", "asymmetric_huber",
            "linex",
        ),
        "Slower than linear in the tails": (
            "cauchy", "student_t", "barron", "geman_mcclure", "welsch", "arctan_loss", "ramsay",
        ),
        "Other forms beyond a threshold": (
            "truncated_squared", "tukey_biweight", "hampel", "andrews_wave", "dead_zone", "periodic",
        ),
    },
}  # fmt: skip
# Where the default does not show what the loss is for, or shows it outside the picture.
SHOWN: dict[str, dict[str, float]] = {
    **{name: {"tau": 0.75} for name in ("pinball", "smooth_pinball", "huber_pinball", "expectile", "asymmetric_huber")},
    **{name: {"epsilon": 0.5} for name in ("epsilon_insensitive", "squared_epsilon_insensitive", "charbonnier")},
    **{name: {"c": 1} for name in ("cauchy", "welsch", "andrews_wave")},
    "smooth_l1": {"beta": 0.5}, "smooth_pinball": {"tau": 0.75, "alpha": 0.5}, "barron": {"alpha": 0},
    "truncated_squared": {"c": 1.5}, "tukey_biweight": {"c": 2.5}, "hampel": {"a": 0.5, "b": 0.5, "c": 1},
    "periodic": {"c": 2}, "ramsay": {"a": 1},
}  # fmt: skip


def catalogue(base: str) -> dict[str, list[lf.LossFunction]]:
    """The regression losses in the residual, or the binary ones in the margin, by panel."""
    everything = {name: lf.losses[name](backend="numpy", **SHOWN.get(name, {})) for name in lf.losses}
    family = {"residual": "regression", "margin": "binary"}[base]
    declared = {n for n, e in everything.items() if (e.facts["base"], e.facts["family"]) == (base, family)}
    drawn = sorted(name for names in ORDER[base].values() for name in names)
    if sorted(declared) != drawn:
        differing = ", ".join(sorted(declared ^ set(drawn)) or drawn)
        raise SystemExit(f"docs/figures.py and the catalogue differ in {base} losses, {differing}: mend ORDER")
    return {head: [everything[name] for name in names] for head, names in ORDER[base].items()}


def name_of(loss: lf.LossFunction) -> str:
    given = ", ".join(f"{GREEK.get(k, k)} = {v:g}" for k, v in loss.parameters.items())
    return str(loss.facts["title"]) + (f", {given}" if given else "")


def jumps(loss: lf.LossFunction, order: int, values: Callable[[Array], Array]) -> tuple[Jump, ...]:
    """Where the loss (order 0) or its slope (order 1) jumps: place, both limits, value.

    The limits are read a little beside the place; beyond a tenth of a pixel they are those of a jump.
    """
    found = []
    symbols = {name: Symbol(name) for name in loss.parameters}
    for kink in loss.facts["kinks"]:
        if kink["order"] == order:
            place = parse_expression(kink["at"], symbols)
            at = float(place.subs({symbols[k]: v for k, v in loss.parameters.items()}))
            left, value, right = values(np.array([at - 2.0**-30, at, at + 2.0**-30])).tolist()
            if abs(right - left) > 1e-3:
                found.append((at, left, right, value))
    return tuple(sorted(found))


def curves_of(losses: list[lf.LossFunction], order: int, inputs: Callable[[Array], tuple[Array, Array]]) -> list[Curve]:
    """The losses (order 0) or their gradients (order 1) of one panel."""
    curves = []
    for i, loss in enumerate(losses):

        def values(x: Array, method: Callable[..., Any] = (loss.loss, loss.gradient)[order]) -> Array:
            return np.array(method(*inputs(x)))

        curves.append(Curve(name_of(loss), i, values, jumps(loss, order, values)))
    return curves


def legend(x: float, y: float, curves: Iterable[Curve]) -> list[str]:
    """A piece of each line with its name, one under the other."""
    out = []
    for i, curve in enumerate(curves):
        here = y + 19 * i
        piece = f"{number(x)},{number(here)} {number(x + 34)},{number(here)}"
        out.append(f'<polyline class="c{curve.number}" points="{piece}"/>')
        out.append(text(x + 42, here + 4, curve.label, "start", f"t{curve.number}"))
    return out


def margin_losses() -> str:
    body = [text(28, 24, "Margin losses: the loss over the margin m = y·f, for y ∈ {−1, 1}", kind="head")]
    clips: dict[str, Panel] = {}
    names: list[str] = []
    for i, (head, losses) in enumerate(catalogue("margin").items()):
        panel = Panel(28 + 316 * i, 72, 284, 284, -2, 3, -0.5, 4.5)
        curves = curves_of(losses, 0, lambda m: (np.ones_like(m), m))
        names += [c.label for c in curves]
        clips[f"panel{i}"] = panel
        body += [
            text(panel.left, panel.top - 14, head, kind="head"),
            *axes(panel, range(-2, 4), range(5), "margin m = y·f"),
            *draw(panel, curves, f"panel{i}"),
            *legend(panel.left, panel.bottom + 66, curves),
        ]
    description = "Curves over the margin from -2 to 3: " + ", ".join(names) + "."
    return page(960, 556, "Margin losses", description, clips, body)


def regression_losses() -> str:
    body: list[str] = []
    clips: dict[str, Panel] = {}
    names: list[str] = []
    rows = catalogue("residual")
    for row, (head, losses) in enumerate(rows.items()):
        top = 52 + 322 * row
        panels = (Panel(32, top, 300, 225, -3, 3, 0, 4.5), Panel(376, top, 300, 225, -3, 3, -3, 3))
        body.append(text(32, top - 30, head, kind="head"))
        for order, panel in enumerate(panels):
            curves = curves_of(losses, order, lambda r: (np.zeros_like(r), r))
            clips[f"panel{row}{order}"] = panel
            body += [
                text(panel.left, panel.top - 10, ("loss", "gradient")[order], kind="faint"),
                *axes(panel, range(-3, 4), range(5) if order == 0 else range(-3, 4), "residual r = f − y"),
                *draw(panel, curves, f"panel{row}{order}"),
            ]
            if order == 1:
                names += [c.label for c in curves]
                body += legend(panel.right + 26, panel.top + 12, curves)
    description = "Losses and gradients over the residual from -3 to 3: " + ", ".join(names) + "."
    return page(1000, 322 * len(rows), "Regression losses and their gradients", description, clips, body)


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
