"""Is what the pages say still so? Every example runs, every link leads somewhere, every table is fresh."""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lossforge.derive.judgements import PROPERTIES
from lossforge.spec.atoms import FUNCTIONS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and content of every fenced block, in order."""
    return BLOCK.findall(read(page))


def agrees(shown: str, found: str) -> bool:
    """As in doctest, `...` stands for anything."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(shown, found, options)


def run_program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOCS / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("program", ["figures.py", "choosing.py", "catalogue.py", "curvatures.py"])
def test_what_programs_write_is_fresh(program: str) -> None:
    done = run_program(program, "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_what_other_libraries_choose_is_fresh(torch: ModuleType) -> None:
    """Measured with the versions that the table names; another version may choose otherwise."""
    sklearn = pytest.importorskip("sklearn")
    versions = f"PyTorch {torch.__version__.partition('+')[0]}, scikit-learn {sklearn.__version__},"
    if versions not in read(DOCS / "kinks.md"):
        pytest.skip(f"docs/kinks.md was not measured with {versions}")
    program = runpy.run_path(str(DOCS / "kinks.py"))  # in this process: importing torch again takes seconds
    assert program["main"](["--check"]) == 0


def test_what_other_objectives_train_is_fresh(xgboost: ModuleType, lightgbm: ModuleType, catboost: ModuleType) -> None:
    """Measured with the versions that the page names; others may differ otherwise."""
    program = runpy.run_path(str(DOCS / "parity.py"))
    if program["VERSIONS"] not in read(DOCS / "parity.md"):
        pytest.skip(f"docs/parity.md was not measured with {program['VERSIONS']}")
    assert program["main"](["--check"]) == 0
    explained = [row.split("|")[6].strip() for row in read(DOCS / "parity.md").splitlines() if row.startswith("| `")]
    assert len(explained) > 40 and set(explained) == {"", "equal"}


def test_a_stale_picture_is_seen(tmp_path: Path) -> None:
    """The check reads the files beside the program: a copy of both, one character changed."""
    for name in ("figures.py", "margin_losses.svg", "regression_losses.svg"):
        (tmp_path / name).write_bytes((DOCS / name).read_bytes())
    picture = tmp_path / "margin_losses.svg"
    picture.write_text(read(picture).replace("Perceptron", "Perseptron", 1), encoding="utf-8")
    done = subprocess.run([sys.executable, str(tmp_path / "figures.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "margin_losses.svg" in done.stderr and "regression_losses.svg" not in done.stderr


def examples_that_print_what_they_show(page: Path) -> int:
    """Every Python block is run, one after the other; what it prints stands in the block below. Their number."""
    space: dict[str, Any] = {}
    found = blocks(page)
    ran = 0
    for (language, content), (following, shown) in zip(found, [*found[1:], ("", "")], strict=True):
        if language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(content, page.name, "exec"), space)
            assert following == "text", f"no output is shown after\n{content}"
            assert agrees(shown, printed.getvalue()), (
                f"{page.name} shows\n{shown}\nbut this is printed\n{printed.getvalue()}"
            )
            ran += 1
    return ran


def test_the_python_of_the_readme_prints_what_it_shows() -> None:
    assert examples_that_print_what_they_show(README) == 6


def test_the_python_of_the_objectives_prints_what_it_shows(
    xgboost: ModuleType, lightgbm: ModuleType, catboost: ModuleType
) -> None:
    assert examples_that_print_what_they_show(DOCS / "objectives.md") >= 6


def test_other_python_can_be_read() -> None:
    for page in PAGES[1:]:
        for language, content in blocks(page):
            if language == "python":
                ast.parse(content)


def commands(page: Path) -> list[tuple[str, str, int]]:
    """Each command of the console blocks, the output and the exit status that are shown."""
    result: list[tuple[str, str, int]] = []
    for language, content in blocks(page):
        if language == "console":
            pieces = re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]
            for piece in pieces:
                command, _, shown = piece.partition("\n")
                if command == "echo $?":
                    last = result.pop()
                    result.append((last[0], last[1], int(shown)))
                else:
                    result.append((command, shown, 0))
    return result


EXAMPLES = [(page.name, *example) for page in PAGES for example in commands(page)]


@pytest.mark.parametrize(("page", "command", "shown", "status"), EXAMPLES, ids=[f"{e[0]}: {e[1]}" for e in EXAMPLES])
def test_commands_answer_what_is_shown(page: str, command: str, shown: str, status: int, tmp_path: Path) -> None:
    program, _, rest = command.partition(" ")
    assert program == "lossforge"
    environment = {**os.environ, "LF": f"{sys.executable} -m lossforge.cli", "COLUMNS": "120"}
    done = subprocess.run(
        ["sh", "-c", f"$LF {rest} 2>&1"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == status, done.stdout
    assert agrees(shown, done.stdout), f"{page} shows\n{shown}\nbut this is printed\n{done.stdout}"


def test_examples_are_found() -> None:
    """A change of the pages' form must not make the test above empty."""
    names = [example[0] for example in EXAMPLES]
    assert names.count("README.md") >= 3 and "loss-files.md" in names and "verification.md" in names
    assert {example[3] for example in EXAMPLES} == {0, 1, 2}


def headings(text: str) -> set[str]:
    """The anchors that a page has by itself."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    anchors = {page: {*re.findall(r'<a id="([^"]+)"', read(page)), *headings(read(page))} for page in PAGES}
    for target in LINK.findall(read(page)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        assert place.exists(), f"{page.name} links to {target}, which is not there"
        assert not anchor or anchor in anchors[place], f"{page.name} links to {target}, which has no such place"


def imported(module: str) -> set[str]:
    """The modules of `derive` that one of them imports, anywhere in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(read(ROOT / "derive" / f"{module}.py"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {node.module} if node.module else {a.name for a in node.names}
    return found


def standing_on(module: str) -> set[str]:
    """A module and all that it imports, and those in turn."""
    found, waiting = set[str](), {module}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= imported(name) - found
    return found


TRUSTED = standing_on("checker")


def named_lemmas() -> set[str]:
    """In words, lemma `x`; in proofs, the names that `lemmas.sign` takes; and every property."""
    sources = {name: read(ROOT / "derive" / f"{name}.py") for name in TRUSTED}
    words = {m for source in sources.values() for m in re.findall(r"[Ll]emma `([^`]+)`", source)}
    compared = set(re.findall(r'lemma == "(\w+)"', sources["lemmas"]))
    return words | compared | set(PROPERTIES)


def test_every_lemma_is_stated() -> None:
    """And no section is left of a lemma that nobody uses."""
    sections = re.findall(r"^### `([^`]+)`$", read(DOCS / "lemmas.md"), re.MULTILINE)
    assert len(sections) == len(set(sections))
    assert set(sections) == named_lemmas()
    assert len(named_lemmas()) > 30


def test_the_trusted_modules_are_what_the_checker_imports() -> None:
    assert {"reading", "tower", "formal", "balls", "duality", "joint", "classes", "judgements"} <= TRUSTED
    assert not TRUSTED & {"prove", "search", "strategies", "dual_strategies", "joint_search", "explorer", "strata"}


def test_what_is_trusted_is_as_long_as_is_said() -> None:
    page = read(DOCS / "lemmas.md")
    said = dict(re.findall(r"^\| `derive/(\w+)\.py` \| (\d+) \|", page, re.MULTILINE))
    lines = {name: len(read(ROOT / "derive" / f"{name}.py").splitlines()) for name in TRUSTED}
    assert said == {name: str(n) for name, n in lines.items()}
    assert f"the sum of this table, {sum(lines.values())} lines" in page
    assert lines["checker"] < 500


def test_no_page_of_lemmas_is_named_that_is_not_there() -> None:
    for path in [*(ROOT / "derive").glob("*.py"), *PAGES]:
        for name in re.findall(r"lemmas[\w-]*\.md", read(path)):
            assert (DOCS / name).exists(), f"{path.name} names {name}"


def test_the_readme_names_both_commands() -> None:
    assert "python3 dev.py demo" in read(README)
    assert "python3 dev.py test" in read(README)


def test_every_function_of_formulas_is_described() -> None:
    table = read(DOCS / "loss-files.md").partition("## Signs and functions")[2].partition("## Limits")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)\(", row)} == set(FUNCTIONS)


def test_every_program_of_the_docs_is_named() -> None:
    programs = {path.name for path in DOCS.glob("*.py")}
    named = set(re.findall(r"^\| `(\w+\.py)` \|", read(DOCS / "architecture.md"), re.MULTILINE))
    assert programs == named
