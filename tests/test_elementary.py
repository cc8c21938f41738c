"""Are the elementary functions that C brings along exact to less than an ulp, and the same on every processor?"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from extent import WHOLE
from mpmath import mp, mpf

from lossforge.cli.build import ROOT
from lossforge.codegen.elementary import FUNCTIONS, closure, source
from lossforge.codegen.target import FLOAT32, FLOAT64, Precision
from lossforge.runtime.native import FLAGS, INSTRUCTIONS, instructions

PRECISIONS: tuple[Precision, ...] = (FLOAT64, FLOAT32)
# Units in the last place; without a fused multiply-add the second number. Subnormal results are rounded twice.
BOUNDS = {"exp": (0.8, 0.8), "expm1": (0.8, 1.1), "log": (0.7, 0.8), "log1p": (0.7, 0.8), "tanh": (0.8, 1.5)}
SPECIAL = [
    0.0, -0.0, np.inf, -np.inf, np.nan, -1.0, -2.0, 1.0, 0.5, 0.75, 1.5, 1e308, 2.6e38, 3.3e38, -3.3e38, 1.2e308,
    5e-324, -5e-324, 1e-45, 1e-310, 2.2250738585072014e-308, 1.1754944e-38, 709.78, 709.9, 88.72, 88.9, -745.2, -103.98,
    -800.0,
]  # fmt: skip


def levels() -> list[str]:
    known = list(INSTRUCTIONS)
    return known[: known.index(instructions()) + 1]


def code() -> str:
    lines = [f"#include <{h}.h>" for h in ("math", "stddef", "stdint", "string")]
    for p in PRECISIONS:
        t, s = p.c_type, p.function_suffix
        lines.append(source(closure(FUNCTIONS), p))
        lines += [
            f"void {f}_{p.name}(size_t n, const {t} *restrict x, {t} *restrict y)\n"
            f"{{\n    for (size_t i = 0; i < n; i++)\n        y[i] = {f}_v{s}(x[i]);\n}}"
            for f in FUNCTIONS
        ]
    return "\n".join(lines) + "\n"


@cache
def library(level: str, compiler: str, folder: Path) -> ctypes.CDLL:
    path = folder / f"{compiler}-{level}.so"
    (folder / "elementary.c").write_text(code(), encoding="utf-8")
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    command = [compiler, *FLAGS, *INSTRUCTIONS[level], *warnings, "elementary.c", "-o", str(path), "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elementary")


def run(at: ctypes.CDLL, name: str, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    getattr(at, f"{name}_{'f64' if x.dtype == np.float64 else 'f32'}")(
        ctypes.c_size_t(x.size), ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data)
    )
    return y


def inputs(name: str, n: int) -> np.ndarray:
    rng = np.random.default_rng(20261126)
    signs = rng.choice([-1.0, 1.0], n)
    tiny = np.exp(rng.uniform(-700, 0, n))
    if name in ("log", "log1p"):
        near = rng.uniform(-0.45, 0.6, n)
        inside = [np.exp(rng.uniform(-740, 709, n)), near + 1, 1 + signs * 1e-9 * tiny] if name == "log" else [
            np.exp(rng.uniform(-740, 709, n)), near, signs * tiny, -np.exp(-tiny * 40), rng.uniform(-1, 3, n)
        ]  # fmt: skip
        return np.concatenate([x[x > -1] for x in inside])
    low, high = {"exp": (-745, 709.7), "expm1": (-45, 709.7), "tanh": (-22, 22)}[name]
    return np.concatenate([rng.uniform(low, high, n), rng.uniform(-2, 2, n), signs * tiny])


def error(got: float, exact: mpf) -> float:
    """In units in the last place of the exact value; the smallest ones are those of subnormal numbers."""
    size = abs(exact)
    place = max(int(mp.floor(mp.log(size, 2))), -1022) if size else -1022
    return float(abs(mpf(got) - exact) / mpf(2) ** (place - 52))


@pytest.mark.parametrize("level", INSTRUCTIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_against_arbitrary_precision(name: str, level: str, folder: Path) -> None:
    if level not in levels():
        pytest.skip(f"this processor has no {level}")
    x = inputs(name, 4000 if WHOLE else 600)
    function: Callable[[mpf], mpf] = getattr(mp, name)
    with mp.workprec(150):
        worst = max(
            (error(float(y), function(mpf(float(v)))), float(v))
            for v, y in zip(x, run(library(level, "cc", folder), name, x), strict=True)
        )
    assert worst[0] <= BOUNDS[name][level == "baseline"], worst


@np.errstate(all="ignore")
@pytest.mark.parametrize("level", INSTRUCTIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_over_all_inputs(name: str, level: str, folder: Path) -> None:
    """At one bit pattern of 13 in CI, of 997 otherwise; against float64, whose error is no part of an ulp here."""
    if level not in levels():
        pytest.skip(f"this processor has no {level}")
    step, block = (13 if WHOLE and level != "baseline" else 997), 2**22
    for start in range(0, 2**32, block * step):
        bits = np.arange(start, min(start + block * step, 2**32), step, dtype=np.uint64).astype(np.uint32)
        x = bits.view(np.float32)
        y = run(library(level, "cc", folder), name, x).astype(np.float64)
        exact = getattr(np, name)(x.astype(np.float64))
        rounded = exact.astype(np.float32)
        assert np.array_equal(np.isnan(y), np.isnan(exact))
        finite = np.isfinite(rounded)
        assert np.array_equal(y[~finite], rounded[~finite], equal_nan=True)
        ulp = np.ldexp(1.0, np.maximum(np.frexp(exact[finite])[1] - 1, -126) - 23)
        off = np.abs(y[finite] - exact[finite]) / ulp
        assert off.max(initial=0) <= BOUNDS[name][level == "baseline"], x[finite][off.argmax()]


@np.errstate(all="ignore")
@pytest.mark.parametrize("precision", PRECISIONS, ids=lambda p: p.name)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(name: str, precision: Precision, folder: Path) -> None:
    """Zeros keep their signs, infinities and NaN are those of the C standard, nothing overflows early."""
    dtype = np.float64 if precision is FLOAT64 else np.float32
    x = np.array(SPECIAL).astype(dtype)
    exact = getattr(np, name)(x.astype(np.longdouble)).astype(dtype)
    for level in levels():
        y = run(library(level, "cc", folder), name, x)
        close = np.abs(y - exact) <= 4 * np.finfo(dtype).eps * np.abs(exact)
        same = (y == exact) & (np.signbit(y) == np.signbit(exact))
        assert (same | np.isnan(y) & np.isnan(exact) | close & (exact != 0)).all(), (level, x, y, exact)


def test_the_same_bits_on_every_processor_and_from_every_compiler(folder: Path) -> None:
    """Where multiply-add is fused; gcc and clang, 256 and 512 bits."""
    made = [library(level, "cc", folder) for level in levels()[1:]]
    if shutil.which("clang"):
        made += [library(level, "clang", folder) for level in levels()[1:]]
    if len(made) < 2:
        pytest.skip("one processor with a fused multiply-add, and one compiler")
    for name in FUNCTIONS:
        x = inputs(name, 20_000)
        with np.errstate(all="ignore"):
            single = x.astype(np.float32)
        for values in (x, single):
            results = [run(at, name, values) for at in made]
            assert all(np.array_equal(r.view(np.uint8), results[0].view(np.uint8)) for r in results), name


def test_the_coefficients_are_those_that_are_fitted() -> None:
    done = subprocess.run([sys.executable, "-m", "lossforge.codegen.minimax", "--check"], cwd=ROOT)
    assert done.returncode == 0
