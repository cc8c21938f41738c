"""Does what the facts claim survive the falsifier? Here of every fourth loss of the catalogue, at few points.

`lossforge check --proofs --falsify --all` looks at 10000 for each loss, and takes a quarter of an hour.
"""

from __future__ import annotations

import json

import pytest
from extent import some
from mpmath import mpf

from lossforge.cli.facts import FACTS
from lossforge.spec.catalog import CATALOG
from lossforge.verify.falsify import falsify_loss
from lossforge.verify.falsify.functions import UndefinedError
from lossforge.verify.falsify.reading import Formula

POINTS = 600


@pytest.mark.parametrize("name", some([*CATALOG][::8], 6))
def test_no_claim_of_the_catalogue_is_contradicted(name: str) -> None:
    facts = json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
    assert falsify_loss(facts, POINTS) == []


@pytest.mark.parametrize("text", ["exp(exp(f))*exp(-exp(f))", "exp(-exp(f))*exp(exp(f))"])
def test_what_is_too_large_times_what_is_rounded_to_0_has_no_value(text: str) -> None:
    with pytest.raises(UndefinedError):
        Formula(text, ["f"])({"f": mpf(100_000)._mpf_})


def test_0_times_what_is_not_defined_is_0() -> None:
    assert Formula("f*log(f)", ["f"])({"f": mpf(0)._mpf_}) == mpf(0)._mpf_
