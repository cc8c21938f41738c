"""Does what is installed hold what is in the repository, and work alone?"""

from __future__ import annotations

import ast
import base64
import csv
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import lossforge
from lossforge.runtime import ArtifactError, EnvironmentLacking, native
from lossforge.runtime.carry import NATIVE, carry, levels, tasks

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("cli", "codegen", "derive", "generated", "runtime", "spec", "verify")
SUFFIXES = {".py", ".c", ".json", ".j2", ".typed"}


def run(code: str, folder: Path, *arguments: str, **environment: str) -> str:
    """Run Python code in a folder, apart from the checkout; its standard output."""
    outside = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=outside | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


@dataclass(frozen=True, slots=True)
class Archives:
    """A copy of the checkout; its wheel and its sdist, and the wheel of that sdist."""

    checkout: Path
    wheel: Path
    sdist: Path
    again: Path


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    work = tmp_path_factory.mktemp("archives")
    ignore = shutil.ignore_patterns(
        ".venv", ".git", "build", "dist", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis", "*.so"
    )
    shutil.copytree(ROOT, work / "checkout", symlinks=True, ignore=ignore)
    for hook, folder in (("build_sdist", "sdist"), ("build_wheel", "wheel")):
        run(BUILD, work / "checkout", hook, str(work / folder))
    (sdist,) = (work / "sdist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # absent before Python 3.11.4
        archive.extractall(work / "unpacked")
    (unpacked,) = (work / "unpacked").iterdir()
    run(BUILD, unpacked, "build_wheel", str(work / "again"))
    (wheel,), (again,) = (work / "wheel").glob("*.whl"), (work / "again").glob("*.whl")
    return Archives(work / "checkout", wheel, sdist, again)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.startswith("lossforge/")}


def test_the_wheel_holds_every_file_of_every_room(archives: Archives) -> None:
    top, package = archives.checkout, archives.checkout / "src" / "lossforge"
    files = [path for room in ROOMS for path in (top / room).rglob("*") if path.suffix in SUFFIXES]
    expected = {f"lossforge/{path.relative_to(top).as_posix()}": path.read_bytes() for path in files}
    expected |= {f"lossforge/{name}": (package / name).read_bytes() for name in ("__init__.py", "py.typed")}
    assert contents(archives.wheel) == expected


def test_a_wheel_of_the_sdist_is_the_same(archives: Archives) -> None:
    assert contents(archives.again) == contents(archives.wheel)


def test_the_sdist_holds_no_links_and_what_a_packager_needs(archives: Archives) -> None:
    with tarfile.open(archives.sdist) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if member.issym() or member.islnk()]
    names = {member.name.partition("/")[2] for member in members}
    assert {"LICENSE", "README.md", "pyproject.toml", "CITATION.cff", "tests/test_packaging.py"} <= names


