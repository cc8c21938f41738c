"""How does C source become a loaded library, safely, and only once?

A compiler is looked for ($CC, cc, gcc, clang). The library lies in a cache
folder ($LOSSFORGE_CACHE, $XDG_CACHE_HOME/lossforge, ~/.cache/lossforge) under

    NAME-KEY-HASH.so

where KEY is the SHA-256 of everything that went in (code, flags, compiler,
platform) and HASH that of the library's own bytes. One `os.replace` thus
publishes the library and its checksum together: builders may race, a file may
be cut short, and a wrong library is recognised before it is loaded (loading a
truncated one kills Python). A folder that others may write is not trusted;
then, or when it cannot be written, a private temporary folder serves.

A wheel may carry libraries compiled elsewhere (`carry.py`), in `generated/native/`
and under the same names, but for the compiler, which is not in their KEY. They
come first, and need no compiler. What is not carried, or is damaged there, or does
not load, is compiled.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import platform
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .artifacts import folder as generated_folder
from .errors import EnvironmentLacking

Flags = tuple[str, ...]

# No -ffast-math: it changes results, and with GCC before 13 loading such a library flushes subnormals to zero in the
# whole process. No contraction: the same bits everywhere.
FLAGS = (
    "-O2", "-ftree-vectorize", "-std=c99", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math",
    "-ffp-contract=off",
)  # fmt: skip
# GCC alone knows these: vectors as readily as with -O3, and of choices among many values.
OF_GCC = ("-fvect-cost-model=dynamic", "--param", "max-tree-if-conversion-phi-args=20")
# The vector instructions that kernels are compiled for; the cache may be shared between machines, so they are in KEY.
# Those above the baseline have a fused multiply-add, which the kernels ask for, and the same results.
INSTRUCTIONS = {
    "baseline": (),
    "avx2": ("-mavx2", "-mfma"),
    "avx512": (
        "-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mprefer-vector-width=512",
    ),
}  # fmt: skip
PROBE = """
int lossforge_instructions(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return 0;
    return 1 + (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
                && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"));
#else
    return 0;
#endif
}
"""
# Each leaves the kernels of one precision out of a file that knows them; the halves are compiled side by side.
HALVES = ("LOSSFORGE_NO_F32", "LOSSFORGE_NO_F64")
SUFFIX = ".dylib" if sys.platform == "darwin" else ".dll" if sys.platform == "win32" else ".so"
_TIMEOUT = 300  # seconds; a kernel file takes about one
CARRIED = generated_folder() / "native"
COMPILED_BY = "compiled_by.txt"  # lies there too


@dataclass(frozen=True, slots=True)
class Compiler:
    command: tuple[str, ...]
    version: str

    def __str__(self) -> str:
        return f"{self.command[0]} ({self.version})"


@dataclass(frozen=True, slots=True)
class Built:
    """A loaded library and where it lies; `origin` says who compiled it, and whether it came with the package."""

    library: ctypes.CDLL
    path: Path
    origin: str


def compiler() -> Compiler:
    """The C compiler that will be used; raises EnvironmentLacking when there is none."""
    return _compiler(os.environ.get("CC", "").strip(), os.environ.get("PATH", ""))


@cache
def _compiler(cc: str, _path: str) -> Compiler:
    reasons = []
    try:
        commands = [shlex.split(cc)] if cc else [["cc"], ["gcc"], ["clang"]]
    except ValueError as error:
        raise EnvironmentLacking(f"$CC is {cc!r}, which is no command ({error}); name a C compiler in it") from None
    for name, *arguments in commands:
        executable = shutil.which(name)
        if executable is None:
            reasons.append(f"{name} is not on the PATH")
            continue
        command = [os.path.abspath(executable), *arguments]
        try:
            answer = subprocess.run(
                [*command, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=_environment()
            )
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(f"{executable} --version failed ({error})")
            continue
        lines = answer.stdout.decode(errors="replace").splitlines()
        if answer.returncode == 0 and lines:
            own = () if "clang" in lines[0] else OF_GCC
            return Compiler((*command, *own), lines[0].strip())
        reasons.append(f"{executable} --version ended with status {answer.returncode}")
    source = " ($CC)" if cc else ""
    raise EnvironmentLacking(
        f"no working C compiler{source}: {'; '.join(reasons)}. Install gcc or clang, or name one in $CC"
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def cache_folder() -> Path:
    """Where the cache is meant to lie; it need not exist."""
    if named := os.environ.get("LOSSFORGE_CACHE"):
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification says to ignore a relative path.
    root = Path(base) if base and os.path.isabs(base) else Path(os.path.expanduser("~")) / ".cache"
    return root / "lossforge"


def distrust(folder: Path) -> str | None:
    """Why libraries in this folder must not be loaded, or None; creates the folder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        return f"the cache folder {folder} cannot be made ({error.strerror})"
    if not hasattr(os, "getuid"):
        return None
    if status.st_uid not in (os.getuid(), 0):
        return f"the cache folder {folder} belongs to another user; name your own in $LOSSFORGE_CACHE"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write the cache folder {folder}; run: chmod go-w {folder}"
    return None


@cache
def _private_folder(owner: int) -> Path:
    """A temporary folder of this process (`owner`), removed when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="lossforge-"))

    def remove() -> None:
        if os.getpid() == owner:  # a forked child must not take it from its parent
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def _folders(reasons: list[str]) -> Iterator[Path]:
    folder = cache_folder()
    reason = distrust(folder)
    if reason is None:
        yield folder
    else:
        reasons.append(reason)
    yield _private_folder(os.getpid())


def key(source: str, compiler: Compiler | None, flags: Flags) -> str:
    """The name under which a build is cached: all that decides its bytes. None: whichever compiler it was."""
    by = (*compiler.command, compiler.version) if compiler else ()
    parts = (source, *flags, *by, sys.platform, platform.machine(), str(sys.maxsize))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


_built: dict[str, Built] = {}
_carried: dict[str, Built | None] = {}
_failed: dict[tuple[str, Path], str] = {}  # not tried again in this process
_notes: list[str] = []
_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # a lock held by another thread would stay locked in the child for ever
    os.register_at_fork(after_in_child=_renew_lock)


def notes() -> list[str]:
    """What went wrong on the way to the loaded libraries, such as a cache folder that cannot be written."""
    return list(dict.fromkeys(_notes))


def build(name: str, source: str, more: Flags = (), here: Callable[[], Flags] = tuple) -> Built:
    """The loaded library of a C source, compiled (with `more` flags) when neither package nor cache hold it.

    `here` gives the flags that only a compiler on this machine needs. Raises
    EnvironmentLacking, naming the reason, when there is no compiler, it fails,
    or the result cannot be loaded.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"a library is named by an identifier, got {name!r}")
    return _load(name, source, (*FLAGS, *INSTRUCTIONS[instructions()], *more), here)


