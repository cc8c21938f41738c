"""Is C compiled once, loaded only when intact, and given up gracefully?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sample_artifacts import HUBER

from lossforge.runtime import EnvironmentLacking, native

ROOT = Path(__file__).resolve().parent
PROGRAM = """
import json, sys
from sample_artifacts import HUBER
function = HUBER.function({backend!r}, delta=2)
value = float(function.loss_gradient(0.0, 5.0)[1])
print(json.dumps({{"backend": function.backend, "reason": function.backend_reason, "value": value}}))
"""

Started = subprocess.Popen[str]


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Started]:
    """Start a process that evaluates a loss with an environment of its own."""

    def start(backend: str = "auto", **environment: str) -> Started:
        path = os.pathsep.join([str(ROOT), str(ROOT.parent / "src"), *sys.path])
        known = {k: v for k, v in os.environ.items() if k not in ("LOSSFORGE_BACKEND", "CC")}
        known |= {"LOSSFORGE_INSTRUCTIONS": "baseline"}  # asks no other library what the processor can do
        merged = {**known, "PYTHONPATH": path, "LOSSFORGE_CACHE": str(tmp_path / "cache"), **environment}
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM.format(backend=backend)],
            env=merged, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return start


def answer(process: Started) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result: dict[str, Any] = json.loads(out)
    assert result["value"] == 2.0
    return result


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no memory of what this process has loaded."""
    monkeypatch.setenv("LOSSFORGE_CACHE", str(tmp_path / "cache"))
    for name in ("LOSSFORGE_BACKEND", "CC"):
        monkeypatch.delenv(name, raising=False)
    for memory in ("_built", "_carried", "_failed"):
        monkeypatch.setattr(native, memory, {})
    monkeypatch.setattr(native, "_notes", [])
    return tmp_path / "cache"


def test_compiled_once_and_found_again(start: Callable[..., Started], tmp_path: Path) -> None:
    assert answer(start("c"))["backend"] == "c"
    (library,) = (tmp_path / "cache").glob("huber-*")
    before = library.stat()
    assert answer(start("c", PATH=os.environ["PATH"]))["reason"].endswith(str(library))
    assert library.stat().st_mtime_ns == before.st_mtime_ns
    assert [library] == list((tmp_path / "cache").glob("huber-*"))


def test_eight_builders_at_once(start: Callable[..., Started], tmp_path: Path) -> None:
    for process in [start("c") for _ in range(8)]:
        assert answer(process)["backend"] == "c"
    names = [path.name for path in (tmp_path / "cache").iterdir()]
    assert names and not any(name.startswith(".build-") for name in names)


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "misnamed", "symlink"])
def test_damaged_library_is_recognised_and_rebuilt(start: Callable[..., Started], tmp_path: Path, damage: str) -> None:
    answer(start("c"))
    (library,) = (tmp_path / "cache").glob("huber-*")
    content = library.read_bytes()
    flipped = bytes([*content[:-100], content[-100] ^ 1, *content[-99:]])
    if damage == "symlink":
        (tmp_path / "elsewhere").write_bytes(content)
        library.unlink()
        library.symlink_to(tmp_path / "elsewhere")
    elif damage == "misnamed":
        library.rename(library.with_name(library.name[:-10] + "0000000.so"))
    else:
        library.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "flipped": flipped}[damage])
    assert answer(start("c"))["backend"] == "c"
    assert [library] == list((tmp_path / "cache").glob("huber-*"))
    assert library.read_bytes() == content and not library.is_symlink()


