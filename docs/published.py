"""What does the audit find in published packages? Writes docs/published.md.

    python docs/published.py [FOLDER]

The packages are installed from the registry, in the versions named below, into an environment of their own in FOLDER
(build/published by default), which is used again if it is there. Each objective is held against the formula that its
own documentation names, or the loss of that name, by `lf.audit` with the interpreter of that environment.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lossforge as lf
from lossforge.verify.audit import Report

HERE = Path(__file__).resolve().parent
PAGE = HERE / "published.md"
PACKAGES = ("boost-loss==0.5.5", "bokbokbok==1.0.5", "imbalance-xgboost==0.8.1")
# What boost-loss imports and does not declare, and versions that all three accept.
MORE = ("typing_extensions", "xgboost<3", "pyyaml")

FOCAL = lf.parse(
    "-alpha*y*(1 - sigmoid(z))**gamma*log(sigmoid(z)) - (1 - y)*sigmoid(z)**gamma*log(1 - sigmoid(z))",
    parameters={"alpha": "(0, oo)", "gamma": "[0, oo)"},
    arguments={"y": "{0, 1}"},
    name="focal_of_positives",
)
FAIR = lf.parse("c**2/2*(abs(r) - c*log(1 + abs(r)/c))", parameters={"c": "(0, oo)"}, name="fair_as_documented")


@dataclass(frozen=True)
class Case:
    """An objective, the loss that it is said to be of, and why that one."""

    target: str
    loss: Any
    parameters: dict[str, float] = field(default_factory=dict)
    why: str = ""


VERSIONS = """
from importlib.metadata import version
print(", ".join(f"{n} {version(n)}" for n in ("numpy", "scipy", "xgboost", "lightgbm", "catboost", "scikit-learn")))
"""
BOOST, BOK, IMB = "boost_loss.regression", "bokbokbok.loss_functions", "imxgboost"
CASES: dict[str, list[Case]] = {
    "boost-loss 0.5.5": [
        Case(f"{BOOST}:L2Loss(divide_n_grad=False)", "squared_error", {}, "`|y_true - y_pred|^2`."),
        Case(f"{BOOST}:LogCoshLoss()", "log_cosh"),
        Case(f"{BOOST}:HuberLoss(1.5)", "huber", {"delta": 1.5}, "The Hessian is 1 by intent, as its source says."),
        Case(f"{BOOST}:FairLoss(1.5)", FAIR, {"c": 1.5},
             "Held against the formula of its documentation, `c^2/2 * (abs(r) - c * log(1 + abs(r)/c))`."),
        Case(f"{BOOST}:PoissonLoss()", "poisson"),
        Case(f"{BOOST}:LogLoss()", "logistic", {}, "`log(1 + exp(-y_true * y_pred))`."),
        Case(f"{BOOST}:MSLELoss()", "squared_log_error"),
        Case(f"{BOOST}:MAPELoss()", "absolute_percentage_error"),
        Case(f"{BOOST}:SMAPELoss()", "symmetric_absolute_percentage_error"),
        Case(f"{BOOST}:TweedieLoss(1.5)", "tweedie", {"p": 1.5},
             "Its documentation has the target at the other term than the Tweedie deviance has it."),
        Case(f"{BOOST}:GammaLoss()", "gamma"),
    ],
    "bokbokbok 1.0.5": [
        Case(f"{BOK}.classification:WeightedCrossEntropyLoss(alpha=2)", "weighted_binary_cross_entropy_logits",
             {"w_pos": 2}),
        Case(f"{BOK}.classification:WeightedFocalLoss(alpha=1, gamma=2)", FOCAL, {"alpha": 1, "gamma": 2},
             "Held against the focal loss in which `alpha` weighs the positives alone, as its code does."),
        Case(f"{BOK}.regression:LogCoshLoss()", "log_cosh"),
        Case(f"{BOK}.regression:SPELoss()", "squared_percentage_error"),
    ],
    "imbalance-xgboost 0.8.1": [
        Case(f"{IMB}.focal_loss:Focal_Binary_Loss(2).focal_binary_object", FOCAL, {"alpha": 1, "gamma": 2},
             "The focal loss without class weights."),
        Case(f"{IMB}.weighted_loss:Weight_Binary_Cross_Entropy(2).weighted_binary_cross_entropy",
             "weighted_binary_cross_entropy_logits", {"w_pos": 2}),
    ],
}  # fmt: skip

HEAD = """# What the audit finds in published packages

Written by `docs/published.py`, which installs the packages into an environment of their own and can be run again by
anybody. Each objective is called as its library calls it, in float64, and held against exact values of the formula that
its own documentation names, or of the loss of that name. [Audit](audit.md) says how, and what the words mean.

A *fault* makes numbers wrong where people use them; the input shown is one that fails, with both values. Some are
choices rather than mistakes: a Hessian that is 1 on purpose, because boosters divide by it, is still not the Hessian,
and the audit says so. A *note* is worth knowing and no more.

| package | objective | loss | gradient | Hessian | beyond |
| --- | --- | --- | --- | --- | --- |
"""


def environment(folder: Path) -> Path:
    """The interpreter of an environment that has the packages."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    if subprocess.run([str(python), "-c", "import boost_loss, bokbokbok, imxgboost.focal_loss, yaml"]).returncode:
        # The environment that dev.py makes has no pip; the Python that it is made from has.
        base = getattr(sys, "_base_executable", sys.executable)
        command = [base, "-m", "pip", "--python", str(python), "install", "--quiet", *PACKAGES, *MORE]
        subprocess.run(command, check=True)
    return python


def report(case: Case, python: Path) -> Report:
    library = {"python": str(python)}
    loss = lf.catalog[case.loss] if isinstance(case.loss, str) else case.loss
    return lf.audit(case.target, loss=loss, **library, **case.parameters)  # type: ignore[arg-type]


def cell(r: Report, output: str) -> str:
    return next((v.verdict for v in r.verdicts if v.output == output), "not given")


def beyond(r: Report) -> str:
    kinds = dict.fromkeys(
        f.kind
        for f in r.faults
        if any(v.output == f.output and v.verdict in ("right", "nearly right") for v in r.verdicts)
    )
    return ", ".join(kinds) or "nothing"


def told(case: Case, r: Report) -> str:
    """One objective: why this loss, and the report without the code."""
    lines = []
    for line in r.lines():
        if line.startswith("  The right formulas"):
            break
        lines.append(line)
    why = f"{case.why}\n\n" if case.why else ""
    name = case.target.partition(":")[2]
    return f"### `{name}`\n\n{why}```text\n" + "\n".join(lines) + "\n```\n"


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "build" / "published"
    python = environment(folder)
    rows, sections = [], []
    for package, cases in CASES.items():
        sections.append(f"## {package}\n")
        for case in cases:
            r = report(case, python)
            print(f"{case.target}: {len(r.faults)} faults", flush=True)
            name = case.target.partition(":")[2]
            cells = (package, f"`{name}`", r.loss, cell(r, "gradient"), cell(r, "hessian"), beyond(r))
            rows.append(f"| {' | '.join(cells)} |")
            sections.append(told(case, r))
    used = subprocess.run([str(python), "-c", VERSIONS], capture_output=True, text=True, check=True).stdout.strip()
    page = f"{HEAD}{chr(10).join(rows)}\n\nWith {used}.\n\n" + "\n".join(sections)
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
