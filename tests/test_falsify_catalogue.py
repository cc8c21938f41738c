"""Does what the facts claim about the losses of the catalogue survive the falsifier? Here at few points.

`lossforge check --proofs --falsify --all` looks at 10000 for each loss, and takes a quarter of an hour.
"""

from __future__ import annotations

import json

import pytest
from extent import some

from lossforge.cli.facts import FACTS
from lossforge.spec.catalog import CATALOG
from lossforge.verify.falsify import falsify_loss

POINTS = 600


@pytest.mark.parametrize("name", some(CATALOG, 8))
def test_no_claim_of_the_catalogue_is_contradicted(name: str) -> None:
    facts = json.loads((FACTS / f"{name}.json").read_text(encoding="utf-8"))
    assert falsify_loss(facts, POINTS) == []
