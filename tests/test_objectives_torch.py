"""Do the objectives for PyTorch give the formula's loss, gradient and Hessian, by autograd and compiled?"""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extent import some
from tensor_samples import SCALAR, samples

import lossforge as lf
from lossforge.codegen.compile import tensor_source
from lossforge.runtime.errors import DomainViolation, ParameterError
from lossforge.spec.catalog import CATALOG
from lossforge.spec.text import parse
from lossforge.verify.report import check

try:
    import torch
except ImportError:
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise
    pytest.skip("PyTorch is not installed; `python3 dev.py test --peers` installs it", allow_module_level=True)

from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from lossforge.runtime.objectives.torch import TorchObjective

# PyTorch's own forward mode still calls torch.jit.script, and its compiler makes an instance of a Function.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:<class 'torch.autograd.function.Function'> should not be:DeprecationWarning"),
]

rng = np.random.default_rng(20261126)
KERNELS = ["tensor", pytest.param("c", marks=pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler"))]
GENERATED = Path(__file__).resolve().parent.parent / "generated"


class Differentiated:
    """Loss, gradient and Hessian as autograd makes them of an objective."""

    def __init__(self, objective: TorchObjective) -> None:
        assert objective.reduction == "none"
        self.objective = objective

    def loss_gradient_hessian(self, y: Any, f: Any, *, check_domain: bool = True) -> tuple[Any, Any, Any]:
        targets, predictions = torch.from_numpy(y), torch.from_numpy(f).requires_grad_()
        losses = self.objective(predictions, targets)
        (first,) = torch.autograd.grad(losses.sum(), predictions, create_graph=True)
        if first.ndim == losses.ndim:
            (second,) = torch.autograd.grad(first.sum(), predictions)
        else:  # products with vectors would turn an infinite entry into NaN in those beside it
            code = self.objective._code
            f, y = code.aligned(predictions.detach(), targets)
            second = code.Hessian.forward(y, f)
        return losses.detach().numpy(), first.detach().numpy(), second.numpy()


def made_of(name: str, parameters: Mapping[str, float] | None = None, **options: str) -> TorchObjective:
    made = lf.objective(name, library="torch", **options, **(parameters or {}))
    assert isinstance(made, TorchObjective)
    return made


def objective(name: str, parameters: Mapping[str, float] | None = None, kernel: str = "tensor") -> TorchObjective:
    return made_of(name, parameters, reduction="none", kernel=kernel)


def test_autograd_gives_the_exact_values() -> None:
    """At hostile points of either precision, against mpmath, which knows the formula alone."""
    for name in some(["huber", "focal", "gaussian_nll", "softmax_cross_entropy", "periodic", "tweedie", "hinge"], 2):
        report = check(
            CATALOG[name], {"torch": lambda p, n=name: Differentiated(objective(n, p))}, n=150, naive=False
        )  # fmt: skip
        assert report.findings == ()


def test_a_wrong_gradient_is_seen() -> None:
    source = tensor_source(CATALOG["huber"], "torch")
    planted = source.replace("sign(torch.where(t0, delta, r))", "sign(torch.where(t0, -delta, r))")
    planted = planted.replace("torch.where(t0, r, delta *", "torch.where(t0, 1.001 * r, delta *")
    assert planted != source
    found = []
    for text in (source, planted):
        made = Differentiated(TorchObjective(lf.losses.huber(), reduction="none", source=text))
        report = check(CATALOG["huber"], {"torch": lambda p, made=made: made if p == {"delta": 1.0} else
                                          Differentiated(objective("huber", p))}, n=100, naive=False)  # fmt: skip
        found.append({f.output for f in report.findings})
    assert found == [set(), {"gradient"}]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SCALAR)
def test_it_agrees_with_numpy(name: str, dtype: Any) -> None:
    y, f = (a.astype(dtype) for a in samples(name))
    expected = lf.losses[name](backend="numpy").loss_gradient_hessian(y, f)
    for ours, theirs in zip(Differentiated(objective(name)).loss_gradient_hessian(y, f), expected, strict=True):
        assert ours.dtype == dtype
        tolerance = 1e-12 if dtype is np.float64 else 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=2.0**-1060 if dtype is np.float64 else 1e-7)


@pytest.mark.parametrize("name", some(SCALAR[::2], 2))
def test_gradcheck_and_gradgradcheck(name: str) -> None:
    y, f = samples(name)
    inside = np.abs(f) < 4
    predictions = torch.from_numpy(f[inside][:6]).requires_grad_()
    inputs = predictions, torch.from_numpy(y[inside][:6])
    assert gradcheck(objective(name), inputs, check_forward_ad=True)
    assert gradgradcheck(objective(name), inputs)


