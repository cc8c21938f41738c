"""How exact is the generated code? Measured on this machine, by `lossforge check`.

    python docs/accuracy.py          write docs/accuracy.md, its summary in README.md, and generated/accuracy.json
    python docs/accuracy.py NAMES    print the page of these losses

The numbers depend on the compiler, the C library and NumPy, so nothing compares
this page with a fresh one. Takes about fifteen minutes on two processors, with compiled kernels in the cache.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from catalogue import README, between

from lossforge.runtime.native import compiler
from lossforge.spec.catalog import CATALOG
from lossforge.verify.limits import ACCURATE, FAST, PLAIN, STRICT, Limit, limit_of

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- accuracy: begin -->", "<!-- accuracy: end -->"
OUTPUTS = ("loss", "gradient", "hessian")
BACKENDS = {"c": "C accurate", "c fast": "C fast", "numpy": "NumPy"}
PRECISIONS = ("float64", "float32")
SHORT = 90  # characters of a worst input; vectors are long
CODES = (
    ("c", STRICT, "made of exp and log1p"), ("c", ACCURATE, "other scalar ones"), ("c", PLAIN, "over classes"),
    ("c fast", FAST, "scalar ones"), ("numpy", PLAIN, "all"),
)  # fmt: skip
# Of numbers that are larger or smaller by so many binades than 1, squares may overflow or be subnormal.
SQUARES = {"float64": 450, "float32": 50}
ROOT = "beside a root, or as steep, where terms are rounded"
SUBNORMAL = "an intermediate result is subnormal"
ROUNDING = "rounding errors add up"
WHY = (ROOT, SUBNORMAL, ROUNDING)
Row = dict[str, Any]
Report = dict[str, Any]


def measured(losses: Sequence[str]) -> list[Report]:
    """The reports of these losses in order, from a process for each processor."""
    command = [sys.executable, "-m", "lossforge.cli", "check", "--json", "--tier", "accurate", "--tier", "fast"]
    parts = [part for i in range(os.cpu_count() or 1) if (part := losses[i :: os.cpu_count() or 1])]
    running = [subprocess.Popen([*command, "--jobs", "1", *part], stdout=subprocess.PIPE, text=True) for part in parts]
    reports: dict[str, Report] = {}
    for process in running:
        told, _ = process.communicate()
        if process.returncode not in (0, 1):  # 1: there are findings, which the page then says
            raise SystemExit(process.returncode)
        reports |= {report["loss"]: report for report in json.loads(told)["reports"]}
    return [reports[name] for name in losses]


def ulps(value: float | str) -> str:
    """Infinities come as text."""
    number = float(value)
    if number == 0 or not np.isfinite(number):
        return f"{number:g}"
    return f"{number:.2f}" if number < 100 else f"{number:.1e}"


def worst(rows: Iterable[Row]) -> str:
    """The largest errors of several rows: as it is, and in parentheses what is the code's own."""
    rows = list(rows)
    largest = ulps(max(float(r["max_ulp"]) for r in rows))
    own = ulps(max(float(r["own"]["ulp"]) for r in rows))
    return largest if largest == own else f"{largest} ({own})"


def code(row: Row) -> str:
    """The back end of a row; class labels and one-hot targets count together."""
    return str(row["backend"]).removesuffix(" labels")


def those(report: Report, output: str, backend: str, precision: str) -> list[Row]:
    return [r for r in report["rows"] if r["output"] == output and code(r) == backend and r["precision"] == precision]


def machine() -> str:
    cc = compiler()
    libc = " ".join(platform.libc_ver())
    return f"{platform.machine()}, {cc.version}, {libc}, NumPy {np.__version__}, Python {platform.python_version()}"


def summary(reports: list[Report], precision: str) -> list[str]:
    columns = [(output, backend) for output in OUTPUTS for backend in BACKENDS]
    head = ["loss", *(f"{output.replace('hessian', 'Hessian')}, {BACKENDS[backend]}" for output, backend in columns)]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " --- |" * len(columns)]
    for report in reports:
        cells = [worst(those(report, output, backend, precision)) for output, backend in columns]
        lines.append(f"| `{report['loss']}` | " + " | ".join(cells) + " |")
    return lines


def limit(report: Report, backend: str) -> Limit:
    return limit_of(report["loss"], backend, CATALOG[report["loss"]].size is not None)


def judged(reports: list[Report], backend: str, group: Limit) -> list[tuple[Report, list[Row]]]:
    """The losses whose code is held against this limit, with their rows."""
    members = [report for report in reports if limit(report, backend) == group]
    return [(report, [r for r in report["rows"] if code(r) == backend]) for report in members]


