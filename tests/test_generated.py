"""What was written down: fresh, the same in every process, free of warnings, and without a fault on any input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from extent import some

import lossforge as lf
from lossforge.cli.build import ROOT
from lossforge.codegen.build import artifacts, catalogue_artifacts, compare, drift, ledger, write
from lossforge.codegen.target import TargetError
from lossforge.codegen.targets import TARGETS
from lossforge.spec.catalog import CATALOG
from lossforge.spec.text import parse

GENERATED = ROOT / "generated"
STRICT = ["-std=c99", "-O3", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-fsyntax-only"]


def test_the_committed_files_are_fresh() -> None:
    known = ledger(CATALOG.values(), GENERATED)
    assert not drift(catalogue_artifacts(known.proofs), known, GENERATED)


@pytest.mark.parametrize("seed", some(["0", "4242"], 2))
def test_every_process_writes_the_same_bytes(seed: str) -> None:
    """A sixth of the catalogue for each seed, last first, against files that the test above holds against this one."""
    names = some(sorted(CATALOG)[("0", "4242").index(seed) :: 6], 8)
    program = (
        "import json; from lossforge.cli.build import GENERATED;"
        "from lossforge.codegen.build import KINDS, artifacts, ledger; from lossforge.spec.catalog import CATALOG;"
        "known = ledger(CATALOG.values(), GENERATED).proofs; targets = [kind for kind in KINDS if kind != 'facts'];"
        f"made = [a for n in {names[::-1]} for a in artifacts(CATALOG[n], targets=targets, proofs=known)];"
        "print(json.dumps([(str(a.path), a.text) for a in made]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    written = json.loads(done.stdout)
    assert len(written) >= 5 * len(names)
    for path, text in written:
        assert (GENERATED / path).read_text(encoding="utf-8") == text, path


def test_drift_is_named(tmp_path: Path) -> None:
    made = artifacts(CATALOG["huber"])
    write(made, tmp_path)
    assert not compare(made, tmp_path)
    (tmp_path / "c" / "huber.c").write_text("/* edited by hand */")
    (tmp_path / "numpy" / "huber.py").unlink()
    (tmp_path / "facts" / "left_over.json").write_text("{}")
    drift = compare(made, tmp_path)
    assert (drift.missing, drift.extra, drift.changed) == (
        ("numpy/huber.py",),
        ("facts/left_over.json",),
        ("c/huber.c",),
    )


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = artifacts(CATALOG["huber"])
    write(made, tmp_path)
    path = tmp_path / "c" / "huber.c"
    path.write_text("old")

    def fail(source: str, target: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write(made, tmp_path)
    assert path.read_text() == "old"
    assert {p.name for p in path.parent.iterdir()} == {"huber.c"}


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c_compiles_without_a_warning(compiler: str) -> None:
    if shutil.which(compiler) is None:
        if compiler == "gcc" or os.environ.get("CI"):
            pytest.fail(f"{compiler} is not installed, and the tests need it")
        pytest.skip("clang is not installed; the code is compiled by gcc only")
    subprocess.run([compiler, *STRICT, *map(str, sorted((GENERATED / "c").glob("*.c")))], check=True)


def test_hostile_names_and_titles_stay_text(tmp_path: Path) -> None:
    """Names that are words of C or Python, and titles that would end a comment."""
    parameters = dict.fromkeys(
        ("double", "lambda", "gamma", "y0", "exp_", "n", "K", "weight", "I", "delta", "np"), "(0, oo)"
    )
    if "lambda" in parameters:
        del parameters["lambda"]
    loss = parse(
        "r**2*double + abs(r)*gamma*y0 + exp_*n + log(1 + exp(r*K/weight))*I*delta + np*r",
        parameters=parameters, name="hostile", title='*/ int main(void) {} /* """ \\u0041 ??/',
    )  # fmt: skip
    values = dict(zip(parameters, (1.5, 0.5, 2.0, 0.25, 3.0, 1.0, 2.0, 0.5, 1.25, 0.75), strict=True))
    y, f = np.zeros(5), np.array([-2.0, -0.5, 0.0, 1.0, 30.0])
    for made in artifacts(loss):
        (tmp_path / made.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / made.path).write_text(made.text)
    subprocess.run(["cc", *STRICT, str(tmp_path / "c" / "hostile.c")], check=True)
    results = [lf.compile(loss, backend=b, **values).loss_gradient_hessian(y, f) for b in ("c", "numpy")]
    for c, n in zip(*results, strict=True):
        np.testing.assert_allclose(c, n, rtol=1e-14)


