"""Does `lossforge audit` end as it should, and does foreign code that misbehaves harm nobody?"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import optional

import lossforge as lf
from lossforge.cli.main import lossforge
from lossforge.runtime.errors import EnvironmentLacking, ParameterError
from lossforge.spec.model import SpecError

CODE = """
import os, sys
import numpy as np

def right(y_true, y_pred, delta=1.0):
    r = y_pred - y_true
    return np.where(np.abs(r) <= delta, r, delta * np.sign(r))

def wrong(y_true, y_pred, delta=1.0):
    return 2 * right(y_true, y_pred, delta)

class Objective:
    def __init__(self, delta): self.delta = delta
    def gradient(self, y_true, y_pred): return right(y_true, y_pred, self.delta)

def leaves(y_true, y_pred): sys.exit(3)
def ends(y_true, y_pred): os._exit(3)
def hangs(y_true, y_pred):
    while True: pass
def eats(y_true, y_pred): return np.ones(1 << 33) * y_pred[0]
def crashes(y_true, y_pred):
    import ctypes
    return ctypes.string_at(8)
def far_out(y_true, y_pred):
    if np.any(np.abs(y_pred) > 300): os.abort()
    return right(y_true, y_pred)
def prints(y_true, y_pred):
    print("hello", flush=True); os.write(1, b"hello"); os.write(2, b"hello")
    return right(y_true, y_pred)
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.py"
    path.write_text(CODE, encoding="utf-8")
    return path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(lossforge, ["audit", *arguments])
    return result.exit_code, result.output


def test_exit_status(code: Path) -> None:
    huber = ("--loss", "huber", "-P", "delta=1.5")
    assert run(f"{code}:right", *huber)[0] == 0
    assert run(f"{code}:Objective(delta=1.5).gradient", *huber)[0] == 0
    status, said = run(f"{code}:wrong", *huber)
    assert status == 1 and "2 times the truth" in said and "def gradient(y, f, delta)" in said
    assert "FAULT" in said and "at y = 0, f = 1" in said
    for arguments in (
        (f"{code}:right", "--loss", "hubber"),
        (f"{code}:absent", *huber),
        (f"{code}:right", "--loss", "huber", "-P", "delta=-1"),
        (f"{code}:right", "--loss", "huber", "-P", "gamma=1"),
        (f"{code}:right", "--loss", "aft_logistic_interval"),
        ("absent.py:right", *huber),
        (*huber,),
        ("--gradient", "clip(r", *huber),
        (f"{code}:right", "--gradient", "r", *huber),
    ):
        assert run(*arguments)[0] == 2, arguments
    assert run("a_module_that_is_not_there:f", *huber)[0] == 3
    assert run(f"{code}:right", *huber, "--python", str(code.parent / "absent"))[0] == 3


def test_json(code: Path) -> None:
    status, said = run(f"{code}:wrong", "--loss", "huber", "--json")
    document = json.loads(said[: said.rindex("}") + 1])
    assert status == 1 and document["ok"] is False
    assert document["findings"][0]["kind"] == "factor"
    assert document["verdicts"][0]["verdict"] == "right up to a factor"
    assert "sign(r)" in document["right"]["gradient"]


def test_formulas() -> None:
    assert run("--gradient", "tanh(r)", "--loss", "log_cosh")[0] == 0
    status, said = run("--gradient", "1 - tanh(r)", "--loss", "log_cosh")
    assert status == 1 and "FAULT" in said
    status, said = run("--hessian", "2*sigmoid(z)*(1 - sigmoid(z))", "--loss", "binary_cross_entropy_logits")
    assert status == 1 and "2 times the truth" in said
    assert run("--gradient", "2*r", "--loss", "r**2")[0] == 0


def test_the_code_to_paste_is_right(code: Path) -> None:
    report = lf.audit(f"{code}:wrong", loss="huber", delta=1.5)
    scope: dict[str, object] = {}
    exec(report.code.replace("def gradient(y, f, delta)", "def gradient(y, f, delta=1.5)"), scope)

    def pasted(y_true: object, y_pred: object) -> object:
        return scope["gradient"](y_true, y_pred)[0]  # type: ignore[operator]

    assert lf.audit(pasted, loss="huber", delta=1.5).ok


@pytest.mark.parametrize(
    ("name", "kind", "word"),
    [
        ("leaves", "raises", "SystemExit"),
        ("ends", "crash", "status 3"),
        ("hangs", "hangs", "took more than 0.5 s"),
        ("eats", "raises", "MemoryError"),
        ("crashes", "crash", "SIGSEGV"),
    ],
)
def test_misbehaviour_is_a_finding(code: Path, name: str, kind: str, word: str) -> None:
    began = time.monotonic()
    report = lf.audit(f"{code}:{name}", loss="huber", seconds=0.5, memory=1 << 30)
    assert report.kinds()[0] == kind and word in report.text()
    assert time.monotonic() - began < 30


def test_misbehaviour_of_a_live_function_is_a_finding() -> None:
    def ends(y: object, f: object) -> None:
        import os

        os._exit(4)

    def hangs(y: object, f: object) -> None:
        while True:
            pass

    assert lf.audit(ends, loss="huber").kinds() == ["crash"]
    assert lf.audit(hangs, loss="huber", seconds=0.3).kinds() == ["hangs"]


def test_a_live_function_is_audited_beside_the_threads_of_jax() -> None:
    """JAX warns of every fork once it has computed something, and pytest makes errors of warnings."""
    optional("jax", "python3 dev.py test --peers")
    import jax.numpy as jnp

    assert float(jnp.ones(3).sum()) == 3
    report = lf.audit(lambda y, f: 2 * (f - y), loss="half_squared_error")
    assert [f.kind for f in report.faults] == ["factor"]


def test_a_crash_far_out_is_found_with_its_input(code: Path) -> None:
    report = lf.audit(f"{code}:far_out", loss="huber")
    assert report.verdicts[0].verdict == "right"
    (fault,) = report.faults
    assert fault.kind == "crash" and "SIGABRT" in fault.words and abs(fault.given["f"]) == 400


def test_what_it_prints_goes_nowhere(code: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert lf.audit(f"{code}:prints", loss="huber").ok
    assert capfd.readouterr() == ("", "")


def test_another_interpreter(code: Path) -> None:
    assert lf.audit(f"{code}:right", loss="huber", python=sys.executable).ok


def test_what_cannot_be_meant(code: Path) -> None:
    with pytest.raises(SpecError, match="huber"):
        lf.audit(f"{code}:right", loss="hubber")
    with pytest.raises(SpecError, match="library"):
        lf.audit(f"{code}:right", loss="huber", library="sparkles")
    with pytest.raises(SpecError, match="callable"):
        lf.audit(3, loss="huber")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="delta"):
        lf.audit(f"{code}:right", loss="huber", delta=0)
    with pytest.raises(EnvironmentLacking, match="imported"):
        lf.audit("a_module_that_is_not_there:f", loss="huber")
