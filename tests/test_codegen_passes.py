"""What each pass does to a kernel, seen in the kernel and in the text that comes out."""

from __future__ import annotations

import dataclasses
import pickle
import re
import warnings
from fractions import Fraction

import numpy as np
import pytest
from mpmath import mpf

import lossforge as lf
from lossforge.codegen.build import artifacts
from lossforge.codegen.interpret import Interpreter
from lossforge.codegen.ir import Assign, Bin, Call, Cmp, Const, Kernel, Node, Pivot, Select, Var, walk
from lossforge.codegen.passes import (
    canonical_order,
    expand_small_powers,
    guard_branches,
    hoist_parameters,
    parameters_first,
    propagate_nan,
    scale_before_squaring,
    scale_shares,
    share_subexpressions,
)
from lossforge.codegen.ranges import Range

x, d = Var("x"), Var("d")


def kernel(*outputs: Node, pivots: tuple[Pivot, ...] = ()) -> Kernel:
    assigned = tuple(Assign(f"o{i}", o) for i, o in enumerate(outputs))
    return Kernel("k", ("x",), ("d",), assigned, pivots=pivots)


def test_equal_nodes_are_one_object() -> None:
    made = Bin("+", Call("exp", (x,)), Const(Fraction(1, 2)))
    assert made is Bin("+", Call("exp", (Var("x"),)), Const(Fraction(2, 4)))
    assert made is pickle.loads(pickle.dumps(made))
    assert made != Bin("-", made.left, made.right)


def constant(value: float) -> Const:
    return Const(Fraction(value))


def power(base: Node, exponent: float) -> Call:
    return Call("pow", (base, constant(exponent)))


@pytest.mark.parametrize("exponent", [1, 2, 3, 5, 8, 0.5, 1.5, 2.5])
def test_small_powers_become_products(exponent: float) -> None:
    before = kernel(power(x, exponent))
    after = expand_small_powers(before)
    assert not any(isinstance(n, Call) and n.function == "pow" for n in walk(after.outputs[0].value))
    for value in (0.3, 2.7):
        exact = [Interpreter(k)({"x": value, "d": 1})["o0"].exact for k in (before, after)]
        assert abs(exact[0] - exact[1]) < mpf(10) ** -50
    large = kernel(power(x, 9))
    assert expand_small_powers(large) == large


def test_equal_values_get_equal_trees() -> None:
    pairs = [
        (Bin("+", x, d), Bin("+", d, x)),
        (Call("abs", (Bin("-", x, d),)), Call("abs", (Bin("-", d, x),))),
        (Bin("-", constant(0), Bin("-", x, d)), Bin("-", d, x)),
        (Bin("*", constant(2), Bin("*", constant(3), x)), Bin("*", constant(6), x)),
    ]
    for first, second in pairs:
        assert canonical_order(kernel(first)) == canonical_order(kernel(second))


def test_work_is_shared_across_outputs() -> None:
    e = Call("exp", (x,))
    shared = share_subexpressions(kernel(Bin("+", e, constant(1)), Bin("/", constant(1), e)))
    calls = [n for a in (*shared.body, *shared.outputs) for n in walk(a.value) if isinstance(n, Call)]
    assert calls == [e]
    (c,) = (a.text for a in artifacts(lf.catalog["logistic"]) if a.path == "c/logistic.c")
    body = c.split("static void loss_gradient_hessian_rows_f64")[1].split("\n}\n")[0]
    calls = re.findall(r"\b(\w+)_rows\(", body)
    assert sorted(calls) == ["exp_down_fast", "log1p_unit_fast", "pair_exp_down_short", "pair_log1p_unit"]


def test_what_depends_on_parameters_only_is_hoisted() -> None:
    root = Call("sqrt", (Bin("*", d, d),))
    hoisted = hoist_parameters(share_subexpressions(kernel(Bin("*", root, x), Bin("+", root, x))))
    assert [a.value for a in hoisted.prologue] == [root]
    assert all(root not in set(walk(a.value)) for a in (*hoisted.body, *hoisted.outputs))


def test_products_keep_their_range() -> None:
    square = scale_before_squaring(kernel(Bin("*", d, Bin("*", x, x)))).outputs[0].value
    assert square == Bin("*", x, Bin("*", d, x))
    gathered = parameters_first(kernel(Bin("*", Bin("*", constant(2), x), d))).outputs[0].value
    assert gathered == Bin("*", Bin("*", constant(2), d), x)
    loss = lf.compile(lf.parse("d*r**2", parameters={"d": "(0, oo)"}), d=2.0**-10)
    value, gradient = loss.loss_gradient(0.0, 1.7e154), loss.gradient(0.0, 1.7e308)
    assert np.isfinite(value).all()
    assert gradient == 2.0**-9 * 1.7e308


