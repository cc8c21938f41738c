"""Does a kernel in several loops compute what it computes in one, to the bit?"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lossforge as lf
from lossforge.codegen import write_c
from lossforge.codegen.compile import available
from lossforge.codegen.ir import Assign, Call, Kernel, Var, used_names, walk
from lossforge.codegen.kernels import kernels
from lossforge.codegen.passes import optimise
from lossforge.codegen.render import Header, render
from lossforge.codegen.stages import HEAVY, Stage, apart, stages
from lossforge.derive.derivation import derive
from lossforge.runtime import native
from lossforge.spec.catalog import CATALOG

NAMES = ["huber", "logistic", "focal", "barron", "binomial_cauchit"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-310, 1e300, -1e300, 0.5, 2.0]


def ready(name: str) -> list[Kernel]:
    return [optimise(k, eager_select=False) for k in kernels(derive(CATALOG[name]))]


def heavy(assigns: tuple[Assign, ...]) -> Iterator[Call]:
    for a in assigns:
        yield from (n for n in walk(a.value) if isinstance(n, Call) and n.function in HEAVY)


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_reads_what_is_known(name: str) -> None:
    for kernel in map(apart, ready(name)):
        given = {*kernel.inputs, *kernel.parameters, *(a.name for a in kernel.prologue)}
        kept: set[str] = set()
        made = stages(kernel)
        for stage in made:
            assert {*stage.reads} <= kept
            known = given | {*stage.reads}
            for a in stage.body:
                assert used_names([a]) <= known
                known.add(a.name)
            assert not list(heavy(stage.body))
            kept |= {a.name for a in stage.body}
            assert used_names(stage.calls) <= kept
            kept |= {a.name for a in stage.calls}
            assert bool(stage.calls) == (stage is not made[-1])
        assert used_names(kernel.outputs) <= known


def test_a_call_stands_apart_once() -> None:
    x, power = Var("x"), Call("pow", (Var("x"), Var("p")))
    nested = Call("exp", (Call("log", (power,)),))
    kernel = apart(Kernel("k", ("x",), ("p",), (Assign("loss", nested), Assign("gradient", Call("exp", (x,))))))
    calls = [call for stage in stages(kernel) for call in stage.calls]
    assert [c.value.function for c in calls if isinstance(c.value, Call)] == ["pow", "exp", "log", "exp"]
    assert len({c.name for c in calls}) == 4 and len(stages(kernel)) == 4


def text(name: str, whole: bool) -> str:
    """The C file of a loss; `whole`: each kernel in one loop."""
    with pytest.MonkeyPatch.context() as patch:
        if whole:
            patch.setattr(write_c, "apart", lambda kernel: kernel)
            patch.setattr(write_c, "stages", lambda kernel: [Stage(kernel.body)])
        return render(kernels(derive(CATALOG[name])), "c", Header(name, name, "", "", "")).text


def outputs(library: ctypes.CDLL, name: str, kernel: Kernel, dtype: Any) -> list[NDArray[Any]]:
    random = np.random.default_rng(3)
    with np.errstate(over="ignore"):
        inputs = [np.concatenate([random.permutation(SPECIAL), random.normal(0, 3, 300)]).astype(dtype) for _ in "yf"]
    results = [np.empty(len(inputs[0]), dtype) for _ in kernel.outputs]
    parameters = np.array([1.5, 0.75, 0.25][: len(kernel.parameters)], dtype)
    run = library[f"lossforge_{name}_{kernel.name}_f{8 * parameters.itemsize}_at"]
    addresses = [(ctypes.c_void_p * (len(a) + 1))(*(x.ctypes.data for x in a), None) for a in (inputs, results)]
    run(ctypes.c_size_t(len(inputs[0])), ctypes.c_size_t(1), addresses[0], ctypes.c_void_p(parameters.ctypes.data),
        addresses[1])  # fmt: skip
    return results


@pytest.mark.skipif("c" not in available(), reason="no C compiler")
@pytest.mark.parametrize("tier", [(), ("-DLOSSFORGE_FAST",)])
@pytest.mark.parametrize("name", ["logistic", "focal"])
def test_the_bits_are_those_of_one_loop(name: str, tier: tuple[str, ...]) -> None:
    one, several = (native.build(name, text(name, whole), tier).library for whole in (True, False))
    for kernel in ready(name):
        for dtype in (np.float64, np.float32):
            a, b = outputs(one, name, kernel, dtype), outputs(several, name, kernel, dtype)
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(x, y)
                assert np.array_equal(np.signbit(x[x == 0]), np.signbit(y[y == 0]))


@pytest.mark.skipif("c" not in available(), reason="no C compiler")
@pytest.mark.parametrize("tier", ["accurate", "fast"])
@pytest.mark.parametrize("name", ["focal", "focal_probability", "power_error", "barron"])
def test_an_exponent_of_two_is_a_product(name: str, tier: str) -> None:
    """Where it is 2 for all rows; a step away from 2 it is a power, whose values are as near."""
    parameter = {"power_error": "q", "barron": "alpha"}.get(name, "gamma")
    rng = np.random.default_rng(8)
    f = rng.uniform(0.001, 0.999, 500) if name == "focal_probability" else rng.normal(0, 30, 500)
    y = (rng.random(500) < 0.5).astype(float)
    square, power = (
        getattr(lf.losses, name)(backend="c", tier=tier, **{parameter: at}) for at in (2.0, float(np.nextafter(2, 3)))
    )
    for a, b in zip(square.loss_gradient_hessian(y, f), power.loss_gradient_hessian(y, f), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-300)
    assert np.isnan(square.loss(y[:1], np.array([np.nan]), check_domain=False)).all()


@pytest.mark.skipif("c" not in available(), reason="no C compiler")
@pytest.mark.parametrize("tier", ["accurate", "fast"])
def test_functions_of_a_narrow_range_are_for_what_no_input_can_leave(tier: str) -> None:
    """A target beyond its domain, where that is not checked, gets the formula and nothing else."""
    loss = lf.parse("y*f**2 + exp(-y)*f + log(1 + y)", name="unchecked", arguments={"y": "[0, 1]"})
    made = lf.compile(loss, backend="c", tier=tier)
    y, f = np.array([0.5, 5.0, -800.0]), np.array([1.0, 2.0, 3.0])
    with np.errstate(invalid="ignore", over="ignore"):
        expected = y * f**2 + np.exp(-y) * f + np.log1p(y)
    np.testing.assert_allclose(made.loss(y, f, check_domain=False), expected, rtol=1e-14)


@pytest.mark.skipif("c" not in available(), reason="no C compiler")
def test_a_file_is_compiled_in_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each precision alone, side by side; a file that knows no halves in one piece."""
    tmp_path.chmod(0o700)
    run, compiler = native._run, native.compiler()
    commands: list[str] = []

    def seen(folder: str, command: Sequence[str]) -> None:
        commands.append(" ".join(command))
        run(folder, command)

    monkeypatch.setattr(native, "_run", seen)
    path = native.cached_or_compiled(tmp_path, "huber", text("huber", False), compiler, native.FLAGS)
    library = ctypes.CDLL(str(path))
    assert library.lossforge_huber_loss_f64 and library.lossforge_huber_loss_f32
    assert [sum(f"-D{half} -c" in c for c in commands) for half in native.HALVES] == [1, 1] and len(commands) == 3
    native.cached_or_compiled(tmp_path, "one", "int one(void);\nint one(void) { return 1; }", compiler, native.FLAGS)
    assert len(commands) == 4