def test_the_installed_wheel_works_outside_the_checkout(archives: Archives, tmp_path: Path) -> None:
    with zipfile.ZipFile(archives.wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import lossforge
assert lossforge.__file__.startswith(sys.argv[1]), lossforge.__file__
import numpy as np
for backend in ("numpy", sys.argv[2]):
    huber = lossforge.losses.huber(delta=1.0, backend=backend) if backend else lossforge.losses.huber(delta=1.0)
    loss, gradient = huber.loss_gradient(np.array([0.0, 0.0]), np.array([0.5, 3.0]))
    assert loss.tolist() == [0.125, 2.5] and gradient.tolist() == [0.5, 1.0]
assert "sympy" not in sys.modules
"""
    compiler = "c" if shutil.which("cc") or shutil.which("gcc") else "numpy"
    run(code, tmp_path, str(tmp_path / "site"), compiler, LOSSFORGE_CACHE=str(tmp_path / "cache"))
    listed = run(
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from lossforge.cli.main import main; main()",
        tmp_path,
        str(tmp_path / "site"),
        "list",
    )
    assert "huber" in listed


def test_a_virtual_environment_of_its_own(archives: Archives, tmp_path: Path) -> None:
    """What pip makes of the wheel: the script `lossforge`, the licence, the metadata."""
    base = getattr(sys, "_base_executable", sys.executable)
    pip = [base, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True).returncode:
        pytest.skip("the Python that this environment is made from has no pip")
    subprocess.run([base, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, capture_output=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [*pip, "--python", python, "install", "--no-deps", "--no-index", "--quiet", archives.wheel]
    # With the checkout on PYTHONPATH, pip would take lossforge as installed already.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(install, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    # The dependencies come from this environment, so that no network is needed.
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    dependencies = {str(Path(importlib.metadata.distribution(name).locate_file(""))) for name in ("numpy", "click")}
    (site / "dependencies.pth").write_text("\n".join(sorted(dependencies)), encoding="utf-8")
    script = [tmp_path / "venv" / "bin" / "lossforge", "list"]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "huber" in done.stdout
    assert list(site.glob("lossforge-*.dist-info/licenses/LICENSE"))


def test_the_version_is_told_once() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", lossforge.__version__)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project["dynamic"]
    assert f"\nversion: {lossforge.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


# The wheel with compiled code ---------------------------------------------------------------------

CARRIED = ("huber", "hinge")  # the second has one code for both tiers


@pytest.fixture(scope="module")
def compiled(archives: Archives, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that carries libraries of two losses."""
    try:
        native.compiler()
    except EnvironmentLacking:
        pytest.skip("there is no C compiler")
    return carry(archives.wheel, tmp_path_factory.mktemp("compiled"), CARRIED)


@pytest.fixture(scope="module")
def installed(compiled: Path) -> Path:
    """A folder that pip has installed the wheel into."""
    pip = [getattr(sys, "_base_executable", sys.executable), "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True).returncode:
        pytest.skip("the Python that this environment is made from has no pip")
    options = ["--no-deps", "--no-index", "--no-compile", "--quiet", "--target", compiled.parent / "site"]
    subprocess.run([*pip, "install", *options, compiled], check=True, capture_output=True)
    return compiled.parent / "site"


@pytest.fixture
def site(installed: Path, tmp_path: Path) -> Path:
    """A copy of that folder, with nothing beside it."""
    shutil.copytree(installed, tmp_path / "site")
    return tmp_path / "site"


USE = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import lossforge as lf
from lossforge.runtime import bridge, doctor, native
assert lf.__file__.startswith(sys.argv[1]), lf.__file__
doctor._SAMPLES = ("huber",)
if sys.argv[2:]:
    native.CARRIED = native.Path(sys.argv[1], "none")
else:  # a Python without its headers
    bridge.sysconfig.get_path = lambda name: "/nowhere"
f = np.random.default_rng(0).standard_cauchy(5000)
y = f[::-1].copy()
results = [a.tobytes() for t in (y, y.astype("f")) for tier in ("accurate", "fast")
           for a in lf.losses.huber(tier=tier).loss_gradient_hessian(t, f.astype(t.dtype))]
loss = lf.losses.huber()
served = loss.loss(y, f) is not None and loss._quick["loss"](y, f, None, None, True, 1) is not None
report = doctor.report()
bridge.sysconfig.get_config_var = lambda name: 1  # a Python without a global lock
print(json.dumps({"backend": loss.backend, "reason": loss.backend_reason, "bridge": served, "doctor": report,
                  "free_threaded": doctor._bridge(), "lines": doctor.lines(report),
                  "bits": hashlib.sha256(b"".join(results)).hexdigest()}))
"""


def used(site: Path, *arguments: str, compiler: bool = False, **environment: str) -> dict[str, Any]:
    """What the installed wheel answers, with a cache of its own; without a compiler unless it is wanted."""
    known = {"LOSSFORGE_CACHE": str(site.parent / "cache"), "LOSSFORGE_BACKEND": "auto", "LOSSFORGE_INSTRUCTIONS": ""}
    known |= {} if compiler else {"PATH": str(site.parent / "nothing"), "CC": ""}
    answer: dict[str, Any] = json.loads(run(USE, site.parent, str(site), *arguments, **known | environment))
    return answer


def test_the_compiled_wheel_is_for_this_platform_and_holds_what_it_says(archives: Archives, compiled: Path) -> None:
    with zipfile.ZipFile(compiled) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    info = f"lossforge-{lossforge.__version__}.dist-info"
    name, version, tag = compiled.stem.split("-", 2)
    assert (name, version) == ("lossforge", lossforge.__version__) and tag.startswith("py3-none-") and "any" not in tag
    about = files[f"{info}/WHEEL"].decode()
    assert f"\nTag: {tag}\n" in about and about.count("Tag:") == 1 and "\nRoot-Is-Purelib: false\n" in about
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(files[f"{info}/RECORD"].decode()))}
    assert rows.pop(f"{info}/RECORD") == ["", ""] and set(rows) == set(files) - {f"{info}/RECORD"}
    for file, (digest, size) in rows.items():
        expected = base64.urlsafe_b64encode(hashlib.sha256(files[file]).digest()).decode().rstrip("=")
        assert (digest, size) == (f"sha256={expected}", str(len(files[file])))

    libraries = {n.removeprefix(NATIVE): content for n, content in files.items() if n.startswith(NATIVE)}
    assert libraries.pop(native.COMPILED_BY).decode().strip() == native.compiler().version
    assert {n: c for n, c in contents(compiled).items() if not n.startswith(NATIVE)} == contents(archives.wheel)
    assert {n.split("-")[0] for n in libraries} == {*CARRIED, "bridge", "instructions"}
    assert len(libraries) == len(list(tasks(files, CARRIED))) == len({n.split("-")[1] for n in libraries})


def test_the_compiled_wheel_is_reproducible(archives: Archives, compiled: Path, tmp_path: Path) -> None:
    shutil.copytree(compiled.parent / ".compiled", tmp_path / ".compiled")
    for pattern in ("instructions-*", "bridge-*", "hinge-*"):  # one of each is compiled anew
        next((tmp_path / ".compiled").glob(pattern)).unlink()
    assert carry(archives.wheel, tmp_path, CARRIED).read_bytes() == compiled.read_bytes()


def test_only_a_pure_wheel_of_this_version_is_taken(archives: Archives, compiled: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is no pure wheel of this version"):
        carry(compiled, tmp_path)
    other = tmp_path / archives.wheel.name
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("lossforge/runtime/native.py", "another")
    with pytest.raises(ArtifactError, match="is no pure wheel of this version"):
        carry(other, tmp_path)
    with pytest.raises(ArtifactError, match="no C code of nothing_like_it"):
        carry(archives.wheel, tmp_path, ["nothing_like_it"])


def test_without_a_compiler_the_compiled_wheel_has_the_same_bits(site: Path) -> None:
    carried = used(site)
    native_folder = str(site / NATIVE)
    assert carried["backend"] == "c" and carried["bridge"]
    level = carried["doctor"]["compiler"]["instructions"]
    start = f"came with the package, compiled by {native.compiler().version} for {level}, {native_folder}"
    assert carried["reason"].startswith(start)
    report, lines = carried["doctor"], carried["lines"]
    assert report["healthy"] and report["notes"] == [] and not report["compiler"]["found"]
    assert report["bridge"]["door"] == "python" and report["bridge"]["reason"].startswith(native_folder)
    assert report["cache"]["libraries"] == 0 and carried["free_threaded"]["door"] == "ctypes"
    assert any(line.startswith("carried    ") and native.compiler().version in line for line in lines)
    assert any("Losses that are not in the catalogue are slower: no working C compiler" in line for line in lines)

    compiled_here = used(site, "here", compiler=True)
    assert compiled_here["doctor"]["compiler"]["instructions"] == level  # the carried probe answers as one made here
    assert compiled_here["reason"].startswith("compiled by ") and compiled_here["doctor"]["cache"]["libraries"]
    assert compiled_here["bits"] == carried["bits"]


def test_with_a_compiler_nothing_is_compiled(site: Path) -> None:
    answer = used(site, compiler=True)
    assert "came with the package" in answer["reason"] and answer["doctor"]["cache"]["libraries"] == 0


@pytest.mark.parametrize("damage", ["truncated", "flipped", "no library"])
def test_a_damaged_library_is_not_loaded(site: Path, damage: str) -> None:
    for library in (site / NATIVE).glob("huber-*"):
        content = library.read_bytes()
        flipped = bytes([*content[:-100], content[-100] ^ 1, *content[-99:]])
        damaged = {"truncated": content[: len(content) // 2], "flipped": flipped, "no library": b"none"}[damage]
        library.write_bytes(damaged)
        if damage == "no library":  # under a name that is right
            library.rename(library.with_name(native.file_name(library.name.rpartition("-")[0], damaged)))
    answer = used(site)
    assert answer["backend"] == "numpy" and "cc is not on the PATH" in answer["reason"]
    notes = answer["doctor"]["notes"]  # of two tiers
    reason = "" if damage == "no library" else "its bytes have not the hash that its name says"
    assert len(notes) == 2
    for note in notes:
        assert note.startswith(f"the carried library {site / NATIVE}") and f"does not serve ({reason}" in note
    answer = used(site, compiler=True)
    assert (
        answer["backend"] == "c" and answer["reason"].startswith("compiled by") and len(answer["doctor"]["notes"]) == 2
    )


def test_a_changed_source_is_not_served_by_the_old_library(site: Path) -> None:
    with (site / "lossforge/generated/c/huber.c").open("a", encoding="utf-8") as file:
        file.write("/* changed */\n")
    assert used(site)["backend"] == "numpy"
    assert used(site, compiler=True)["reason"].startswith("compiled by")


def test_instructions_are_refused_without_a_compiler_too(site: Path) -> None:
    answer = used(site, LOSSFORGE_INSTRUCTIONS="mmx")
    assert answer["backend"] == "numpy" and "it may be baseline, avx2, avx512" in answer["reason"]
    for level in levels():
        answer = used(site, LOSSFORGE_INSTRUCTIONS=level)
        refused = "this processor has" in answer["reason"]
        assert refused or f" for {level}, " in answer["reason"], answer["reason"]
        assert (answer["backend"] == "numpy") == refused


# dev.py ------------------------------------------------------------------------------------------


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """dev.py as a module, with an environment of its own that is not there yet."""
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STAMP", str(tmp_path / "stamp.json"))
    return module


def test_an_old_python_gets_as_far_as_the_message(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ast.parse((ROOT / "dev.py").read_text(encoding="utf-8"), feature_version=(3, 6))
    monkeypatch.setattr(dev, "OLDEST", (99, 0))
    assert dev.main(["test"]) == 3
    assert "needs Python 99.0 or newer" in capsys.readouterr().err


def test_dev_needs_the_python_that_the_project_declares(dev: ModuleType) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert declared == ">={}.{}".format(*dev.OLDEST)


@pytest.mark.parametrize(
    ("content", "meaning"), [(None, {}), ("", "UNFINISHED"), ("[1]", "UNFINISHED"), ('{"extras": []}', {"extras": []})]
)
def test_a_broken_stamp_means_a_half_made_environment(dev: ModuleType, content: str | None, meaning: object) -> None:
    if content is not None:
        Path(dev.STAMP).write_text(content, encoding="utf-8")
    assert dev.stamp() == (dev.UNFINISHED if meaning == "UNFINISHED" else meaning)


def test_a_finished_environment_is_used_as_it_is(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "PYTHON", sys.executable)
    installed: list[list[str]] = []
    monkeypatch.setattr(dev, "run", lambda command, quiet=False: bool(installed.append(command)))
    monkeypatch.setattr(dev, "make_venv", lambda: None)
    monkeypatch.setattr(dev, "pip_command", lambda: ["pip"])
    dev.ready(["dev"])
    dev.ready(["dev"])
    dev.ready([])
    assert [command[-1] for command in installed] == [".[dev]"]
    dev.ready(["peers"])
    assert [command[-1] for command in installed] == [".[dev]", ".[dev,peers]"]


def test_a_failed_check_fails_the_whole(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    table = [("good", [sys.executable, "-c", "pass"]), ("bad", [sys.executable, "-c", "raise SystemExit(5)"])]
    assert dev.checks(table) == 1
    assert dev.checks(table[:1]) == 0
    assert "bad          FAILED" in capsys.readouterr().err


def test_dev_names_what_it_knows(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["tset"]) == 2
    assert "test" in capsys.readouterr().err


def test_the_wheel_command_carries_libraries_into_a_fresh_pure_wheel(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []

    def pretend(command: list[str], quiet: bool = False) -> int:
        commands.append(command)
        if "wheel" in command:
            assert not (tmp_path / "build" / "lib").exists()  # what is gone from the sources is not packed
            (tmp_path / "build" / "wheel").mkdir()
            (tmp_path / "build" / "wheel" / "pure.whl").touch()
        return 0

    (tmp_path / "build" / "lib").mkdir(parents=True)
    (tmp_path / "build" / "wheel").mkdir()
    (tmp_path / "build" / "wheel" / "old.whl").touch()
    for name, value in (("ROOT", str(tmp_path)), ("ready", list), ("pip_command", lambda: ["pip"]), ("run", pretend)):
        monkeypatch.setattr(dev, name, value)
    assert dev.main(["wheel", "huber"]) == 0
    pure, folder = str(tmp_path / "build" / "wheel" / "pure.whl"), str(tmp_path / "dist")
    assert commands[1][1:] == ["-m", "lossforge.runtime.carry", pure, folder, "huber"]
    monkeypatch.setattr(dev, "run", lambda command, quiet=False: 1)
    assert dev.main(["wheel"]) == 3
