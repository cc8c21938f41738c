"""Are identifiers valid, unique, and the same every time?"""

from __future__ import annotations

import keyword
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossforge.spec.names import RESERVED_C, RESERVED_PYTHON, Allocator, transliterate

BOTH = RESERVED_C | RESERVED_PYTHON


@pytest.mark.parametrize(
    ("wish", "given_name"),
    [
        ("delta", "delta"),
        ("\u03b4", "delta"),
        ("\u0394x", "Deltax"),
        ("\u03bb", "lambda_2"),
        ("\u03c2", "sigma"),
        ("\u03ad", "epsilon"),
        ("tau_1", "tau_1"),
        ("\u03c4_\u03b1", "tau_alpha"),
        ("\u00e9", "e"),
        ("\u4e00", "u4e00"),
        ("lambda_", "lambda_"),
        ("y0", "y0_2"),
        ("gamma", "gamma_2"),
        ("erff", "erff_2"),
        ("int32_t", "int32_t_2"),
        ("NAN", "NAN_2"),
        ("nan", "nan_2"),
        ("infinity", "infinity_2"),
        ("M_PI", "M_PI_3"),
        ("for", "for_2"),
        ("restrict", "restrict_2"),
        ("None", "None_2"),
        ("_x", "x"),
        ("__x__y", "x_y"),
        ("1a", "v1a"),
        ("", "v"),
        ("a;system()", "a_system_"),
        ("*/ evil", "evil"),
        ("a" * 100, "a" * 56),
    ],
)
def test_identifier(wish: str, given_name: str) -> None:
    assert Allocator(BOTH).allocate(wish) == given_name


def test_clashes_get_numbers() -> None:
    allocator = Allocator(BOTH)
    wishes = ["\u03b4", "delta", "Delta", "DELTA", "delta_2", "x", "_x"]
    assert [allocator.allocate(w) for w in wishes] == [
        "delta", "delta_2", "Delta_3", "DELTA_4", "delta_2_2", "x", "x_2",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=12) | st.sampled_from(sorted(BOTH)), max_size=30))
def test_always_valid_unique_and_deterministic(wishes: list[str]) -> None:
    first, second = Allocator(BOTH), Allocator(BOTH)
    names = [first.allocate(w) for w in wishes]
    assert names == [second.allocate(w) for w in wishes]
    assert len({n.lower() for n in names}) == len(names)
    for name in names:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name)
        assert "__" not in name
        assert name not in BOTH
        assert not keyword.iskeyword(name)


@given(st.text())
def test_transliteration_is_ascii(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]*", transliterate(name))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("standard", ["c99", "gnu17"])
def test_macros_and_functions_of_the_headers_are_reserved(standard: str, tmp_path: Path) -> None:
    """Whatever the headers of a kernel define, a variable does not get that name."""
    source = tmp_path / "headers.c"
    source.write_text("#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n")
    command = ["gcc", f"-std={standard}", "-E", "-dD", str(source)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    macros = set(re.findall(r"^#define ([A-Za-z]\w*)", output, re.MULTILINE))
    functions = set(re.findall(r"\b([a-z]\w*) \(", output))
    types = set(re.findall(r"\btypedef [^;]*?\b([a-z]\w*);", output))
    assert "INFINITY" in macros
    assert "erf" in functions
    assert "int32_t" in types
    for name in sorted((macros | functions | types) - {"name"}):  # glibc's comments speak of a `name (`
        assert Allocator(RESERVED_C).allocate(name) != name, name
