"""Does the verifier notice every wrong derivative, and never a right one?

Each output of every loss in the catalogue is spoilt in every way that
`planted` knows. A mutant that the verifier does not catch must be the same
function: the oracle compares it with the original, exactly, at many points.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp
from extent import some
from mpmath.libmp import from_float
from planted import mutants

from lossforge.derive.derivation import derive
from lossforge.spec.atoms import exp_pair, power_pair
from lossforge.spec.catalog import CATALOG
from lossforge.spec.model import Loss
from lossforge.verify import intervals as iv
from lossforge.verify.compare import compare, is_caught
from lossforge.verify.floats import evaluate
from lossforge.verify.oracle import Oracle
from lossforge.verify.points import Batch, points
from lossforge.verify.truth import OUTPUTS, TruthTable, truth_table
from lossforge.verify.ulps import FLOAT64

SCALAR = sorted(name for name, loss in CATALOG.items() if loss.size is None and len(loss.predictions) == 1)
PLANTED = SCALAR[::3]


@cache
def prepared(name: str) -> tuple[TruthTable, dict[str, sp.Expr]]:
    """Exact values at moderate points, and the right expressions in the arguments themselves.

    Here the formula is evaluated as it stands, without the care that generated code takes of
    overflow on the way: so no inputs beyond 1e100.
    """
    loss = CATALOG[name]
    batches = []
    for b in points(loss, 500):
        sizes = np.max(np.abs(np.column_stack(list(b.arguments.values()))), axis=1)
        keep = (sizes <= 1e100) & ~b.rounded
        for argument in loss.arguments:
            if argument.domain.text == "(0, oo)":  # what is relative to an argument overflows where that is tiny
                keep &= b.arguments[argument.name] >= 1e-100
        kept = {name: column[keep] for name, column in b.arguments.items()}
        batches.append(Batch(b.parameters, kept, b.single[keep], b.rounded[keep]))
    expressions = derived(name)
    return without_early_overflow(truth_table(loss, batches), expressions), expressions


@cache
def derived(name: str) -> dict[str, sp.Expr]:
    derivation = derive(CATALOG[name])
    return dict(zip(OUTPUTS, (derivation.stable, derivation.gradient, derivation.hessian), strict=True))


def without_early_overflow(table: TruthTable, expressions: dict[str, sp.Expr]) -> TruthTable:
    """The table less the points at which the plain formula overflows on the way to a finite value, as in (r/y)**2.

    Where both terms of exp_pair or power_pair overflow, the plain difference is oo - oo, whatever the exact value,
    be it infinite: generated code takes care of that, `evaluate` does not. Only there is a NaN left out as well.
    """
    found = {output: values(table, e) for output, e in expressions.items()}
    batches, truths = [], []
    for i, (batch, truth) in enumerate(zip(table.batches, table.truths, strict=True)):
        keep = np.ones(len(batch), np.bool_)
        for output in OUTPUTS:
            keep &= np.isfinite(found[output][i]) | ~np.isfinite(truth[output].values())
            if expressions[output].has(exp_pair, power_pair):
                keep &= ~np.isnan(found[output][i]) | np.isnan(truth[output].values())
        kept = {name: column[keep] for name, column in batch.arguments.items()}
        batches.append(Batch(batch.parameters, kept, batch.single[keep], batch.rounded[keep]))
        truths.append({output: t.take(keep) for output, t in truth.items()})
    return TruthTable(table.loss, tuple(batches), tuple(truths))


def values(table: TruthTable, expression: sp.Expr) -> list[np.ndarray[Any, Any]]:
    """The expression in float64 at every point of the table."""
    loss, found = table.loss, []
    for batch in table.batches:
        known: dict[str, Any] = {**batch.arguments, **batch.parameters}
        for definition in loss.definitions:
            known[str(definition.symbol)] = evaluate(definition.meaning, known)
        found.append(np.broadcast_to(evaluate(expression, known).astype(np.float64), (len(batch),)))
    return found


def is_same_function(table: TruthTable, right: sp.Expr, wrong: sp.Expr) -> bool:
    """Whether both have the same exact value at every point of the table, kinks included, and at points it lacks."""
    loss = table.loss
    variables = [a.symbol for a in loss.arguments] + [p.symbol for p in loss.parameters]
    meaning = {d.symbol: d.meaning for d in loss.definitions}
    oracles = [Oracle(e.xreplace(meaning), variables) for e in (right, wrong)]
    for batch in table.batches:
        rng = np.random.default_rng(7)
        fresh = points(loss, 600)[0]
        others = {a.name: rng.permutation(fresh.arguments[a.name])[: len(batch)] for a in loss.arguments}
        count = min(len(batch), *(len(v) for v in others.values()))
        elsewhere = Batch(batch.parameters, {name: v[:count] for name, v in others.items()},
                          np.ones(count, np.bool_), np.zeros(count, np.bool_))  # fmt: skip
        for point in dict.fromkeys((*table.coordinates(batch), *table.coordinates(elsewhere))):
            if not np.isfinite(point).all():
                continue
            at = [iv.point(from_float(c)) for c in point]
            a, b = (oracle.value(at) for oracle in oracles)
            if a is None or b is None:
                continue
            if _apart(a, b):
                return False
    return True


def _apart(a: iv.Interval, b: iv.Interval) -> bool:
    try:
        return iv.compare(a, b) != 0
    except iv.AmbiguousError:
        return False


@pytest.mark.parametrize("name", some(PLANTED, 8))
@pytest.mark.parametrize("output", OUTPUTS)
def test_right_code_raises_no_alarm(name: str, output: str) -> None:
    table, expressions = prepared(name)
    row, findings = compare(table, output, values(table, expressions[output]), FLOAT64)
    assert findings == []
    # (1 - p)**gamma with gamma = 1/512 goes to 0 at p = 1 too slowly for the oracle to see.
    assert row.undecided <= (2 if (name, output) == ("focal_probability", "gradient") else 0)


CAUGHT: Counter[str] = Counter()


@pytest.mark.parametrize("name", some(PLANTED, 8))
def test_planted_errors_are_caught(name: str) -> None:
    table, expressions = prepared(name)
    loss: Loss = table.loss
    missed = []
    for output, right in expressions.items():
        for kind, wrong in mutants(right, [p.symbol for p in loss.parameters]):
            if is_caught(table, output, values(table, wrong), FLOAT64):
                CAUGHT[kind] += 1
            elif is_same_function(table, right, wrong):
                CAUGHT["equivalent"] += 1
            else:
                missed.append(f"{output}, {kind}: {wrong}")
    assert missed == []


@pytest.mark.parametrize("name", ["huber", "logistic", "binary_cross_entropy", "focal"])
def test_a_small_relative_error_is_caught(name: str) -> None:
    table, expressions = prepared(name)
    off = [v * (1 + 2.0**-38) for v in values(table, expressions["gradient"])]
    assert is_caught(table, "gradient", off, FLOAT64)


def test_enough_errors_were_planted() -> None:
    count = sum(len(mutants(e, [p.symbol for p in CATALOG[name].parameters]))
                for name in PLANTED for e in derived(name).values())  # fmt: skip
    assert count >= 400
    print(f"{count} planted, {dict(CAUGHT)}")
