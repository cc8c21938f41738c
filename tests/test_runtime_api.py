"""Is a loss function a good citizen: found by name, documented, picklable, thread-safe, SymPy-free?"""

from __future__ import annotations

import copy
import inspect
import json
import os
import pickle
import pydoc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sample_artifacts import HUBER, SAMPLES

import lossforge
from lossforge.codegen.compile import available, bindings
from lossforge.runtime import ArtifactError, LossFunction, artifacts, catalog, doctor, native

ROOT = Path(__file__).resolve().parent


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> catalog.Catalogue:
    """A catalogue of the sample losses, in a folder like `generated/`."""
    for kind in ("numpy", "c", "facts"):
        (tmp_path / kind).mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("")
    losses = {}
    for name, sample in SAMPLES.items():
        facts = {**sample.facts, "name": name}
        (tmp_path / "numpy" / f"{name}.py").write_text(sample.numpy_source)
        (tmp_path / "c" / f"{name}.c").write_text(sample.c_source)
        (tmp_path / "facts" / f"{name}.json").write_text(json.dumps(facts))
        losses[name] = {k: facts[k] for k in ("title", "summary", "family")} | {"formula": facts["formula"]["text"]}
    (tmp_path / "facts" / "index.json").write_text(json.dumps({"schema": 1, "losses": losses}))
    monkeypatch.setattr(artifacts, "folder", lambda: tmp_path)
    monkeypatch.delenv("LOSSFORGE_BACKEND", raising=False)
    package = "lossforge.generated.numpy"
    import lossforge.generated.numpy as home

    monkeypatch.setattr(home, "__path__", [str(tmp_path / "numpy")])
    for name in SAMPLES:
        monkeypatch.delitem(sys.modules, f"{package}.{name}", raising=False)
    fresh = catalog.Catalogue()
    monkeypatch.setattr(catalog, "losses", fresh)
    for cached in (artifacts.index, artifacts.catalogue_facts):
        cached.cache_clear()
    yield fresh
    for name in SAMPLES:
        sys.modules.pop(f"{package}.{name}", None)
    for cached in (artifacts.index, artifacts.catalogue_facts):
        cached.cache_clear()


def test_catalogue(catalogue: catalog.Catalogue) -> None:
    assert dir(catalogue) == list(catalogue) == sorted(SAMPLES) and len(catalogue) == 4 and "huber" in catalogue
    for backend in ("c", "numpy"):
        huber = catalogue.huber(delta=1.5, backend=backend)
        assert repr(huber) == f"losses.huber(delta=1.5)  [{backend}]"
        assert huber.gradient(0.0, 5.0) == 1.5
    assert catalogue["pair"] is catalogue.pair
    with pytest.raises(AttributeError, match=r"the catalogue has no loss 'hubber'; did you mean 'huber'\?"):
        catalogue.hubber  # noqa: B018
    with pytest.raises(KeyError, match="no loss 'zzz'; the catalogue has 4 losses"):
        catalogue["zzz"]
    assert not hasattr(catalogue, "__wrapped__")


def test_parameters_go_by_name(catalogue: catalog.Catalogue) -> None:
    with pytest.raises(TypeError, match=r"by name, got 2; write lf\.losses\.huber\(delta=2\)"):
        catalogue.huber(2)
    with pytest.raises(TypeError, match=r"lf\.losses\.huber takes 1 parameter \(delta\), got 0\.0, 1\.5; data go to"):
        catalogue.huber(0.0, 1.5)
    with pytest.raises(ValueError, match=r"write lf\.losses\.pair\(s=\.\.\.\)"):
        catalogue.pair()


def test_help_shows_formula_parameters_and_references(catalogue: catalog.Catalogue) -> None:
    text = pydoc.plain(pydoc.render_doc(catalogue.huber))
    for part in ("huber(*, delta: float = 1, backend: str = 'auto', tier: str = 'accurate')",
                 "r**2/2 if abs(r) <= delta", "where r = f - y",
                 "delta: (0, oo), default 1", "y: target in (-oo, oo)", "Huber (1964)"):  # fmt: skip
        assert part in text
    assert inspect.signature(catalogue.pair).parameters["s"].default is inspect.Parameter.empty