@pytest.mark.parametrize("kernel", KERNELS)
def test_several_predictions_and_classes(kernel: str) -> None:
    f, labels = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 2, 1, 0])
    softmax = objective("softmax_cross_entropy", kernel=kernel)
    torch.testing.assert_close(softmax(f, labels), functional.cross_entropy(f, labels, reduction="none"))
    torch.testing.assert_close(softmax(f, functional.one_hot(labels)), softmax(f, labels))
    assert softmax(f.reshape(2, 3, 3), labels.reshape(2, 3)).shape == (2, 3)
    normal, y = objective("gaussian_nll", kernel=kernel), torch.randn(6, dtype=torch.float64)
    interval, limits = objective("aft_normal" if kernel == "c" else "ordinal_logit_class", kernel=kernel), f[:, 0].exp()
    limits = limits if kernel == "c" else torch.stack([-limits, 2 * limits], dim=-1)
    for made, prediction, target in ((softmax, f, labels), (normal, f[:, :2], y), (interval, f[:, 2], limits)):
        inputs = prediction.clone().requires_grad_(), target
        assert gradcheck(made, inputs) and gradgradcheck(made, inputs)


def test_functional_transformations() -> None:
    y, f = map(torch.from_numpy, samples("huber"))
    made = made_of("huber", {"delta": 1.5})
    first, second = lf.losses.huber(delta=1.5, backend="numpy").gradient_hessian(y.numpy(), f.numpy())
    grad, vmap = torch.func.grad, torch.func.vmap
    np.testing.assert_array_equal(vmap(grad(made))(f, y), first)
    np.testing.assert_array_equal(vmap(grad(grad(made)))(f, y), second)
    np.testing.assert_array_equal(vmap(grad(made), in_dims=(0, None))(f[:4], y[0]), first[:4] * 0 + vmap(grad(made))(
        f[:4], y[:1].expand(4)).numpy())  # fmt: skip
    total = made_of("huber", {"delta": 1.5}, reduction="sum")
    hessian = torch.func.hessian(total)(f, y)
    np.testing.assert_array_equal(hessian, np.diag(second))


def test_at_a_kink_the_mean_of_both_sides() -> None:
    f = torch.ones(1, dtype=torch.float64, requires_grad=True)
    made_of("pinball", {"tau": 0.75})(f, torch.ones(1)).backward()
    assert f.grad == 0.5 - 0.75


@pytest.mark.parametrize("kernel", KERNELS)
def test_weights_and_reductions(kernel: str) -> None:
    y, f = samples("logistic")
    w = rng.random(f.size)
    plain = lf.losses.logistic()
    inputs = torch.from_numpy(f).requires_grad_(), torch.from_numpy(y), torch.from_numpy(w)
    expected = {"mean": plain.mean, "sum": plain.sum, "none": plain.loss}
    for reduction, theirs in expected.items():
        made = made_of("logistic", reduction=reduction, kernel=kernel)
        np.testing.assert_allclose(made(*inputs).detach(), theirs(y, f, sample_weight=w), rtol=1e-13)
        np.testing.assert_allclose(made(*inputs[:2]).detach(), theirs(y, f), rtol=1e-13)
    made_of("logistic", kernel=kernel)(*inputs).backward()
    np.testing.assert_allclose(inputs[0].grad, plain.gradient(y, f, sample_weight=w) / w.sum(), rtol=1e-12)
    assert made(inputs[0].half(), inputs[1]).dtype == torch.float32


def test_the_same_losses_in_torch() -> None:
    y, f = map(torch.from_numpy, samples("binary_cross_entropy_logits"))
    near = f.abs() < 30  # beyond, torch loses digits
    ours = objective("binary_cross_entropy_logits")(f, y)
    theirs = functional.binary_cross_entropy_with_logits(f, y, reduction="none")
    torch.testing.assert_close(ours[near], theirs[near], rtol=1e-12, atol=1e-14)
    for name, parameters, theirs in (
        ("huber", {"delta": 1.5}, functional.huber_loss(f, y, delta=1.5)),
        ("smooth_l1", {"beta": 0.5}, functional.smooth_l1_loss(f, y, beta=0.5)),
        ("squared_error", {}, functional.mse_loss(f, y)),
    ):
        torch.testing.assert_close(made_of(name, parameters)(f, y), theirs)


BACKENDS = ["aot_eager", pytest.param("inductor", marks=pytest.mark.skipif(not shutil.which("g++"), reason="no g++"))]


@pytest.mark.parametrize("backend", some(BACKENDS, 1))
@pytest.mark.parametrize(("name", "kernel"), some([("focal", "tensor"), ("focal", "c"), ("gaussian_nll", "tensor"),
                                                   ("softmax_cross_entropy", "tensor")], 2))  # fmt: skip
