"""Is what the engine claims about random formulas true? And does it decide most of them?

Every claim of a fixed set of formulas is proved, checked as it is read from a file, and held against samples by the
falsifier, which knows only the text. `python -m randomproofs 2000` does the same with more of them.
"""

from __future__ import annotations

from functools import cache

import pytest
from extent import about, some
from randomproofs import Outcome, formulas, outcome, report

from lossforge.derive import prove

COUNT, SEED = about(120, 5), 20261124
WORK = 300_000  # terms for one claim in one stratum, rather than 1.5 million: a test may not wait for the hard ones
ENOUGH = 0.85  # of the formulas are decided
PROPERTIES = ("strictly_convex", "nonnegative", "lipschitz", "quasiconvex", "symmetric", "bounded", "differentiable")


@cache
def outcomes() -> tuple[Outcome, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prove, "WORK", WORK)
        return tuple(outcome(text, points=600) for text in formulas(SEED, COUNT))


def texts(found: list[Outcome]) -> str:
    return "\n".join(f"{o.verdict}: {o.text}: {o.against}" for o in found)


def test_no_claim_is_contradicted() -> None:
    wrong = [o for o in outcomes() if o.decided and o.against]
    assert not wrong, texts(wrong)


def test_the_engine_neither_fails_nor_hangs() -> None:
    lost = [o for o in outcomes() if o.verdict in ("crash", "slow")]
    assert not lost, texts(lost)


def test_most_formulas_are_decided() -> None:
    undecided = [o for o in outcomes() if not o.decided]
    assert len(undecided) <= (1 - ENOUGH) * COUNT, f"{report(list(outcomes()))}\n{texts(undecided)}"


@pytest.mark.parametrize("name", some(PROPERTIES, 3))
def test_other_properties_of_harder_formulas(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few formulas each, of more shapes: nothing is contradicted, nothing crashes."""
    monkeypatch.setattr(prove, "WORK", WORK // 8)
    found = [outcome(text, name, points=400) for text in formulas(SEED + len(name), 8, wide=True)]
    wrong = [o for o in found if (o.decided and o.against) or o.verdict in ("crash", "slow")]
    assert not wrong, texts(wrong)


def test_the_same_seed_gives_the_same_formulas() -> None:
    assert formulas(7, 30) == formulas(7, 30) != formulas(8, 30)
    assert len(set(formulas(7, 200, wide=True))) == 200


def test_a_wrong_claim_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prover that calls everything convex is contradicted, where the checker is silenced."""
    monkeypatch.setattr("randomproofs.check", lambda loss, claim, certificate: None)
    monkeypatch.setattr(prove.Prover, "claim", lambda self: ({"property": "convex", "verdict": "proved"}, {}))
    found = [outcome(text, points=300) for text in formulas(3, 12)]
    assert report(found)["wrong"] >= 3
