"""Does a file that `build --target` wrote train where no lossforge is, as the objective that it was made from?"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import optional
from training import REAL, TARGETS, TRAIN

import lossforge as lf
from lossforge.cli.main import lossforge
from lossforge.cli.vendor import TENSORS
from lossforge.codegen.target import TargetError
from lossforge.codegen.vendor import CARRIED, Module, imports, literal, one_namespace
from lossforge.runtime import DomainViolation, ParameterError
from lossforge.runtime.objectives import LIBRARIES, objective

ROOT = Path(__file__).resolve().parent.parent
# Loss -> what is said on the command line, and the same in Python.
LOSSES: dict[str, tuple[list[str], str | None, dict[str, Any]]] = {
    "pseudo_huber": (["--set", "delta=2", "--curvature", "majorizer"], "majorizer", {"delta": 2}),
    "logistic": ([], None, {}),
    "poisson_log_link": (["--curvature", "floored(1e-3)"], "floored(1e-3)", {}),
    "softmax_cross_entropy": ([], None, {}),
}


def build(*arguments: str | Path) -> Result:
    return CliRunner().invoke(lossforge, ["build", *map(str, arguments)])


def load(path: Path) -> ModuleType:
    """A file as a module of its own name, as a project would import it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("library", TRAIN)
def test_trains_without_lossforge(library: str, tmp_path: Path) -> None:
    """Each file is imported in a process that can import neither lossforge nor SymPy, pickled there, and trained."""
    optional(library, "python3 -m pip install -e '.[libraries]'")
    for name, (said, _, _) in LOSSES.items():
        done = build(name, "--target", library, *said, "--out", tmp_path)
        assert done.exit_code == 0, done.output
    program, results = ROOT / "tests" / "training.py", tmp_path / "results.npz"
    done_ = subprocess.run(
        [sys.executable, "-I", "-W", "error::RuntimeWarning", program, tmp_path, library, results],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done_.returncode == 0, done_.stderr
    with np.load(results) as archive:
        found = dict(archive)
    for name, (_, curvature, parameters) in LOSSES.items():
        loss = lf.losses[name](backend="numpy", **parameters)

        def make(loss: Any = loss, curvature: str | None = curvature, **options: Any) -> Any:
            return objective(loss, library, curvature, **options)

        expected = TRAIN[library](make, TARGETS.get(name, REAL))
        assert np.ptp(expected) > 0.1
        np.testing.assert_array_equal(found[name], expected, err_msg=name)


@pytest.mark.parametrize("name", list(lf.losses))
def test_plain_losses_are_loss_functions(name: str, tmp_path: Path) -> None:
    """The carried class over the carried kernels answers as the loss function does, bit by bit."""
    said = [f"--set={n}={p['default']}" for n, p in lf.losses[name]().facts["parameters"].items()]
    assert build(name, "--target", "scipy", *said, "--out", tmp_path).exit_code == 0
    module = load(tmp_path / f"{name}_scipy.py")
    plain, function = module.Loss(**lf.losses[name]().parameters), lf.losses[name](backend="numpy")
    y, f = points(function)
    for method in ("loss", "gradient", "hessian"):
        np.testing.assert_array_equal(getattr(plain, method)(y, f), getattr(function, method)(y, f), err_msg=method)
    for method in ("loss_gradient", "gradient_hessian"):
        for mine, its in zip(getattr(plain, method)(y, f), getattr(function, method)(y, f), strict=True):
            np.testing.assert_array_equal(mine, its, err_msg=method)
    for curvature, known in function.facts["curvatures"].items():
        if "formula" in known:
            mine, its = plain.gradient_curvature(curvature, y, f)[1], function.curvature(curvature, y, f)
            np.testing.assert_array_equal(mine, its, err_msg=curvature)
    np.testing.assert_array_equal(plain.inverse_link(f), function.inverse_link(f))
    if function.facts["link"]:
        assert plain.link(0.25) == function.link(0.25)
    assert np.isnan(plain.loss(y, np.where(np.arange(len(f)) == 1, np.nan, f.T).T)[1])


def points(function: lf.LossFunction) -> tuple[Any, Any]:
    """Targets and predictions within the domains of a loss."""
    rng = np.random.default_rng(0)

    def inside(domain: str) -> Any:
        x = rng.uniform(0.05, 0.95, 50)
        if domain.startswith("{"):
            return rng.choice([float(v) for v in domain.strip("{}").split(", ")], 50)
        if "1" not in domain:
            return 4 * x - (2 if domain.startswith("(-oo") else 0)
        return x + 1 if domain.startswith("(1") else x

    of = function.facts["arguments"].values()
    if function.facts["size"]:
        f = rng.dirichlet(np.ones(4), 50)
        return (rng.integers(0, 4, 50), 3 * f) if function.name == "softmax_cross_entropy" else (f[::-1], f)
    y = np.stack([inside(a["domain"]) for a in of if a["role"] == "target"], axis=-1)
    f = np.stack([inside(a["domain"]) for a in of if a["role"] == "prediction"], axis=-1)
    if y.shape[1] == 2:  # the ends of an interval
        y = np.sort(y, axis=1)
    return y.squeeze(), f.squeeze()


def test_what_the_file_refuses(tmp_path: Path) -> None:
    assert build("poisson_log_link", "--target", "scipy", "--out", tmp_path / "counts.py").exit_code == 0
    assert build("huber", "--target", "scipy", "--curvature", "majorizer", "--out", tmp_path).exit_code == 0
    counts, huber = load(tmp_path / "counts.py"), load(tmp_path / "huber_scipy.py")
    with pytest.raises(counts.DomainViolation, match=r"the target y in row 1 is -1\.0, outside its domain"):
        counts.Loss().loss(np.array([1.0, -1.0]), np.zeros(2))
    with pytest.raises(huber.ParameterError, match=r"huber: delta=-1 lies outside its domain \(0, oo\)"):
        huber.objective(delta=-1, X=np.eye(2), y=[0, 1])
    with pytest.raises(TypeError, match="unexpected keyword argument 'dleta'"):
        huber.objective(dleta=1, X=np.eye(2), y=[0, 1])
    assert not issubclass(counts.DomainViolation, DomainViolation) and not issubclass(
        huber.ParameterError, ParameterError
    )
    assert str(huber.objective(X=np.eye(2), y=[0, 1]).curvature) == "majorizer"


def test_a_loss_of_ones_own(tmp_path: Path) -> None:
    formula, domain = "c**2*(sqrt(1 + (r/c)**2) - 1)", "c=(0, oo)"
    done = build(formula, "-p", domain, "--target", "scipy", "--set", "c=1.5", "--out", tmp_path / "mine.py")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "mine.py").read_text()
    assert "lossforge build 'c**2*(sqrt(1 + (r/c)**2) - 1)' '-pc=(0, oo)' --target scipy --set=c=1.5" in text
    mine = load(tmp_path / "mine.py").objective(X=np.eye(3), y=[1.0, 2.0, 3.0])
    of_catalogue = objective("pseudo_huber", "scipy", delta=1.5, X=np.eye(3), y=[1.0, 2.0, 3.0])
    theta = np.array([0.1, -0.2, 0.3, 0.4])
    np.testing.assert_allclose(mine.fun(theta)[1], of_catalogue.fun(theta)[1], rtol=1e-14)
    assert "majorizer" in mine.loss.facts["curvatures"]


