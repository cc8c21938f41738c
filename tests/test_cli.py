"""Does the command line say what is so, and end with the status that it promises?"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lossforge.cli.main import COMMANDS, lossforge
from lossforge.spec.catalog import CATALOG

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "asymmetric_pseudo_huber.toml"
COMMAND = [sys.executable, "-m", "lossforge.cli"]


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(lossforge, [str(argument) for argument in arguments])


def document(*arguments: str | Path) -> dict[str, object]:
    """The one JSON document on standard output."""
    content: dict[str, object] = json.loads(call(*arguments, "--json").stdout)
    return content


# Speed, and what is not imported -----------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list"], ["list", "--json"], ["show", "huber"]])
def test_light_commands_import_neither_sympy_nor_numpy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom lossforge.cli.main import main\nsys.argv[0] = 'lossforge'\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "sys.exit(str({'sympy', 'numpy', 'rich', 'jinja2', 'flint'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 1  # sys.exit of a text
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("arguments", [["--help"], ["list"]])
def test_light_commands_answer_at_once(arguments: list[str]) -> None:
    """Under 0.2 s: of processor time, and the best of several, for the machine may be busy with other tests."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*COMMAND, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.2


# list, show --------------------------------------------------------------------------------------


def test_list_names_every_loss() -> None:
    assert set(document("list")["losses"]) == set(CATALOG)  # type: ignore[call-overload]
    shown = call("list").stdout
    assert all(f"  {name} " in shown for name in CATALOG)


@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize("form", ["text", "latex", "markdown"])
def test_show_renders_every_loss(name: str, form: str) -> None:
    done = call("show", name, "--format", form)
    assert done.exit_code == 0, done.output
    assert {"text": f"{name}: ", "latex": r"\begin{align*}", "markdown": "# "}[form] in done.stdout


def test_show_json_is_the_contract() -> None:
    known = document("show", "huber")
    assert known["schema"] == 1
    assert known["name"] == "huber"
    assert known["parameters"] == {"delta": {"domain": "(0, oo)", "default": 1}}
    assert set(known) >= {"family", "arguments", "formula", "gradient", "hessian", "kinks", "properties"}
    assert {"text", "latex"} <= set(known["formula"])  # type: ignore[call-overload]


def test_a_file_and_a_formula_stand_where_a_name_does() -> None:
    assert document("show", EXAMPLE)["name"] == "asymmetric_pseudo_huber"
    squared = document("show", "3*r**2")
    assert squared["hessian"]["text"] == "6"  # type: ignore[index]
    known = document("show", "delta*log(cosh(r))", "-p", "delta=(0, oo)")
    assert known["parameters"] == {"delta": {"domain": "(0, oo)", "default": None}}


# derive ------------------------------------------------------------------------------------------


def test_derive_finds_gradient_and_kinks() -> None:
    done = call("derive", "abs(r)")
    assert done.exit_code == 0, done.output
    assert "jumps from" in done.stdout


@pytest.mark.parametrize("form", ["text", "latex", "markdown"])
def test_derive_shows_steps(form: str) -> None:
    done = call("derive", "huber", "--steps", "--format", form)
    assert done.exit_code == 0, done.output
    assert len(done.stdout.split("\n\n" if form != "latex" else r"\item")) >= 3


def test_steps_stand_in_the_json() -> None:
    steps = document("derive", "huber", "--steps")["steps"]
    assert isinstance(steps, list)
    assert all({"title", "text", "latex"} == set(step) for step in steps)
    assert steps


TWO = """\
name = "gauss"
expression = "exp(-2*s)*(y - mu)**2/2 + s"
[arguments]
y = { role = "target" }
mu = { role = "prediction" }
s = { role = "prediction" }
"""


def test_several_predictions_and_classes_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "gauss.toml").write_text(TWO, encoding="utf-8")
    shown = call("derive", tmp_path / "gauss.toml").stdout
    assert "\n  gradient by mu     -(y - mu)*exp(-2*s)\n" in shown
    assert "\n  Hessian by mu, s  " in shown
    assert (
        "\n  gradient[j]      softmax(f)[j] - y[j]\n  Hessian[j, k]  " in call("derive", "softmax_cross_entropy").stdout
    )