def instructions() -> str:
    """The vector instructions that kernels are compiled for: this machine's, or what $LOSSFORGE_INSTRUCTIONS names.

    Raises EnvironmentLacking when neither a carried library nor a compiler can tell, or the variable names what is no
    level, or none of this processor: Python would be killed by the first instruction that it does not know.
    """
    wanted, levels = os.environ.get("LOSSFORGE_INSTRUCTIONS", "").strip(), list(INSTRUCTIONS)
    if wanted == levels[0]:
        return wanted
    if wanted and wanted not in levels:
        raise EnvironmentLacking(f"$LOSSFORGE_INSTRUCTIONS is {wanted!r}; it may be {', '.join(levels)}")
    try:
        most = _load("instructions", PROBE, FLAGS).library.lossforge_instructions()
    except EnvironmentLacking as error:
        compiler()  # raises when there is none; one that cannot answer may still compile kernels
        _notes.append(f"which vector instructions there are is not known: {error}")
        most = 0
    if wanted and levels.index(wanted) > most:
        raise EnvironmentLacking(
            f"$LOSSFORGE_INSTRUCTIONS is {wanted!r}, and this processor has {levels[most]} at most"
        )
    return wanted or levels[most]


def _load(name: str, source: str, flags: Flags, here: Callable[[], Flags] = tuple) -> Built:
    if carried() and (brought := _load_carried(f"{name}-{key(source, None, flags)}")):
        return brought
    return _load_own(name, source, compiler(), (*flags, *here()))


def carried() -> Mapping[str, Path]:
    """The libraries that came with the package, by NAME-KEY; none where it came without."""
    return _carried_in(CARRIED)


@cache
def _carried_in(folder: Path) -> Mapping[str, Path]:
    return {path.name.rpartition("-")[0]: path for path in libraries(folder)}


def carried_compiler() -> str:
    """Who compiled the carried libraries."""
    try:
        return (CARRIED / COMPILED_BY).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return "an unknown compiler"