def test_check_says_whether_the_file_is_up_to_date(tmp_path: Path) -> None:
    said = ["huber", "--target", "sklearn", "--out", tmp_path / "loss.py"]
    assert build(*said, "--check").exit_code == 1 and "missing" in build(*said, "--check").output
    assert build(*said).exit_code == 0
    assert build(*said, "--check").exit_code == 0
    text = (tmp_path / "loss.py").read_text()
    (tmp_path / "loss.py").write_text(text.replace("0.5", "0.6", 1))
    done = build(*said, "--check")
    assert done.exit_code == 1 and "changed" in done.output
    assert "mend it with: lossforge build huber --target sklearn --out" in done.output
    (tmp_path / "loss.py").write_text(text)
    assert build(*said, "--check", "--set", "delta=2").exit_code == 1


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["huber", "--target", "xgbost"], "there is no target 'xgbost'. Did you mean xgboost?"),
        (["huber", "--target", "spark"], f"Known targets: {', '.join(LIBRARIES)}."),
        (["huber", "--target", "scipy", "--curvature", "fisher"], "huber has no curvature 'fisher'"),
        (["huber", "--target", "scipy", "--curvature", "exakt"], "curvature is 'exakt'; expected one of exact"),
        (["huber", "--target", "scipy", "--set", "dleta=2"], "did you mean 'delta'?"),
        (["huber", "--target", "scipy", "--set", "delta=0"], "delta=0 lies outside its domain (0, oo)"),
        (["huber", "--target", "scipy", "--set", "delta=x"], "expected NAME=NUMBER, such as delta=2, got 'delta=x'"),
        (["huber", "--curvature", "exact"], "say --target as well"),
        (["--target", "scipy"], "--target writes one loss; name it"),
    ],
)
def test_mistakes_are_answered(said: list[str], answer: str, tmp_path: Path) -> None:
    done = build(*said)
    assert done.exit_code == 2 and answer in done.output