def test_it_compiles_into_one_graph(name: str, kernel: str, backend: str) -> None:
    torch._dynamo.reset()
    y, f = torch.tensor([0, 1, 1, 0]), torch.randn(4, 2, dtype=torch.float64)
    f = (f[:, 0] if name == "focal" else f).clone().requires_grad_()
    made = made_of(name, kernel=kernel)
    compiled = torch.compile(made, fullgraph=True, backend=backend)
    results = [(loss := call(f, y), *torch.autograd.grad(loss, f)) for call in (made, compiled)]
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_is_constant_cannot_be_differentiated(kernel: str) -> None:
    y, f = torch.ones(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    made = made_of("focal", kernel=kernel)
    with pytest.raises(ValueError, match=r"with respect to f only; pass y\.detach\(\)"):
        made(f, y)
    value = made(f, y.detach())
    for _ in range(2):
        (value,) = torch.autograd.grad(value.sum(), f, create_graph=True)
    with pytest.raises(NotImplementedError, match="no third"):
        torch.autograd.grad(value.sum(), f)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"y has shape \(3, 1\); expected \(3,\)"):
        objective("huber")(torch.zeros(3), torch.zeros(3, 1))
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 2\)"):
        objective("gaussian_nll")(torch.zeros(3), torch.zeros(3))
    with pytest.raises(TypeError, match="class labels are integers"):
        objective("softmax_cross_entropy")(torch.zeros(3, 2), torch.zeros(3))
    with pytest.raises(ParameterError, match="delta"):
        objective("huber", {"delta": -1})
    with pytest.raises(ValueError, match="kernel is 'gpu'; expected one of tensor, c"):
        objective("huber", kernel="gpu")
    with pytest.raises(ValueError, match="reduction is 'average'"):
        made_of("huber", reduction="average")


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_the_operators_keep_the_rules_of_torch() -> None:
    made = objective("huber", kernel="c")
    f = torch.randn(5, dtype=torch.float64, requires_grad=True)
    for name in ("loss", "gradient"):
        operator = getattr(torch.ops.lossforge, name).default
        torch.library.opcheck(operator, (torch.zeros(5, dtype=torch.float64), f, made._key))
    with pytest.raises(DomainViolation, match=r"y\[0\] = 2"):
        objective("logistic", kernel="c")(f.detach()[:1], torch.full((1,), 2.0))
    with pytest.raises(ValueError, match='f is on meta; use kernel="tensor"'):
        made(torch.zeros(3, device="meta"), torch.zeros(3, device="meta"))


@pytest.mark.parametrize("kernel", KERNELS)
def test_it_is_a_module_that_can_be_pickled(kernel: str) -> None:
    y, f = map(torch.from_numpy, samples("tweedie_log_link"))
    made = made_of("tweedie_log_link", {"p": 1.25}, reduction="sum", kernel=kernel)
    inside = f.abs() < 30
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(torch.nn.Sequential(made))[0]):
        assert again.loss.parameters == {"p": 1.25}
        assert again(f[inside], y[inside]) == made(f[inside], y[inside])
    assert not list(made.parameters()) and "p=1.25" in repr(made)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_loss_of_ones_own_with_names_that_are_taken(kernel: str) -> None:
    parameters = {"delta": "(0, oo)", "torch": "(0, oo)", "grad": "(0, oo)"}
    loss = parse("delta*r**2 + torch*log(1 + exp(r)) + grad", parameters=parameters, name="gradient")
    made = lf.objective(loss, library="torch", reduction="none", kernel=kernel, delta=0.5, torch=2.0, grad=3.0)
    inputs = torch.randn(3, dtype=torch.float64, requires_grad=True), torch.zeros(3, dtype=torch.float64)
    assert gradcheck(made, inputs) and gradgradcheck(made, inputs)
    assert torch.equal(pickle.loads(pickle.dumps(made))(*inputs), made(*inputs))


def test_a_generated_module_needs_pytorch_alone(tmp_path: Path) -> None:
    shutil.copy(GENERATED / "torch" / "huber.py", tmp_path / "my_huber.py")
    program = (
        "import sys, torch; from my_huber import huber; f = torch.ones(2, requires_grad=True);"
        "huber(f, torch.zeros(2), delta=0.5).backward(); print(f.grad.tolist(), 'lossforge' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env=os.environ | {"PYTHONPATH": ""})  # fmt: skip
    assert done.stdout.strip() == "[0.25, 0.25] False"


def test_what_it_lacks_is_named() -> None:
    compiled = lf.compile(parse("r**4", name="quartic"))
    with pytest.raises(lf.ArtifactError, match=r"compiled without its code for torch; pass the formula"):
        lf.objective(compiled, library="torch")
    with pytest.raises(ValueError, match="the exact Hessian, not 'majorizer'"):
        lf.objective("huber", library="torch", curvature="majorizer")
