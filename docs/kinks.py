"""What do PyTorch and scikit-learn answer at a kink? Measured, beside lossforge's own answers.

    python docs/kinks.py           write the table in docs/kinks.md
    python docs/kinks.py --check   exit 1 when the table is not what would be written

Needs torch and scikit-learn: python3 dev.py test --peers installs them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
import torch.nn.functional as F
from sklearn._loss.loss import AbsoluteError, HuberLoss, PinballLoss
from sklearn.linear_model import _sgd_fast

import lossforge as lf

PAGE = Path(__file__).resolve().parent / "kinks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
Formula = Callable[[torch.Tensor], torch.Tensor]

TAU = 0.25
ZERO, ONE = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)


def first(formula: Formula, at: float) -> float:
    """The derivative by autograd."""
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    return float(torch.autograd.grad(formula(x), x)[0])


def second(formula: Formula, at: float) -> float:
    """The second derivative by double backward."""
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(formula(x), x, create_graph=True)[0]
    return float(torch.autograd.grad(slope, x)[0])


def forward_over_reverse(formula: Formula, at: float) -> float:
    """The second derivative by torch.func.hessian."""
    return float(torch.func.hessian(formula)(torch.tensor(at, dtype=torch.float64)))


def sklearn_gradient(loss: Any, at: float) -> float:
    return float(loss.gradient(np.zeros(1), np.array([at]))[0])


def sklearn_hessian(loss: Any, at: float) -> float:
    return float(loss.gradient_hessian(np.zeros(1), np.array([at]))[1][0])


def huber_torch(f: torch.Tensor) -> torch.Tensor:
    return F.huber_loss(f, ZERO, delta=1.0)


def huber_sklearn() -> HuberLoss:
    loss = HuberLoss(delta=1.0)
    loss.delta = 1.0
    return loss


# Place; what is asked; lossforge's answer; who else was asked, and what came.
ROWS: list[tuple[str, str, float, list[tuple[str, float]]]] = [
    (
        "absolute error, r = 0",
        "gradient",
        lf.losses.absolute_error().gradient(0.0, 0.0),
        [
            ("`l1_loss`", first(lambda f: F.l1_loss(f, ZERO), 0.0)),
            ("`sklearn._loss.AbsoluteError`", sklearn_gradient(AbsoluteError(), 0.0)),
        ],
    ),
    (
        "pinball, tau = 1/4, r = 0",
        "gradient",
        lf.losses.pinball(tau=TAU).gradient(0.0, 0.0),
        [
            ("`torch.maximum` of both branches", first(lambda r: torch.maximum(-TAU * r, (1 - TAU) * r), 0.0)),
            ("`torch.where(r < 0, …)`", first(lambda r: torch.where(r < 0, -TAU * r, (1 - TAU) * r), 0.0)),
            ("`sklearn._loss.PinballLoss`", sklearn_gradient(PinballLoss(quantile=TAU), 0.0)),
        ],
    ),
    (
        "Huber, delta = 1, r = 1",
        "Hessian",
        lf.losses.huber(delta=1.0).hessian(0.0, 1.0),
        [
            ("`huber_loss`, double backward", second(huber_torch, 1.0)),
            ("`huber_loss`, `torch.func.hessian`", forward_over_reverse(huber_torch, 1.0)),
            ("`sklearn._loss.HuberLoss`", sklearn_hessian(huber_sklearn(), 1.0)),
        ],
    ),
    (
        "hinge, m = 1",
        "gradient",
        lf.losses.hinge().gradient(1.0, 1.0),
        [
            ("`torch.maximum(0, 1 - f)`", first(lambda f: torch.maximum(ZERO, 1 - f), 1.0)),
            ("`relu(1 - f)`", first(lambda f: F.relu(1 - f), 1.0)),
            ("`clamp(1 - f, min=0)`", first(lambda f: torch.clamp(1 - f, min=0), 1.0)),
            ("`hinge_embedding_loss` with y = -1", first(lambda f: F.hinge_embedding_loss(f, -ONE), 1.0)),
            ("`Hinge` of `SGDClassifier`", float(_sgd_fast.Hinge(1.0).py_dloss(1.0, 1.0))),
        ],
    ),
    (
        "perceptron, m = 0",
        "gradient",
        lf.losses.perceptron().gradient(1.0, 0.0),
        [
            ("`torch.maximum(0, -f)`", first(lambda f: torch.maximum(ZERO, -f), 0.0)),
            ("`relu(-f)`", first(lambda f: F.relu(-f), 0.0)),
            ("`Hinge(0)` of `SGDClassifier`", float(_sgd_fast.Hinge(0.0).py_dloss(0.0, 1.0))),
        ],
    ),
    (
        "squared hinge, m = 1",
        "Hessian",
        lf.losses.squared_hinge().hessian(1.0, 1.0),
        [
            ("`torch.maximum(0, 1 - f)**2`", second(lambda f: torch.maximum(ZERO, 1 - f) ** 2, 1.0)),
            ("`relu(1 - f)**2`", second(lambda f: F.relu(1 - f) ** 2, 1.0)),
            ("`clamp(1 - f, min=0)**2`", second(lambda f: torch.clamp(1 - f, min=0) ** 2, 1.0)),
        ],
    ),
]


def shown(value: float) -> str:
    return f"{float(value) + 0.0:g}"


def table() -> str:
    lines = [
        f"Measured with PyTorch {torch.__version__.partition('+')[0]}, scikit-learn {sklearn.__version__}, in float64.",
        "",
        "| place | asked for | lossforge | others |",
        "| --- | --- | --- | --- |",
    ]
    for place, asked, own, others in ROWS:
        answers = "<br>".join(f"{who}: **{shown(value)}**" for who, value in others)
        lines.append(f"| {place} | {asked} | **{shown(own)}** | {answers} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(f"docs/kinks.py takes no argument but --check, got: {' '.join(arguments)}", file=sys.stderr)
        return 2
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if not arguments:
        PAGE.write_text(made, encoding="utf-8")
    elif made != page:
        print("the table in docs/kinks.md would be written differently: python docs/kinks.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