@pytest.mark.parametrize("library", [name for name in LIBRARIES if name not in ("torch", "jax")])
def test_modules_stand_in_one_file(library: str, tmp_path: Path) -> None:
    """ruff and mypy find nothing in what they would find something in if a name were missing."""
    assert build("gaussian_nll", "--target", library, "--out", tmp_path).exit_code == 0
    tools = [
        ["ruff", "check", "--isolated", "--ignore-noqa", "--select", "F,E9,I,B", "--line-length", "120"],
        ["ruff", "format", "--isolated", "--check", "--line-length", "120"],
    ]
    for tool in tools:
        done = subprocess.run([sys.executable, "-m", *tool, tmp_path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_names_that_would_collide_are_refused() -> None:
    one = Module("def f():\n    return 1\n", "one.py")
    with pytest.raises(TargetError, match=r"two\.py and one\.py both define f, differently"):
        one_namespace([one, Module("def f():\n    return 2\n", "two.py")])
    with pytest.raises(TargetError, match=r"two\.py, line 2: such an import cannot be left out"):
        one_namespace([one, Module("def g():\n    from .one import f\n", "two.py")])
    with pytest.raises(TargetError, match=r"two\.py, line 1: such an import cannot be left out"):
        one_namespace([Module("from .one import f as g\n", "two.py")])
    assert "def f" not in one_namespace([one, Module("def f():\n    return 1\n\n\ng = f()\n", "two.py")])[1]


def test_imports_are_collected() -> None:
    modules = [
        Module(text)
        for text in ("import re\nfrom typing import Any\n", "from typing import Any, TypeVar\nimport numpy as np\n")
    ]
    assert imports(modules) == ["import re", "from typing import Any, TypeVar", "", "import numpy as np"]


def test_carried_modules_need_only_those_before_them() -> None:
    for number, place in enumerate(CARRIED):
        known = {Path(before).stem for before in CARRIED[:number]}
        module = Module.read(place)
        needed = {node.module for node in module.tree.body if getattr(node, "level", 0) and node.module}  # type: ignore[attr-defined]
        assert needed <= known, place


def test_literals_are_what_they_say() -> None:
    data = {"a": [1, 2.5, None, True], "b": {"c": 'say "x"\\', "d": []}, "long": ["word " * 9] * 9}
    assert eval(literal(data)) == data


@pytest.mark.parametrize("library", TENSORS)
def test_tensor_code_is_its_own_file(library: str, tmp_path: Path) -> None:
    """What is generated for PyTorch and JAX needs nothing to be carried: the file is that module."""
    optional(library, "python3 -m pip install -e '.[libraries]'")
    generated = ROOT / "generated" / library / "huber.py"
    assert build("huber", "--target", library, "--out", tmp_path).exit_code == 0
    assert (tmp_path / f"huber_{library}.py").read_text() == generated.read_text()
    program = (
        "import sys, importlib, numpy as np\n"
        "from training import Absent\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"library = importlib.import_module({'torch' if library == 'torch' else 'jax.numpy'!r})\n"
        f"huber = importlib.import_module('huber_{library}').huber\n"
        "array = getattr(library, 'tensor', None) or library.asarray\n"
        "print(float(huber(array([3.0, 0.5]), array([0.0, 0.0]), delta=2)))\n"
    )
    path = f"import sys; sys.path[:0] = [{str(ROOT / 'tests')!r}, {str(tmp_path)!r}]\n"
    done = subprocess.run([sys.executable, "-I", "-c", path + program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx((4.0 + 0.125) / 2)
    done_ = build("huber", "--target", library, "--set", "delta=2")
    assert done_.exit_code == 2 and "takes parameters when it is called" in done_.output