def kept(reports: list[Report]) -> list[str]:
    """Who keeps the limits: of each code, how many losses, in both precisions."""
    lines = ["| code | losses | limits in ulps: loss, derivatives | keep them in float64 | in float32 |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for backend, group, title in CODES:
        found = judged(reports, backend, group)
        within = [sum(all(r["own"]["kept"] for r in rows if r["precision"] == p) for _, rows in found)
                  for p in PRECISIONS]  # fmt: skip
        if found:
            cells = [f"{BACKENDS[backend]}", f"{len(found)} {title}", f"{group.loss:g}, {group.derivatives:g}", *within]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def beyond(reports: list[Report], part: str = "own") -> list[str]:
    """Every output that exceeds its limit, with the input and the reason; of both precisions the worse."""
    lines = ["| code | loss | output | precision | ulps | at | why | ulps by half an ulp on each input |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for backend, group, _ in CODES:
        for report, rows in judged(reports, backend, group):
            for output in OUTPUTS:
                wrong = [r for r in rows if r["output"] == output and not r[part]["kept"]]
                if wrong:
                    r = max(wrong, key=lambda row: float(row[part]["ulp"]))
                    cells = [BACKENDS[backend], f"`{report['loss']}`", output.replace("hessian", "Hessian"),
                             r["precision"], ulps(r[part]["ulp"]), inputs(r[part]["worst"]),
                             cause(r, part, group), ulps(r[part]["moves"])]  # fmt: skip
                    lines.append(f"| {' | '.join(cells)} |")
    return lines if len(lines) > 2 else ["None."]


def names(reports: list[Report]) -> list[str]:
    """The same for the README: which outputs, by the reason."""
    lines: list[str] = []
    for backend, group, _ in CODES:
        for why in WHY:
            outputs: dict[str, list[str]] = {}
            for report, rows in judged(reports, backend, group):
                for output in OUTPUTS:
                    wrong = [r for r in rows if r["output"] == output and not r["own"]["kept"]]
                    if wrong and cause(max(wrong, key=lambda r: float(r["own"]["ulp"])), "own", group) == why:
                        outputs.setdefault(report["loss"], []).append(output.replace("hessian", "Hessian"))
            if outputs:
                told = ", ".join(f"`{loss}` ({', '.join(of)})" for loss, of in outputs.items())
                lines.append(f"- {BACKENDS[backend]}, {why}: {told}")
    return lines or ["None is beyond them."]


def cause(row: Row, part: str, group: Limit) -> str:
    """What the numbers tell of the cause."""
    found = row[part]
    if float(found["moves"]) > group.steep:
        return ROOT
    sizes = [abs(math.log2(abs(v))) for v in found["worst"].values() if isinstance(v, float) and v]
    if max(sizes, default=0.0) > SQUARES[row["precision"]]:
        return SUBNORMAL
    return ROUNDING


TERMS = [
    "A limit holds where the result is a normal number. Beside a root of an output, where half an ulp on each input",
    f"changes it by more than {STRICT.steep:g} ulps (C accurate), {FAST.steep:g} (C fast) or {PLAIN.steep:g} (NumPy),",
    "that change is allowed on top.",
]


def inputs(given: dict[str, Any]) -> str:
    text = ", ".join(f"{name}={value}" for name, value in given.items())
    return f"`{text if len(text) <= SHORT else text[: SHORT - 1] + '…'}`"


def page(reports: list[Report]) -> str:
    findings = [(report, finding) for report in reports for finding in report["findings"]]
    lines = [
        "# How exact is the code?",
        "",
        "<!-- Written by docs/accuracy.py, which runs `lossforge check`; do not edit. -->",
        "",
        f"Measured on {datetime.date.today()}: {machine()}.",
        "",
        f"{len(reports)} losses, {sum(r['points'] for r in reports)} points, {len(findings)} findings. A number is the",
        "largest error in units in the last place (ulps) over all points.",
        "",
        "## Who keeps the limits?",
        "",
        *TERMS,
        "",
        *kept(reports),
        "",
        "## What is beyond them",
        "",
        *beyond(reports),
        "",
        "## What is beyond them where the result is subnormal",
        "",
        "No limit holds there: a factor may have lost digits, or be 0, before the result is subnormal.",
        "",
        *beyond(reports, "faint"),
        "",
        "In the tables below, where a second number stands in parentheses, the first is the error as it is, which",
        "nothing bounds beside a root of the output and where the result is subnormal. The second is held against",
        "the limit.",
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


def data(reports: list[Report]) -> dict[str, Any]:
    """Largest errors by loss, back end, precision and output, for `lossforge show --json`."""
    losses: dict[str, Any] = {}
    for report in reports:
        found = losses.setdefault(report["loss"], {})
        for backend in BACKENDS:
            for precision in PRECISIONS:
                for output in OUTPUTS:
                    rows = those(report, output, backend, precision)
                    errors = {key: max(float(r[key]) for r in rows) for key in ("max_ulp", "scaled_ulp")}
                    errors["own_ulp"] = max(float(r["own"]["ulp"]) for r in rows)
                    found.setdefault(backend, {}).setdefault(precision, {})[output] = {
                        key: float(f"{value:.3g}") for key, value in errors.items()
                    }
    return {"schema": 1, "measured": str(datetime.date.today()), "machine": machine(), "losses": losses}


def main(arguments: list[str]) -> int:
    if unknown := [name for name in arguments if name not in CATALOG]:
        print(f"no loss of the catalogue: {', '.join(unknown)}", file=sys.stderr)
        return 2
    reports = measured(arguments or list(CATALOG))
    if arguments:
        print(page(reports))
        return 0
    (HERE / "accuracy.md").write_text(page(reports), encoding="utf-8")
    accuracy = HERE.parent / "generated" / "accuracy.json"
    accuracy.write_text(json.dumps(data(reports), indent=1) + "\n", encoding="utf-8")
    known = README.read_text(encoding="utf-8")
    count = sum(len(report["findings"]) for report in reports)
    stated = f"Findings: {count}" + (", listed in [accuracy](docs/accuracy.md)." if count else ".")
    table = "\n".join([*TERMS, "", *kept(reports), "", "Beyond their limits:", "", *names(reports), "", stated])
    README.write_text(between(known, BEGIN, END, table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
