"""Does the audit catch every planted error, and does it say which error it is?"""

from __future__ import annotations

import os
import time
from collections import Counter

import numpy as np
import pytest
from audit_corpus import LATER, OBJECTIVES, Objective, function_of, planted
from extent import WHOLE, some

import lossforge as lf
from lossforge.verify.audit import Report
from lossforge.verify.audit.audit import audit_trusted

# The kinds that say what was planted; several can be true of the same numbers.
FACTORS = {"missing factor", "extra factor", "factor", "exponent"}
# As without c/(c + |r|) the gradient of the Fair loss is that of another loss, and without (1 + |r|/c)**-1 a majorizer.
OTHERS = {"another loss", "majorizer", "outputs exchanged"}
PARAMETERS = {"parameter ignored", "parameter swapped", "parameter off"}
NAMES: dict[str, set[str]] = {
    "sign": {"sign"},
    "factor": {"factor"},
    "absolute": {"absolute value", "part", "sign of a term"},
    "constant": {"constant", "offset"},
    "squared gradient": {"squared gradient"},
    "outputs exchanged": {"outputs exchanged"},
    "floored": {"floored", "offset"},
    "clipped": {"clipped"},
    "probability": {"with respect to the probability", "chain factor"},
    "chain factor": {"chain factor"},
    "target": {"target convention", "sign", "sign of an argument", "prediction convention"},
    "part": {"part"},
    # 1 + tau for 1 - tau; the term of y = 0 is wrong for y = 0 only; -y for +y is the sign of the target.
    "sign of a term": {"sign of a term", "part", "target convention", *PARAMETERS},
    # Of a denominator or an exponent, a term that is missing is a factor that is; without -y, y counts as 0.
    "missing term": {"missing term", "constant", "part", "target convention", *FACTORS, *PARAMETERS, *OTHERS},
    "factor of a term": {"factor of a term", "part", *PARAMETERS},
    "missing factor": {*FACTORS, *PARAMETERS, *OTHERS, "factor of a term", "constant", "zero", "part"},
    "exponent": {*FACTORS, *PARAMETERS, *OTHERS},
    "sign of an argument": {"sign of an argument", "sign"},  # tanh is odd
    "missing function": {"missing absolute value", "missing factor"},
    "wrong function": {"wrong function", "missing factor"},
    "pieces": {"pieces", "comparison", "part", "zero", "constant", "missing factor", "another loss"},
    "parameter": {*PARAMETERS, *FACTORS, "part", "pieces"},
}

# Of the planted errors: half of them in CI, which is some 800; all of them with `dev.py test --all`.
CHOSEN, CHOSEN_LATER = some(OBJECTIVES, 4), some(LATER, 2)
EVERY = 1 if os.environ.get("LOSSFORGE_TESTS") == "all" else 2 if WHOLE else 6


def told(report: Report, output: str) -> list[str]:
    """The kinds of those diagnoses that foretell the numbers; a part of the inputs alone does not."""
    return [f.kind for f in report.faults if f.output == output and f.kind != "unknown"
            and (f.kind != "part" or ";" in f.words)]  # fmt: skip


def differs(objective: Objective, right: str, wrong: str) -> bool:
    """Whether the planted error changes any number, at inputs of the test's own choosing."""
    rng = np.random.default_rng(7)
    f = np.round(rng.uniform(0.1, 5, 4000) * rng.choice([-1.0, 1.0], 4000), 3)
    y = rng.choice([-1.0, 1.0] if objective.above.startswith("m") else [0.0, 1.0], 4000)
    if objective.loss in ("squared_log_error", "gamma_log_link"):
        y, f = rng.choice([0.5, 1.0, 3.5], 4000), np.abs(f)
    with np.errstate(all="ignore"):
        a, b = (function_of(objective, e)(y, f) for e in (right, wrong))
    return not np.allclose(a, b, rtol=1e-10, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    ("objectives", "explained", "named", "first"),
    [(CHOSEN, 0.97, 0.95, 0.9), (CHOSEN_LATER, 0.94, 0.92, 0.88)],
    ids=["objectives", "later ones"],
)
def test_planted_errors_are_caught_and_named(
    objectives: list[Objective], explained: float, named: float, first: float,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Errors typed into the text of 37 objectives: all are caught, and nine of ten get their right name first."""
    began = time.perf_counter()
    missed, unnamed, counts = [], [], Counter[str]()
    for objective in objectives:
        for output in ("gradient", "hessian"):
            for error in [*planted(objective, output)][::EVERY]:
                if not differs(objective, objective.text(output), error.expression):
                    continue
                function = function_of(objective, error.expression)
                report = audit_trusted(function, lf.catalog[objective.loss], objective.parameters, output=(output,))
                counts["planted"] += 1
                counts["caught"] += not report.ok
                kinds = told(report, output)
                counts["explained"] += bool(kinds)
                counts["named first"] += bool(NAMES[error.kind] & set(kinds[:1]))
                counts["named"] += bool(NAMES[error.kind] & set(kinds))
                if report.ok:
                    missed.append(f"{objective.loss} {output}: {error}")
                elif not NAMES[error.kind] & set(kinds):
                    unnamed.append(f"{objective.loss} {output} {error.kind}: {error.expression}: "
                                   f"{[f.words for f in report.faults]}")  # fmt: skip
    with capsys.disabled():
        print(f"\n{dict(counts)} in {time.perf_counter() - began:.0f} s")
    assert missed == []
    few = 0 if WHOLE else 0.06  # a sample may have more of the hard ones
    assert counts["planted"] * EVERY >= 40 * len(objectives)
    assert counts["explained"] >= (explained - few) * counts["planted"]
    assert counts["named"] >= (named - few) * counts["planted"], "\n".join(unnamed)
    assert counts["named first"] >= (first - few) * counts["planted"], "\n".join(unnamed)


@pytest.mark.parametrize("objective", [*CHOSEN, *CHOSEN_LATER], ids=lambda o: o.loss)
def test_the_objectives_themselves_are_right(objective: Objective) -> None:
    for output in ("gradient", "hessian"):
        report = audit_trusted(function_of(objective, objective.text(output)), lf.catalog[objective.loss],
                               objective.parameters, output=(output,))  # fmt: skip
        assert [v.verdict for v in report.verdicts] == ["right"], report.text()
