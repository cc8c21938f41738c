"""What does lossforge do with a loss that nobody has implemented?

Reads asymmetric_pseudo_huber.toml, derives what follows from the formula, checks it,
writes NumPy and C code, and fits a straight line with it through data in which
six observations of twenty-four are wrong.

    python3 dev.py demo
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table

import lossforge as lf
from lossforge.codegen.build import artifacts, write
from lossforge.codegen.facts import facts
from lossforge.runtime import LossFunction

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "demo"
Array = NDArray[np.float64]

# Rousseeuw and Leroy (1987), page 26: the line of least median of squares, by which the book
# shows what a robust fit of these data looks like; calls = slope*(year - 1900) + intercept.
LEAST_MEDIAN_OF_SQUARES = (-5.610, 0.115)


def read_calls() -> tuple[Array, Array]:
    """Years since 1900, and calls in tens of millions."""
    with (HERE / "telephone_calls.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return np.array([float(row["year"]) - 1900 for row in rows]), np.array([float(row["calls"]) for row in rows])


def fit_line(loss: LossFunction, x: Array, y: Array) -> tuple[Array, int]:
    """Intercept and slope of least total loss, and the number of Newton steps.

    Newton's method damped after Levenberg and Marquardt, from least squares on;
    it also serves losses that are not convex, whose Hessian may point uphill.
    """
    shift = x.mean()
    X = np.column_stack([np.ones_like(x), x - shift])
    b: Array = np.linalg.lstsq(X, y, rcond=None)[0]
    scale, damping, steps = np.diag((X**2).sum(axis=0)), 1.0, 0
    while damping < 1e12:
        value, g, h = loss.loss_gradient_hessian(y, X @ b)
        gradient, hessian = X.T @ g, X.T @ (h[:, None] * X)
        if np.abs(gradient).max() < 1e-10:
            break
        curved = hessian + damping * scale
        if np.linalg.eigvalsh(curved).min() > 0:
            step = np.linalg.solve(curved, -gradient)
            if loss.loss(y, X @ (b + step)).sum() < value.sum():
                b, damping, steps = b + step, damping / 4, steps + 1
                continue
        damping *= 4
    return np.array([b[0] - shift * b[1], b[1]]), steps


def picture(x: Array, y: Array, lines: dict[str, Array], height: int = 16, stretch: int = 3) -> str:
    """The observations and some lines, drawn with characters; the keys are the lines' characters."""
    top = 22.0
    grid = [[" "] * (stretch * (len(x) - 1) + 1) for _ in range(height)]

    def put(column: int, value: float, character: str) -> None:
        row = round((1 - value / top) * (height - 1))
        if 0 <= row < height:
            grid[row][column] = character

    for column in range(len(grid[0])):
        for character, (intercept, slope) in lines.items():
            put(column, intercept + slope * (x[0] + column / stretch), character)
    for index, value in enumerate(y):
        put(stretch * index, value, "●")
    left = [f"{top:4.0f} ┤", *["     │"] * (height - 2), "   0 ┤"]
    axis = "      " + "".join(f"{1900 + x[i]:<{5 * stretch}.0f}" for i in range(0, len(x), 5))
    return "\n".join([*(a + "".join(row) for a, row in zip(left, grid, strict=True)), axis])


def main() -> None:
    console = Console(highlight=False)
    began = time.perf_counter()

    console.print(Rule("1  A formula in a file"))
    file = HERE / "asymmetric_pseudo_huber.toml"
    console.print(file.read_text(encoding="utf-8").strip(), markup=False, soft_wrap=True)
    loss = lf.load(file)

    console.print(Rule("2  What follows from it"))
    derivation = lf.derive(loss)
    known = facts(derivation)
    table = Table(show_header=False, box=None, padding=(0, 2))
    for label, part in (("loss", "formula"), ("gradient", "gradient"), ("Hessian", "hessian")):
        table.add_row(label, known[part]["text"])
    for kink in known["kinks"]:
        side = {0: "value", 1: "gradient", 2: "Hessian"}[kink["order"]]
        table.add_row("kink", f"at r = {kink['at']} the {side} jumps from {kink['left']} to {kink['right']}")
    console.print(table)

    console.print(Rule("3  Is it true?"))
    # 400 points of a few parameter sets; the full check is: lossforge check examples/asymmetric_pseudo_huber.toml
    robust = lf.compile(loss, tau=0.1, c=0.25)
    report = lf.check(loss, n=400)
    errors = Table("", "loss", "gradient", "Hessian", box=None, padding=(0, 2), title="largest error in ulps")
    for backend, precision in dict.fromkeys((row.backend, row.precision) for row in report.rows):
        rows = [row for row in report.rows if (row.backend, row.precision) == (backend, precision)]
        errors.add_row(f"{backend}, {precision}", *(f"{row.max_ulp:.2g}" for row in rows))
    console.print(errors)
    console.print(f"  {report.points} points, compared with exact values: {len(report.findings)} findings")
    for finding in report.findings[:3]:
        console.print(f"  {finding.message}", markup=False)

    console.print(Rule("4  Code"))
    files = artifacts(loss)
    write(files, OUT)
    for artifact in files:
        console.print(f"  build/demo/{artifact.path}  ({len(artifact.text.splitlines())} lines)")

    console.print(Rule("5  A line through wrong data"))
    year, calls = read_calls()
    line, steps = fit_line(robust, year, calls)
    slope, intercept = np.polyfit(year, calls, 1)
    squares = np.array([intercept, slope])
    console.print(Panel(picture(year, calls, {"·": squares, "─": line}), title="calls from Belgium, tens of millions"))
    results = Table("", "slope", "intercept", box=None, padding=(0, 2))
    results.add_row("· least squares", f"{squares[1]:.4f}", f"{squares[0]:.3f}")
    results.add_row(f"─ {loss.title}, tau = 0.1, c = 0.25", f"{line[1]:.4f}", f"{line[0]:.3f}")
    reference = LEAST_MEDIAN_OF_SQUARES
    results.add_row("  least median of squares, from the book", f"{reference[1]:.4f}", f"{reference[0]:.3f}")
    console.print(results)
    console.print(
        f"\n{steps} Newton steps, computed in {robust.backend}; all of it in {time.perf_counter() - began:.1f} s."
    )


if __name__ == "__main__":
    main()