def test_what_a_target_cannot_say_is_refused() -> None:
    loss = parse("erf(r)*r", name="with_erf")
    with pytest.raises(TargetError, match="numpy has no erf"):
        artifacts(loss, targets=("numpy",))
    assert artifacts(loss, targets=("c",))
    assert set(TARGETS) == {"numpy", "c", "torch", "jax"}


EXTREME = [0.0, -0.0, 5e-324, -5e-324, 1e-300, 1e-20, 1.0, -1.0, 30.0, -30.0, 88.0, 104.0, 709.0, -709.0, 745.0, -746.0,
           1e4, -1e4, 1e38, -1e38, 1e154, 1e200, -1e200, 1.7976931348623157e308, -1.7976931348623157e308]  # fmt: skip
# Outputs whose exact value is beyond the largest float somewhere among these inputs.
GROWING = {"squared_error", "half_squared_error", "squared_hinge", "modified_huber", "exponential", "poisson_log_link"}
GROWING |= {"asymmetric_squared", "dead_zone", "expectile", "fair", "linex", "log2_logistic", "log_quantile",
            "power_error", "squared_epsilon_insensitive", "squared_margin", "squared_percentage_error",
            "tolerant"}  # fmt: skip


@pytest.mark.parametrize("backend", ["c", "numpy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name", some(sorted(n for n, loss in CATALOG.items() if len(loss.arguments) == 2 and not loss.size), 3)
)
def test_no_nan_for_any_finite_input(name: str, dtype: type[np.floating], backend: str) -> None:
    loss = CATALOG[name]
    function = lf.losses[name](backend=backend)
    with np.errstate(over="ignore"):
        f = np.array([v for v in EXTREME if np.isfinite(dtype(v))], dtype=dtype)
    if loss.predictions[0].domain.text == "[0, 1]":
        f = np.array([0.0, 5e-324, 1e-300, 1e-20, 0.25, 0.5, 0.75, 1 - 1e-7, 1.0]).astype(dtype)
    if loss.predictions[0].domain.text in ("(-1, oo)", "(0, oo)"):
        f = f[f > (-1 if loss.predictions[0].domain.text == "(-1, oo)" else 0)]
    y_domain = loss.targets[0].domain.text
    targets = {"{-1, 1}": (-1, 1), "{0, 1}": (0, 1), "[0, 1]": (0, 0.25, 1), "[0, oo)": (0, 1, 7), "(0, oo)": (1, 7)}
    targets = targets.get(y_domain, (0.0, 1.0))
    for y in targets:
        for output in function.loss_gradient_hessian(np.full_like(f, y), f):
            assert output.dtype == dtype
            assert not np.isnan(output).any(), (y, f[np.isnan(output)])
            if name not in GROWING and f.max() > 1 and loss.family in ("regression", "binary"):  # others grow as exp
                assert np.isfinite(output).all(), (y, f[~np.isfinite(output)])


@pytest.mark.parametrize("backend", ["c", "numpy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_has_no_nan_for_scores_of_any_size(dtype: type[np.floating], backend: str) -> None:
    loss = lf.losses.softmax_cross_entropy(backend=backend)
    sizes = (1e4, 1e30, float(np.finfo(dtype).max) / 4)
    rows = [[s, -s, 0.0] for s in sizes] + [[s, s, s] for s in sizes] + [[-s, -s, s / 2] for s in sizes]
    for labels in (0, 1, 2):
        f = np.array(rows, dtype=dtype)
        for output in loss.loss_gradient_hessian(np.full(len(rows), labels), f):
            assert np.isfinite(output).all()


def test_nan_in_nan_out() -> None:
    for name, loss in CATALOG.items():
        function = lf.losses[name]()
        nan = np.full((2, 3), np.nan) if loss.size is not None else np.full(2, np.nan)
        one = np.tile([1.0, 0, 0], (2, 1)) if loss.size is not None else np.ones(2)
        if len(loss.arguments) == 2:  # of several predictions, a mixed derivative may know itself to be 0
            for output in function.loss_gradient_hessian(one, nan):
                assert np.isnan(output).all(), name
