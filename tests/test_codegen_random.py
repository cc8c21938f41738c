"""Random losses: NumPy and C, at -O0 and -O3, against the IR run in mpmath with its own error bound."""

from __future__ import annotations

import ctypes
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
from extent import about
from hypothesis import HealthCheck, Phase, given, seed, settings
from mpmath import mp, mpf
from random_losses import as_loss, expressions
from sympy import Expr

from lossforge.codegen.interpret import BINARY32, BINARY64, Interpreter
from lossforge.codegen.ir import Kernel
from lossforge.codegen.kernels import kernels
from lossforge.codegen.passes import optimise
from lossforge.codegen.render import Header, render
from lossforge.derive.derivation import derive
from lossforge.spec.model import Loss

BATCHES, PER_BATCH = 4, about(20, 4)
FUSED, OUTPUTS = "loss_gradient_hessian", ("loss", "gradient", "hessian")
F = np.array([-7.5, -1.5, -1.0, -0.25, 0.0, 1e-3, 0.5, 1.5, 2.75, 30.0])
Y = np.zeros_like(F)
PARAMETERS = (1.5, 0.25)


def draw(batch: int) -> list[Expr]:
    """Distinct random formulas; hypothesis draws them, the batch's number is the seed."""
    drawn: dict[Expr, None] = {}

    @seed(batch)
    @settings(max_examples=2 * PER_BATCH, phases=[Phase.generate], database=None, deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(expressions)
    def collect(expression: Expr) -> None:
        drawn[expression] = None

    collect()
    return list(drawn)[:PER_BATCH]


def compile_all(losses: list[tuple[Loss, tuple[Kernel, ...]]], folder: Path, level: str) -> ctypes.CDLL:
    sources = []
    for loss, lowered in losses:
        text = render([k for k in lowered if k.name == FUSED], "c", Header(loss.name, loss.name, "", "", "")).text
        path = folder / f"{loss.name}.c"
        path.write_text(text)
        sources.append(str(path))
    library = folder / f"all{level}.so"
    flags = ["-std=c99", level, "-shared", "-fPIC", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror",
             "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]  # fmt: skip
    subprocess.run(["cc", *flags, *sources, "-o", str(library), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def run_c(library: ctypes.CDLL, name: str, dtype: type[np.floating]) -> tuple[np.ndarray, ...]:
    suffix, scalar = ("f64", ctypes.c_double) if dtype is np.float64 else ("f32", ctypes.c_float)
    function = getattr(library, f"lossforge_{name}_loss_gradient_hessian_{suffix}")
    y, f = Y.astype(dtype), F.astype(dtype)
    outs = tuple(np.empty_like(f) for _ in OUTPUTS)

    def pointer(a):
        return ctypes.c_void_p(a.ctypes.data)

    function(ctypes.c_size_t(f.size), pointer(y), pointer(f), None, *(scalar(p) for p in PARAMETERS),
             *(pointer(o) for o in outs))  # fmt: skip
    return outs


def run_numpy(text: str, dtype: type[np.floating]) -> tuple[np.ndarray, ...]:
    module: dict[str, object] = {}
    exec(compile(text, "generated", "exec"), module)
    arguments = (Y.astype(dtype), F.astype(dtype), *map(dtype, PARAMETERS))
    with warnings.catch_warnings(record=True) as caught, np.errstate(over="ignore", under="ignore", divide="ignore"):
        warnings.simplefilter("always")
        result = module["loss_gradient_hessian"](*arguments)  # type: ignore[operator]
    # A branch that is not taken may not warn: an invalid operation must show in what is returned.
    assert not caught or any(np.isnan(r).any() for r in result), (text, caught[0].message)
    assert all(r.dtype == dtype for r in result)
    return result


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_losses_agree_with_the_interpreter(batch: int, tmp_path: Path) -> None:
    drawn = draw(batch)
    assert len(drawn) >= PER_BATCH
    losses = [(loss, kernels(derive(loss))) for loss in (as_loss(e, f"random{i}") for i, e in enumerate(drawn))]
    libraries = {level: compile_all(losses, tmp_path, level) for level in ("-O0", "-O3")}
    compared = 0
    for loss, lowered in losses:
        kernel = next(k for k in lowered if k.name == FUSED)
        text = render((kernel,), "numpy", Header(loss.name, "", "", "", "")).text
        ready = optimise(kernel, eager_select=False)
        for dtype, rounding in ((np.float64, BINARY64), (np.float32, BINARY32)):
            interpreter = Interpreter(ready, rounding)
            results = {level: run_c(library, loss.name, dtype) for level, library in libraries.items()}
            results["numpy"] = run_numpy(text, dtype)
            for i, f in enumerate(F.astype(dtype)):
                exact = interpreter({"y": 0, "f": mpf(float(f)), "a": PARAMETERS[0], "b": PARAMETERS[1]})
                for o, output in enumerate(OUTPUTS):
                    value = exact[output]
                    if mp.isinf(value.error):
                        continue
                    compared += 1
                    for backend, arrays in results.items():
                        off = abs(mpf(float(arrays[o][i])) - value.exact)
                        assert off <= value.error, (
                            f"{loss.expression}: {output} at r = {f} in {dtype.__name__} by {backend}: "
                            f"{arrays[o][i]!r}, exact {mp.nstr(value.exact, 20)}, error bound {mp.nstr(value.error, 3)}"
                        )
    assert compared > 0.9 * len(losses) * len(F) * len(OUTPUTS) * 2
