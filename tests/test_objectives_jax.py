"""Do the objectives for JAX give the formula's loss, gradient and Hessian, however they are transformed?"""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from extent import some
from tensor_samples import SCALAR, samples

import lossforge as lf
from lossforge.codegen.compile import tensor_source
from lossforge.runtime.artifacts import Artifacts, catalogue_facts
from lossforge.runtime.errors import ParameterError
from lossforge.spec.catalog import CATALOG
from lossforge.spec.text import parse
from lossforge.verify.points import Batch, points
from lossforge.verify.report import check
from lossforge.verify.truth import truth_table

try:
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads
except ImportError:
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise
    pytest.skip("JAX is not installed; pip install 'lossforge[jax]' installs it", allow_module_level=True)

from lossforge.runtime.objectives.jax import JaxObjective

rng = np.random.default_rng(20261126)


@pytest.fixture(scope="module", autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def made_of(name: str, parameters: Mapping[str, float] | None = None, **options: str) -> JaxObjective:
    made = lf.objective(name, library="jax", **options, **(parameters or {}))
    assert isinstance(made, JaxObjective)
    return made


class Transformed:
    """Loss, gradient and Hessian as jax.grad under jax.jit makes them of an objective."""

    def __init__(self, name: str, parameters: Mapping[str, float]) -> None:
        self.evaluate = transformed(name)
        self.parameters = dict(parameters)

    def loss_gradient_hessian(self, y: Any, f: Any, *, check_domain: bool = True) -> tuple[Any, Any, Any]:
        # A few sizes only, as each is compiled.
        n = len(f)
        rows = np.resize(np.arange(n), -n % 64 + n)
        return tuple(np.asarray(a)[:n] for a in self.evaluate(f[rows], y[rows], self.parameters))


_TRANSFORMED: dict[str, Callable[..., Any]] = {}


def transformed(name: str) -> Callable[..., Any]:
    if name not in _TRANSFORMED:
        module = Artifacts(catalogue_facts(name)).tensor_module("jax")
        function = getattr(module, name)

        def evaluate(f: Any, y: Any, parameters: Mapping[str, Any]) -> tuple[Any, Any, Any]:
            def gradient(f: Any) -> Any:
                return jax.grad(lambda f: function(f, y, reduction="sum", **parameters))(f)

            losses, first = function(f, y, reduction="none", **parameters), gradient(f)
            if first.ndim == losses.ndim:
                return losses, first, jax.grad(lambda f: gradient(f).sum())(f)
            # Products with vectors would turn an infinite entry into NaN in those beside it.
            f, y = module.aligned(f, y)
            return losses, first, module.hessian_of(y, f, *parameters.values())

        _TRANSFORMED[name] = jax.jit(evaluate)
    return _TRANSFORMED[name]


def without_subnormal(batch: Batch) -> Batch:
    """Leave out points where an input, or the difference of two, is subnormal: XLA takes them for 0 on the CPU."""
    values = [*batch.arguments.values()]
    values += [a - b for a in values for b in values if a is not b and a.shape == b.shape]
    keep = np.ones(len(batch), bool)
    for value in values:
        small = (value != 0) & (np.abs(value) < 2.0**-125)
        keep &= ~(small if small.ndim == 1 else small.any(axis=1))
    arguments = {name: value[keep] for name, value in batch.arguments.items()}
    return dataclasses.replace(batch, arguments=arguments, single=batch.single[keep], rounded=batch.rounded[keep])


def exact(name: str, n: int) -> Any:
    batches = tuple(without_subnormal(b) for b in points(CATALOG[name], n))
    return truth_table(CATALOG[name], batches)


def unexplained(findings: Any) -> list[Any]:
    """What is not due to XLA: on the CPU it takes subnormal intermediate results for 0, so tiny results get lost."""
    smallest = {"float64": 2.0**-990, "float32": 2.0**-100}
    return [f for f in findings if not abs(f.computed - f.expected) < smallest[f.precision]]


@pytest.mark.parametrize("name", some(["huber", "logistic", "pinball", "gaussian_nll", "expectile", "hinge"], 3))
def test_grad_and_jit_give_the_exact_values(name: str) -> None:
    report = check(CATALOG[name], {"jax": lambda p: Transformed(name, p)}, table=exact(name, 120), naive=False)
    assert unexplained(report.findings) == []
    assert len(report.findings) < 5


def test_a_wrong_gradient_is_seen() -> None:
    source = tensor_source(CATALOG["huber"], "jax")
    planted = source.replace("jnp.sign(jnp.where(t0, delta, r))", "1.01 * jnp.sign(jnp.where(t0, delta, r))")
    assert planted != source
    wrong = JaxObjective(lf.losses.huber(), source=planted)
    with pytest.raises(AssertionError):
        check_grads(jax.jit(lambda f: wrong(f, jnp.zeros(1))), (jnp.array([3.0]),), 1)
    right = JaxObjective(lf.losses.huber(), source=source)
    check_grads(jax.jit(lambda f: right(f, jnp.zeros(1))), (jnp.array([3.0]),), 2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", some(SCALAR[::6], 2))
def test_it_agrees_with_numpy(name: str, dtype: Any) -> None:
    y, f = (a.astype(dtype) for a in samples(name))
    expected = lf.losses[name](backend="numpy").loss_gradient_hessian(y, f)
    for ours, theirs in zip(transformed(name)(f, y, {}), expected, strict=True):
        assert ours.dtype == dtype
        tolerance = 1e-11 if dtype is np.float64 else 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=2.0**-1000 if dtype is np.float64 else 1e-7)


@pytest.mark.parametrize("name", some(SCALAR[::10], 2))
def test_check_grads(name: str) -> None:
    objective = made_of(name, reduction="none")
    y, f = samples(name)
    inside = np.abs(f) < 3
    y, f = y[inside][:8], f[inside][:8]
    check_grads(jax.jit(lambda f: objective(f, y)), (f,), order=2)


def test_several_predictions_and_classes() -> None:
    f, labels, y = rng.normal(size=(6, 3)), np.array([0, 1, 2, 2, 1, 0]), rng.normal(size=6)
    softmax, normal = (made_of(name, reduction="none") for name in ("softmax_cross_entropy", "gaussian_nll"))
    np.testing.assert_allclose(softmax(f, labels), lf.losses.softmax_cross_entropy().loss(labels, f), rtol=1e-13)
    np.testing.assert_allclose(softmax(f, np.eye(3)[labels]), softmax(f, labels), rtol=1e-13)
    assert softmax(f.reshape(2, 3, 3), labels.reshape(2, 3)).shape == (2, 3)
    for made, target, prediction in ((softmax, labels, f), (normal, y, f[:, :2])):
        forward, backward = (
            jax.jit(jax.vmap(outer(jax.grad(made))))(prediction, target) for outer in (jax.jacfwd, jax.jacrev)
        )
        expected = made.loss.hessian(target, prediction)
        np.testing.assert_allclose(forward, expected, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(backward, expected, rtol=1e-12, atol=1e-15)
        gradient = jax.jit(jax.grad(lambda f, o=made, y=target: o(f, y).sum()))(prediction)
        np.testing.assert_allclose(gradient, made.loss.gradient(target, prediction), rtol=1e-12)


def test_transformations_agree() -> None:
    y, f = samples("huber")
    objective = made_of("huber", {"delta": 1.5}, reduction="none")
    first, second = lf.losses.huber(delta=1.5, backend="numpy").gradient_hessian(y, f)
    np.testing.assert_array_equal(jax.vmap(jax.grad(objective))(f, y), first)
    np.testing.assert_array_equal(jax.jit(jax.vmap(jax.grad(jax.grad(objective))))(f, y), second)
    np.testing.assert_array_equal(jax.vmap(jax.jacfwd(jax.grad(objective)))(f, y), second)

    def scanned(f: Any) -> Any:
        return jax.lax.scan(lambda sum_, row: (sum_ + objective(*row), None), 0.0, (f, y))[0]

    np.testing.assert_array_equal(jax.grad(jax.checkpoint(scanned))(f), first)


def test_at_a_kink_the_mean_of_both_sides() -> None:
    objective = made_of("pinball", {"tau": 0.75})
    assert jax.grad(objective)(1.0, 1.0) == 0.5 - 0.75


def test_weights_and_reductions() -> None:
    y, f = samples("logistic")
    w = rng.random(f.size)
    objective = made_of("logistic")
    plain = lf.losses.logistic()
    np.testing.assert_allclose(objective(f, y, w), plain.mean(y, f, sample_weight=w), rtol=1e-13)
    np.testing.assert_allclose(objective(f, y, w, reduction="sum"), plain.sum(y, f, sample_weight=w), rtol=1e-13)
    np.testing.assert_allclose(objective(f, y, w, "none"), plain.loss(y, f, sample_weight=w), rtol=1e-13)
    np.testing.assert_allclose(objective(f, y), plain.mean(y, f), rtol=1e-13)
    expected = plain.gradient(y, f, sample_weight=w) / w.sum()
    np.testing.assert_allclose(jax.grad(objective)(f, y, w), expected, rtol=1e-12)
    assert objective(f.astype(np.float16), y).dtype == np.float32
    with pytest.raises(ValueError, match="expected 'none', 'sum' or 'mean'"):
        objective(f, y, reduction="average")


def test_the_same_losses_in_optax() -> None:
    optax = pytest.importorskip("optax")
    y, f = samples("binary_cross_entropy_logits")
    ours = made_of("binary_cross_entropy_logits", reduction="none")
    inside = np.abs(f) < 30  # beyond, optax loses digits
    theirs = optax.sigmoid_binary_cross_entropy(f, y)
    np.testing.assert_allclose(ours(f, y)[inside], theirs[inside], rtol=1e-12, atol=1e-14)
    ours = made_of("huber", {"delta": 1.5}, reduction="none")
    np.testing.assert_allclose(ours(f, y), optax.huber_loss(f, y, delta=1.5), rtol=1e-14)


def test_what_is_constant_cannot_be_differentiated() -> None:
    y, f = samples("focal")
    objective = made_of("focal")
    with pytest.raises(ValueError, match="with respect to f only"):
        jax.grad(objective, argnums=1)(f, y)
    with pytest.raises(NotImplementedError, match="no third"):
        jax.grad(jax.grad(jax.grad(objective)))(0.5, 1.0)
    assert jax.grad(objective)(f, jax.lax.stop_gradient(y)).shape == f.shape


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"y has shape \(3, 1\); expected \(3,\)"):
        made_of("huber")(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 2\)"):
        made_of("gaussian_nll")(np.zeros(3), np.zeros(3))
    with pytest.raises(TypeError, match="class labels are integers"):
        made_of("softmax_cross_entropy")(np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(ParameterError, match="delta"):
        made_of("huber", {"delta": -1})


def test_it_can_be_pickled() -> None:
    y, f = samples("tweedie_log_link")
    objective = made_of("tweedie_log_link", {"p": 1.25}, reduction="sum")
    again = pickle.loads(pickle.dumps(objective))
    assert again.loss.parameters == {"p": 1.25} and again(f, y) == objective(f, y)


def test_a_loss_of_ones_own_with_names_that_are_taken() -> None:
    parameters = {"delta": "(0, oo)", "jnp": "(0, oo)", "f2": "(0, oo)"}
    loss = parse("delta*r**2 + jnp*log(1 + exp(r)) + f2", parameters=parameters, name="gradient")
    objective = lf.objective(loss, library="jax", delta=0.5, jnp=2.0, f2=3.0)
    check_grads(jax.jit(lambda f: objective(f, np.zeros(3))), (rng.normal(size=3),), order=2)
    assert pickle.loads(pickle.dumps(objective))(1.0, 1.0) == 2 * np.log(2) + 3.0
