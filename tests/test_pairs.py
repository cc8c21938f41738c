"""Does arithmetic on pairs of doubles give twice the digits, and plain arithmetic where it cannot?"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extent import WHOLE, about
from mpmath import mp, mpf

from lossforge.codegen.doubleword import ORDERLY
from lossforge.codegen.elementary import PAIRS, closure, source
from lossforge.codegen.target import FLOAT64
from lossforge.runtime.native import FLAGS, INSTRUCTIONS, instructions

LEVELS = list(INSTRUCTIONS)[: list(INSTRUCTIONS).index(instructions()) + 1]
Operand = tuple[np.ndarray, np.ndarray]  # hi and lo


@dataclass(frozen=True)
class Case:
    """Its operands (p: a pair, d: a double), its exact value, log2 of the relative error that it may have."""

    operands: str
    exact: Callable[..., Any]
    bound: float


CASES = {
    "pair_of": Case("d", lambda a: a, -200), "pair_order": Case("p", lambda a: a, -200),
    "pair_neg": Case("p", lambda a: -a, -200),
    "pair_abs": Case("p", abs, -200),
    "pair_sum": Case("dd", lambda a, b: a + b, -200), "pair_diff": Case("dd", lambda a, b: a - b, -200),
    "pair_add_d": Case("pd", lambda a, b: a + b, -103), "pair_add": Case("pp", lambda a, b: a + b, -103),
    "pair_sub": Case("pp", lambda a, b: a - b, -103), "pair_prod": Case("dd", lambda a, b: a * b, -98),
    "pair_mul_d": Case("pd", lambda a, b: a * b, -98), "pair_mul": Case("pp", lambda a, b: a * b, -98),
    "pair_quot": Case("dd", lambda a, b: a / b, -98), "pair_div": Case("pp", lambda a, b: a / b, -98),
    "pair_sqrt": Case("p", mp.sqrt, -98), "pair_max": Case("pp", max, -200), "pair_min": Case("pp", min, -200),
    "pair_exp_short": Case("p", mp.exp, -57.2),
    "pair_exp_down": Case("p", mp.exp, -62), "pair_exp_down_short": Case("p", mp.exp, -57.2),
    "pair_log1p_unit": Case("p", mp.log1p, -62),
    "pair_exp": Case("p", mp.exp, -62), "pair_expm1": Case("p", mp.expm1, -62), "pair_log": Case("p", mp.log, -62),
    "pair_log1p": Case("p", mp.log1p, -62), "pair_tanh": Case("p", mp.tanh, -62), "pair_atan": Case("p", mp.atan, -62),
    "pair_pow": Case("pp", mp.power, -62), "pair_sinh": Case("p", mp.sinh, -62), "pair_cosh": Case("p", mp.cosh, -62),
    "pair_hypot": Case("pp", mp.hypot, -98),
}  # fmt: skip


# What is for a part of the numbers only.
NARROW = {"pair_exp_down": (-np.inf, 0.0), "pair_exp_down_short": (-np.inf, 0.0), "pair_log1p_unit": (5e-324, 1.0)}

# What says that its results are in order, and what asks its operands to be.
IN_ORDER = {"pair_of", "pair_sum", "pair_diff", "pair_prod", "pair_order", *(f"pair_{f}" for f in ORDERLY)}
ASKS_ORDER = {"pair_max", "pair_min", "pair_pow"}


def code(names: Iterable[str] = CASES) -> str:
    lines = [f"#include <{h}.h>" for h in ("math", "stddef", "stdint", "string")]
    lines.append(source(closure([*names, "pair_value", "pair_rounded", "pair_order"]), FLOAT64))
    for name in names:
        case = CASES[name]
        columns = [f"x{i}" for i in range(2 * len(case.operands))]
        halves = zip(case.operands, columns[::2], columns[1::2], strict=True)
        arguments = [f"(pair){{{h}[i], {low}[i]}}" if kind == "p" else f"{h}[i]" for kind, h, low in halves]
        parameters = ", ".join(["size_t n", *(f"const double *restrict {c}" for c in columns)])
        lines.append(
            f"void at_{name}({parameters}, double *restrict hi, double *restrict lo)\n{{\n"
            + "".join(f"    (void){c};\n" for c in columns)
            + f"    for (size_t i = 0; i < n; i++) {{\n        const pair made = {name}({', '.join(arguments)});\n"
            f"        hi[i] = {'pair_value' if name in IN_ORDER else 'pair_rounded'}(made);\n"
            "        lo[i] = pair_order(made).lo;\n    }\n}"
        )
    return "\n".join(lines) + "\n"


def build(text: str, level: str, compiler: str, folder: Path) -> ctypes.CDLL:
    path = folder / f"{compiler}-{level}.so"
    (folder / "pairs.c").write_text(text, encoding="utf-8")
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    command = [compiler, *FLAGS, *INSTRUCTIONS[level], *warnings, "pairs.c", "-o", str(path), "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(path))


@cache
def library(level: str, compiler: str, folder: Path) -> ctypes.CDLL:
    return build(code(), level, compiler, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


def run(at: ctypes.CDLL, name: str, operands: Sequence[Operand]) -> Operand:
    columns = [np.ascontiguousarray(c) for operand in operands for c in operand]
    out = np.empty_like(columns[0]), np.empty_like(columns[0])
    pointers = [ctypes.c_void_p(c.ctypes.data) for c in (*columns, *out)]
    getattr(at, f"at_{name}")(ctypes.c_size_t(columns[0].size), *pointers)
    return out


def operands(name: str, n: int) -> list[Operand]:
    """Hostile operands where results are neither huge nor tiny."""
    rng = np.random.default_rng(20261126)
    sign = rng.choice([-1.0, 1.0], n)
    tiny = np.exp(rng.uniform(-600, 0, n))
    close = rng.uniform(-1e-3, 1e-3, n)
    wide = np.exp(rng.uniform(-300, 300, n))
    heads: dict[str, list[list[np.ndarray]]] = {
        "pair_exp": [[rng.uniform(-600, 709.7, n), rng.uniform(-2, 2, n), sign * tiny, sign * np.log(2) / 2 + close]],
        "pair_log": [[np.exp(rng.uniform(-700, 709, n)), 1 + sign * 1e-9 * tiny, 1.5 + close, 0.75 + close,
                      rng.uniform(0.4, 2, n)]],
        "pair_log1p": [[np.exp(rng.uniform(-690, 709, n)), sign * tiny, 0.5 + close, -0.25 + close,
                        np.exp(-38 * tiny) * (2.0**-50 - 1), rng.uniform(-0.9, 2, n)]],
        "pair_tanh": [[rng.uniform(-25, 25, n), rng.uniform(-1, 1, n), sign * tiny]],
        "pair_sqrt": [[wide, np.exp(rng.uniform(-600, 700, n))]],
    }  # fmt: skip
    edges = rng.choice([0.171875, 0.375, 0.75, 1.0, 4 / 3, 8 / 3, 64 / 11], n)
    heads["pair_atan"] = [[sign * wide, sign * edges + close, rng.uniform(-1.5, 1.5, n)]]
    bases = np.concatenate([wide, 1.5 + close, 0.75 + close, 1 + 1e-9 * tiny + 1e-15, rng.uniform(0.1, 4, n)])
    heads["pair_pow"] = [[bases], [rng.uniform(-600, 600, 5 * n) / np.log(bases)]]
    heads["pair_sinh"] = heads["pair_cosh"] = [[rng.uniform(-710.4, 710.4, n), rng.uniform(-32, 32, n), sign * tiny]]
    heads["pair_exp_short"] = heads["pair_exp"]
    heads["pair_exp_down"] = heads["pair_exp_down_short"] = [
        [-np.minimum(np.abs(x), 600) for x in heads["pair_exp"][0]]
    ]
    heads["pair_log1p_unit"] = [[rng.uniform(0, 1, n), tiny, 0.5 + close, 1 - np.abs(close)]]
    heads["pair_expm1"] = [[np.maximum(x, -50) for x in heads["pair_exp"][0]]]
    if name in ("pair_add", "pair_add_d", "pair_sum"):  # of one sign: nothing cancels
        heads[name] = [[sign * wide], [sign * wide * np.exp(rng.uniform(-45, 45, n))]]
    if name in ("pair_sub", "pair_diff"):
        heads[name] = [[sign * wide], [-sign * wide * np.exp(rng.uniform(-45, 45, n))]]
    anything = [[sign * wide], [rng.choice([-1.0, 1.0], n) * np.exp(rng.uniform(-300, 300, n))]]
    found = []
    for kind, parts in zip(CASES[name].operands, heads.get(name, anything), strict=False):
        x = np.concatenate(parts)
        low = x * rng.uniform(-1, 1, x.size) * 2.0**-53 * rng.choice([1.0, 0.0, 2.0**-30], x.size, p=[0.8, 0.1, 0.1])
        high = x + low
        rest = low - (high - x)
        if name not in ASKS_ORDER:  # some with a few ulps in the second part
            loose = rng.random(x.size) < 0.3
            high, rest = np.where(loose, x, high), np.where(loose, 5 * low, rest)
        found.append((high, rest if kind == "p" else np.zeros_like(x)))
    return found


def worst(name: str, at: ctypes.CDLL, n: int) -> tuple[float, float]:
    """log2 of the largest relative error, and where."""
    given = operands(name, n)
    high, low = run(at, name, given)
    assert np.isfinite(high).all() and np.isfinite(low).all()
    assert (high + low == high).all()
    largest = mpf(0), 0.0
    with mp.workprec(400):
        exact = [[mpf(float(a)) + mpf(float(b)) for a, b in zip(*x, strict=True)] for x in given]
        for a, b, first, *x in zip(high, low, given[0][0], *exact, strict=True):
            true = CASES[name].exact(*x)
            off = abs(mpf(float(a)) + mpf(float(b)) - true)
            largest = max(largest, (off / abs(true) if off else off, float(first)))
        return float(mp.log(largest[0], 2)) if largest[0] else -np.inf, largest[1]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", CASES)
def test_relative_error_against_arbitrary_precision(name: str, level: str, folder: Path) -> None:
    largest = worst(name, library(level, "cc", folder), 1000 if WHOLE else 200)
    assert largest[0] <= CASES[name].bound, largest


def test_a_base_beside_1_is_not_1(folder: Path) -> None:
    """The power of 1 is 1, whatever the exponent; of 1 + 2**-60 it is not, though that is 1 in its first part."""
    base = np.array([1.0, 1.0, 1.0]), np.array([2.0**-54, -(2.0**-54), 0.0])
    exponent = np.array([-1000.0, 1000.0, np.inf]), np.zeros(3)
    high, low = run(library(LEVELS[-1], "cc", folder), "pair_pow", [base, exponent])
    assert high[2] == 1
    assert high[:2] + low[:2] == pytest.approx([1 - 1000 * 2.0**-54] * 2, rel=2.0**-53)
    assert (high[:2] < 1).all()


SPECIAL = [
    0.0, -0.0, 5e-324, -5e-324, 1e-310, 2.0**-1022, 1e-300, 1e-20, 0.3, -0.5, 1.0, -1.0, 1.5, -2.0, 3.0, 40.0, -60.0,
    709.79, -745.2, 1e20, 1e300, 1.7e308, -1.7e308, np.finfo(float).max, np.inf, -np.inf, np.nan,
]  # fmt: skip
# The plain operator of each function; hi is to be that, but for its last digit.
PLAIN: dict[str, Callable[..., np.ndarray]] = {
    "of": np.positive, "order": np.positive, "neg": np.negative, "abs": np.abs,
    "sum": np.add, "diff": np.subtract, "add": np.add, "add_d": np.add,
    "sub": np.subtract, "prod": np.multiply, "mul": np.multiply, "mul_d": np.multiply, "quot": np.divide,
    "div": np.divide, "sqrt": np.sqrt, "max": lambda a, b: np.where(a > b, a, b),
    "min": lambda a, b: np.where(a < b, a, b), "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
    "exp_short": np.exp, "exp_down": np.exp, "exp_down_short": np.exp, "log1p_unit": np.log1p, "tanh": np.tanh,
    "atan": np.arctan, "pow": np.power, "sinh": np.sinh, "cosh": np.cosh, "hypot": np.hypot,
}  # fmt: skip


def within(name: str, x: np.ndarray) -> np.ndarray:
    low, high = NARROW.get(name, (-np.inf, np.inf))
    return x[~((x < low) | (x > high))]


@np.errstate(all="ignore")
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("level", LEVELS)
def test_special_values_are_those_of_plain_arithmetic(level: str, compiler: str, folder: Path) -> None:
    """Also where lo is no number beside an infinite hi, as overflow leaves it; zeros keep their signs."""
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    at, x = library(level, compiler, folder), np.array(SPECIAL)
    assert {f"pair_{name}" for name in PLAIN} == set(CASES) == set(PAIRS) - {"pair_if", "pair_value", "pair_rounded"}
    for name, plain in PLAIN.items():
        kinds = CASES[f"pair_{name}"].operands
        grid = [a.ravel() for a in np.meshgrid(*[within(f"pair_{name}", x)] * len(kinds))]
        expected = plain(*grid)
        for odd in (0.0, np.nan, np.inf, -np.inf):
            given = [(a, np.where(np.isfinite(a), 0.0, odd)) for a in grid]
            high, _ = run(at, f"pair_{name}", given)
            exact = (high == expected) & (np.signbit(high) == np.signbit(expected))
            near = np.abs(high - expected) <= 3e-16 * np.abs(expected) + 5e-324
            right = exact | np.isnan(high) & np.isnan(expected) | near & (expected != 0)
            assert right.all(), (name, odd, [a[~right] for a in grid], high[~right], expected[~right])


def test_what_overflows_does_so_whatever_the_second_part(folder: Path) -> None:
    """Of a large argument, a second part as large as 1 is far less than half an ulp."""
    high = np.array([800.0, 3e21, 3e21, 1e300])
    for name in ("pair_exp", "pair_exp_short", "pair_expm1", "pair_sinh", "pair_cosh"):
        for low in (0.0, -0.29, 0.29, -0.99):
            made, _ = run(library(LEVELS[-1], "cc", folder), name, [(high, np.where(high > 1e20, low, 0.0))])
            assert (made == np.inf).all(), (name, low, made)


@np.errstate(all="ignore")
@pytest.mark.parametrize("name", CASES)
def test_any_bit_patterns(name: str, folder: Path) -> None:
    """hi is within a unit in the last place, or a step between subnormal numbers, of the plain operator."""
    rng = np.random.default_rng(7)
    n = about(200_000, 10)
    anything = [rng.integers(0, 2**64, n, dtype=np.uint64).view(float) for _ in CASES[name].operands]
    given = [(x, np.zeros(x.size)) for x in (within(name, a) for a in anything)]
    high, low = run(library(LEVELS[-1], "cc", folder), name, given)
    expected = PLAIN[name.removeprefix("pair_")](*(h for h, _ in given))
    assert np.array_equal(np.isnan(high), np.isnan(expected))
    same = (high == expected) | np.isnan(expected)
    near = np.abs(high - expected) <= 2.3e-16 * np.abs(expected) + 5e-324
    assert (same | near).all(), [h[~(same | near)] for h, _ in given]
    assert np.isfinite(low[np.isfinite(high)]).all()


def test_the_same_bits_from_gcc_and_clang(folder: Path) -> None:
    if not (shutil.which("gcc") and shutil.which("clang")) or len(LEVELS) < 2:
        pytest.skip("two compilers and a fused multiply-add are needed")
    for name in CASES:
        given = operands(name, 2000)
        results = [run(library(level, cc, folder), name, given) for level in LEVELS[1:] for cc in ("gcc", "clang")]
        assert all(np.array_equal(r, results[0]) for r in results), name


PLANTED = [  # in the text, instead of it, and a function that then misses its bound
    ("s.lo + (a.lo + b.lo)", "s.lo + (a.lo - b.lo)", "pair_add"),
    ("fused(a.hi, b.lo, fused(a.lo, b.hi", "fused(a.hi, b.lo, fused(a.lo, b.lo", "pair_mul"),
    ("+ (a.lo - h * b.lo)", "+ (a.lo + h * b.lo)", "pair_div"),
    ("(h > 0.0 ? 2.0 * h : 1.0)", "(h > 0.0 ? h : 1.0)", "pair_sqrt"),
    ("fused(rest, e, rest)", "rest", "pair_exp"),
    ("fused(scale, rest, lost)", "fused(scale, -rest, lost)", "pair_expm1"),
    (" - q * d_lo)", " + q * d_lo)", "pair_log"),
    ("((near - f) + e) + lo;", "((near - f) + e) - lo;", "pair_log1p"),
    (" + q * d_lo)", " - q * d_lo)", "pair_tanh"),
    ("f_lo) - q * under_lo", "f_lo) + q * under_lo", "pair_atan"),
    ("fused(2.0, s.lo, u.lo)", "u.lo", "pair_pow"),
]


@pytest.mark.parametrize(("old", "new", "name"), PLANTED, ids=[p[2] for p in PLANTED])
def test_a_planted_error_is_seen(old: str, new: str, name: str, tmp_path: Path) -> None:
    text = code([name])
    assert old in text
    at = build(text.replace(old, new), LEVELS[-1], "cc", tmp_path)
    assert worst(name, at, 100)[0] > CASES[name].bound


def test_loops_become_vector_code(folder: Path) -> None:
    """gcc says so of every loop; that of pair_of is a copy."""
    if not shutil.which("gcc") or len(LEVELS) < 2:
        pytest.skip("gcc and AVX2 are needed")
    (folder / "loops.c").write_text(code(), encoding="utf-8")
    command = ["gcc", *FLAGS, *INSTRUCTIONS["avx2"], "-fopt-info-vec", "loops.c", "-o", "loops.so", "-lm"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    assert done.stderr.count("loop vectorized using 32 byte vectors") >= len(CASES) - 1, done.stderr