def test_nothing_times_infinity_is_nothing() -> None:
    gamma = lf.parse("f + y*exp(-f)", arguments={"y": "[0, oo)"})
    welsch = lf.parse("1 - exp(-r**2)")
    for backend in ("c", "numpy"):
        outputs = lf.compile(gamma, backend=backend).loss_gradient_hessian([0.0, 2.0], [-1e4, -1e4])
        assert [o[0] for o in outputs] == [-1e4, 1.0, 0.0]
        assert [o[1] for o in outputs] == [np.inf, -np.inf, np.inf]
        far = lf.compile(welsch, backend=backend).loss_gradient_hessian(0.0, [1e200, -1e308])
        assert np.array_equal(far, [[1, 1], [0, 0], [0, 0]])


def test_nan_passes_through_every_choice() -> None:
    step = Select(Cmp("<", x, constant(0)), constant(1), constant(2))
    value = propagate_nan(kernel(step)).outputs[0].value
    assert value == Select(Cmp("==", x, x), step, x)
    passing = kernel(Select(Cmp("<", x, constant(0)), constant(1), Bin("*", x, x)))
    assert propagate_nan(passing) == passing


def test_an_untaken_branch_is_evaluated_at_the_pivot() -> None:
    condition = Cmp("<=", constant(1), x)
    risky = Select(condition, Call("log", (x,)), constant(0))
    guarded = guard_branches(kernel(risky, pivots=(Pivot(condition, "x", constant(1)),)))
    assert guarded.outputs[0].value == Select(condition, Call("log", (Select(condition, x, constant(1)),)), constant(0))
    loss = lf.compile(lf.parse("log(r)**2 if r > 1 else 0"), backend="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module: dict[str, object] = {}
        (text,) = (a.text for a in artifacts(lf.parse("log(r)**2 if r > 1 else 0")) if a.path.startswith("numpy"))
        exec(compile(text, "generated", "exec"), module)
        result = module["loss_gradient_hessian"](np.zeros(4), np.array([-5.0, 0.0, 1.0, 4.0]))  # type: ignore[operator]
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(result[0], loss.loss(np.zeros(4), [-5.0, 0.0, 1.0, 4.0]))


def test_the_interpreters_bound_covers_rounding_and_nothing_absurd() -> None:
    """The bound is not met by a wrong constant, and is by the nearest floats."""
    difference = kernel(Bin("-", Call("exp", (x,)), Bin("+", constant(1), x)))
    for value in (1e-5, 0.5, 3.0):
        exact = Interpreter(difference)({"x": value, "d": 1})["o0"]
        computed = float(np.exp(value) - (1 + value))
        assert abs(mpf(computed) - exact.exact) <= exact.error
        assert exact.error < 1e-13
        assert abs(mpf(computed) * 1.5 - exact.exact) > exact.error


def test_a_scale_is_no_factor_of_a_share_of_it() -> None:
    """d*min(1, |x/d|) is min(d, |x|), for d > 0: x/d may be subnormal where x is not."""
    one, size = constant(1), Call("abs", (Bin("/", x, d),))
    condition, sign = Cmp("<=", size, one), Call("sign", (x,))
    share = Select(condition, Bin("/", Call("min", (one, size)), Var("p")), Bin("/", one, Var("q")))
    before = Kernel("k", ("x", "p", "q"), ("d",), (Assign("o", Bin("*", d, Bin("*", share, sign))),))
    positive = dataclasses.replace(before, domains=(("d", Range(0.0)),))
    near = Bin("/", Call("min", (d, Call("abs", (x,)))), Var("p"))
    expected = canonical_order(dataclasses.replace(
        positive, outputs=(Assign("o", Bin("*", Select(condition, near, Bin("/", d, Var("q"))), sign)),)))  # fmt: skip
    assert scale_shares(positive).outputs == expected.outputs
    assert scale_shares(before) == before


@pytest.mark.parametrize("name", ["cauchy", "fair"])
def test_a_small_residual_keeps_its_digits(name: str) -> None:
    """The gradient at the smallest normal number is that number: 8 and 4 ulps were lost."""
    loss, r = lf.catalog[name], 2.0**-1022
    assert lf.compile(loss, backend="numpy", c=19.079200744628906).gradient(0.0, r) == r


def test_a_difference_of_roots_does_not_cancel() -> None:
    """1 - sqrt(y/f) beside f = y: 95 ulps were lost, and where y/f is large nothing overflows."""
    loss = lf.compile(lf.catalog["hellinger"], backend="numpy")
    y, f = 7.767929558326248, 7.605431480252592
    assert loss.gradient(y, f) == pytest.approx(-0.0053132831263715809389, rel=2.0**-51)
    assert loss.gradient(1e300, 1e-300) == pytest.approx(-5e299, rel=2.0**-51)
