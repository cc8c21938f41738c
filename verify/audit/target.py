"""What is audited, and where does it lie?

module:function            an attribute of a module, or an expression of its names: module:Focal(gamma=2).objective
file.py:function           the same, of a file
file.c:function            a C function, compiled with the compiler and the flags of lossforge's own kernels
library.so:function        a function of a shared library; its prototype is read from the source beside it, or given
a live callable            run after a fork
an object with calc_ders_range or calc_ders_multi   a CatBoost objective
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...runtime import native
from ...runtime.errors import EnvironmentLacking
from ...spec.model import SpecError
from .child import C_TYPES, Message

Target = Message | Callable[..., Any]
_FORM = "module:function, file.py:function, file.c:function or library.so:function"
_PROTOTYPE = r"(?:(?:static|inline|extern)\s+)*(\w+)\s+{name}\s*\(([^)]*)\)"
_ARGUMENT = re.compile(r"(?P<const>const\s+)?(?P<type>\w+)(?:\s+const)?\s*(?P<pointer>\*\s*(?:restrict\s+|const\s+)?)?"
                       r"(?P<name>\w+)(?P<array>\[\s*\w*\s*\])?$")  # fmt: skip


def target_of(given: Any, prototype: str | None = None) -> Target:
    """The target that a text names, or a live object as it is.

    `prototype` is that of a C function without source, such as "double g(double y, double f)". Raises SpecError for a
    text that names nothing, EnvironmentLacking where C code cannot be compiled.
    """
    if not isinstance(given, str):
        if not callable(given) and not hasattr(given, "calc_ders_range") and not hasattr(given, "calc_ders_multi"):
            raise SpecError(f"the audit takes a callable, a CatBoost objective or a text such as {_FORM}; "
                            f"got a value of type {type(given).__name__}")  # fmt: skip
        return given
    place, colon, name = given.partition(":")
    if not colon or not place or not name:
        raise SpecError(f"expected {_FORM}, got {given!r}")
    path = Path(place)
    if path.suffix in (".py", ".c", ".so", ".dylib", ".dll") and not path.is_file():
        raise SpecError(f"there is no file {place!r}")
    if path.suffix == ".py":
        return {"kind": "file", "place": str(path.resolve()), "name": name}
    if path.suffix in (".c", ".so", ".dylib", ".dll"):
        return _c_target(path, name, prototype)
    return {"kind": "module", "place": place, "name": name}


def _c_target(path: Path, name: str, prototype: str | None) -> Message:
    sources = [path.with_suffix(s) for s in (".c", ".h") if path.with_suffix(s).is_file()]
    texts = [prototype] if prototype else [s.read_text(encoding="utf-8", errors="replace") for s in sources]
    found = next((p for text in texts for p in [read_prototype(text, name)] if p), None)
    if found is None:
        raise SpecError(f"the prototype of {name!r} is not known; give it, such as "
                        f'"double {name}(double y, double f)" or "void {name}(const double *y, const double *f, '
                        f'double *gradient, size_t n)"')  # fmt: skip
    library = _compiled(path) if path.suffix == ".c" else path.resolve()
    return {"kind": "c", "place": str(library), "name": name, "prototype": found}


def read_prototype(text: str, name: str) -> Message | None:
    """What a C declaration of `name` says of its arguments; None where there is none of types that are known."""
    plain = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    for found in re.finditer(_PROTOTYPE.format(name=re.escape(name)), plain):
        arguments = []
        for part in found[2].split(","):
            argument = _ARGUMENT.match(" ".join(part.split()))
            if argument is None or argument["type"] not in C_TYPES:
                break
            pointer = bool(argument["pointer"] or argument["array"])
            arguments.append({"type": argument["type"], "name": argument["name"], "pointer": pointer,
                              "const": bool(argument["const"])})  # fmt: skip
        else:
            if found[1] in (*C_TYPES, "void"):
                return {"returns": found[1], "arguments": arguments}
    return None


def _compiled(source: Path) -> Path:
    compiler = native.compiler()
    folder = Path(tempfile.mkdtemp(prefix="lossforge-audit-"))
    library = folder / f"{source.stem}{native.SUFFIX}"
    command = [*compiler.command, *native.FLAGS, str(source.resolve()), "-o", str(library), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SpecError(f"{source} does not compile: {done.stderr.strip()[-1500:]}")
    return library


__all__ = ["EnvironmentLacking", "Target", "read_prototype", "target_of"]
