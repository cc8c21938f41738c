"""How exact is the generated code? Measured on this machine, by `lossforge check --all`.

    python docs/accuracy.py     write docs/accuracy.md, its summary in README.md, and generated/accuracy.json

The numbers depend on the compiler, the C library and NumPy, so nothing compares
this page with a fresh one. Takes about seven minutes.
"""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from catalogue import README, between

from lossforge.runtime.native import compiler

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- accuracy: begin -->", "<!-- accuracy: end -->"
OUTPUTS = ("loss", "gradient", "hessian")
LIMITS = (0.5, 1, 2, 4, 16, 64)  # ulps; the last is where a finding begins
SHORT = 90  # characters of a worst input; vectors are long
Row = dict[str, Any]


def measured() -> list[dict[str, Any]]:
    """The reports of every loss of the catalogue."""
    command = [sys.executable, "-m", "lossforge.cli", "check", "--all", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: there are findings, which the page then says
        raise SystemExit(done.stderr)
    reports: list[dict[str, Any]] = json.loads(done.stdout)["reports"]
    return reports


def ulps(value: float | str) -> str:
    """Infinities come as text."""
    number = float(value)
    if number == 0 or not np.isfinite(number):
        return f"{number:g}"
    return f"{number:.2f}" if number < 100 else f"{number:.1e}"


def worst(rows: Iterable[Row]) -> str:
    """The largest errors of several rows: as it is, and in parentheses what rounded inputs do not explain."""
    rows = list(rows)
    largest, scaled = (ulps(max(float(r[key]) for r in rows)) for key in ("max_ulp", "scaled_ulp"))
    return largest if largest == scaled else f"{largest} ({scaled})"


def those(report: dict[str, Any], output: str, backend: str, precision: str) -> list[Row]:
    """The rows of one output; class labels and one-hot targets count together."""
    return [
        r
        for r in report["rows"]
        if r["output"] == output and r["backend"].partition(" ")[0] == backend and r["precision"] == precision
    ]


def machine() -> str:
    cc = compiler()
    libc = " ".join(platform.libc_ver())
    return f"{platform.machine()}, {cc.version}, {libc}, NumPy {np.__version__}, Python {platform.python_version()}"


def summary(reports: list[dict[str, Any]], precision: str) -> list[str]:
    columns = [(output, backend) for output in OUTPUTS for backend in ("c", "numpy")]
    titles = {"c": "C", "numpy": "NumPy"}
    head = ["loss", *(f"{output.replace('hessian', 'Hessian')}, {titles[backend]}" for output, backend in columns)]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " --- |" * len(columns)]
    for report in reports:
        cells = [worst(those(report, output, backend, precision)) for output, backend in columns]
        lines.append(f"| `{report['loss']}` | " + " | ".join(cells) + " |")
    return lines


def spread(reports: list[dict[str, Any]]) -> list[str]:
    """How many losses have no larger error than so many ulps, in float64, by output and back end."""
    lines = ["| at most, in ulps | " + " | ".join(str(limit) for limit in LIMITS) + " |"]
    lines.append("| --- |" + " --- |" * len(LIMITS))
    for output in OUTPUTS:
        for backend, title in (("c", "C"), ("numpy", "NumPy")):
            errors = [max(float(r["scaled_ulp"]) for r in those(p, output, backend, "float64")) for p in reports]
            counts = [str(sum(e <= limit for e in errors)) for limit in LIMITS]
            lines.append(f"| {output.replace('hessian', 'Hessian')}, {title} | " + " | ".join(counts) + " |")
    return lines


def inputs(given: dict[str, Any]) -> str:
    text = ", ".join(f"{name}={value}" for name, value in given.items())
    return f"`{text if len(text) <= SHORT else text[: SHORT - 1] + '…'}`"


def page(reports: list[dict[str, Any]]) -> str:
    findings = [(report, finding) for report in reports for finding in report["findings"]]
    lines = [
        "# How exact is the code?",
        "",
        "<!-- Written by docs/accuracy.py, which runs `lossforge check --all`; do not edit. -->",
        "",
        f"Measured on {datetime.date.today()}: {machine()}.",
        "",
        f"{len(reports)} losses, {sum(r['points'] for r in reports)} points, {len(findings)} findings. A number is the",
        "largest error in units in the last place (ulps) over all points. Where a second number stands in",
        "parentheses, the first is the error as it is, which is unbounded beside a root of the output and where an",
        "intermediate result underflows; the second leaves out what underflow and the rounding of the inputs explain.",
        "[Verification](verification.md) says how.",
        "",
        "## float64",
        "",
        *summary(reports, "float64"),
        "",
        "## float32",
        "",
        *summary(reports, "float32"),
        "",
        "## Findings",
        "",
        *([f"- `{report['loss']}`: {f['message']}" for report, f in findings] or ["None."]),
        "",
        "## Where each error is largest",
        "",
        "Rows without any error are left out.",
        "",
        "| loss | output | back end | precision | points | ulps | at |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for report in reports:
        for r in report["rows"]:
            if float(r["max_ulp"]) > 0:
                cells = [report["loss"], r["output"], r["backend"], r["precision"], str(r["points"])]
                lines.append(f"| {' | '.join(cells)} | {worst([r])} | {inputs(r['worst'])} |")
    return "\n".join(lines) + "\n"


def data(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Largest errors by loss, back end, precision and output, for `lossforge show --json`."""
    losses: dict[str, Any] = {}
    for report in reports:
        found = losses.setdefault(report["loss"], {})
        for backend in ("c", "numpy"):
            for precision in ("float64", "float32"):
                for output in OUTPUTS:
                    rows = those(report, output, backend, precision)
                    errors = {key: max(float(r[key]) for r in rows) for key in ("max_ulp", "scaled_ulp")}
                    found.setdefault(backend, {}).setdefault(precision, {})[output] = {
                        key: float(f"{value:.3g}") for key, value in errors.items()
                    }
    return {"schema": 1, "measured": str(datetime.date.today()), "machine": machine(), "losses": losses}


def main(arguments: list[str]) -> int:
    if arguments:
        print(f"docs/accuracy.py takes no argument, got: {' '.join(arguments)}", file=sys.stderr)
        return 2
    reports = measured()
    (HERE / "accuracy.md").write_text(page(reports), encoding="utf-8")
    accuracy = HERE.parent / "generated" / "accuracy.json"
    accuracy.write_text(json.dumps(data(reports), indent=1) + "\n", encoding="utf-8")
    known = README.read_text(encoding="utf-8")
    count = sum(len(report["findings"]) for report in reports)
    stated = f"Findings: {count}" + (", listed in [accuracy](docs/accuracy.md)." if count else ".")
    table = "\n".join([*spread(reports), "", stated])
    README.write_text(between(known, BEGIN, END, table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
