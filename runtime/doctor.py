"""Which backend is used on this machine, and why?

`report` looks, tries and returns plain data (what `lossforge doctor --json`
prints); `lines` says the same to a person, and what to do about what lacks.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import numpy as np

from . import native
from .artifacts import index
from .bridge import bridge
from .errors import ArtifactError, EnvironmentLacking
from .function import LossFunction

Report = dict[str, Any]

# Tried first: they use branches, exp and log.
_SAMPLES = ("logistic", "huber", "squared_error")
# libm and NumPy differ by a few ulps; an error of the compiler or the loader is larger.
_AGREEMENT = 1e-12


def report() -> Report:
    """What this machine has, as plain data; `healthy` is whether C serves and agrees with NumPy."""
    found: Report = {"schema": 1, "python": platform.python_version(), "platform": platform.platform()}
    found |= {"numpy": np.__version__, "losses": len(index()), "requested": os.environ.get("LOSSFORGE_BACKEND", "auto")}
    found["compiler"] = _compiler()
    found["carried"] = _carried()
    found["cache"] = _cache()
    found["self_test"] = _self_test()
    found["backend"], found["reason"] = found["self_test"].pop("backend"), found["self_test"].pop("reason")
    found["bridge"] = _bridge()
    found["notes"] = native.notes()
    found["advice"] = _advice(found)
    found["healthy"] = found["backend"] == "c" and found["self_test"]["agree"] is True
    return found


def _compiler() -> Report:
    known: Report
    try:
        compiler = native.compiler()
        known = {"found": True, "command": list(compiler.command), "version": compiler.version}
    except EnvironmentLacking as error:
        known = {"found": False, "reason": str(error)}
    try:
        level = native.instructions()
    except EnvironmentLacking as error:
        return {"reason": str(error), **known, "flags": list(native.FLAGS)}
    return {**known, "instructions": level, "flags": [*native.FLAGS, *native.INSTRUCTIONS[level]]}


def _carried() -> Report:
    """What came with the package."""
    libraries = native.carried().values()
    if not libraries:
        return {"libraries": 0}
    size = sum(path.stat().st_size for path in libraries)
    return {"libraries": len(libraries), "bytes": size, "compiler": native.carried_compiler()}


def _bridge() -> Report:
    """Which way leads to the kernels: `python`, `ctypes`, or None for the long one, and why."""
    try:
        known = bridge()
    except (EnvironmentLacking, ArtifactError) as error:
        return {"door": None, "reason": str(error)}
    return {"door": "ctypes" if known.module is None else "python", "reason": known.reason}


def _cache() -> Report:
    folder = native.cache_folder()
    reason = native.distrust(folder)
    if reason is None and not os.access(folder, os.W_OK):
        reason = f"the cache folder {folder} cannot be written"
    libraries = [] if native.distrust(folder) else list(native.libraries(folder))
    size = sum(path.stat().st_size for path in libraries)
    return {
        "folder": str(folder), "writable": reason is None, "reason": reason, "libraries": len(libraries), "bytes": size
    }  # fmt: skip


def _self_test() -> Report:
    """Evaluate one loss with both backends."""
    known = index()
    name = next((n for n in _SAMPLES if n in known), next(iter(known), None))
    if name is None:
        reason = "the catalogue is empty; run: lossforge build"
        return {"loss": None, "agree": None, "backend": "numpy", "reason": reason}
    try:
        chosen = LossFunction.from_catalogue(name)
        backend, reason = chosen.backend, chosen.backend_reason
        plain = LossFunction.from_catalogue(name, backend="numpy")
        y, f = np.ones(1001), np.linspace(-30, 30, 1001)
        agree = None
        if backend == "c":
            pairs = zip(chosen.loss_gradient(y, f), plain.loss_gradient(y, f), strict=True)
            agree = all(np.allclose(a, b, rtol=_AGREEMENT, atol=_AGREEMENT) for a, b in pairs)
        else:
            plain.loss_gradient(y, f)
    except (ArtifactError, EnvironmentLacking, ValueError) as error:
        return {"loss": name, "agree": False, "backend": None, "reason": str(error)}
    return {"loss": name, "agree": agree, "backend": backend, "reason": reason}


def _advice(found: Report) -> list[str]:
    advice = []
    if not found["compiler"]["found"] and found["backend"] == "c":
        advice.append(f"Losses that are not in the catalogue are slower: {found['compiler']['reason']}.")
    elif not found["compiler"]["found"]:
        advice.append(f"Results are right but slower: {found['compiler']['reason']}.")
    if found["cache"]["reason"]:
        advice.append(f"Each process compiles anew: {found['cache']['reason']}.")
    if found["backend"] is None or (found["backend"] == "numpy" and found["compiler"]["found"]):
        advice.append(f"C is not used: {found['reason']}.")
    if found["backend"] == "c" and found["bridge"]["door"] != "python":
        advice.append(f"Each call takes some microseconds longer: {found['bridge']['reason']}.")
    if found["self_test"]["agree"] is False and found["backend"] == "c":
        advice.append("C and NumPy disagree: set LOSSFORGE_BACKEND=numpy, and report the compiler shown here.")
    if not found["losses"]:
        advice.append("The catalogue is empty; run: lossforge build.")
    return advice


def lines(found: Report) -> list[str]:
    """The report for a person."""
    compiler, carried, cache, test = (found[name] for name in ("compiler", "carried", "cache", "self_test"))
    shown = {True: "agree", False: "DISAGREE", None: "not compared"}[test["agree"]]
    rows = {
        "backend": f"{found['backend'] or 'none'}: {found['reason']}",
        "bridge": f"{found['bridge']['door'] or 'none'}: {found['bridge']['reason']}",
        "compiler": f"{compiler['command'][0]} ({compiler['version']})" if compiler["found"] else compiler["reason"],
        "vectors": compiler.get("instructions") or "not known",
        "carried": f"{carried['libraries']} libraries ({carried['bytes'] / 1e6:.1f} MB), by {carried['compiler']}"
        if carried["libraries"]
        else "no libraries: this is no wheel with compiled code",
        "cache": f"{cache['folder']} ({cache['libraries']} libraries, {cache['bytes'] / 1e6:.1f} MB)",
        "writable": "yes" if cache["writable"] else f"no: {cache['reason']}",
        "self-test": f"{test['loss'] or 'none'}: C and NumPy {shown}",
        "catalogue": f"{found['losses']} losses",
        "python": f"{found['python']}, NumPy {found['numpy']}, {sys.platform}",
    }
    body = [f"{name:<10} {text}" for name, text in rows.items()]
    return body + [f"note       {text}" for text in found["notes"]] + [f"advice     {text}" for text in found["advice"]]
