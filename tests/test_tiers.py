"""Can one choose between exact and fast, and is either what it says?"""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import lossforge as lf
from lossforge.codegen.compile import available

F = np.linspace(-30, 30, 2001)
Y = np.zeros_like(F)

needs_c = pytest.mark.skipif("c" not in available(), reason="no C compiler")


@needs_c
def test_the_tiers_are_two_builds_of_one_file() -> None:
    accurate, fast = lf.losses.log_cosh(backend="c"), lf.losses.log_cosh(backend="c", tier="fast")
    assert (accurate.tier, fast.tier) == ("accurate", "fast")
    one, other = accurate.hessian(Y, F), fast.hessian(Y, F)
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(one, other, rtol=2e-15)


@needs_c
def test_a_tier_is_shown_and_survives_pickling() -> None:
    fast = lf.losses.huber(delta=2, backend="c", tier="fast")
    again = pickle.loads(pickle.dumps(fast))
    assert again.tier == "fast" and repr(again) == "losses.huber(delta=2)  [c, fast]"
    assert "fast" not in repr(lf.losses.huber(backend="c"))
    mine = lf.compile(lf.parse("log(cosh(r))"), tier="fast")
    assert pickle.loads(pickle.dumps(mine)).tier == "fast"


def test_numpy_has_one_code_for_both_tiers() -> None:
    found = [lf.losses.log_cosh(backend="numpy", tier=tier).loss(Y, F) for tier in ("accurate", "fast")]
    assert np.array_equal(*found)


def test_an_unknown_tier_is_named() -> None:
    with pytest.raises(ValueError, match="tier is 'exact'; expected one of accurate, fast"):
        lf.losses.huber(tier="exact")