def test_how_often_a_loss_is_differentiable_is_said_in_signs() -> None:
    assert "\n  differentiable     proved, C^1\n" in call("show", "huber").stdout
    assert "\n- differentiable: proved, C^∞\n" in call("show", "log_cosh", "--format", "markdown").stdout


# new ---------------------------------------------------------------------------------------------


def test_new_begins_a_file_that_works_and_overwrites_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("new", "mine").exit_code == 0
    assert document("show", "mine.toml")["name"] == "mine"
    (tmp_path / "mine.toml").write_text("precious", encoding="utf-8")
    again = call("new", "mine")
    assert again.exit_code == 2
    assert "exists already" in again.output
    assert (tmp_path / "mine.toml").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("name", ["Mine", "../mine", "a b", "", "1st"])
def test_new_refuses_what_is_no_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("new", "--", name).exit_code == 2
    assert list(tmp_path.iterdir()) == []


# build -------------------------------------------------------------------------------------------


# A loss about which little is to be proved, unlike the example.
PLAIN = """\
name = "plain"
expression = "(1 - tau if r < 0 else tau)*r**2"
[parameters]
tau = { domain = "(0, 1)", default = "1/2" }
"""


def test_build_writes_a_loss_and_check_sees_each_drift(tmp_path: Path) -> None:
    assert call("build", EXAMPLE, "--out", tmp_path).exit_code == 0
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert {path.suffix for path in files} == {".py", ".c", ".json"}
    assert call("build", EXAMPLE, "--out", tmp_path, "--check").exit_code == 0

    code = next(path for path in files if path.suffix == ".c")
    original = (tmp_path / code).read_text(encoding="utf-8")
    (tmp_path / code).write_text(original + "/* by hand */\n", encoding="utf-8")
    done = call("build", EXAMPLE, "--out", tmp_path, "--check")
    assert done.exit_code == 1
    assert f"changed  {code}" in done.output
    assert "lossforge build" in done.output

    (tmp_path / code).unlink()
    done = call("build", EXAMPLE, "--out", tmp_path, "--check")
    assert done.exit_code == 1
    assert f"missing  {code}" in done.output


def test_build_writes_into_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain.toml").write_text(PLAIN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    done = call("build", "plain.toml")
    assert done.exit_code == 0, done.output
    assert done.output == "5 files are written to lossforge_plain\n"
    assert {path.name for path in tmp_path.iterdir()} == {"plain.toml", "lossforge_plain"}
    assert call("build", "plain.toml", "--check").exit_code == 0