def _load_carried(stem: str) -> Built | None:
    with _lock:
        if stem not in _carried:
            _carried[stem] = None
            if path := carried().get(stem):
                try:
                    if not _intact(path, stem):
                        raise OSError("its bytes have not the hash that its name says")
                    origin = f"came with the package, compiled by {carried_compiler()}"
                    _carried[stem] = Built(ctypes.CDLL(str(path)), path, origin)
                except OSError as error:
                    _notes.append(f"the carried library {path} does not serve ({error})")
        return _carried[stem]


def _load_own(name: str, source: str, found: Compiler, flags: Flags) -> Built:
    digest = key(source, found, flags)
    attempt = digest, cache_folder()
    with _lock:
        if attempt in _failed:
            raise EnvironmentLacking(_failed[attempt])
        if digest not in _built:
            try:
                _built[digest] = _load_or_compile(f"{name}-{digest}", source, found, flags)
            except EnvironmentLacking as error:
                _failed[attempt] = str(error)
                raise
        return _built[digest]


def _load_or_compile(stem: str, source: str, found: Compiler, flags: Flags) -> Built:
    reasons: list[str] = []
    for folder in _folders(reasons):
        try:
            path = cached_or_compiled(folder, stem, source, found, flags)
            library = ctypes.CDLL(str(path))
        except OSError as error:
            reasons.append(f"the folder {folder} does not serve ({error})")
            continue
        _notes.extend(reasons)
        return Built(library, path, f"compiled by {found}")
    raise EnvironmentLacking("; ".join(reasons) + ". Name a folder that you may write and run from in $LOSSFORGE_CACHE")


def cached_or_compiled(folder: Path, stem: str, source: str, found: Compiler, flags: Flags) -> Path:
    """The library of a source in a folder, compiled when it is not there."""
    return _cached(folder, stem) or _compile(folder, stem, source, found, flags)


def _cached(folder: Path, stem: str) -> Path | None:
    """A library in the cache whose bytes have the hash in its name; others are removed."""
    for path in sorted(folder.glob(f"{stem}-*{SUFFIX}")):
        try:
            if _intact(path, stem) and not path.is_symlink():
                return path
            path.unlink()
        except OSError:  # removed by another process, or not ours to remove: compile
            continue
    return None


def file_name(stem: str, content: bytes) -> str:
    """NAME-KEY-HASH.so."""
    return f"{stem}-{hashlib.sha256(content).hexdigest()}{SUFFIX}"


def _intact(path: Path, stem: str) -> bool:
    return path.name == file_name(stem, path.read_bytes())


def libraries(folder: Path) -> list[Path]:
    """All libraries of a folder."""
    return sorted(folder.glob(f"*-*-*{SUFFIX}"))


def _compile(folder: Path, stem: str, source: str, found: Compiler, flags: Flags) -> Path:
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as scratch:
        code, library = Path(scratch, "kernel.c"), Path(scratch, f"kernel{SUFFIX}")
        code.write_text(source, encoding="utf-8")
        # Relative names keep the scratch folder out of the library, so that equal builds have equal bytes.
        if all(left_out in source for left_out in HALVES):
            with ThreadPoolExecutor(len(HALVES)) as pool:
                halves = [
                    pool.submit(_run, scratch, (*found.command, *flags, f"-D{h}", "-c", code.name, "-o", f"{h}.o"))
                    for h in HALVES
                ]
                for half in halves:
                    half.result()
            inputs = [f"{h}.o" for h in HALVES]
        else:
            inputs = [code.name]
        command = (*found.command, *flags, *inputs, "-o", library.name, "-lm")
        _run(scratch, command)
        if not library.exists():
            raise EnvironmentLacking(_said(command, 0, b""))
        path = folder / file_name(stem, library.read_bytes())
        os.replace(library, path)
    return path


def _run(folder: str, command: Sequence[str]) -> None:
    try:
        answer = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, env=_environment()
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentLacking(f"{shlex.join(command)} took longer than {_TIMEOUT} s") from None
    if answer.returncode != 0:
        raise EnvironmentLacking(_said(command, answer.returncode, answer.stderr))


def _said(command: Sequence[str], status: int, error: bytes) -> str:
    said = error.decode(errors="replace").strip()[-2000:] or "no message"
    return (
        f"{shlex.join(command)} ended with status {status}: {said}. "
        "Name another compiler in $CC, or use backend='numpy'"
    )