def test_pickle_and_copy(catalogue: catalog.Catalogue) -> None:
    y, f = np.zeros(5), np.linspace(-3, 3, 5)
    for function in (catalogue.huber(delta=0.5), HUBER.function("numpy", delta=0.5), HUBER.function("c", delta=0.5)):
        for again in (pickle.loads(pickle.dumps(function)), copy.copy(function), copy.deepcopy(function)):
            assert repr(again) == repr(function) and again.parameters == {"delta": 0.5}
            np.testing.assert_array_equal(again.gradient(y, f), function.gradient(y, f))
    assert len(pickle.dumps(catalogue.huber())) < 300
    assert pickle.loads(pickle.dumps(catalogue.huber)) is catalogue.huber


def test_threads_agree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOSSFORGE_CACHE", str(tmp_path))
    function = HUBER.function("auto", delta=0.5)
    y, f = np.zeros(10_000), np.linspace(-3, 3, 10_000)
    expected = np.clip(f, -0.5, 0.5)
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(lambda _: function.gradient(y, f), range(64)):
            np.testing.assert_array_equal(result, expected)


def test_missing_and_broken_artifacts(catalogue: catalog.Catalogue, tmp_path: Path) -> None:
    (tmp_path / "numpy" / "huber.py").unlink()
    with pytest.raises(ArtifactError, match=r"numpy/huber.py is absent; run: lossforge build"):
        catalogue.huber(backend="numpy").loss(0.0, 1.0)
    (tmp_path / "c" / "pair.c").unlink()
    pair = catalogue.pair(s=1)
    assert pair.backend == "numpy" and "cannot read the generated file c/pair.c" in pair.backend_reason
    (tmp_path / "facts" / "softmax.json").write_text('{"schema": 2}')
    with pytest.raises(ArtifactError, match=r"softmax.json is not of schema 1"):
        catalogue.softmax  # noqa: B018
    broken = LossFunction.from_artifacts(HUBER.facts, "", "int x;", {}, "numpy")
    with pytest.raises(ArtifactError, match="NumPy code of huber has no function hessian"):
        broken.hessian(0.0, 1.0)
    with pytest.raises(ArtifactError, match="C code of huber has no function lossforge_huber_loss_f64"):
        LossFunction.from_artifacts(HUBER.facts, "", "int x;", {}, "c").loss(0.0, 1.0)


def test_inverse_link() -> None:
    for backend in ("c", "numpy"):
        f = np.array([1.0, -2.0])
        np.testing.assert_array_equal(SAMPLES["huber"].function(backend).inverse_link(f), f * f)
        scores = np.array([[1.0, 2.0]])
        identity = SAMPLES["gaussian"].function(backend).inverse_link(scores)
        np.testing.assert_array_equal(identity, scores)
        assert not np.may_share_memory(identity, scores)
        out = np.empty((1, 2))
        assert SAMPLES["softmax"].function(backend).inverse_link(scores, out=out) is out
        np.testing.assert_allclose(out.sum(), 1)