def test_the_built_module_runs_with_numpy_alone(tmp_path: Path) -> None:
    (tmp_path / "plain.toml").write_text(PLAIN, encoding="utf-8")
    assert call("build", tmp_path / "plain.toml", "--out", tmp_path).exit_code == 0
    (module,) = tmp_path.rglob("*.py")
    code = (
        "import sys, numpy, plain\n"
        "y, f = numpy.zeros(2), numpy.array([-1.0, 2.0])\n"
        "(g,) = plain.gradient(y, f, numpy.float64(0.25))\n"
        "assert numpy.allclose(g, [-1.5, 1.0]), g\n"
        "assert 'lossforge' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=module.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# check, diff, doctor -----------------------------------------------------------------------------


def test_check_passes_what_is_right() -> None:
    done = call("check", "huber", "3*abs(r)", "--points", "200", "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert "huber: " in done.stdout
    assert "custom: " in done.stdout


def test_check_sees_a_planted_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of one loss, held against the formula of another."""
    monkeypatch.setitem(CATALOG, "hinge", replace(CATALOG["squared_hinge"], name="hinge"))
    done = call("check", "hinge", "--backend", "numpy", "--points", "200", "--jobs", "1", "--json")
    assert done.exit_code == 1
    (report,) = json.loads(done.stdout)["reports"]
    assert "wrong value" in {finding["kind"] for finding in report["findings"]}


def test_check_explains_its_columns_and_its_status() -> None:
    shown = call("check", "--help").stdout
    assert all(f"\n    {column} " in shown for column in ("max ulp", "scaled", "own", "rounded", "failed", "open"))
    assert "Exit status 1 means" in shown


def test_check_wants_losses() -> None:
    assert call("check").exit_code == 2
    assert call("check", "huber", "--all").exit_code == 2


@pytest.mark.parametrize(
    ("a", "b", "verdict", "status"),
    [
        ("squared_error", "r**2", "equal", 0),
        ("squared_error", "half_squared_error", "proportional", 1),
        ("squared_error", "absolute_error", "different", 1),
    ],
)
def test_diff_tells_equal_from_different(a: str, b: str, verdict: str, status: int) -> None:
    done = call("diff", a, b, "--json")
    assert done.exit_code == status, done.output
    found = json.loads(done.stdout)
    assert found["verdict"] == verdict
    assert (found["factor"] == "2") == (verdict == "proportional")
    assert (found["witness"] is not None) == (verdict == "different")


def test_doctor_tells_what_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    done = call("doctor", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["compiler"]["found"] is False


# What goes wrong ---------------------------------------------------------------------------------


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "hubr"], "Did you mean huber"),
        (["show", "nothing_like_it"], "lossforge list"),
        (["show", "absent.toml"], "absent.toml"),
        (["show", "r**"], "^"),
        (["show", "delta*abs(r)"], 'a parameter is declared with -p "delta=(0, oo)"'),
        (["show", "r*dleta", "-p", "delta=(0, oo)"], "did you mean 'delta'? A parameter is declared with -p"),
        (["show", "huber", "-p", "delta=(0, 1)"], "only for formulas given as text, and huber has its own"),
        (["derive", str(EXAMPLE), "-p", "c=(0, 1)"], "only for formulas given as text"),
        (["check", "huber", "-p", "x=(0, 1)"], "only for formulas given as text"),
        (["check", "--all", "-p", "x=(0, 1)"], "only for formulas given as text"),
        (["build", "-p", "x=(0, 1)"], "only for formulas given as text"),
        (["diff", "huber", "hinge", "-p", "x=(0, 1)"], "only for formulas given as text"),
        (["show", "huber(delta=2)"], "takes no arguments here; write 'huber' alone"),
        (["show", "hinge(r)"], "takes no arguments here"),
        (["check", "hubr.toml"], "there is no loss file 'hubr.toml'. Did you mean the catalogue loss huber?"),
        (["check", "nofile.toml"], "`lossforge new NAME` begins a loss file"),
        (["check", str(EXAMPLE).replace("asymmetric", "asymetric")], f"Did you mean {EXAMPLE}"),
        (["check", "f**2 + z**2"], "declare both in a loss file"),
        (["show", "delta*abs(r)", "-p", "delta"], "NAME=DOMAIN"),
        (["show", "delta*abs(r)", "-p", "delta=(1, 0)"], "empty"),
        (["show", "__import__('os').system('true')"], "^"),
        (["lst"], "Did you mean list"),
        (["show"], "Missing argument"),
        (["show", "huber", "--format", "pdf"], "pdf"),
        (["build", "huber", "--out", str(EXAMPLE)], "asymmetric_pseudo_huber.toml"),
    ],
)
def test_wrong_input_is_answered_without_a_traceback(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_folder_is_no_loss_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").mkdir()
    done = call("show", tmp_path / "a.toml")
    assert done.exit_code == 2
    assert "a.toml' cannot be read: " in done.output


def test_a_missing_package_is_the_environments_fault(tmp_path: Path) -> None:
    (tmp_path / "sympy.py").write_text(
        "raise ModuleNotFoundError('No module named sympy', name='sympy')", encoding="utf-8"
    )
    done = run("derive", "huber", env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}"})
    assert done.returncode == 3, done.stderr
    assert "sympy" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_stops_reading_is_no_error() -> None:
    script = f'"{sys.executable}" -m lossforge.cli show huber --json | true; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.returncode in (0, 128 + signal.SIGPIPE)
    assert done.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = call(name, "--help")
    assert done.exit_code == 0
    assert "Usage: lossforge" in done.stdout


# The example -------------------------------------------------------------------------------------


def test_the_demo_shrugs_off_the_outliers() -> None:
    """Rousseeuw and Leroy (1987), page 26: least squares 0.504, a robust fit about 0.115."""
    done = subprocess.run([sys.executable, ROOT / "examples" / "demo.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    slopes = [float(slope) for slope in re.findall(r" (0\.\d{4}) +-\d", done.stdout)]
    assert slopes == pytest.approx([0.504, 0.115, 0.115], abs=5e-3)
    assert " 0 findings" in done.stdout
