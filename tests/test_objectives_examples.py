"""Do the examples of boosting run, and does the default curvature do on heavy tails what is said of it?"""

from __future__ import annotations

import runpy
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


def test_heavy_tails(xgboost: ModuleType, lightgbm: ModuleType) -> None:
    """The majorizer is the best of four in both libraries; the exact curvature runs away, and with it XGBoost's own."""
    results = runpy.run_path(str(EXAMPLES / "heavy_tails.py"))["results"]
    found = results(0, 0.0)
    for library in (0, 1):
        losses = {name: values[library] for name, values in found.items()}
        assert losses["majorizer"] == min(losses.values())
        assert losses["exact"] > 20 * losses["ones"]
    assert found["built in"][0] > 20 * found["majorizer"][0]
    page = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
    if f"XGBoost {xgboost.__version__}, LightGBM {lightgbm.__version__}" in page:
        for name, values in found.items():
            (row,) = [line for line in page.splitlines() if line.startswith(f"| {name}")]
            assert [float(cell) for cell in row.split("|")[2:4]] == pytest.approx(values, rel=0.05)


def test_diabetes(xgboost: ModuleType, lightgbm: ModuleType) -> None:
    """Squared error is the same with all four; of a smooth quantile, ours is better than the exact Hessian and ones."""
    example = runpy.run_path(str(EXAMPLES / "diabetes.py"))
    squared = example["results"]("half_squared_error", example["by_xgboost"])
    assert squared == pytest.approx(squared[:1] * 4, rel=1e-4)
    default, exact, ones, _ = example["results"]("smooth_pinball", example["by_lightgbm"])
    assert default < exact and default < ones


def test_breast_cancer(xgboost: ModuleType, lightgbm: ModuleType, catboost: ModuleType) -> None:
    """The logistic loss trains as the built-in objectives do, of which CatBoost's begins elsewhere."""
    example = runpy.run_path(str(EXAMPLES / "breast_cancer.py"))
    for library in ("xgboost", "lightgbm", "catboost"):
        ours, wrong = example["results"]("logistic", library, None)
        theirs, _ = example["results"]("logistic", library, "")
        assert ours == pytest.approx(theirs, rel=0.02 if library == "catboost" else 1e-4)
        assert wrong < 25