def test_doctor(catalogue: catalog.Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOSSFORGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LOSSFORGE_BACKEND", raising=False)
    report = doctor.report()
    assert json.loads(json.dumps(report)) == report
    assert report["healthy"] and report["backend"] == "c" and report["self_test"] == {"loss": "huber", "agree": True}
    assert report["cache"] == doctor._cache() and report["advice"] == []
    assert any("C and NumPy agree" in line for line in doctor.lines(report))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LOSSFORGE_CACHE", str(tmp_path / "c" / "huber.c" / "x"))
    report = doctor.report()
    assert not report["healthy"] and report["backend"] == "numpy" and report["self_test"]["agree"] is None
    text = "\n".join(doctor.lines(report))
    assert "Results are right but slower" in text and "Install gcc or clang" in text
    assert "Each process compiles anew" in text


def test_doctor_sees_a_disagreement(catalogue: catalog.Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "c" / "huber.c"
    path.write_text(path.read_text().replace("/2 :", "/3 :"))
    report = doctor.report()
    assert report["self_test"]["agree"] is False and not report["healthy"]
    assert any("C and NumPy disagree" in line for line in report["advice"])


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("sympy", "mpmath", "jinja2", "click", "rich"):
            raise ImportError(f"{name} must not be imported at run time")
sys.meta_path.insert(0, Block())
from sample_artifacts import HUBER, SOFTMAX
import lossforge as lf
import lossforge.runtime.doctor
assert HUBER.function(BACKEND).loss_gradient_hessian([0.0], [1.0], sample_weight=[2.0])[0] == 1
assert SOFTMAX.function(BACKEND).loss([0], [[0.0, 0.0]])[0] > 0
dir(lf), lf.__version__, lf.losses, list(lf.losses), lf.derive
import lossforge.derive
assert callable(lf.derive) and lf.derive is lossforge.derive
unwanted = ("sympy", "lossforge.spec", "lossforge.codegen", "lossforge.verify")
assert not [m for m in sys.modules if m.startswith(unwanted)]
"""


@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_evaluation_needs_numpy_alone(backend: str) -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT.parent / "src"), *sys.path])
    program = BLOCKED.replace("BACKEND", repr(backend))
    subprocess.run([sys.executable, "-W", "error", "-c", program], env={**os.environ, "PYTHONPATH": path}, check=True)


def test_names_of_the_package() -> None:
    assert lossforge.__version__ == "0.1.0"
    assert set(dir(lossforge)) >= {"losses", "derive", "parse", "compile", "load", "loss", "combine"}
    with pytest.raises(AttributeError, match="has no attribute 'losess'"):
        lossforge.losess  # noqa: B018


@pytest.mark.parametrize("use", ["compile", "derive", "check", "combine"])
def test_what_is_no_loss_is_answered_with_what_to_pass(use: str) -> None:
    def call(given: object) -> None:
        getattr(lossforge, use)({"a": given} if use == "combine" else given)

    for given, advice in [
        ("r**2", r"got 'r\*\*2'; of a formula, pass lf\.parse\('r\*\*2'\)"),
        (HUBER.function("numpy"), r'got the compiled function huber; .* lf\.catalog\["huber"\]'),
        (lossforge.losses.huber, r'got lf\.losses\.huber; pass lf\.catalog\["huber"\]'),
        (3, "got a value of type int; pass one such as lf.parse"),
    ]:
        with pytest.raises(TypeError, match=rf"lf\.{use}.* takes a Loss, {advice}"):
            call(given)
    with pytest.raises(TypeError, match=r"lf\.combine takes a mapping of outputs to losses, got list"):
        lossforge.combine([lossforge.catalog["huber"]])  # type: ignore[arg-type]


def test_the_catalogues_formulas_have_a_name() -> None:
    assert set(lossforge.catalog) == set(lossforge.losses)
    assert lossforge.derive(lossforge.catalog["squared_error"]).hessian == 2
    assert {"catalog", "check"} <= set(lossforge.__all__)


@pytest.mark.parametrize("formula", [None, "d*r**2/2"])
def test_a_loss_is_checked_from_python(formula: str | None) -> None:
    loss = lossforge.parse(formula, {"d": "[1, 2]"}) if formula else lossforge.catalog["huber"]
    report = lossforge.check(loss, n=100)
    assert {row.backend for row in report.rows} == set(available())
    assert report.loss == loss.name
    assert {row.backend for row in lossforge.check(loss, n=100, backends=["numpy"]).rows} == {"numpy"}


def test_without_a_compiler_numpy_is_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert list(bindings(lossforge.catalog["huber"])) == ["numpy"]


def test_tests_leave_the_users_cache_alone() -> None:
    assert native.cache_folder() != Path.home() / ".cache" / "lossforge"
