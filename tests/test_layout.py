"""Does every room import only what the design allows it to?"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "lossforge"

# The stage, the other stages that it may import, and the packages that it may import.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "spec": (set(), {"sympy"}),
    "derive": ({"spec"}, {"sympy", "flint"}),
    "codegen": ({"spec", "derive"}, {"sympy", "mpmath", "jinja2", "numpy"}),
    "generated": (set(), {"numpy"}),
    "runtime": ({"generated"}, {"numpy"}),
    "verify": ({"spec", "derive", "runtime"}, {"sympy", "mpmath", "numpy"}),
    "cli": ({"spec", "derive", "codegen", "generated", "runtime", "verify"}, {"click", "rich"}),
}
# The one seam: a loss of one's own is compiled by handing generated text to the runtime.
SEAMS = {("codegen/compile.py", "runtime"), ("codegen/objective.py", "runtime")}
# What is written for one library is asked for by name, and alone imports it: runtime/objectives/xgboost.py imports
# xgboost, the files in generated/torch/ import torch.
LIBRARIES = ("runtime/objectives/{}.py", "generated/{}/")


def imports(path: Path, root: Path) -> Iterator[str]:
    """Absolute names of everything that a file imports, at its top or inside a function."""
    package = ["lossforge", *path.relative_to(root).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names) if stem == "lossforge" else (stem,)


def trespasses(root: Path) -> list[str]:
    """Every import that the table of rooms does not allow."""
    found = []
    for room, (stages, packages) in ROOMS.items():
        for path in sorted((root / room).rglob("*.py")):
            place = path.relative_to(root).as_posix()
            for name in imports(path, root):
                top, _, rest = name.partition(".")
                stage = rest.partition(".")[0]
                if top == "lossforge":
                    allowed = stage == room or stage in stages or stage not in ROOMS or (place, stage) in SEAMS
                else:
                    own = any(place.startswith(where.format(top)) for where in LIBRARIES)
                    allowed = top in sys.stdlib_module_names or top in packages or own
                if not allowed:
                    found.append(f"{place} imports {name}")
    return found


def test_rooms_import_only_what_they_may() -> None:
    assert trespasses(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("spec/planted.py", "import numpy"),
        ("spec/catalog/planted.py", "from ...derive import derivation"),
        ("derive/planted.py", "def f():\n    from ..codegen.build import artifacts"),
        ("runtime/planted.py", "from lossforge.spec.model import Loss"),
        ("runtime/objectives/planted.py", "import sklearn"),
        ("generated/planted.py", "from .. import runtime"),
        ("codegen/planted.py", "from ..runtime import function"),
        ("generated/torch/planted.py", "import jax"),
        ("runtime/planted.py", "import torch"),
    ],
)
def test_a_planted_import_is_seen(file: str, line: str, tmp_path: Path) -> None:
    for room in ROOMS:
        (tmp_path / room).mkdir()
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(line, encoding="utf-8")
    assert [found.split()[0] for found in trespasses(tmp_path)] == [file]


def test_every_room_is_reached_through_a_relative_link() -> None:
    links = {path.name: os.readlink(path) for path in PACKAGE.iterdir() if path.is_symlink()}
    assert links == {room: f"../../{room}" for room in ROOMS}
    assert {path.name for path in PACKAGE.iterdir() if path.is_file()} == {"__init__.py", "py.typed"}


@pytest.mark.parametrize("room", ["runtime", "generated", "generated.numpy"])
def test_run_time_needs_no_sympy(room: str) -> None:
    code = f"import sys, lossforge.{room}; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def tracked() -> list[Path]:
    """The repository's text files: those of git, or of the folder where there is no git."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    hidden = {".venv", ".git", "build", "dist", "__pycache__"}
    files = (path for path in ROOT.rglob("*") if path.is_file())
    return [
        path for path in files if not any(part in hidden or part[:1] == "." for part in path.relative_to(ROOT).parts)
    ]


# A home folder, a temporary file's name, the root of some machine's work area: none means anything elsewhere.
MACHINE_PATH = re.compile(r"(?<![\w.~$}/])/(?:home|root|Users|work|mnt|farm|tmp)/[a-z]", re.IGNORECASE)


def test_no_file_names_a_path_of_one_machine() -> None:
    found = []
    for path in tracked():
        if path.suffix in {".png", ".gz", ".npz", ".woff2"} or path.is_symlink():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []
    assert MACHINE_PATH.search("open('" + "/home" + "/ada/data.csv')")


def test_no_room_is_a_drawer() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert [str(path) for path in tracked() if path.name in drawers] == []
