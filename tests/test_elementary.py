"""Are the elementary functions that C brings along exact to less than an ulp, and the same on every processor?"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from extent import WHOLE
from mpmath import mp, mpf

from lossforge.cli.build import ROOT
from lossforge.codegen.elementary import NEEDS, closure, source
from lossforge.codegen.target import FLOAT32, FLOAT64, Precision
from lossforge.runtime.native import FLAGS, INSTRUCTIONS, instructions

PRECISIONS: tuple[Precision, ...] = (FLOAT64, FLOAT32)
# Units in the last place; without a fused multiply-add the second number. Subnormal results are rounded twice.
BOUNDS = {
    "exp_v": (0.8, 0.8), "expm1_v": (0.8, 1.1), "log_v": (0.7, 0.8), "log1p_v": (0.7, 0.8), "tanh_v": (0.8, 1.5),
    "atan_v": (0.6, 1.0), "exp_fast": (1.5, 1.5), "expm1_fast": (1.8, 1.8), "log_fast": (1.2, 1.2),
    "log1p_fast": (1.2, 1.2), "exp_down_v": (0.8, 0.8), "exp_down_fast": (1.5, 1.5), "log1p_unit_v": (0.7, 0.8),
    "log1p_unit_fast": (1.2, 1.2), "tanh_fast": (2.3, 2.3), "atan_fast": (2.0, 2.0),
}  # fmt: skip
NARROW = {"exp_down": (-np.inf, 0.0), "log1p_unit": (0.0, 1.0)}
POWERS = {"pow_v": 1.0, "pow_fast": 1.6}
SPECIAL = [
    0.0, -0.0, np.inf, -np.inf, np.nan, -1.0, -2.0, 1.0, 0.5, 0.75, 1.5, 1e308, 2.6e38, 3.3e38, -3.3e38, 1.2e308,
    5e-324, -5e-324, 1e-45, 1e-310, 2.2250738585072014e-308, 1.1754944e-38, 709.78, 709.9, 88.72, 88.9, -745.2, -103.98,
    -800.0,
]  # fmt: skip


LEVELS = [*INSTRUCTIONS][: [*INSTRUCTIONS].index(instructions()) + 1]


def code(names: Sequence[str], precisions: Sequence[Precision] = PRECISIONS) -> str:
    """A loop for each name in each precision."""
    lines = [f"#include <{h}.h>" for h in ("math", "stddef", "stdint", "string")]
    wanted = closure(name.removesuffix("_v") for name in names)
    for p in precisions:
        t, s = p.c_type, p.function_suffix
        lines.append(source(wanted, p))
        for name in names:
            arguments = ("x", "a") if name in POWERS else ("x",)
            parameters = ", ".join(f"const {t} *restrict {a}" for a in arguments)
            call = f"{name}{s}({', '.join(f'{a}[i]' for a in arguments)})"
            lines.append(
                f"void {name}_{p.name}(size_t n, {parameters}, {t} *restrict y)\n"
                f"{{\n    for (size_t i = 0; i < n; i++)\n        y[i] = {call};\n}}"
            )
    return "\n".join(lines) + "\n"


def build(text: str, level: str, compiler: str, folder: Path) -> ctypes.CDLL:
    path = folder / f"{compiler}-{level}.so"
    (folder / "elementary.c").write_text(text, encoding="utf-8")
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    command = [compiler, *FLAGS, *INSTRUCTIONS[level], *warnings, "elementary.c", "-o", str(path), "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(path))


@cache
def library(level: str, compiler: str, folder: Path) -> ctypes.CDLL:
    return build(code([*BOUNDS, *POWERS]), level, compiler, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elementary")


def run(at: ctypes.CDLL, name: str, *x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x[0])
    pointers = [ctypes.c_void_p(v.ctypes.data) for v in (*x, y)]
    getattr(at, f"{name}_{'f64' if y.dtype == np.float64 else 'f32'}")(ctypes.c_size_t(y.size), *pointers)
    return y


def plain(name: str) -> str:
    """The function that a name computes."""
    return name.partition("_")[0]


def within(name: str, x: np.ndarray) -> np.ndarray:
    """What a function is for; NaN is for all, -0.0 for none that begins at 0."""
    low, high = NARROW.get(name.rpartition("_")[0], (-np.inf, np.inf))
    return x[~((x < low) | (x > high) | (low == 0) & (x == 0) & np.signbit(x))]


def inputs(name: str, n: int) -> np.ndarray:
    return within(name, anywhere(plain(name), n))


def anywhere(name: str, n: int) -> np.ndarray:
    rng = np.random.default_rng(20261126)
    signs = rng.choice([-1.0, 1.0], n)
    tiny = np.exp(rng.uniform(-700, 0, n))
    if name in ("log", "log1p"):
        near = rng.uniform(-0.45, 0.6, n)
        inside = [np.exp(rng.uniform(-740, 709, n)), near + 1, 1 + signs * 1e-9 * tiny] if name == "log" else [
            np.exp(rng.uniform(-740, 709, n)), near, signs * tiny, -np.exp(-tiny * 40), rng.uniform(-1, 3, n)
        ]  # fmt: skip
        return np.concatenate([x[x > -1] for x in inside])
    if name == "atan":
        near = rng.uniform(-0.01, 0.01, n)
        edges = rng.choice([0.171875, 0.375, 0.75, 1.0, 4 / 3, 8 / 3, 64 / 11], n)
        return np.concatenate(
            [signs * np.exp(rng.uniform(-740, 709, n)), signs * edges + near, signs / tiny, near * 300]
        )
    low, high = {"exp": (-745, 709.7), "expm1": (-45, 709.7), "tanh": (-22, 22)}[name]
    return np.concatenate([rng.uniform(low, high, n), rng.uniform(-2, 2, n), signs * tiny])


def error(got: float, exact: mpf) -> float:
    """In units in the last place of the exact value; the smallest ones are those of subnormal numbers."""
    size = abs(exact)
    place = max(int(mp.floor(mp.log(size, 2))), -1022) if size else -1022
    return float(abs(mpf(got) - exact) / mpf(2) ** (place - 52))


def worst(at: ctypes.CDLL, name: str, n: int) -> tuple[float, ...]:
    """The largest error in float64, and where; infinity is right only where the exact value is beyond all numbers."""
    x = powers(n) if name in POWERS else (inputs(name, n),)
    function: Callable[..., mpf] = getattr(mp, {"pow": "power"}.get(plain(name), plain(name)))
    with mp.workprec(160):
        exact = [function(*(mpf(float(v)) for v in at)) for at in zip(*x, strict=True)]
        found = zip(run(at, name, *x), exact, zip(*x, strict=True), strict=True)
        errors = [(error(float(y), e) if np.isfinite(y) else float(e < mpf(2) ** 1023.9), *x) for y, e, x in found]
    return max(tuple(float(v) for v in e) for e in errors)


@pytest.mark.parametrize("level", INSTRUCTIONS)
@pytest.mark.parametrize("name", BOUNDS)
def test_float64_against_arbitrary_precision(name: str, level: str, folder: Path) -> None:
    if level not in LEVELS:
        pytest.skip(f"this processor has no {level}")
    largest = worst(library(level, "cc", folder), name, 1500 if WHOLE else 400)
    assert largest[0] <= BOUNDS[name][level == "baseline"], largest


@np.errstate(all="ignore")
@pytest.mark.parametrize("level", INSTRUCTIONS)
@pytest.mark.parametrize("name", BOUNDS)
def test_float32_over_all_inputs(name: str, level: str, folder: Path) -> None:
    """At one bit pattern of 13 in CI, of 997 otherwise; against float64, whose error is no part of an ulp here."""
    if level not in LEVELS:
        pytest.skip(f"this processor has no {level}")
    step, block = (61 if WHOLE and level != "baseline" else 997), 2**22
    for start in range(0, 2**32, block * step):
        bits = np.arange(start, min(start + block * step, 2**32), step, dtype=np.uint64).astype(np.uint32)
        x = within(name, bits.view(np.float32))
        y = run(library(level, "cc", folder), name, x).astype(np.float64)
        exact = getattr(np, plain(name))(x.astype(np.float64))
        rounded = exact.astype(np.float32)
        assert np.array_equal(np.isnan(y), np.isnan(exact))
        finite = np.isfinite(rounded)
        assert np.array_equal(y[~finite], rounded[~finite], equal_nan=True)
        ulp = np.ldexp(1.0, np.maximum(np.frexp(exact[finite])[1] - 1, -126) - 23)
        off = np.abs(y[finite] - exact[finite]) / ulp
        assert off.max(initial=0) <= BOUNDS[name][level == "baseline"], x[finite][off.argmax()]


@np.errstate(all="ignore")
@pytest.mark.parametrize("precision", PRECISIONS, ids=lambda p: p.name)
@pytest.mark.parametrize("name", BOUNDS)
def test_special_values(name: str, precision: Precision, folder: Path) -> None:
    """Zeros keep their signs, infinities and NaN are those of the C standard, nothing overflows early."""
    dtype = np.float64 if precision is FLOAT64 else np.float32
    x = within(name, np.array(SPECIAL).astype(dtype))
    exact = getattr(np, plain(name))(x.astype(np.longdouble)).astype(dtype)
    for level in LEVELS:
        y = run(library(level, "cc", folder), name, x)
        close = np.abs(y - exact) <= 4 * np.finfo(dtype).eps * np.abs(exact)
        same = (y == exact) & (np.signbit(y) == np.signbit(exact))
        assert (same | np.isnan(y) & np.isnan(exact) | close & (exact != 0)).all(), (level, x, y, exact)


def test_the_same_bits_on_every_processor_and_from_every_compiler(folder: Path) -> None:
    """Where multiply-add is fused; gcc and clang, 256 and 512 bits."""
    made = [library(level, "cc", folder) for level in LEVELS[1:]]
    if shutil.which("clang"):
        made += [library(level, "clang", folder) for level in LEVELS[1:]]
    if len(made) < 2:
        pytest.skip("one processor with a fused multiply-add, and one compiler")
    for name in BOUNDS:
        x = inputs(name, 5_000)
        with np.errstate(all="ignore"):
            single = x.astype(np.float32)
        for values in (x, single):
            results = [run(at, name, values) for at in made]
            assert all(np.array_equal(r.view(np.uint8), results[0].view(np.uint8)) for r in results), name
    for name in POWERS:
        results = [run(at, name, *powers(1000)) for at in made]
        assert all(np.array_equal(r, results[0]) for r in results), name


def powers(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Bases and exponents whose powers are neither 0 nor infinite: near 1, small, subnormal, with huge exponents."""
    rng = np.random.default_rng(3)
    wide = np.exp(rng.uniform(-744, 709, n))
    bases = [
        wide,
        1 + rng.uniform(-1e-2, 1e-2, n),
        1 + rng.choice([-1, 1], n) * wide**0.05 * 1e-16,
        rng.uniform(0, 4, n),
    ]
    x = np.concatenate(bases)
    logs = np.concatenate([rng.uniform(-745, 709.7, 3 * n), rng.uniform(-5, 5, n)])
    with np.errstate(all="ignore"):
        a = logs / np.log(x)
    return x[np.isfinite(a)], a[np.isfinite(a)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", POWERS)
def test_powers_against_arbitrary_precision(name: str, level: str, folder: Path) -> None:
    largest = worst(library(level, "cc", folder), name, 1000 if WHOLE else 300)
    assert largest[0] <= POWERS[name], largest


PLANTED = [  # in the text, instead of it, and a function that then misses its bound
    ("const double e = fused(r2,", "const double e = fused(r2 + 0x1p-50,", "exp_fast"),
    ("fused(rest, e + low, rest + low)", "fused(rest, e, rest + low)", "pow_v"),
    ("rest + at_lo", "rest - at_lo", "atan_v"),
    ("scale + 0.5", "scale + 0x1.0000000000004p-1", "tanh_fast"),
    ("large ? 1.0 : 0.0", "large ? 1.0000000000000004 : 0.0", "log1p_unit_v"),
]


@pytest.mark.parametrize(("old", "new", "name"), PLANTED, ids=[p[2] for p in PLANTED])
def test_a_planted_error_is_seen(old: str, new: str, name: str, tmp_path: Path) -> None:
    text = code([name], [FLOAT64])
    assert old in text
    bound = POWERS[name] if name in POWERS else BOUNDS[name][0]
    assert worst(build(text.replace(old, new), LEVELS[-1], "cc", tmp_path), name, 200)[0] > bound


@np.errstate(all="ignore")
@pytest.mark.parametrize("name", POWERS)
def test_powers_of_float32(name: str, folder: Path) -> None:
    """Any bit patterns, and results in range; against float64, whose error is no part of an ulp here."""
    rng, n = np.random.default_rng(4), 4_000_000 if WHOLE else 400_000
    x = rng.integers(0, 2**32, n, dtype=np.uint64).astype(np.uint32).view(np.float32)
    a = (rng.uniform(-110, 95, n) / np.log(np.abs(x.astype(float)))).astype(np.float32)
    a[::8] = rng.integers(0, 2**32, n, dtype=np.uint64).astype(np.uint32).view(np.float32)[::8]
    a[1::4] = np.rint(a[1::4])
    exact = np.power(x.astype(float), a.astype(float))
    rounded = exact.astype(np.float32)
    for level in LEVELS:
        y = run(library(level, "cc", folder), name, x, a).astype(float)
        finite = np.isfinite(rounded)
        assert np.array_equal(y[~finite], rounded[~finite], equal_nan=True)
        ulp = np.ldexp(1.0, np.maximum(np.frexp(exact[finite])[1] - 1, -126) - 23)
        off = np.abs(y[finite] - exact[finite]) / ulp
        assert off.max() <= 0.6, (x[finite][off.argmax()], a[finite][off.argmax()])


@np.errstate(all="ignore")
@pytest.mark.parametrize("precision", PRECISIONS, ids=lambda p: p.name)
@pytest.mark.parametrize("name", POWERS)
def test_special_powers(name: str, precision: Precision, folder: Path) -> None:
    """As the C library's: zeros, ones, infinities, NaN, and negative bases with any exponents."""
    dtype = np.float64 if precision is FLOAT64 else np.float32
    more = [2.0, 3.0, -3.0, 0.25, -0.5, 1e6, 1e6 + 1, 2.0**53, 2.0**53 - 1, 2.0**52 + 1, 2.0**24 - 1, 4.0**30, -1e300]
    grid = np.meshgrid(*[np.array([*SPECIAL, *more]).astype(dtype)] * 2)
    x, a = (np.ascontiguousarray(g.ravel()) for g in grid)
    expected = np.power(x.astype(float), a.astype(float)).astype(dtype)
    for level in LEVELS:
        y = run(library(level, "cc", folder), name, x, a)
        near = np.abs(y - expected) <= 2 * np.finfo(dtype).eps * np.abs(expected) + np.finfo(dtype).smallest_subnormal
        same = (y == expected) & (np.signbit(y) == np.signbit(expected))
        right = (
            same | np.isnan(y) & np.isnan(expected) | near & (expected != 0) & (np.signbit(y) == np.signbit(expected))
        )
        assert right.all(), (level, x[~right], a[~right], y[~right], expected[~right])


def test_every_function_brings_along_what_it_stands_on(tmp_path: Path) -> None:
    command = ["cc", "-std=c99", "-fsyntax-only", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    for name in NEEDS:
        headers = [f"#include <{h}.h>" for h in ("math", "stdint", "string")]
        text = "\n".join([*headers, *(source(closure([name]), p) for p in PRECISIONS), "extern int unused;\n"])
        (tmp_path / f"{name}.c").write_text(text, encoding="utf-8")
    subprocess.run([*command, *(f"{name}.c" for name in NEEDS)], cwd=tmp_path, check=True)


def test_loops_become_vector_code(folder: Path) -> None:
    """gcc says so of every loop, and clang of as many."""
    if len(LEVELS) < 2:
        pytest.skip("AVX2 is needed")
    (folder / "loops.c").write_text(code([*BOUNDS, *POWERS]), encoding="utf-8")
    remarks = {
        "gcc": ("-fopt-info-vec", r"loops.c:(\d+):\d+: optimized: loop vectorized using 32"),
        "clang": ("-Rpass=loop-vectorize", r"loops.c:(\d+):\d+: remark: vectorized loop"),
    }
    for compiler, (flag, remark) in remarks.items():
        if shutil.which(compiler):
            command = [compiler, *FLAGS, *INSTRUCTIONS["avx2"], flag, "loops.c", "-o", "loops.so", "-lm"]
            said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stderr
            # In float the fast and the accurate arc tangent are one function, and the powers are.
            assert len(set(re.findall(remark, said))) >= 2 * len(BOUNDS) + 2 * len(POWERS) - 2, (compiler, said)


def test_the_coefficients_are_those_that_are_fitted() -> None:
    done = subprocess.run([sys.executable, "-m", "lossforge.codegen.minimax", "--check"], cwd=ROOT)
    assert done.returncode == 0
