"""How does compiled code get into a wheel?

    python -m lossforge.runtime.carry WHEEL FOLDER [LOSS ...]

A wheel of lossforge is pure Python. From it, this makes one for this platform
that also holds libraries of the C files of the catalogue, in both tiers and for
every level of vector instructions, of the bridge, and of the question which
instructions there are. `native.py` loads them where nothing is compiled.

The libraries are compiled from the files inside the wheel, as `native.py` would
compile them, by all processors, and kept beside FOLDER's wheels in `.compiled`:
a second call compiles only what has changed. The same libraries make the same
wheel, byte by byte.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import platform
import sys
import sysconfig
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from . import native
from .backends import TIERS, tier_flags
from .bridge import DOORS, python_flags
from .errors import ArtifactError, EnvironmentLacking

C, RUNTIME, NATIVE = "lossforge/generated/c/", "lossforge/runtime/", "lossforge/generated/native/"
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Task:
    """A library to compile; `here` are flags that say nothing about what comes out."""

    name: str
    source: str
    flags: native.Flags
    here: native.Flags = ()

    def compiled(self, folder: Path, compiler: native.Compiler) -> tuple[str, bytes]:
        """The name under which the library is carried, and its bytes."""
        flags = (*self.flags, *self.here)
        stem = f"{self.name}-{native.key(self.source, compiler, flags)}"
        content = native.cached_or_compiled(folder, stem, self.source, compiler, flags).read_bytes()
        return native.file_name(f"{self.name}-{native.key(self.source, None, self.flags)}", content), content


def levels() -> dict[str, native.Flags]:
    """The instructions that processors of this platform may have."""
    most = len(native.INSTRUCTIONS) if platform.machine() in ("x86_64", "AMD64") else 1
    return dict(list(native.INSTRUCTIONS.items())[:most])


def tasks(wheel: Files, losses: Collection[str] = ()) -> Iterator[Task]:
    """What to compile of a wheel: for all of its losses, or some."""
    yield Task("instructions", native.PROBE, native.FLAGS)
    bridge = wheel[f"{RUNTIME}bridge.c"].decode()
    texts = {name.removeprefix(C)[:-2]: text.decode() for name, text in wheel.items() if name.startswith(C)}
    if unknown := set(losses) - set(texts):
        raise ArtifactError(f"the wheel has no C code of {', '.join(sorted(unknown))}")
    for level in levels().values():
        flags = (*native.FLAGS, *level)
        for door in DOORS:
            yield Task("bridge", bridge, (*flags, *door), python_flags() if door else ())
        for name in losses or texts:
            for tier in dict.fromkeys(tier_flags(tier, texts[name]) for tier in TIERS):
                yield Task(name, texts[name], (*flags, *tier))


def carry(wheel: Path, folder: Path, losses: Collection[str] = ()) -> Path:
    """A wheel for this platform from a pure one, written into a folder.

    Raises ArtifactError for a wheel that is not pure or not of this version,
    EnvironmentLacking when something cannot be compiled.
    """
    pure = "-py3-none-any.whl"
    with ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    same = files.get(f"{RUNTIME}native.py") == Path(native.__file__).read_bytes()
    if not wheel.name.endswith(pure) or not same:
        raise ArtifactError(f"{wheel} is no pure wheel of this version of lossforge; make one: pip wheel --no-deps .")
    compiler, kept = native.compiler(), folder / ".compiled"
    if reason := native.distrust(kept):
        raise EnvironmentLacking(reason)
    work = list(tasks(files, losses))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda task: task.compiled(kept, compiler), work)
        added = dict(_counted(results, len(work)))
    added[native.COMPILED_BY] = f"{compiler.version}\n".encode()
    tag = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
    path = folder / wheel.name.replace(pure, f"-{tag}.whl")
    _write(path, _platform_wheel(files, {NATIVE + name: added[name] for name in sorted(added)}, tag))
    return path


def _counted(results: Iterator[tuple[str, bytes]], total: int) -> Iterator[tuple[str, bytes]]:
    """The results, counted on a terminal."""
    for done, result in enumerate(results, 1):
        if sys.stderr.isatty():
            print(f"\rcompiled {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        yield result


def _platform_wheel(files: Files, added: Files, tag: str) -> Files:
    """The files of a wheel with more files and another tag.

    See https://packaging.python.org/en/latest/specifications/binary-distribution-format
    """
    (info,) = {name.partition("/")[0] for name in files if name.endswith(".dist-info/WHEEL")}
    made = {name: content for name, content in files.items() if not name.startswith(info)} | added
    made |= {name: content for name, content in files.items() if name.startswith(info)}
    about = made[f"{info}/WHEEL"].decode()
    about = about.replace("Root-Is-Purelib: true", "Root-Is-Purelib: false")
    made[f"{info}/WHEEL"] = about.replace("Tag: py3-none-any", f"Tag: {tag}").encode()
    record = f"{info}/RECORD"
    del made[record]
    rows = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in made.items()]
    made[record] = "\n".join([*rows, f"{record},,", ""]).encode()
    return made


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _write(path: Path, files: Files) -> None:
    draft = path.with_suffix(".new")
    with ZipFile(draft, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            entry = ZipInfo(name)  # dated 1980: the same files give the same bytes
            entry.external_attr, entry.compress_type = 0o100644 << 16, ZIP_DEFLATED
            archive.writestr(entry, content)
    os.replace(draft, path)


def main() -> None:
    parser = argparse.ArgumentParser("lossforge.runtime.carry", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheel", type=Path, metavar="WHEEL")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("losses", nargs="*", metavar="LOSS")
    asked = parser.parse_args()
    try:
        path = carry(asked.wheel, asked.folder, asked.losses)
    except (ArtifactError, EnvironmentLacking) as error:
        print(error, file=sys.stderr)
        raise SystemExit(3) from None
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