def test_unusable_cache_folder_falls_back_to_a_private_one(start: Callable[..., Started], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    result = answer(start("c", LOSSFORGE_CACHE=str(tmp_path / "file" / "cache"), TMPDIR=str(temporary)))
    assert result["backend"] == "c" and str(temporary) in result["reason"]
    assert not list(temporary.iterdir())  # removed at the end of the process


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_folder_that_others_may_write_is_not_trusted(fresh: Path) -> None:
    fresh.mkdir(mode=0o700)
    trusted = native.build("huber", HUBER.c_source)
    assert trusted.path.parent == fresh and native.notes() == []
    for mode in (0o777, 0o770, 0o722):
        native._built.clear()
        fresh.chmod(mode)
        assert native.build("huber", HUBER.c_source).path.parent != fresh
        assert f"others may write the cache folder {fresh}; run: chmod go-w {fresh}" in native.notes()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_folder_of_another_user_is_not_trusted(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.chown(fresh, 12345, 12345)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert "belongs to another user" in (native.distrust(fresh) or "")


def test_readonly_cache_folder(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_ = native._compile

    def refuse(folder: Path, *rest: Any) -> Path:
        if folder == fresh:
            raise PermissionError(13, "Permission denied")
        return compile_(folder, *rest)

    monkeypatch.setattr(native, "_compile", refuse)
    assert native.build("huber", HUBER.c_source).path.parent != fresh
    assert any("does not serve" in note for note in native.notes())


def test_without_a_compiler_numpy_serves_and_says_why(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fresh))
    function = HUBER.function()
    assert function.backend == "numpy"
    assert "cc is not on the PATH; gcc is not on the PATH; clang is not on the PATH" in function.backend_reason
    with pytest.raises(EnvironmentLacking, match=r"backend 'c' was demanded for huber .* Install gcc or clang"):
        HUBER.function("c")
    monkeypatch.setenv("LOSSFORGE_BACKEND", "c")
    with pytest.raises(RuntimeError, match="backend 'c' was demanded"):
        HUBER.function()


@pytest.mark.parametrize(("script", "text"), [
    ("#!/bin/sh\nexit 7\n", "--version ended with status 7"),
    ("#!/bin/sh\n[ $1 = --version ] && echo broken 1.0 && exit\necho no space >&2; exit 1\n", "status 1: no space"),
    ("#!/bin/sh\n[ $1 = --version ] && echo liar 1.0\nexit 0\n", "status 0: no message"),
    (None, r"no working C compiler \(\$CC\)"),
    ("'", r"\$CC is .* which is no command"),
])  # fmt: skip
def test_a_failing_compiler(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, text: str
) -> None:
    cc = tmp_path / "mycc"
    if script and len(script) > 1:
        cc.write_text(script)
        cc.chmod(0o755)
    monkeypatch.setenv("CC", script if script == "'" else str(cc))
    assert HUBER.function().backend == "numpy"
    with pytest.raises(EnvironmentLacking, match=text):
        HUBER.function("c")
    assert not fresh.exists() or not list(fresh.iterdir())


def test_a_library_that_is_none_is_not_loaded(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cc = tmp_path / "mycc"
    cc.write_text("#!/bin/sh\n[ $1 = --version ] && echo fake 1.0 && exit\necho rubbish > kernel.so\n")
    cc.chmod(0o755)
    monkeypatch.setenv("CC", str(cc))
    function = HUBER.function()
    assert function.backend == "numpy" and "does not serve" in function.backend_reason


def test_key_depends_on_everything() -> None:
    base = native.Compiler(("/usr/bin/cc",), "cc 1")
    keys = {
        native.key("a", base, native.FLAGS), native.key("b", base, native.FLAGS),
        native.key("a", native.Compiler(("/usr/bin/gcc",), "cc 1"), native.FLAGS),
        native.key("a", native.Compiler(("/usr/bin/cc",), "cc 2"), native.FLAGS),
        native.key("a", native.Compiler(("/usr/bin/cc", "-m32"), "cc 1"), native.FLAGS),
        native.key("a", base, (*native.FLAGS, "-g")),
    }  # fmt: skip
    assert len(keys) == 6
    assert not any("fast-math" in flag or "march" in flag for flag in native.FLAGS)


def test_instructions_are_those_of_the_processor_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOSSFORGE_INSTRUCTIONS", raising=False)
    assert native.instructions() in native.INSTRUCTIONS
    flags = {level: native.key("a", native.Compiler(("cc",), "1"), f) for level, f in native.INSTRUCTIONS.items()}
    assert len(set(flags.values())) == len(flags)  # libraries for several processors may lie in one folder
    monkeypatch.setenv("LOSSFORGE_INSTRUCTIONS", "baseline")
    assert native.instructions() == "baseline"
    monkeypatch.delenv("LOSSFORGE_INSTRUCTIONS")
    most = list(native.INSTRUCTIONS).index(native.instructions())
    for i, level in enumerate(native.INSTRUCTIONS):
        monkeypatch.setenv("LOSSFORGE_INSTRUCTIONS", level)
        if i <= most:
            assert native.instructions() == level
        else:  # it would end Python
            with pytest.raises(EnvironmentLacking, match="this processor has"):
                native.instructions()
    monkeypatch.setenv("LOSSFORGE_INSTRUCTIONS", "mmx")
    with pytest.raises(EnvironmentLacking, match="it may be baseline, avx2, avx512"):
        native.instructions()


def test_without_an_answer_about_the_processor_there_is_the_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOSSFORGE_INSTRUCTIONS", raising=False)
    monkeypatch.setattr(native, "PROBE", "#error no probe\n")
    monkeypatch.setattr(native, "_notes", [])
    assert native.instructions() == "baseline"
    assert any("vector instructions" in note for note in native.notes())


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOSSFORGE_CACHE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    monkeypatch.setenv("HOME", str(tmp_path / "c"))
    assert native.cache_folder() == tmp_path / "a"
    monkeypatch.delenv("LOSSFORGE_CACHE")
    assert native.cache_folder() == tmp_path / "b" / "lossforge"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert native.cache_folder() == tmp_path / "c" / ".cache" / "lossforge"


def test_backend_names(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> None:
    monkeypatch.setenv("LOSSFORGE_BACKEND", "numpy")
    assert HUBER.function().backend == "numpy" and HUBER.function("c").backend == "c"
    monkeypatch.setenv("LOSSFORGE_BACKEND", "fortran")
    with pytest.raises(ValueError, match=r"\$LOSSFORGE_BACKEND is 'fortran'; expected one of auto, c, numpy"):
        HUBER.function()
    with pytest.raises(ValueError, match="backend is 'C'; expected one of"):
        HUBER.function("C")
